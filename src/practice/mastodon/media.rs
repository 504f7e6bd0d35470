//! Uploads and their life until they are attached. Must not look into the bytes.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::journal::{Effect, Moment};
use super::super::{Answer, Request};
use super::statuses::Status;
use super::{Outcome, Params, Refusal, Server};
use crate::base::Timestamp;

/// networks.md 11.4.
pub(super) const PER_STATUS: usize = 4;
pub(super) const DESCRIPTION_CHARS: usize = 1_500;
pub(super) const IMAGE_BYTES: usize = 16 * 1024 * 1024;
pub(super) const VIDEO_BYTES: usize = 99 * 1024 * 1024;
pub(super) const MIME_TYPES: &[&str] = &[
    "image/jpeg",
    "image/png",
    "image/gif",
    "image/heic",
    "image/heif",
    "image/webp",
    "image/avif",
    "video/webm",
    "video/mp4",
    "video/quicktime",
    "audio/mpeg",
    "audio/ogg",
    "audio/wav",
    "audio/flac",
    "audio/mp4",
];

/// What is attached to nothing is removed after a day (networks.md 11.6: 404 and 422, "media
/// expired").
const KEPT: Duration = Duration::from_hours(24);

pub(super) struct Media {
    account: u64,
    at: Timestamp,
    mime: String,
    bytes: Bytes,
    description: Option<String>,
    ready_at: Timestamp,
    /// The status that shows it; nothing can be attached twice.
    status: Option<u64>,
}

impl Media {
    /// Whether it waits to be attached.
    fn is_loose(&self, now: Timestamp) -> bool {
        self.status.is_none() && now < self.at.plus(KEPT)
    }
}

impl Server {
    pub(super) fn upload(&mut self, m: &mut Moment<'_>, request: &Request) -> Outcome {
        let (account, _) = self.author(request, &["write", "write:media"])?;
        let mut params = Params::body(request)?;
        if let Some(name) = params.unknown(&["file", "description", "focus", "thumbnail"]) {
            return Err(Refusal::invalid(&format!("Unknown parameter {name}")));
        }
        let description = params.text("description")?;
        if description.as_ref().is_some_and(|d| d.chars().count() > DESCRIPTION_CHARS) {
            let what =
                format!("Description is too long (maximum is {DESCRIPTION_CHARS} characters)");
            return Err(Refusal::invalid(&what));
        }
        let Some(file) = params.files.remove("file") else {
            return Err(Refusal::invalid("File can't be blank"));
        };
        if !MIME_TYPES.contains(&file.mime.as_str()) {
            return Err(Refusal::invalid("File content type is invalid, File is invalid"));
        }
        let image = file.mime.starts_with("image/");
        let (max, words) = if image { (IMAGE_BYTES, "16 MB") } else { (VIDEO_BYTES, "99 MB") };
        if file.bytes.len() > max {
            return Err(Refusal::invalid(&format!("File file size must be less than {words}")));
        }
        let id = self.next_id(m.now);
        let effect = Effect::MediaUploaded {
            id: id.to_string(),
            mime: file.mime.clone(),
            bytes: file.bytes.len(),
        };
        m.note(self.username(account), effect);
        let media = Media {
            account,
            at: m.now,
            mime: file.mime,
            bytes: file.bytes,
            description,
            ready_at: m.now.plus(self.settings.media_processing),
            status: None,
        };
        let ready = media.ready_at <= m.now;
        self.media.insert(id, media);
        // networks.md 11.7 (1): 202 and a null address while it is worked on.
        Ok(Answer::json(if ready { 200 } else { 202 }, &self.attachment_at(id, ready)))
    }

    pub(super) fn show_media(&self, now: Timestamp, request: &Request, id: &str) -> Outcome {
        let (account, _) = self.author(request, &["write", "write:media"])?;
        let id: u64 = id.parse().map_err(|_| Refusal::not_found())?;
        let media = self.media.get(&id).filter(|media| media.account == account);
        // networks.md 11.7 (4): what is attached is not found here any more.
        let media = media.filter(|media| media.is_loose(now)).ok_or_else(Refusal::not_found)?;
        if media.ready_at > now {
            return Ok(Answer::json(206, &self.attachment_at(id, false)));
        }
        if self.settings.media_fails {
            return Err(Refusal::invalid("File content type is invalid, File is invalid"));
        }
        Ok(Answer::json(200, &self.attachment_at(id, true)))
    }

    /// The ids that a status names, if all of them can be attached now.
    pub(super) fn attachable(
        &self,
        now: Timestamp,
        account: u64,
        names: &[String],
    ) -> Result<Vec<u64>, Refusal> {
        if names.len() > PER_STATUS {
            let what = format!("Cannot attach more than {PER_STATUS} files");
            return Err(Refusal::new(422, what));
        }
        let mut found = Vec::new();
        let mut missing = Vec::new();
        for name in names {
            let id = name.parse().ok();
            let media = id.and_then(|id: u64| self.media.get(&id)).filter(|m| m.account == account);
            match (id, media) {
                (Some(id), Some(media)) if media.is_loose(now) => found.push((id, media)),
                _ => missing.push(name.as_str()),
            }
        }
        if !missing.is_empty() {
            let missing = missing.join(", ");
            let what = format!("Media {missing} not found or already attached to another post");
            return Err(Refusal::new(self.settings.media_reuse_status, what));
        }
        if found.len() > 1 && found.iter().any(|(_, m)| !m.mime.starts_with("image/")) {
            let what = "Cannot attach a video to a post that already contains images";
            return Err(Refusal::new(422, what));
        }
        if found.iter().any(|(_, m)| m.ready_at > now) {
            let what =
                "Cannot attach files that have not finished processing. Try again in a moment!";
            return Err(Refusal::new(422, what));
        }
        Ok(found.into_iter().map(|(id, _)| id).collect())
    }

    pub(super) fn attach(&mut self, status: &Status) {
        for id in &status.media {
            if let Some(media) = self.media.get_mut(id) {
                media.status = Some(status.id);
            }
        }
    }

    pub(super) fn attachment(&self, id: u64) -> Option<Value> {
        self.media.contains_key(&id).then(|| self.attachment_at(id, true))
    }

    fn attachment_at(&self, id: u64, ready: bool) -> Value {
        let media = self.media.get(&id);
        let kind = media.and_then(|m| m.mime.split('/').next()).unwrap_or("unknown");
        json!({
            "id": id.to_string(),
            "type": kind,
            "url": ready.then(|| self.media_url(id)),
            "preview_url": ready.then(|| self.media_url(id)),
            "remote_url": null,
            "meta": {},
            "description": media.and_then(|m| m.description.as_ref()),
            "blurhash": null,
        })
    }

    pub(super) fn media_url(&self, id: u64) -> String {
        format!("{}/media_attachments/{id}", self.settings.base_url)
    }

    /// The file itself, for a browser.
    pub(super) fn media_bytes(&self, id: &str) -> Outcome {
        let media = id.parse().ok().and_then(|id: u64| self.media.get(&id));
        let media = media.ok_or_else(Refusal::not_found)?;
        let mut answer = Answer::json(200, &Value::Null).with("content-type", &media.mime);
        answer.body = media.bytes.clone();
        Ok(answer.with("x-content-type-options", "nosniff"))
    }

    pub(super) fn shown_media(&self, id: u64) -> super::super::page::ShownMedia {
        let media = self.media.get(&id);
        super::super::page::ShownMedia {
            url: self.media_url(id),
            image: media.is_some_and(|m| m.mime.starts_with("image/")),
            description: media.and_then(|m| m.description.clone()).unwrap_or_default(),
        }
    }
}
