//! What a person brings to connect: a token, and for a page the page. Must not call anything.

use std::time::Duration;

use super::super::call::ACCESS_TOKEN;
use super::super::oauth::GIVEN as GRANTED;
use super::super::{Call, CallError, Credential, failure};
use crate::base::Timestamp;

/// So long LinkedIn may call a new token revoked (networks.md 2.7).
const FRESH: Duration = Duration::from_mins(1);

/// A token of a member, and the organization that it is to speak for: `TOKEN`, or
/// `organization:NUMBER:TOKEN`.
pub(super) fn pasted(
    text: &str,
    now: Timestamp,
) -> Result<(Credential, Option<String>), CallError> {
    let how = "paste the access token, or organization:NUMBER:TOKEN for a page";
    let bad = || CallError::Refused(failure("token_form", how, None));
    let (page, token) = match text.strip_prefix("organization:") {
        None => (None, text),
        Some(rest) => {
            let (number, token) = rest.split_once(':').ok_or_else(bad)?;
            let digits =
                (1..=20).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
            let urn = digits.then(|| format!("urn:li:organization:{number}"));
            (Some(urn.ok_or_else(bad)?), token)
        }
    };
    if token.is_empty() {
        return Err(bad());
    }
    let granted = now.as_millis().to_string();
    Ok((Credential::new([(ACCESS_TOKEN, token.to_owned()), (GRANTED, granted)]), page))
}

pub(super) fn is_fresh(call: &Call<'_>) -> bool {
    let granted = call.credential.and_then(|credential| credential.get(GRANTED));
    let granted = granted.and_then(|text| text.parse().ok()).map(Timestamp::from_millis);
    granted.is_some_and(|at| call.now.since(at) < FRESH)
}
