//! Uploads: whole or in chunks, worked on for a while, with words for those who do not see them
//! (networks.md 1.3, 1.4). Must not look into the bytes.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::journal::{Effect, Moment};
use super::super::multipart::{self, Part};
use super::super::{Answer, Request};
use super::{Caller, Outcome, Query, Refusal, Server, body};
use crate::base::Timestamp;

/// networks.md 1.3: `expires_after_secs`.
const LIFE: Duration = Duration::from_hours(24);
/// networks.md 1.8: of 5 MiB and more, 413 with an empty body.
const CHUNK: usize = 5 * 1024 * 1024;
/// networks.md 1.4, by category.
const SIZES: [(&str, usize); 3] = [
    ("tweet_image", 5 * 1024 * 1024),
    ("tweet_gif", 15 * 1024 * 1024),
    ("tweet_video", 512 * 1024 * 1024),
];
const TYPES: [(&str, &[&str]); 3] = [
    ("tweet_image", &["image/jpeg", "image/png", "image/webp", "image/gif"]),
    ("tweet_gif", &["image/gif"]),
    ("tweet_video", &["video/mp4", "video/quicktime"]),
];
const ALT_CHARS: usize = 1_000;

pub(super) struct Media {
    account: u64,
    at: Timestamp,
    category: &'static str,
    mime: String,
    total: usize,
    chunks: BTreeMap<u32, usize>,
    /// When it may be attached; `None` while it is not finalized.
    ready_at: Option<Timestamp>,
    /// Nobody may look sooner: it would still say `pending`.
    look_at: Timestamp,
    failed: bool,
    alt: String,
    attached: bool,
}

impl Media {
    fn is_worked_on(&self) -> bool {
        self.category != "tweet_image"
    }
}

fn bad(name: &str, why: &str) -> Refusal {
    Refusal::invalid(name, "", why)
}

/// The category, if media of this type and size belong into it.
fn category(name: &str, mime: &str, bytes: usize) -> Result<&'static str, Refusal> {
    let (known, most) = SIZES
        .into_iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| bad("media_category", "is not one of the categories"))?;
    let types = TYPES.into_iter().find(|(of, _)| *of == known).map_or(&[][..], |(_, types)| types);
    if !types.contains(&mime) {
        return Err(bad("media_type", "is not a type of this category"));
    }
    if bytes == 0 || bytes > most {
        return Err(bad("media", "the size is not allowed in this category"));
    }
    Ok(known)
}

fn parts(request: &Request) -> Result<BTreeMap<String, Part>, Refusal> {
    let kind = request.header("content-type").unwrap_or_default();
    let boundary = multipart::boundary(kind).ok_or_else(|| bad("body", "must be multipart"))?;
    let parts = multipart::split(&request.body, &boundary).into_iter();
    Ok(parts.map(|part| (part.name.clone(), part)).collect())
}

fn text<'a>(parts: &'a BTreeMap<String, Part>, name: &str) -> Option<&'a str> {
    std::str::from_utf8(&parts.get(name)?.bytes).ok()
}

fn only(parts: &BTreeMap<String, Part>, known: &[&str]) -> Result<(), Refusal> {
    match parts.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(bad(name, "is not a field of this form")),
        None => Ok(()),
    }
}

impl Server {
    /// The small way, for images.
    pub(super) fn upload(
        &mut self,
        m: &mut Moment<'_>,
        request: &Request,
        caller: &Caller,
    ) -> Outcome {
        Self::may(caller, "media.write")?;
        let parts = parts(request)?;
        only(&parts, &["media", "media_category", "media_type", "additional_owners", "shared"])?;
        let file = parts.get("media").ok_or_else(|| bad("media", "is missing"))?;
        let named = text(&parts, "media_category").unwrap_or_default();
        let mime = file.mime.as_deref().unwrap_or_default();
        let mime = text(&parts, "media_type").unwrap_or(mime);
        let category = category(named, mime, file.bytes.len())?;
        if category == "tweet_video" {
            return Err(bad("media_category", "videos are uploaded in chunks"));
        }
        let id = self.begin(m, (category, mime, file.bytes.len()), caller);
        let (total, mime) = (file.bytes.len(), mime.to_owned());
        if let Some(media) = self.media.get_mut(&id) {
            media.chunks.insert(0, total);
        }
        self.complete(m, id, (&mime, total), caller);
        Ok(Answer::json(200, &self.told(id, m.now)))
    }

