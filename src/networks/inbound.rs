//! Webhooks that a network sends to this installation: how it asks whether an address is ours, how it
//! signs, and what its deliveries tell. Must not store or count anything; `service` does.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

/// What is different from network to network.
pub struct Inbound {
    /// It signs with a secret that is not the one by which the application proves itself; it must be
    /// set apart.
    pub own_secret: bool,
    /// The parameter in which a challenge comes.
    pub challenge: &'static str,
    /// The header with the signature of a delivery.
    pub header: &'static str,
    /// Whether it looks like a challenge of this network's. Whoever got anything else signed could
    /// use the answer as the signature of a delivery.
    pub is_challenge: fn(&str) -> bool,
    /// The answer to a challenge, under the secret.
    pub answer: fn(&str, &[u8]) -> Value,
    /// Whether the header signs this body, under the secret.
    pub is_signed: fn(&str, &[u8], &[u8]) -> bool,
    /// What the network itself calls the things that a delivery tells; none where it does not say.
    pub ids: fn(&Value) -> Vec<String>,
    /// Accounts of which a delivery says that their grant is gone.
    pub revoked: fn(&Value) -> Vec<String>,
}

/// HMAC-SHA-256 of these pieces, one behind the other.
fn mac(secret: &[u8], pieces: &[&[u8]]) -> Option<Hmac<Sha256>> {
    // A key of any length is taken.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    for piece in pieces {
        mac.update(piece);
    }
    Some(mac)
}

pub(super) fn signature(secret: &[u8], pieces: &[&[u8]]) -> Vec<u8> {
    mac(secret, pieces).map(|mac| mac.finalize().into_bytes().to_vec()).unwrap_or_default()
}

/// Takes as long whatever is given.
pub(super) fn is_signature(secret: &[u8], pieces: &[&[u8]], given: &[u8]) -> bool {
    mac(secret, pieces).is_some_and(|mac| mac.verify_slice(given).is_ok())
}

/// An id, which some networks write as a number.
pub(super) fn id(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
