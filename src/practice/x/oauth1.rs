//! Checking OAuth 1.0a signatures (RFC 5849) as a server does, from the request as it came. Must
//! not share a line with the client's signing.

use std::time::Duration;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::percent_decode_str;
use sha1::Sha1;
use url::form_urlencoded;

use super::super::Request;
use super::Server;
use crate::base::Timestamp;

/// X takes a timestamp of five minutes either way.
const TOLERANCE: Duration = Duration::from_mins(5);

/// The four keys of one account's own app.
pub(super) struct Keys {
    consumer_key: String,
    consumer_secret: String,
    pub token: String,
    token_secret: String,
    account: u64,
}

impl Keys {
    pub(super) fn read(text: &str, account: u64) -> Option<Self> {
        let keys: Vec<&str> = text.split(':').collect();
        let [consumer_key, consumer_secret, token, token_secret] = keys.as_slice() else {
            return None;
        };
        Some(Self {
            consumer_key: (*consumer_key).to_owned(),
            consumer_secret: (*consumer_secret).to_owned(),
            token: (*token).to_owned(),
            token_secret: (*token_secret).to_owned(),
            account,
        })
    }
}

/// The fields of the header, decoded.
fn fields(request: &Request) -> Option<Vec<(String, String)>> {
    let header = request.header("authorization")?.strip_prefix("OAuth ")?;
    let field = |field: &str| {
        let (name, value) = field.trim().split_once('=')?;
        let value = value.strip_prefix('"')?.strip_suffix('"')?;
        let value = percent_decode_str(value).decode_utf8().ok()?;
        Some((name.to_owned(), value.into_owned()))
    };
    header.split(',').map(field).collect()
}

pub(super) fn token_of(request: &Request) -> Option<String> {
    fields(request)?.into_iter().find(|(name, _)| name == "oauth_token").map(|(_, token)| token)
}

/// RFC 5849, 3.6: upper-case hexadecimals, and nothing more than unreserved characters as they are.
fn escaped(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(one).collect()
}

impl Server {
    /// The account whose keys have signed the request, within its time and for the first time.
    pub(super) fn signed(&mut self, now: Timestamp, request: &Request) -> Option<u64> {
        let fields = fields(request)?;
        let one = |name: &str| {
            let mut values = fields.iter().filter(|(of, _)| of == name).map(|(_, value)| value);
            values.next().filter(|_| values.next().is_none()).map(String::as_str)
        };
        let keys = self.keys.get(one("oauth_token")?)?;
        let right = one("oauth_consumer_key")? == keys.consumer_key
            && one("oauth_signature_method")? == "HMAC-SHA1"
            && one("oauth_version").is_none_or(|version| version == "1.0");
        let seconds: u64 = one("oauth_timestamp")?.parse().ok()?;
        let said = Timestamp::from_millis(seconds.saturating_mul(1_000));
        let fresh = said.since(now) <= TOLERANCE && now.since(said) <= TOLERANCE;
        let mut pairs: Vec<(String, String)> = fields
            .iter()
            .filter(|(name, _)| name != "oauth_signature" && name != "realm")
            .chain(&form(request))
            .map(|(name, value)| (escaped(name), escaped(value)))
            .collect();
        pairs.sort();
        let pairs: Vec<String> =
            pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let url = format!("{}{}", self.settings.base_url, request.path);
        let base = format!("{}&{}&{}", request.method, escaped(&url), escaped(&pairs.join("&")));
        let key = format!("{}&{}", escaped(&keys.consumer_secret), escaped(&keys.token_secret));
        let mut mac = Hmac::<Sha1>::new_from_slice(key.as_bytes()).ok()?;
        mac.update(base.as_bytes());
        let given = BASE64.decode(one("oauth_signature")?.as_bytes()).ok()?;
        mac.verify_slice(&given).ok()?;
        let (account, nonce) = (keys.account, one("oauth_nonce")?.to_owned());
        // RFC 5849, 3.3: a nonce is used once with a timestamp.
        (right && fresh && self.nonces.insert((seconds, nonce))).then_some(account)
    }
}

/// What of the request is signed besides the header: the query, and a form.
fn form(request: &Request) -> Vec<(String, String)> {
    let is_form = request
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let body = if is_form { &request.body[..] } else { &[] };
    let query = form_urlencoded::parse(request.query.as_bytes()).into_owned();
    query.chain(form_urlencoded::parse(body).into_owned()).collect()
}
