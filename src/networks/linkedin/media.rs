//! Media before the post that shows them (networks.md 2.4): images one by one, a document, a video in
//! parts whose tags are kept. One call at a time, and its result is noted before the next, so that a
//! crash or a retry uploads nothing twice. Must not send the token to a foreign host.

use std::time::Duration;

use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::super::call::unanswered;
use super::super::{Call, CallError, Media, PartCall, Prepared, failure};
use super::{API, DOCUMENT_TITLE, api, author};
use crate::base::Timestamp;
use crate::domain::media::{MediaKind, MediaRules};
use crate::domain::publish::Outcome;
use crate::outbound::{Request, Response};

/// Of one post.
pub(super) const IMAGES: usize = 20;
/// Characters of what stands above a document.
pub(super) const TITLE: usize = 200;
/// An address to upload to is good for a day; so much of what is there may be forgotten.
const LIFE: Duration = Duration::from_hours(23);
/// Between two looks at a video or document that is worked on.
const LOOK: Duration = Duration::from_secs(5);
/// A video comes in so many parts at most, so that its note stays small.
const PARTS: usize = 64;

pub(super) fn rules() -> MediaRules {
    MediaRules {
        kinds: vec![
            MediaKind::Jpeg,
            MediaKind::Png,
            MediaKind::Gif,
            MediaKind::Mp4,
            MediaKind::Pdf,
        ],
        image_bytes: Some(5 * 1024 * 1024),
        image_pixels: Some(36_152_319),
        video_bytes: Some(200 * 1024 * 1024),
        video_seconds: Some(30 * 60),
        // networks.md 2.5; it has at most 300 pages, which are not counted here.
        document_bytes: Some(100 * 1024 * 1024),
        alt_chars: Some(4_086),
        video_alone: true,
        document_alone: true,
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
    urn: String,
    /// Milliseconds.
    at: u64,
    stage: Stage,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    /// An image or a document whose bytes go there.
    Image {
        to: String,
    },
    /// A video: where each part goes, and the tags of those that are there.
    Video {
        token: String,
        parts: Vec<Part>,
        tags: Vec<String>,
    },
    Processing,
    Ready,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    to: String,
    first: u64,
    last: u64,
}

impl Ticket {
    fn read(part: &PartCall<'_>, now: Timestamp) -> Self {
        let mut ticket: Self = serde_json::from_slice(part.ticket).unwrap_or_default();
        ticket.uploads.resize(part.media.len(), None);
        for upload in &mut ticket.uploads {
            upload.take_if(|upload| Timestamp::from_millis(upload.at).plus(LIFE) <= now);
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

/// What the post shows, once [`prepare`] said that all is there. `None` without media.
pub(super) fn content(part: &PartCall<'_>, now: Timestamp) -> Option<Value> {
    let uploads: Vec<Upload> = Ticket::read(part, now).uploads.into_iter().flatten().collect();
    let one = |(media, upload): (&Media, &Upload)| {
        let mut shown = json!({ "id": upload.urn });
        if media.kind().is_document() {
            let title = part.text_option(DOCUMENT_TITLE).unwrap_or(&media.asset.alt).trim();
            let title: String = title.chars().take(TITLE).collect();
            shown["title"] = json!(if title.is_empty() { "Document" } else { &title });
        } else if !media.asset.alt.is_empty() && !media.kind().is_video() {
            // A video has no words of this kind.
            shown["altText"] = json!(media.asset.alt);
        }
        shown
    };
    let shown: Vec<Value> = part.media.iter().zip(&uploads).map(one).collect();
    match shown.as_slice() {
        [] => None,
        [only] => Some(json!({ "media": only })),
        several => Some(json!({ "multiImage": { "images": several } })),
    }
}

type Stepped = Result<(Upload, Timestamp), Outcome>;

/// One step: a call, and when the next one may be made.
pub(super) async fn prepare(call: &Call<'_>, part: &PartCall<'_>) -> Prepared {
    let mut ticket = Ticket::read(part, call.now);
    let open = |slot: &Option<Upload>| slot.as_ref().is_none_or(|u| u.stage != Stage::Ready);
    let Some(slot) = ticket.uploads.iter().position(open) else { return Prepared::Ready };
    let Some(media) = part.media.get(slot) else { return Prepared::Ready };
    let stepped = match ticket.uploads[slot].take() {
        None => begin(call, media).await,
        Some(upload) => go_on(call, media, upload).await,
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

async fn go_on(call: &Call<'_>, media: &Media, upload: Upload) -> Stepped {
    match upload.stage.clone() {
        Stage::Image { to } => whole(call, media, upload, &to).await,
        Stage::Video { token, parts, tags } => match parts.get(tags.len()) {
            Some(next) => piece(call, media, upload, (&token, &parts, tags, next)).await,
            None => finish(call, upload, (&token, &tags)).await,
        },
        Stage::Processing | Stage::Ready => look(call, upload).await,
    }
}

/// Nothing that a person sees comes of these calls, so a lost answer is a passing fault.
async fn tried(call: &Call<'_>, request: Request) -> Result<Response, Outcome> {
    let response = call.transport.send(request).await;
    let response = response.map_err(|error| api::unasked(unanswered(error)))?;
    match response.status {
        200..=299 => Ok(response),
        _ => Err(api::untried(call, &response)),
    }
}

async fn asked(call: &Call<'_>, path: &str, body: &Value) -> Result<Value, Outcome> {
    let request = api::request(call, Method::POST, path, Some(body)).map_err(api::unasked)?;
    let response = tried(call, request).await?;
    Ok(serde_json::from_slice(&response.body).unwrap_or_default())
}

fn unreadable(what: &str) -> Outcome {
    Outcome::Transient(failure("unreadable_answer", what, Some(200)))
}

/// `urn:li:image:C5...`
fn urn(value: &Value, kind: &str) -> Result<String, Outcome> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let urn = value.as_str().unwrap_or_default();
    let id =
        urn.strip_prefix("urn:li:").and_then(|rest| rest.strip_prefix(kind)?.strip_prefix(':'));
    let fits = id.is_some_and(|id| (1..=100).contains(&id.len()) && id.chars().all(plain));
    fits.then(|| urn.to_owned()).ok_or_else(|| unreadable("no urn of the media"))
}

async fn begin(call: &Call<'_>, media: &Media) -> Stepped {
    let owner = author(call).ok_or_else(|| api::unasked(CallError::Missing("account")))?;
    let at = call.now.as_millis();
    if !media.kind().is_video() {
        let kind = if media.kind().is_document() { "document" } else { "image" };
        let body = json!({ "initializeUploadRequest": { "owner": owner } });
        let answer = asked(call, &format!("/rest/{kind}s?action=initializeUpload"), &body).await?;
        let value = &answer["value"];
        let to = value["uploadUrl"].as_str().ok_or_else(|| unreadable("no address"))?.to_owned();
        let upload = Upload { urn: urn(&value[kind], kind)?, at, stage: Stage::Image { to } };
        return Ok((upload, call.now));
    }
    let body = json!({ "initializeUploadRequest": {
        "owner": owner,
        "fileSizeBytes": media.bytes(),
        "uploadCaptions": false,
        "uploadThumbnail": false,
    }});
    let answer = asked(call, "/rest/videos?action=initializeUpload", &body).await?;
    let value = &answer["value"];
    // It may be empty, and is sent all the same.
    let token = value["uploadToken"].as_str().unwrap_or_default().to_owned();
    let parts = parts(&value["uploadInstructions"], media.bytes());
    let parts = parts.ok_or_else(|| unreadable("no whole instructions"))?;
    let stage = Stage::Video { token, parts, tags: Vec::new() };
    Ok((Upload { urn: urn(&value["video"], "video")?, at, stage }, call.now))
}

/// The parts that make the whole file, in order and without a gap.
fn parts(instructions: &Value, bytes: u64) -> Option<Vec<Part>> {
    let part = |of: &Value| {
        let number = |name: &str| of[name].as_u64();
        let to = of["uploadUrl"].as_str()?.to_owned();
        Some(Part { to, first: number("firstByte")?, last: number("lastByte")? })
    };
    let parts: Vec<Part> = instructions.as_array()?.iter().map(part).collect::<Option<_>>()?;
    let mut next = 0;
    for part in &parts {
        if part.first != next || part.last < part.first {
            return None;
        }
        next = part.last + 1;
    }
    (next == bytes && parts.len() <= PARTS).then_some(parts)
}

/// An address that an answer named, if it is one of LinkedIn's.
fn address(call: &Call<'_>, text: &str) -> Result<Url, Outcome> {
    let refused =
        || Outcome::Refused(failure("address_refused", "not an address of LinkedIn", None));
    let url = Url::parse(text).map_err(|_| refused())?;
    let own = Url::parse(call.hosts.base(&API)).ok();
    let same = own.is_some_and(|own| {
        (own.scheme(), own.host_str(), own.port()) == (url.scheme(), url.host_str(), url.port())
    });
    let theirs = url.scheme() == "https"
        && url.host_str().is_some_and(|host| host.ends_with(".linkedin.com"));
    if same || theirs { Ok(url) } else { Err(refused()) }
}

fn upload_to(call: &Call<'_>, to: &str, media: &Media) -> Result<Request, Outcome> {
    let mut request = call.request(Method::PUT, address(call, to)?);
    request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    request.deadline += media.time();
    Ok(request)
}

async fn whole(call: &Call<'_>, media: &Media, upload: Upload, to: &str) -> Stepped {
    let mut request = upload_to(call, to, media)?;
    request.body = media.body();
    tried(call, request).await?;
    if media.kind().is_document() {
        return Ok((Upload { stage: Stage::Processing, ..upload }, call.now.plus(LOOK)));
    }
    Ok((Upload { stage: Stage::Ready, ..upload }, call.now))
}

async fn piece(
    call: &Call<'_>,
    media: &Media,
    upload: Upload,
    (token, parts, mut tags, next): (&str, &[Part], Vec<String>, &Part),
) -> Stepped {
    let mut request = upload_to(call, &next.to, media)?;
    // networks.md 2.9: a part takes no token.
    request.headers.remove(AUTHORIZATION);
    request.body = media.stretch_body(next.first..next.last + 1);
    let response = tried(call, request).await?;
    let tag = response.headers.get(ETAG).and_then(|tag| tag.to_str().ok());
    let tag = tag.map(|tag| tag.trim_matches('"')).filter(|tag| (1..=200).contains(&tag.len()));
    tags.push(tag.ok_or_else(|| unreadable("no tag of the part"))?.to_owned());
    let stage = Stage::Video { token: token.to_owned(), parts: parts.to_vec(), tags };
    Ok((Upload { stage, ..upload }, call.now))
}

async fn finish(call: &Call<'_>, upload: Upload, (token, tags): (&str, &[String])) -> Stepped {
    let body = json!({ "finalizeUploadRequest": {
        "video": upload.urn,
        "uploadToken": token,
        "uploadedPartIds": tags,
    }});
    asked(call, "/rest/videos?action=finalizeUpload", &body).await?;
    Ok((Upload { stage: Stage::Processing, ..upload }, call.now.plus(LOOK)))
}

async fn look(call: &Call<'_>, upload: Upload) -> Stepped {
    let kinds = if upload.urn.starts_with("urn:li:document:") { "documents" } else { "videos" };
    let path = format!("/rest/{kinds}/{}", api::encoded(&upload.urn));
    let request = api::request(call, Method::GET, &path, None).map_err(api::unasked)?;
    let answer = match api::ask(call, request).await {
        Ok(answer) => answer,
        // networks.md 2.4: a member's token may not look. The post is tried, and waits if need be.
        Err(CallError::Refused(said)) if said.status == Some(403) => {
            return Ok((Upload { stage: Stage::Ready, ..upload }, call.now.plus(LOOK)));
        }
        Err(error) => return Err(api::unasked(error)),
    };
    match answer["status"].as_str() {
        Some("AVAILABLE") => Ok((Upload { stage: Stage::Ready, ..upload }, call.now)),
        Some("PROCESSING_FAILED") => {
            let said = answer["processingFailureReason"].as_str().unwrap_or_default();
            let said = call.scrubbed(said);
            Err(Outcome::Refused(failure("media_processing_failed", &said, Some(200))))
        }
        Some(_) => Ok((Upload { stage: Stage::Processing, ..upload }, call.now.plus(LOOK))),
        None => Err(unreadable("no state of the file")),
    }
}