    pub(super) fn initialize(
        &mut self,
        m: &mut Moment<'_>,
        request: &Request,
        caller: &Caller,
    ) -> Outcome {
        Self::may(caller, "media.write")?;
        let known = ["media_type", "total_bytes", "media_category", "additional_owners", "shared"];
        let body = body(request, &known)?;
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let total = body.get("total_bytes").and_then(Value::as_u64).unwrap_or(0);
        let total = usize::try_from(total).unwrap_or(usize::MAX);
        let category = category(text("media_category"), text("media_type"), total)?;
        let id = self.begin(m, (category, text("media_type"), total), caller);
        Ok(Answer::json(200, &self.told(id, m.now)))
    }

    fn begin(
        &mut self,
        m: &Moment<'_>,
        (category, mime, total): (&'static str, &str, usize),
        caller: &Caller,
    ) -> u64 {
        let id = self.next_id();
        let media = Media {
            account: caller.account,
            at: m.now,
            category,
            mime: mime.to_owned(),
            total,
            chunks: BTreeMap::new(),
            ready_at: None,
            look_at: m.now,
            failed: false,
            alt: String::new(),
            attached: false,
        };
        self.media.insert(id, media);
        id
    }

    fn own(&mut self, name: &str, caller: &Caller) -> Result<(u64, &mut Media), Refusal> {
        let id: u64 = name.parse().map_err(|_| Refusal::not_found("media", name))?;
        let media = self.media.get_mut(&id).filter(|media| media.account == caller.account);
        media.map(|media| (id, media)).ok_or_else(|| Refusal::not_found("media", name))
    }

    pub(super) fn append(&mut self, request: &Request, (name, caller): (&str, &Caller)) -> Outcome {
        Self::may(caller, "media.write")?;
        let parts = parts(request)?;
        only(&parts, &["media", "segment_index"])?;
        let index = text(&parts, "segment_index").and_then(|text| text.parse().ok());
        let index: u32 =
            index.filter(|n| *n < 1_000).ok_or_else(|| bad("segment_index", "0-999"))?;
        let bytes = parts.get("media").map_or(0, |part| part.bytes.len());
        if bytes >= CHUNK {
            let mut answer = Answer::json(413, &Value::Null);
            answer.body = bytes::Bytes::new();
            return Ok(answer);
        }
        let (_, media) = self.own(name, caller)?;
        if bytes == 0 || media.ready_at.is_some() {
            return Err(bad("media", "there is nothing to append, or it is finalized"));
        }
        media.chunks.insert(index, bytes);
        Ok(Answer::json(200, &json!({ "data": { "expires_at": 1_800_000_000 } })))
    }

    pub(super) fn finalize(
        &mut self,
        m: &mut Moment<'_>,
        (name, caller): (&str, &Caller),
    ) -> Outcome {
        Self::may(caller, "media.write")?;
        let (id, media) = self.own(name, caller)?;
        let there: usize = media.chunks.values().sum();
        let last = media.chunks.last_key_value().map_or(0, |(last, _)| last + 1);
        let gaps = usize::try_from(last).unwrap_or(0) != media.chunks.len();
        if there != media.total || gaps || media.ready_at.is_some() {
            return Err(bad("media_id", "segments do not add up to the announced size"));
        }
        let (mime, total) = (media.mime.clone(), media.total);
        self.complete(m, id, (&mime, total), caller);
        Ok(Answer::json(200, &self.told(id, m.now)))
    }

    fn complete(
        &mut self,
        m: &mut Moment<'_>,
        id: u64,
        (mime, bytes): (&str, usize),
        caller: &Caller,
    ) {
        let (processing, fails) = (self.settings.media_processing, self.settings.media_fails);
        if let Some(media) = self.media.get_mut(&id) {
            let wait = if media.is_worked_on() { processing } else { Duration::ZERO };
            media.ready_at = Some(m.now.plus(wait));
            media.look_at = m.now.plus(wait / 2);
            media.failed = media.is_worked_on() && fails;
        }
        let effect = Effect::MediaUploaded { id: id.to_string(), mime: mime.to_owned(), bytes };
        m.note(self.username(caller.account), effect);
    }

    /// networks.md 1.3: no `processing_info` means ready.
    fn told(&self, id: u64, now: Timestamp) -> Value {
        let mut data = json!({
            "id": id.to_string(),
            "media_key": format!("3_{id}"),
            "expires_after_secs": LIFE.as_secs(),
        });
        if let Some(media) = self.media.get(&id)
            && let Some(ready) = media.ready_at.filter(|_| media.is_worked_on())
            && !self.settings.media_processing.is_zero()
        {
            let wait = media.look_at.max(now.plus(Duration::from_secs(1))).since(now);
            data["processing_info"] = if now >= ready && media.failed {
                json!({ "state": "failed", "error": {
                    "code": 1, "name": "InvalidMedia",
                    "message": "video longer than 2 minutes",
                }})
            } else if now >= ready {
                json!({ "state": "succeeded", "progress_percent": 100 })
            } else {
                let state = if now < media.look_at { "pending" } else { "in_progress" };
                json!({ "state": state, "check_after_secs": wait.as_secs().max(1) })
            };
        }
        json!({ "data": data })
    }

    pub(super) fn status(
        &mut self,
        m: &mut Moment<'_>,
        request: &Request,
        caller: &Caller,
    ) -> Outcome {
        Self::may(caller, "media.write")?;
        let query = Query::read(request, &["command", "media_id"])?;
        if query.get("command").is_some_and(|command| command != "STATUS") {
            return Err(bad("command", "must be STATUS"));
        }
        let name = query.get("media_id").unwrap_or_default().to_owned();
        let now = m.now;
        let (id, media) = self.own(&name, caller)?;
        // networks.md 1.8: asked of a picture it is refused.
        if !media.is_worked_on() || media.ready_at.is_none() {
            return Err(bad("media_id", "is not being processed"));
        }
        // networks.md 1.7 (6): who looks too early, waits anew.
        if now < media.look_at {
            media.look_at = media.look_at.plus(Duration::from_secs(1));
        }
        Ok(Answer::json(200, &self.told(id, now)))
    }

    pub(super) fn metadata(&mut self, request: &Request, caller: &Caller) -> Outcome {
        Self::may(caller, "media.write")?;
        let body = body(request, &["id", "metadata"])?;
        let name = body.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let text = &body.get("metadata").map_or(Value::Null, |of| of["alt_text"]["text"].clone());
        let text = text.as_str().filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| bad("metadata", "alt_text.text is missing"))?;
        if text.chars().count() > ALT_CHARS {
            return Err(bad("metadata", "alt_text.text is too long"));
        }
        let (id, media) = self.own(&name, caller)?;
        text.clone_into(&mut media.alt);
        let data = json!({ "id": id.to_string(), "associated_metadata": body.get("metadata") });
        Ok(Answer::json(200, &json!({ "data": data })))
    }

