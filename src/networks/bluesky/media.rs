//! Images before the record that shows them (networks.md 10.3): each is uploaded as a blob, in one
//! call, and noted before the next, so that a crash or a retry uploads nothing twice.

use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::call::unanswered;
use super::super::{Call, Media, PartCall, Prepared, failure};
use super::record::untried;
use super::xrpc;
use crate::base::Timestamp;
use crate::domain::media::{MediaKind, MediaRules};
use crate::domain::publish::Outcome;

/// Servers remove blobs that no record names, after a time that they do not tell; the reference
/// server keeps them for hours. The same bytes are the same blob, so one more upload is harmless.
const LIFE: Duration = Duration::from_mins(30);
/// Of one post.
pub(super) const IMAGES: usize = 4;
/// Servers differ between 1,000,000 and 2,000,000 (networks.md 10.5); all take this much.
const IMAGE_BYTES: u64 = 1_000_000;
/// The app asks for no more; the lexicon has no bound.
const ALT_CHARS: usize = 2_000;

/// What is noted between two calls: a blob for each asset, in order.
#[derive(Default, Serialize, Deserialize)]
struct Ticket {
    blobs: Vec<Option<Uploaded>>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Uploaded {
    blob: Value,
    /// Milliseconds.
    at: u64,
}

pub(super) fn rules() -> MediaRules {
    MediaRules {
        kinds: vec![MediaKind::Jpeg, MediaKind::Png, MediaKind::Webp, MediaKind::Gif],
        image_bytes: Some(IMAGE_BYTES),
        alt_chars: Some(ALT_CHARS),
        ..MediaRules::NONE
    }
}

fn noted(part: &PartCall<'_>, now: Timestamp) -> Vec<Option<Uploaded>> {
    let ticket: Ticket = serde_json::from_slice(part.ticket).unwrap_or_default();
    let mut blobs = ticket.blobs;
    blobs.resize(part.media.len(), None);
    for blob in &mut blobs {
        blob.take_if(|blob| Timestamp::from_millis(blob.at).plus(LIFE) <= now);
    }
    blobs
}

/// One step: an upload, if one is missing.
pub(super) async fn prepare(call: &Call<'_>, part: &PartCall<'_>) -> Prepared {
    let mut blobs = noted(part, call.now);
    let Some(slot) = blobs.iter().position(Option::is_none) else { return Prepared::Ready };
    let Some(media) = part.media.get(slot) else { return Prepared::Ready };
    match upload(call, media).await {
        Ok(blob) => {
            blobs[slot] = Some(Uploaded { blob, at: call.now.as_millis() });
            let ticket = serde_json::to_vec(&Ticket { blobs }).unwrap_or_default();
            Prepared::NotReady { again: call.now, ticket }
        }
        Err(outcome) => Prepared::Wrong(outcome),
    }
}

async fn upload(call: &Call<'_>, media: &Media) -> Result<Value, Outcome> {
    let method = "com.atproto.repo.uploadBlob";
    let mut request = xrpc::procedure(call, xrpc::Host::Own, method, None).map_err(untried)?;
    request.headers.insert(CONTENT_TYPE, HeaderValue::from_static(media.kind().mime()));
    request.body = media.body();
    request.deadline += media.time();
    let response = call.transport.send(request).await.map_err(|e| untried(unanswered(e)))?;
    let code = xrpc::code(&response);
    let failed = || failure(code, &call.words(&response), Some(response.status));
    // Nothing of this can be seen by anybody, so a lost answer is a passing fault.
    match response.status {
        200 => {
            let json: Value = serde_json::from_slice(&response.body).unwrap_or_default();
            let blob = &json["blob"];
            let whole = blob["ref"]["$link"].is_string() && blob["size"] == json!(media.bytes());
            let unreadable = || failure("unreadable_answer", "no such blob", Some(200));
            whole.then(|| blob.clone()).ok_or_else(|| Outcome::Transient(unreadable()))
        }
        408 | 500.. => Err(Outcome::Transient(failed())),
        429 => Err(Outcome::RateLimited { until: xrpc::reset(call, &response), failure: failed() }),
        _ if xrpc::is_about_the_account(code) => Err(Outcome::Reconnect(failed())),
        _ => Err(Outcome::Refused(failed())),
    }
}

/// What the record shows, once [`prepare`] said that all is uploaded. `None` without images.
pub(super) fn embed(part: &PartCall<'_>, now: Timestamp) -> Option<Value> {
    if part.media.is_empty() {
        return None;
    }
    let image = |(media, uploaded): (&Media, Option<Uploaded>)| {
        let shape = &media.asset.shape;
        Some(json!({
            "alt": media.asset.alt,
            "image": uploaded?.blob,
            "aspectRatio": { "width": shape.width, "height": shape.height },
        }))
    };
    let images: Vec<Value> = part.media.iter().zip(noted(part, now)).filter_map(image).collect();
    Some(json!({ "$type": "app.bsky.embed.images", "images": images }))
}
