//! A receiver of Standard Webhooks (specification 1.0) that is stricter than most: it checks the
//! signature and its age, takes each id once, and refuses a repeat that is not the same message.
//! Must not hold the clock; the moment is passed in.

use std::collections::BTreeMap;
use std::time::Duration;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::Method;
use serde_json::{Value, json};
use sha2::Sha256;

use super::journal::{Effect, Moment};
use super::page::{Shown, ShownInstance};
use super::{Answer, Matcher, Request};
use crate::base::Timestamp;

/// The reference libraries take a timestamp of five minutes either way.
const TOLERANCE: Duration = Duration::from_mins(5);
/// What a message's payload may weigh here; the specification only says to keep it small.
const BODY_BYTES: usize = 256 * 1024;

/// One endpoint; any path of its host leads to it.
pub struct Receiver {
    host: String,
    secret: String,
    /// It wants no more messages, and says 410.
    pub gone: bool,
    /// A receiver that does not look at ids, which the specification does not foresee.
    pub forgetful: bool,
    taken: BTreeMap<String, Taken>,
}

struct Taken {
    at: Timestamp,
    text: String,
    in_reply_to: Option<String>,
    body: bytes::Bytes,
}

type Refusal = (u16, &'static str);

/// A test asks for nothing to be published, so it counts as looking at an identity.
pub(super) fn kind_of_call(request: &Request) -> Matcher {
    let json: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    match json.get("type").and_then(Value::as_str) {
        Some("channel.test") => Matcher::Verify,
        _ if request.method == Method::POST => Matcher::Write,
        _ => Matcher::Other,
    }
}

pub(super) fn unauthorized() -> Answer {
    refused((401, "no matching signature"))
}

fn refused((status, error): Refusal) -> Answer {
    Answer::json(status, &json!({ "error": error }))
}

impl Receiver {
    pub(super) fn new(host: &str, secret: &str) -> Self {
        Self {
            host: host.to_owned(),
            secret: secret.to_owned(),
            gone: false,
            forgetful: false,
            taken: BTreeMap::new(),
        }
    }

    /// From now on messages must be signed with this one.
    pub fn set_secret(&mut self, secret: &str) {
        secret.clone_into(&mut self.secret);
    }

    /// As the specification's text on 429 has it: with `Retry-After`.
    pub(super) fn rate_limited(now: Timestamp, reset: Timestamp) -> Answer {
        let seconds = reset.since(now).as_millis().div_ceil(1000).to_string();
        refused((429, "slow down")).with("retry-after", &seconds)
    }

    pub(super) fn answer(&mut self, moment: &mut Moment<'_>, request: &Request) -> Answer {
        self.take(moment, request).unwrap_or_else(refused)
    }

    fn take(&mut self, m: &mut Moment<'_>, request: &Request) -> Result<Answer, Refusal> {
        if request.method != Method::POST {
            return Err((405, "a message is a POST"));
        }
        if self.gone {
            return Err((410, "no more messages, please"));
        }
        let id = self.verified(m.now, request)?.to_owned();
        if request.header("content-type") != Some("application/json") {
            return Err((415, "the payload is not JSON"));
        }
        let body: Value =
            serde_json::from_slice(&request.body).map_err(|_| (400, "the payload is not JSON"))?;
        let field = |name: &'static str| body.get(name).ok_or((400, name));
        let at = field("timestamp")?.as_str().and_then(Timestamp::parse);
        at.ok_or((400, "timestamp is no instant"))?;
        let data = field("data")?.as_object().ok_or((400, "data is no object"))?;
        match field("type")?.as_str() {
            Some("channel.test") => return Ok(Answer::json(200, &json!({ "ok": true }))),
            Some("post.published") => {}
            _ => return Err((400, "an unknown type")),
        }
        let text = data.get("text").and_then(Value::as_str).ok_or((400, "data.text"))?;
        let in_reply_to = match data.get("in_reply_to") {
            None | Some(Value::Null) => None,
            Some(parent) => {
                let parent = parent.as_str().filter(|parent| self.taken.contains_key(*parent));
                Some(parent.ok_or((422, "in_reply_to names no message"))?.to_owned())
            }
        };
        let known = self.taken.get(&id).filter(|_| !self.forgetful);
        if let Some(known) = known {
            // "The same webhook may be sent again": the same, not another one of that name.
            let same = known.body == request.body;
            let repeat = Answer::json(200, &json!({ "ok": true, "repeated": true }));
            return if same { Ok(repeat) } else { Err((422, "another message has this id")) };
        }
        m.note(
            &self.host,
            Effect::StatusCreated {
                id: id.clone(),
                text: text.to_owned(),
                in_reply_to_id: in_reply_to.clone(),
                idempotency_key: Some(id.clone()),
                correlation: None,
            },
        );
        let text = text.to_owned();
        let taken = Taken { at: m.now, text, in_reply_to, body: request.body.clone() };
        self.taken.insert(id, taken);
        Ok(Answer::json(200, &json!({ "ok": true })))
    }

    /// The id of a message whose signature and age are right.
    fn verified<'r>(&self, now: Timestamp, request: &'r Request) -> Result<&'r str, Refusal> {
        let header = |name: &'static str| request.header(name).ok_or((400, name));
        let (id, timestamp) = (header("webhook-id")?, header("webhook-timestamp")?);
        let signatures = header("webhook-signature")?;
        // A full stop separates what is signed.
        if id.is_empty() || id.contains('.') {
            return Err((400, "webhook-id"));
        }
        let digits = timestamp.bytes().all(|b| b.is_ascii_digit());
        let seconds: u64 = timestamp.parse().ok().filter(|_| digits).ok_or((400, "timestamp"))?;
        let said = Timestamp::from_millis(seconds.saturating_mul(1000));
        if said.since(now) > TOLERANCE || now.since(said) > TOLERANCE {
            return Err((400, "the timestamp is too far from now"));
        }
        if request.body.len() > BODY_BYTES {
            return Err((413, "the payload is too large"));
        }
        let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", &request.body].concat();
        let fits = |signature: &str| {
            let given = signature.strip_prefix("v1,")?;
            let given = BASE64.decode(given.as_bytes()).ok()?;
            let key = BASE64.decode(self.secret.strip_prefix("whsec_")?.as_bytes()).ok()?;
            let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
            mac.update(&signed);
            mac.verify_slice(&given).ok()
        };
        let good = signatures.split(' ').any(|signature| fits(signature).is_some());
        if good { Ok(id) } else { Err((401, "no matching signature")) }
    }

    pub(super) fn shown(&self) -> ShownInstance {
        let shown = |(id, taken): (&String, &Taken)| Shown {
            id: id.clone(),
            account: self.host.clone(),
            created_at: taken.at,
            edited: false,
            text: taken.text.clone(),
            spoiler_text: String::new(),
            visibility: "public".to_owned(),
            url: String::new(),
            in_reply_to_id: taken.in_reply_to.clone(),
            in_reply_to_url: None,
            media: Vec::new(),
        };
        let mut statuses: Vec<Shown> = self.taken.iter().map(shown).collect();
        statuses.sort_by_key(|status| std::cmp::Reverse(status.created_at));
        ShownInstance {
            host: self.host.clone(),
            title: "Practice webhook".to_owned(),
            base_url: String::new(),
            statuses,
        }
    }
}
