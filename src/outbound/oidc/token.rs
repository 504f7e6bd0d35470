//! Checking an ID token (`OpenID` Connect Core 1.0, section 3.1.3.7). The signature is the library's
//! to check; the claims are checked here, against a clock that is given. Must not take a token that
//! is not signed, or signed with a secret that both sides have.

use std::time::Duration;

use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

use super::person::moment;
use super::{Keys, OidcError, Person};
use crate::base::Timestamp;

/// By how much the clocks of two machines may differ.
pub const SLACK: Duration = Duration::from_mins(1);
/// As long as the standard lets a subject be (Core 1.0, section 2).
const SUBJECT_BYTES: usize = 255;

/// What a token must be an answer to.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a str,
    pub now: Timestamp,
}

impl Keys {
    /// Whom the token vouches for.
    pub fn check(&self, token: &str, asked: &Asked<'_>) -> Result<Person, OidcError> {
        let header = decode_header(token).map_err(|_| OidcError::Token("it is none"))?;
        if header.alg.family() == AlgorithmFamily::Hmac {
            return Err(OidcError::Token("it is signed with a secret"));
        }
        let fits = |key: &&Jwk| is_for(key, header.alg, header.kid.as_deref());
        let mut fitting = self.0.iter().filter(fits).peekable();
        if fitting.peek().is_none() {
            return Err(OidcError::UnknownKey);
        }
        let claims = fitting.find_map(|key| signed(token, key, header.alg));
        check(&claims.ok_or(OidcError::Signature)?, asked).map_err(OidcError::Token)
    }
}

fn is_for(key: &Jwk, algorithm: Algorithm, id: Option<&str>) -> bool {
    let signs = key.common.public_key_use != Some(PublicKeyUse::Encryption);
    let of = key.common.key_algorithm;
    let named = id.is_none_or(|id| key.common.key_id.as_deref() == Some(id));
    signs && named && of.is_none_or(|of| of == algorithm.into())
}

/// The claims, if the token is signed with this key.
fn signed(token: &str, key: &Jwk, algorithm: Algorithm) -> Option<Value> {
    let key = DecodingKey::from_jwk(key).ok()?;
    // Its checks of claims look at the machine's clock.
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    decode(token, &key, &validation).ok().map(|token| token.claims)
}

fn check(claims: &Value, asked: &Asked<'_>) -> Result<Person, &'static str> {
    if claims["iss"].as_str() != Some(asked.issuer) {
        return Err("another issuer gave it");
    }
    let audience: Vec<&str> = match &claims["aud"] {
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    if !audience.contains(&asked.client_id) {
        return Err("it is for somebody else");
    }
    let party = claims["azp"].as_str();
    if party.is_some_and(|party| party != asked.client_id)
        || (audience.len() > 1 && party.is_none())
    {
        return Err("it was given to somebody else");
    }
    let ends = moment(&claims["exp"]).ok_or("it does not say when it ends")?;
    if asked.now >= ends.plus(SLACK) {
        return Err("it is over; compare the clocks of both servers");
    }
    let begins = [&claims["nbf"], &claims["iat"]].into_iter().filter_map(moment).max();
    if begins.is_some_and(|begins| begins > asked.now.plus(SLACK)) {
        return Err("it is of the future; compare the clocks of both servers");
    }
    if claims["nonce"].as_str() != Some(asked.nonce) {
        return Err("it answers another question");
    }
    let subject = claims["sub"].as_str().filter(|sub| (1..=SUBJECT_BYTES).contains(&sub.len()));
    Ok(Person::of(subject.ok_or("it does not say for whom it is")?.to_owned(), claims))
}
