//! OAuth 1.0a signatures with HMAC-SHA1 (RFC 5849): the four keys that X gives for one's own
//! account. Must not send anything.

use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use url::{Position, Url};

use super::super::{Call, Credential};
use crate::outbound::{Body, Request};

pub(super) const CONSUMER_KEY: &str = "consumer_key";
pub(super) const CONSUMER_SECRET: &str = "consumer_secret";
pub(super) const TOKEN: &str = "token";
pub(super) const TOKEN_SECRET: &str = "token_secret";

/// RFC 3986, 2.3: what stays as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(super) struct Keys<'a> {
    consumer_key: &'a str,
    consumer_secret: &'a str,
    token: &'a str,
    token_secret: &'a str,
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

impl<'a> Keys<'a> {
    /// `None` for a credential of another kind.
    pub(super) fn of(credential: &'a Credential) -> Option<Self> {
        Some(Self {
            consumer_key: credential.get(CONSUMER_KEY)?,
            consumer_secret: credential.get(CONSUMER_SECRET)?,
            token: credential.get(TOKEN)?,
            token_secret: credential.get(TOKEN_SECRET)?,
        })
    }

    /// The value of `Authorization`. `body` has the fields of a form; other bodies are not signed.
    fn header(
        &self,
        method: &str,
        url: &Url,
        body: &[(&str, &str)],
        (nonce, seconds): (&str, u64),
    ) -> String {
        let seconds = seconds.to_string();
        let mut own = vec![
            ("oauth_consumer_key", self.consumer_key),
            ("oauth_nonce", nonce),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_timestamp", &seconds),
            ("oauth_token", self.token),
            ("oauth_version", "1.0"),
        ];
        let pair = |(name, value): (&str, &str)| (encode(name), encode(value));
        let mut all: Vec<_> = own.iter().copied().chain(body.iter().copied()).map(pair).collect();
        all.extend(url.query_pairs().map(|(name, value)| pair((&name, &value))));
        all.sort();
        let all: Vec<String> = all.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let base = &url[..Position::AfterPath];
        let signed = [method, &encode(base), &encode(&all.join("&"))].join("&");
        let key = format!("{}&{}", encode(self.consumer_secret), encode(self.token_secret));
        let signature = sign(key.as_bytes(), signed.as_bytes());
        own.push(("oauth_signature", &signature));
        own.sort_unstable();
        let fields = own.iter().map(|(name, value)| format!("{name}=\"{}\"", encode(value)));
        format!("OAuth {}", fields.collect::<Vec<_>>().join(", "))
    }
}

fn sign(key: &[u8], text: &[u8]) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(key) else { return String::new() };
    mac.update(text);
    BASE64.encode(&mac.finalize().into_bytes())
}

/// Authorizes a request that is otherwise ready: the one place where it is decided how. A
/// credential without the four keys has a bearer token, which is there already.
pub(super) fn authorized(call: &Call<'_>, mut request: Request) -> Request {
    let Some(keys) = call.credential.and_then(Keys::of) else { return request };
    let seconds = call.now.as_millis() / 1_000;
    let nonce = nonce(call, &request);
    let method = request.method.as_str();
    let header = keys.header(method, &request.url, &[], (&nonce, seconds));
    if let Ok(mut value) = HeaderValue::from_str(&header) {
        value.set_sensitive(true);
        request.headers.insert(AUTHORIZATION, value);
    }
    request
}

/// Unlike that of any other request: it comes of all that is sent, of when, and for what.
fn nonce(call: &Call<'_>, request: &Request) -> String {
    let mut hash = Sha256::new();
    hash.update(request.method.as_str());
    hash.update(request.url.as_str());
    hash.update(call.correlation.to_string());
    hash.update(call.now.as_millis().to_be_bytes());
    // The boundary of a form is made of what the form is for.
    if let Some(kind) = request.headers.get(CONTENT_TYPE) {
        hash.update(kind.as_bytes());
    }
    if let Body::Whole(body) = &request.body {
        hash.update(body);
    }
    HEXLOWER.encode(&hash.finalize()).chars().take(32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "Creating a signature" in X's documentation.
    #[test]
    fn the_published_example_has_the_published_signature() {
        let keys = Keys {
            consumer_key: "xvz1evFS4wEEPTGEFPHBog",
            consumer_secret: "kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw",
            token: "370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb",
            token_secret: "LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE",
        };
        let at = ("kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg", 1_318_622_958);
        let url = "https://api.twitter.com/1.1/statuses/update.json?include_entities=true";
        let status = [("status", "Hello Ladies + Gentlemen, a signed OAuth request!")];
        let header = keys.header("POST", &url.parse().unwrap(), &status, at);
        let signature = "oauth_signature=\"hCtSmYh%2BiHYCEqBWrE7C7hYmtUk%3D\"";
        assert!(header.contains(signature), "{header}");
        assert!(header.starts_with("OAuth oauth_consumer_key=\"xvz1evFS4wEEPTGEFPHBog\", "));
    }
}
