//! Media before the post that shows them (networks.md 1.3): an image in one call, an animation or
//! a video in chunks that X then works on, and the words for those who do not see it. One call at a
//! time, and its result is noted before the next, so that a crash or a retry uploads nothing twice.

use std::time::Duration;

use http::Method;
use http::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::call::unanswered;
use super::super::{Call, Media, PartCall, Prepared, failure};
use super::{API, api, is_id};
use crate::base::Timestamp;
use crate::domain::media::{MediaKind, MediaRules};
use crate::domain::publish::Outcome;
use crate::outbound::form::Form;

/// Of one post.
pub(super) const IMAGES: usize = 4;
/// Of 5 MiB and more, X says that it is too much (networks.md 1.8).
const CHUNK: u64 = 2 * 1024 * 1024;
/// What X keeps that is in no post, where it does not say how long.
const LIFE: Duration = Duration::from_hours(24);
/// So much of it is left to clocks and waits.
const MARGIN: Duration = Duration::from_mins(30);
/// Between two looks at what X works on.
const LOOKS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

pub(super) fn rules() -> MediaRules {
    MediaRules {
        kinds: vec![
            MediaKind::Jpeg,
            MediaKind::Png,
            MediaKind::Webp,
            MediaKind::Gif,
            MediaKind::Mp4,
            MediaKind::Mov,
        ],
        image_bytes: Some(5 * 1024 * 1024),
        animation_bytes: Some(15 * 1024 * 1024),
        video_bytes: Some(512 * 1024 * 1024),
        video_seconds: Some(140),
        alt_chars: Some(1_000),
        video_alone: true,
        animation_alone: true,
        ..MediaRules::NONE
    }
}

/// What is noted between two calls: an upload for each asset, in order.
#[derive(Default, Serialize, Deserialize)]
struct Ticket {
    uploads: Vec<Option<Upload>>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Upload {
    id: String,
    /// Milliseconds; from then on X may have forgotten it.
    until: u64,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    /// So many chunks are there.
    Chunks(u64),
    Processing,
    /// The words for those who do not see it are still to come.
    Words,
    Ready,
}

impl Ticket {
    fn read(part: &PartCall<'_>, now: Timestamp) -> Self {
        let mut ticket: Self = serde_json::from_slice(part.ticket).unwrap_or_default();
        ticket.uploads.resize(part.media.len(), None);
        for upload in &mut ticket.uploads {
            upload.take_if(|upload| Timestamp::from_millis(upload.until) <= now);
        }
        ticket
    }
}

/// What a part with this note waits for.
pub(super) fn waits_for(noted: &[u8]) -> &'static str {
    let ticket: Ticket = serde_json::from_slice(noted).unwrap_or_default();
    let worked_on = ticket.uploads.iter().flatten().any(|u| u.stage == Stage::Processing);
    if worked_on { "media_processing" } else { "media_upload" }
}

/// The ids to attach, once [`prepare`] said that all are ready.
pub(super) fn attached(part: &PartCall<'_>, now: Timestamp) -> Vec<String> {
    Ticket::read(part, now).uploads.into_iter().flatten().map(|upload| upload.id).collect()
}

/// One step: a call, and when the next one may be made.
pub(super) async fn prepare(call: &Call<'_>, part: &PartCall<'_>) -> Prepared {
    let mut ticket = Ticket::read(part, call.now);
    let open = |slot: &Option<Upload>| slot.as_ref().is_none_or(|u| u.stage != Stage::Ready);
    let Some(slot) = ticket.uploads.iter().position(open) else { return Prepared::Ready };
    let Some(media) = part.media.get(slot) else { return Prepared::Ready };
    let stepped = match ticket.uploads[slot].take() {
        None if is_whole(media) => whole(call, part, media).await,
        None => begin(call, media).await,
        Some(upload) => match upload.stage {
            Stage::Chunks(sent) => chunk(call, part, (media, upload, sent)).await,
            Stage::Processing => look(call, media, upload).await,
            Stage::Words | Stage::Ready => words(call, media, upload).await,
        },
    };
    match stepped {
        Ok((upload, again)) => {
            ticket.uploads[slot] = Some(upload);
            let ticket = serde_json::to_vec(&ticket).unwrap_or_default();
            Prepared::NotReady { again, ticket }
        }
        Err(outcome) => Prepared::Wrong(outcome),
    }
}

type Stepped = Result<(Upload, Timestamp), Outcome>;

/// A still picture goes in one call.
fn is_whole(media: &Media) -> bool {
    category(media) == "tweet_image"
}

fn category(media: &Media) -> &'static str {
    match media.kind() {
        MediaKind::Mp4 | MediaKind::Mov => "tweet_video",
        MediaKind::Gif if media.asset.shape.is_animated() => "tweet_gif",
        _ => "tweet_image",
    }
}

/// Nothing that a person sees comes of these calls, so a lost answer is a passing fault.
async fn tried(call: &Call<'_>, request: crate::outbound::Request) -> Result<Value, Outcome> {
    let response = api::send(call, request).await.map_err(|e| api::unasked(unanswered(e)))?;
    match response.status {
        // An answer to a chunk may be empty.
        200..=299 => Ok(serde_json::from_slice(&response.body).unwrap_or_default()),
        _ => Err(api::untried(call, &response)),
    }
}