    /// Whether a post may show all of these.
    pub(super) fn attachable(
        &self,
        now: Timestamp,
        ids: &[u64],
        caller: &Caller,
    ) -> Result<(), Refusal> {
        let refused = |why: &str| bad("media.media_ids", why);
        let mut alone = 0;
        for id in ids {
            let media = self.media.get(id).filter(|media| media.account == caller.account);
            let media = media.ok_or_else(|| refused("Your media IDs are invalid."))?;
            let ready = media.ready_at.is_some_and(|ready| ready <= now) && !media.failed;
            if !ready || media.attached || now >= media.at.plus(LIFE) {
                return Err(refused("Your media IDs are invalid."));
            }
            alone += usize::from(media.is_worked_on());
        }
        if alone > 0 && ids.len() > 1 {
            return Err(refused("a GIF or a video stands alone"));
        }
        Ok(())
    }

    pub(super) fn attach(&mut self, ids: &[u64]) {
        for id in ids {
            if let Some(media) = self.media.get_mut(id) {
                media.attached = true;
            }
        }
    }

    /// The words for the media of the newest post that shows any, in order.
    pub fn alts(&self) -> Vec<&str> {
        let newest = self.posts.values().rev().find(|post| !post.media.is_empty());
        let ids = newest.map(|post| post.media.as_slice()).unwrap_or_default();
        ids.iter().filter_map(|id| self.media.get(id)).map(|media| media.alt.as_str()).collect()
    }
}
