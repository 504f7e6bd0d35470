//! Webhook: each part as a signed POST to an address that a person names, in the form of Standard
//! Webhooks (specification 1.0, read 2026-11). Must not show the address or the secret: whoever
//! knows either may post there.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::Method;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::{Value, json};
use sha2::Sha256;
use url::Url;

use super::call::Answered;
use super::{
    Asks, Call, CallError, Connected, Credential, Facts, Grant, Network, PartCall, Proof,
    SIGNING_SECRET, Told, failure,
};
use crate::base::{Rng, Timestamp, limits};
use crate::domain::capability::Capabilities;
use crate::domain::channel::Account;
use crate::domain::media::MediaRules;
use crate::domain::publish::{Failure, Outcome, Reading, Receipt, Source};
use crate::domain::text::Counter;
use crate::outbound::{Origin, Request, Response};

pub(super) struct Webhook;

/// Longer than any repeat takes. Not `MAX`: a receiver may need a moment to see its own key.
const ID_MEMORY: Duration = Duration::from_hours(365 * 24);

const URL: &str = "url";
const PREFIX: &str = "whsec_";
/// Bytes of a secret that the specification allows, and that we make.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
const SECRET_MADE: usize = 32;

#[async_trait]
impl Network for Webhook {
    fn word(&self) -> &'static str {
        "webhook"
    }

    fn title(&self) -> &'static str {
        "Webhook"
    }

    fn asks(&self) -> Asks {
        Asks { instance: false, identifier: false, token: true, url: true }
    }

    fn capabilities(&self, _: &Facts) -> Capabilities {
        Capabilities {
            network: "webhook",
            text_max: limits::TEXT_CHARS,
            text_bytes_max: None,
            counter: Counter::Chars,
            parts_max: limits::PARTS_PER_POST,
            // The addresses of assets expire, and so differ between attempts; a message must not.
            media_max: 0,
            media: MediaRules::NONE,
            later: None,
            options: &[],
            counted: None,
            needs: None,
        }
    }

    /// Standard Webhooks makes `webhook-id` the receiver's key against repeats and names no end to
    /// its life, so a repeat is always the same message. Nothing can be read back: when all
    /// attempts stay without an answer, a person decides.
    fn proof(&self, _: &Facts, _: usize) -> Proof {
        Proof { key_memory: Some(ID_MEMORY), read_back: None }
    }

    /// Calls nothing: the first message would already be a publication. `test` sends one that is
    /// none.
    async fn connect(&self, call: &Call<'_>, grant: Grant<'_>) -> Result<Connected, CallError> {
        let url = match (call.instance, call.credential.and_then(|c| c.get(URL))) {
            (Some(url), _) => url.clone(),
            (None, Some(known)) => Url::parse(known).map_err(|_| CallError::Missing("url"))?,
            (None, None) => return Err(CallError::Missing("url")),
        };
        let secret = match grant {
            Grant::Token(given) => given.to_owned(),
            Grant::Register { rng } => new_secret(rng),
            Grant::Nothing | Grant::Password { .. } | Grant::Code { .. } => {
                return Err(CallError::Missing("token"));
            }
        };
        if signing_key(&secret).is_none() {
            let expected = "a signing secret is whsec_ and 24 to 64 bytes in base64";
            return Err(CallError::Refused(failure("bad_secret", expected, None)));
        }
        let account = account(&url);
        let credential = Credential::new([(URL, url.to_string()), (SIGNING_SECRET, secret)]);
        Ok(Connected::Account { account, facts: Facts::new(), credential: Some(credential) })
    }

    /// Sends a message of the type `channel.test`, which publishes nothing. 401 and 410 mean that
    /// the receiver does not want our messages; any other refusal may be of the type alone.
    async fn identify(&self, call: &Call<'_>) -> Result<Account, CallError> {
        let url = address(call).ok_or(CallError::Missing("url"))?;
        let body = json!({ "type": "channel.test", "timestamp": call.now, "data": {} });
        let id = format!("test_{}", call.correlation);
        let request = signed(call, &id, &body).ok_or(CallError::Missing("token"))?;
        match call.commit(request).await {
            Answered::Never(outcome) => unanswered(outcome).map(|()| account(&url)),
            Answered::Whole(response) => {
                let failed = |code| failure(code, &call.words(&response), Some(response.status));
                match response.status {
                    200..=299 => Ok(account(&url)),
                    401 | 410 => Err(CallError::Unauthorized(failed(refusal(response.status)))),
                    408 | 429 | 500.. => Err(CallError::Unreachable(failed("network_error"))),
                    status => Err(CallError::Refused(failed(refusal(status)))),
                }
            }
        }
    }

    async fn commit(&self, call: &Call<'_>, part: &PartCall<'_>) -> Outcome {
        let id = message_id(part);
        let Some(request) = signed(call, &id, &message(part)) else {
            return Outcome::Refused(failure("missing", "no address or no secret", None));
        };
        match call.commit(request).await {
            // The status is the whole acknowledgement; what follows it has no meaning.
            Answered::Never(Outcome::Lost(Failure { status: Some(200..=299), .. })) => {
                Outcome::Done(receipt(call, id))
            }
            Answered::Never(outcome) => outcome,
            Answered::Whole(response) => outcome(call, &response, id),
        }
    }

    async fn read_back(&self, _: &Call<'_>, _: &PartCall<'_>, _: Timestamp) -> Reading {
        Reading::Unavailable(failure("no_listing", "a webhook cannot be read", None))
    }
}