/// The upload that an answer tells of.
fn told(call: &Call<'_>, answer: &Value, stage: Stage) -> Result<Upload, Outcome> {
    let data = &answer["data"];
    let id = data["id"].as_str().filter(|id| is_id(id));
    let unreadable = || failure("unreadable_answer", "no id of the media", Some(200));
    let id = id.ok_or_else(|| Outcome::Transient(unreadable()))?.to_owned();
    let life = data["expires_after_secs"].as_u64().map_or(LIFE, Duration::from_secs);
    let until = call.now.plus(life.min(LIFE).saturating_sub(MARGIN));
    Ok(Upload { id, until: until.as_millis(), stage })
}

/// What comes after its bytes are there.
fn settled(media: &Media, upload: Upload) -> Upload {
    let silent = media.asset.alt.is_empty();
    Upload { stage: if silent { Stage::Ready } else { Stage::Words }, ..upload }
}

async fn whole(call: &Call<'_>, part: &PartCall<'_>, media: &Media) -> Stepped {
    let form = Form::new(&format!("{}{}", part.key, media.asset.id))
        .text("media_category", category(media))
        .text("media_type", media.kind().mime())
        .file("media", media.file());
    let answer = tried(call, form_to(call, "/2/media/upload", form, media.time())?).await?;
    let upload = told(call, &answer, Stage::Ready)?;
    match processing(&answer) {
        Some(info) => waiting(call, upload, info),
        None => Ok((settled(media, upload), call.now)),
    }
}

fn form_to(
    call: &Call<'_>,
    path: &str,
    form: Form,
    longer: Duration,
) -> Result<crate::outbound::Request, Outcome> {
    let url = call.on(&API, path).map_err(api::unasked)?;
    let mut request = call.request(Method::POST, url);
    let (kind, body) = form.finish();
    if let Some(kind) = kind {
        request.headers.insert(CONTENT_TYPE, kind);
    }
    request.body = body;
    request.deadline += longer;
    Ok(request)
}

async fn begin(call: &Call<'_>, media: &Media) -> Stepped {
    let body = json!({
        "media_type": media.kind().mime(),
        "total_bytes": media.bytes(),
        "media_category": category(media),
    });
    let request = api::post(call, "/2/media/upload/initialize", Some(&body));
    let answer = tried(call, request.map_err(api::unasked)?).await?;
    Ok((told(call, &answer, Stage::Chunks(0))?, call.now))
}

async fn chunk(
    call: &Call<'_>,
    part: &PartCall<'_>,
    (media, upload, sent): (&Media, Upload, u64),
) -> Stepped {
    let begin = sent * CHUNK;
    if begin >= media.bytes() {
        return finish(call, media, upload).await;
    }
    let range = begin..media.bytes().min(begin + CHUNK);
    let form = Form::new(&format!("{}{}n{sent}", part.key, media.asset.id))
        .text("segment_index", &sent.to_string())
        .file("media", media.stretch(range));
    let path = format!("/2/media/upload/{}/append", upload.id);
    tried(call, form_to(call, &path, form, Duration::from_secs(8))?).await?;
    Ok((Upload { stage: Stage::Chunks(sent + 1), ..upload }, call.now))
}

async fn finish(call: &Call<'_>, media: &Media, upload: Upload) -> Stepped {
    let path = format!("/2/media/upload/{}/finalize", upload.id);
    let answer = tried(call, api::post(call, &path, None).map_err(api::unasked)?).await?;
    match processing(&answer) {
        Some(info) => waiting(call, upload, info),
        // It is asked for only where X said so: of a picture it would be refused.
        None => Ok((settled(media, upload), call.now)),
    }
}

/// What X says of its work, while that is going on or has failed.
fn processing(answer: &Value) -> Option<&Value> {
    let info = answer["data"].get("processing_info")?;
    (info["state"] != "succeeded").then_some(info)
}

fn waiting(call: &Call<'_>, upload: Upload, info: &Value) -> Stepped {
    if info["state"] == "failed" {
        let error = &info["error"];
        let text = |name: &str| error[name].as_str().unwrap_or_default();
        let said = call.scrubbed(&format!("{} {}", text("name"), text("message")));
        return Err(Outcome::Refused(failure("media_processing_failed", said.trim(), Some(200))));
    }
    // Sooner, it would say the same.
    let wait = info["check_after_secs"].as_u64().map_or(LOOKS.0, Duration::from_secs);
    let wait = wait.clamp(LOOKS.0, LOOKS.1);
    Ok((Upload { stage: Stage::Processing, ..upload }, call.now.plus(wait)))
}

async fn look(call: &Call<'_>, media: &Media, upload: Upload) -> Stepped {
    let query = [("command", "STATUS"), ("media_id", upload.id.as_str())];
    let request = api::get(call, "/2/media/upload", &query).map_err(api::unasked)?;
    let answer = tried(call, request).await?;
    // What is not told whole is not known.
    if answer["data"]["id"].as_str() != Some(&upload.id) {
        let unreadable = failure("unreadable_answer", "no id of the media", Some(200));
        return Err(Outcome::Transient(unreadable));
    }
    match processing(&answer) {
        Some(info) => waiting(call, upload, info),
        None => Ok((settled(media, upload), call.now)),
    }
}

async fn words(call: &Call<'_>, media: &Media, upload: Upload) -> Stepped {
    let metadata = json!({ "alt_text": { "text": media.asset.alt } });
    let body = json!({ "id": upload.id, "metadata": metadata });
    let request = api::post(call, "/2/media/metadata", Some(&body)).map_err(api::unasked)?;
    tried(call, request).await?;
    Ok((Upload { stage: Stage::Ready, ..upload }, call.now))
}
