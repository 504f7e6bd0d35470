//! Uploads before the status that shows them (networks.md 11.3, 1), and what is noted before it.
//! One call at a time, and its result is noted before the next, so that a crash or a retry uploads
//! nothing twice.

use std::time::Duration;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::call::unanswered;
use super::super::{Call, CallError, Media, PartCall, Prepared, failure};
use super::parent::Search;
use super::reset;
use crate::base::Timestamp;
use crate::domain::publish::Outcome;
use crate::outbound::Response;
use crate::outbound::form::Form;

/// The server forgets what is attached to nothing after 24 hours.
const LIFE: Duration = Duration::from_hours(23);
/// Between two looks at what is being worked on.
const LOOKS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// What is noted between two calls: an upload for each asset, in order, and the parent of a reply
/// where it had to be looked for.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Ticket {
    uploads: Vec<Option<Upload>>,
    #[serde(default)]
    pub parent: Option<String>,
    /// While that is going on.
    #[serde(default)]
    pub search: Option<Search>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Upload {
    id: String,
    /// Milliseconds.
    at: u64,
    ready: bool,
}

impl Ticket {
    /// What was noted of these assets, without what the server has forgotten.
    pub(super) fn read(part: &PartCall<'_>, now: Timestamp) -> Self {
        let mut ticket: Self = serde_json::from_slice(part.ticket).unwrap_or_default();
        ticket.uploads.resize(part.media.len(), None);
        for upload in &mut ticket.uploads {
            upload.take_if(|upload| Timestamp::from_millis(upload.at).plus(LIFE) <= now);
        }
        ticket
    }

    pub(super) fn again(&self, at: Timestamp) -> Prepared {
        let ticket = serde_json::to_vec(self).unwrap_or_default();
        Prepared::NotReady { again: at, ticket }
    }

    /// What a part with this note waits for.
    pub(super) fn waits_for(noted: &[u8]) -> &'static str {
        let ticket: Self = serde_json::from_slice(noted).unwrap_or_default();
        let worked_on = ticket.uploads.iter().flatten().any(|upload| !upload.ready);
        match ticket.search {
            Some(_) => "parent",
            None if worked_on => "media_processing",
            None => "media_upload",
        }
    }

    /// The ids to attach, once [`prepare`] said that all are ready.
    pub(super) fn attached(&self) -> Vec<&str> {
        self.uploads.iter().flatten().map(|upload| upload.id.as_str()).collect()
    }

    /// The id that a reply names.
    pub(super) fn replies_to<'a>(&'a self, part: &'a PartCall<'_>) -> Option<&'a str> {
        let answered = part.before.last()?.remote_id.as_str();
        Some(self.parent.as_deref().unwrap_or(answered))
    }
}

/// One step: an upload, or a look at one that is being worked on.
pub(super) async fn prepare(call: &Call<'_>, part: &PartCall<'_>) -> Prepared {
    let mut ticket = Ticket::read(part, call.now);
    let open = |slot: &Option<Upload>| slot.as_ref().is_none_or(|upload| !upload.ready);
    let Some(slot) = ticket.uploads.iter().position(open) else { return Prepared::Ready };
    let Some(media) = part.media.get(slot) else { return Prepared::Ready };
    let (known, again) = match ticket.uploads[slot].take() {
        None => match upload(call, part, media).await {
            Ok(upload) => (Some(upload), call.now),
            Err(outcome) => return Prepared::Wrong(outcome),
        },
        Some(upload) => match look(call, upload).await {
            Ok(looked) => looked,
            Err(outcome) => return Prepared::Wrong(outcome),
        },
    };
    ticket.uploads[slot] = known;
    ticket.again(again)
}

async fn upload(call: &Call<'_>, part: &PartCall<'_>, media: &Media) -> Result<Upload, Outcome> {
    let url = call.at("/api/v2/media").map_err(unasked)?;
    let mut request = call.request(Method::POST, url);
    let mut form = Form::new(part.key);
    if !media.asset.alt.is_empty() {
        form = form.text("description", &media.asset.alt);
    }
    let (kind, body) = form.file("file", media.file()).finish();
    if let Some(kind) = kind {
        request.headers.insert(http::header::CONTENT_TYPE, kind);
    }
    request.body = body;
    request.deadline += media.time();
    let response = call.transport.send(request).await.map_err(|e| unasked(unanswered(e)))?;
    match response.status {
        200 | 202 => {}
        _ => return Err(refused(call, &response)),
    }
    let json: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let id = json["id"].as_str().filter(|id| is_id(id));
    let unreadable = || failure("unreadable_answer", "no id of the media", Some(response.status));
    let id = id.ok_or_else(|| Outcome::Transient(unreadable()))?.to_owned();
    Ok(Upload { id, at: call.now.as_millis(), ready: response.status == 200 })
}

/// It goes into an address.
pub(super) fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 64 && id.chars().all(|c| c.is_ascii_alphanumeric())
}

/// The upload as it is now, and when to look again.
async fn look(call: &Call<'_>, upload: Upload) -> Result<(Option<Upload>, Timestamp), Outcome> {
    let url = call.at(&format!("/api/v1/media/{}", upload.id)).map_err(unasked)?;
    let request = call.request(Method::GET, url);
    let response = call.transport.send(request).await.map_err(|e| unasked(unanswered(e)))?;
    match response.status {
        200 => {
            // What is not told whole is not known.
            let json: Value = serde_json::from_slice(&response.body).unwrap_or_default();
            if json["id"].as_str() == Some(upload.id.as_str()) {
                return Ok((Some(Upload { ready: true, ..upload }), call.now));
            }
            let unreadable = failure("unreadable_answer", "no id of the media", Some(200));
            Err(Outcome::Transient(unreadable))
        }
        206 => {
            let age = call.now.since(Timestamp::from_millis(upload.at));
            let wait = (age / 4).clamp(LOOKS.0, LOOKS.1);
            Ok((Some(upload), call.now.plus(wait)))
        }
        // Forgotten: it is brought once more.
        404 => Ok((None, call.now)),
        422 => {
            let said = call.words(&response);
            Err(Outcome::Refused(failure("media_processing_failed", &said, Some(422))))
        }
        _ => Err(refused(call, &response)),
    }
}

/// networks.md 11.6. Nothing of this can be seen by anybody, so a lost answer is a passing fault.
fn refused(call: &Call<'_>, response: &Response) -> Outcome {
    let said = call.words(response);
    let failed = |code| failure(code, &said, Some(response.status));
    match response.status {
        401 => Outcome::Reconnect(failed("unauthorized")),
        403 => Outcome::Refused(failed("policy")),
        429 => {
            Outcome::RateLimited { until: reset(call, response), failure: failed("rate_limited") }
        }
        408 | 500.. => Outcome::Transient(failed("network_error")),
        _ => Outcome::Refused(failed("media_refused")),
    }
}

pub(super) fn unasked(error: CallError) -> Outcome {
    match error {
        CallError::Unauthorized(failure) => Outcome::Reconnect(failure),
        CallError::Refused(failure) => Outcome::Refused(failure),
        CallError::Unreachable(failure) => Outcome::Transient(failure),
        CallError::Missing(what) => Outcome::Refused(failure("missing", what, None)),
        CallError::Address { host } => Outcome::Refused(failure("address_refused", &host, None)),
    }
}