fn new_secret(rng: &dyn Rng) -> String {
    let mut bytes = [0; SECRET_MADE];
    rng.fill(&mut bytes);
    format!("{PREFIX}{}", BASE64.encode(&bytes))
}

fn signing_key(secret: &str) -> Option<Hmac<Sha256>> {
    let bytes = BASE64.decode(secret.strip_prefix(PREFIX)?.as_bytes()).ok()?;
    let key = SECRET_BYTES.contains(&bytes.len()).then_some(bytes)?;
    Hmac::new_from_slice(&key).ok()
}

fn address(call: &Call<'_>) -> Option<Url> {
    Url::parse(call.credential?.get(URL)?).ok()
}

/// Of the address only the host is shown: path and query often are a secret themselves.
fn account(url: &Url) -> Account {
    let host = url.host_str().unwrap_or_default();
    let handle = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    Account { remote_id: handle.clone(), handle, url: None }
}

/// The same for every attempt of the same words, so that a retry is the same message.
fn message_id(part: &PartCall<'_>) -> String {
    format!("msg_{}", part.key)
}

/// Nothing in it changes from one attempt to the next.
fn message(part: &PartCall<'_>) -> Value {
    json!({
        "type": "post.published",
        "timestamp": part.due,
        "data": {
            "channel": part.channel,
            "delivery": part.delivery,
            "part": part.index + 1,
            "in_reply_to": part.before.last().map(|receipt| &receipt.remote_id),
            "text": part.draft.text,
        },
    })
}

/// `None` when the credential has no address or no secret.
fn signed(call: &Call<'_>, id: &str, body: &Value) -> Option<Request> {
    let mut mac = signing_key(call.credential?.get(SIGNING_SECRET)?)?;
    let seconds = (call.now.as_millis() / 1000).to_string();
    let body = Bytes::from(body.to_string());
    for piece in [id.as_bytes(), b".", seconds.as_bytes(), b".", &body] {
        mac.update(piece);
    }
    let signature = format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()));
    let mut request = call.request(Method::POST, address(call)?);
    request.origin = Origin::Whole;
    request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in
        [("webhook-id", id), ("webhook-timestamp", &seconds), ("webhook-signature", &signature)]
    {
        let name = HeaderName::from_static(name);
        request.headers.insert(name, HeaderValue::from_str(value).ok()?);
    }
    request.body = body.into();
    Some(request)
}

fn outcome(call: &Call<'_>, response: &Response, id: String) -> Outcome {
    let said = call.words(response);
    let status = response.status;
    let failed = |code| failure(code, &said, Some(status));
    match status {
        200..=299 => Outcome::Done(receipt(call, id)),
        // The receiver does not take our signature, or wants no more: `identify` confirms it.
        401 | 410 => Outcome::Reconnect(failed(refusal(status))),
        // SPEC part 4: whatever a server says in trouble, it may have done it.
        408 | 500.. => Outcome::Lost(failed("network_error")),
        429 => {
            Outcome::RateLimited { until: reset(call, response), failure: failed("rate_limited") }
        }
        _ => Outcome::Refused(failed(refusal(status))),
    }
}

fn refusal(status: u16) -> &'static str {
    match status {
        // Not followed: a redirected POST would arrive as something else, and elsewhere.
        300..=399 => "redirected",
        401 => "unauthorized",
        403 => "policy",
        404 => "not_found",
        410 => "gone",
        _ => "validation",
    }
}

fn receipt(call: &Call<'_>, id: String) -> Receipt {
    Receipt { remote_id: id, url: None, at: call.now, source: Source::Answer }
}

/// What a test message without a whole answer says of the receiver.
fn unanswered(outcome: Outcome) -> Result<(), CallError> {
    match outcome {
        Outcome::Lost(Failure { status: Some(200..=299), .. }) => Ok(()),
        Outcome::Lost(failure) | Outcome::Transient(failure) => {
            Err(CallError::Unreachable(failure))
        }
        Outcome::Refused(failure) => Err(CallError::Address { host: failure.detail }),
        _ => Ok(()),
    }
}

/// A minute when the receiver does not say.
fn reset(call: &Call<'_>, response: &Response) -> Timestamp {
    let told = Told::by(&response.headers, call.now);
    told.reset.unwrap_or_else(|| call.now.plus(Duration::from_mins(1)))
}
