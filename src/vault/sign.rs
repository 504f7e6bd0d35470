//! Signatures that only this installation can make and check: HMAC-SHA-256 under a key that is
//! derived from the keyring for one purpose. Must not be used to seal.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::seal::Vault;
use crate::base::Secret;

type Signer = Hmac<Sha256>;

impl Vault {
    /// Signs `message`; a signature for one purpose is none for another.
    pub fn sign(&self, purpose: &str, message: &[u8]) -> [u8; 32] {
        let (_, key) = self.keyring().current();
        signer(key, purpose, message).finalize().into_bytes().into()
    }

    /// Whether [`Vault::sign`] made this, under the present key or an older one.
    pub fn signed(&self, purpose: &str, message: &[u8], signature: &[u8]) -> bool {
        let made = |key| signer(key, purpose, message).verify_slice(signature).is_ok();
        self.keyring().keys().any(made)
    }
}

fn signer(key: &Secret<[u8; 32]>, purpose: &str, message: &[u8]) -> Signer {
    let derived = mac(key.reveal(), purpose.as_bytes()).finalize().into_bytes();
    mac(&derived.into(), message)
}

fn mac(key: &[u8; 32], message: &[u8]) -> Signer {
    // RFC 2104 fills a short key with zeroes.
    let mut block = Zeroizing::new([0; 64]);
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    let mut mac = Signer::new((&*block).into());
    mac.update(message);
    mac
}

#[cfg(test)]
mod tests {
    use super::super::Keyring;
    use super::*;
    use crate::base::SeededRng;

    #[test]
    fn a_signature_is_for_one_message_purpose_and_installation() {
        let vault = |seed| Vault::new(Keyring::fresh(&SeededRng::new(seed)));
        let (ours, other) = (vault(1), vault(2));
        let signature = ours.sign("a", b"message");
        assert!(ours.signed("a", b"message", &signature));
        assert!(!ours.signed("b", b"message", &signature));
        assert!(!ours.signed("a", b"massage", &signature));
        assert!(!ours.signed("a", b"message", &signature[..31]));
        assert!(!other.signed("a", b"message", &signature));
    }
}
