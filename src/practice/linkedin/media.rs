//! Uploads: images and documents in one piece, videos in parts with tags (networks.md 2.4, 2.8). Must not look
//! into the bytes.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::journal::{Effect, Moment};
use super::super::{Answer, Request};
use super::{Outcome, Refusal, Server, body, only};
use crate::base::Timestamp;

pub(super) struct Media {
    owner: String,
    /// Of each part: how long it is to be, and the tag once it is there.
    parts: Vec<(usize, Option<String>)>,
    kind: Kind,
    /// When it may be shown; `None` while something of it is missing.
    ready_at: Option<Timestamp>,
}

/// What it is; the word stands in its URN.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Image,
    Document,
    Video,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Document => "document",
            Self::Video => "video",
        }
    }

    /// networks.md 2.5.
    fn most(self) -> usize {
        match self {
            Self::Image => 8 * 1024 * 1024,
            Self::Document => 100 * 1024 * 1024,
            Self::Video => 500 * 1024 * 1024,
        }
    }
}

fn bad(code: &'static str, why: &str) -> Refusal {
    Refusal::input(400, code, why)
}

impl Server {
    fn owner_of(&self, body: &Value, token: &str) -> Result<String, Refusal> {
        let owner = body["initializeUploadRequest"]["owner"].as_str().unwrap_or_default();
        self.may_write(token, owner)?;
        Ok(owner.to_owned())
    }

    fn address(&self, kind: &str, id: u64, part: usize) -> String {
        format!("{}/upload/{kind}/{id}/{part}", self.settings.base_url)
    }

    pub(super) fn begin_whole(&mut self, request: &Request, token: &str, kind: Kind) -> Outcome {
        let body = body(request)?;
        only(&body, &["initializeUploadRequest"])?;
        only(&body["initializeUploadRequest"], &["owner"])?;
        let owner = self.owner_of(&body, token)?;
        let id = self.next();
        let word = kind.word();
        let urn = format!("urn:li:{word}:C{id}");
        let media = Media { owner, parts: vec![(0, None)], kind, ready_at: None };
        self.media.insert(urn.clone(), media);
        let to = self.address(word, id, 0);
        Ok(Answer::json(200, &json!({ "value": { "uploadUrl": to, word: urn } })))
    }

    pub(super) fn begin_video(&mut self, request: &Request, token: &str) -> Outcome {
        let body = body(request)?;
        only(&body, &["initializeUploadRequest"])?;
        let known = ["owner", "fileSizeBytes", "uploadCaptions", "uploadThumbnail"];
        only(&body["initializeUploadRequest"], &known)?;
        let owner = self.owner_of(&body, token)?;
        let bytes = body["initializeUploadRequest"]["fileSizeBytes"].as_u64().unwrap_or(0);
        let bytes = usize::try_from(bytes).unwrap_or(0);
        if bytes == 0 || bytes > Kind::Video.most() {
            return Err(bad("INVALID_FILE_SIZE", "fileSizeBytes"));
        }
        let id = self.next();
        let urn = format!("urn:li:video:C{id}");
        let part = self.settings.part_bytes.max(1);
        let ranges: Vec<(usize, usize)> =
            (0..bytes).step_by(part).map(|first| (first, bytes.min(first + part) - 1)).collect();
        let instruction = |(n, (first, last)): (usize, &(usize, usize))| {
            json!({
                "uploadUrl": self.address("video", id, n),
                "firstByte": first,
                "lastByte": last,
            })
        };
        let instructions: Vec<Value> = ranges.iter().enumerate().map(instruction).collect();
        let parts = ranges.iter().map(|(first, last)| (last + 1 - first, None)).collect();
        let kind = Kind::Video;
        self.media.insert(urn.clone(), Media { owner, parts, kind, ready_at: None });
        // networks.md 2.8 (5): the token may be empty.
        let value = json!({
            "video": urn, "uploadToken": "", "uploadInstructions": instructions,
        });
        Ok(Answer::json(200, &json!({ "value": value })))
    }

    pub(super) fn put(
        &mut self,
        m: &mut Moment<'_>,
        request: &Request,
        (kind, id, part): (&str, &str, &str),
    ) -> Outcome {
        // networks.md 2.9: an image takes the token, a part of a video takes none.
        match (kind, request.header("authorization")) {
            ("image" | "document", Some(_)) => drop(self.token(m.now, request)?),
            ("video", None) => {}
            _ => return Err(Refusal::new(401, 65_600, "wrong authorization of an upload")),
        }
        let urn = format!("urn:li:{kind}:C{id}");
        let gone = || Refusal::new(404, 0, "no such upload");
        let number: usize = part.parse().map_err(|_| gone())?;
        let processing = self.settings.video_processing;
        let media = self.media.get_mut(&urn).ok_or_else(gone)?;
        let of = media.kind;
        let (expected, tag) = media.parts.get_mut(number).ok_or_else(gone)?;
        let bytes = request.body.len();
        if bytes == 0 || bytes > of.most() || (of == Kind::Video && bytes != *expected) {
            return Err(bad("INVALID_RANGE", "not the bytes of this part"));
        }
        let new = format!("tag-{id}-{number}-{bytes}");
        *tag = Some(new.clone());
        let owner = media.owner.clone();
        if of != Kind::Video {
            // networks.md 2.4 (3): a document has the states of a video.
            let worked_on = if of == Kind::Document { processing } else { Duration::ZERO };
            media.ready_at = Some(m.now.plus(worked_on));
            m.note(&owner, Effect::MediaUploaded { id: urn, mime: of.word().to_owned(), bytes });
        }
        let status = if of == Kind::Video { 200 } else { 201 };
        let mut answer = Answer::json(status, &Value::Null);
        answer.body = bytes::Bytes::new();
        Ok(answer.with("etag", &format!("\"{new}\"")))
    }

    pub(super) fn finalize(
        &mut self,
        m: &mut Moment<'_>,
        request: &Request,
        token: &str,
    ) -> Outcome {
        let body = body(request)?;
        only(&body, &["finalizeUploadRequest"])?;
        let of = &body["finalizeUploadRequest"];
        only(of, &["video", "uploadToken", "uploadedPartIds"])?;
        if !of["uploadToken"].is_string() {
            return Err(bad("MISSING_FIELD", "uploadToken"));
        }
        let urn = of["video"].as_str().unwrap_or_default().to_owned();
        let owner = self.media.get(&urn).map(|media| media.owner.clone()).unwrap_or_default();
        self.may_write(token, &owner)?;
        let processing = self.settings.video_processing;
        let media = self.media.get_mut(&urn).ok_or_else(Refusal::denied)?;
        let tags: Vec<&str> = of["uploadedPartIds"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let right = media.parts.iter().map(|(_, tag)| tag.as_deref()).collect::<Option<Vec<_>>>();
        // networks.md 2.8 (5).
        if right.as_deref() != Some(tags.as_slice()) {
            return Err(bad("INVALID_PART_IDS", "uploadedPartIds"));
        }
        let bytes = media.parts.iter().map(|(bytes, _)| bytes).sum();
        media.ready_at = Some(m.now.plus(processing));
        m.note(&owner, Effect::MediaUploaded { id: urn, mime: "video".to_owned(), bytes });
        let mut answer = Answer::json(200, &Value::Null);
        answer.body = bytes::Bytes::new();
        Ok(answer)
    }

    /// networks.md 2.8 (6): a member's token may not look.
    pub(super) fn state(&self, m: &Moment<'_>, urn: &str, token: &str) -> Outcome {
        let media = self.media.get(urn).ok_or_else(Refusal::denied)?;
        if media.owner.starts_with("urn:li:person:") {
            return Err(Refusal::denied());
        }
        self.may_write(token, &media.owner)?;
        let failed = self.settings.video_fails;
        let mut shown: BTreeMap<&str, Value> = BTreeMap::from([("id", json!(urn))]);
        let status = match media.ready_at {
            None => "WAITING_UPLOAD",
            Some(ready) if m.now < ready => "PROCESSING",
            Some(_) if failed => "PROCESSING_FAILED",
            Some(_) => "AVAILABLE",
        };
        shown.insert("status", json!(status));
        if status == "PROCESSING_FAILED" {
            shown.insert("processingFailureReason", json!("the codec is not supported"));
        }
        Ok(Answer::json(200, &shown))
    }

    pub(super) fn attachable(
        &self,
        now: Timestamp,
        (urn, author): (&str, &str),
    ) -> Result<(), Refusal> {
        let media = self.media.get(urn).filter(|media| media.owner == author);
        let media = media.ok_or_else(|| bad("INVALID_URN", "no such media of this author"))?;
        match media.ready_at {
            Some(ready)
                if now >= ready && media.kind != Kind::Image && self.settings.video_fails =>
            {
                Err(bad("MEDIA_ASSET_PROCESSING_FAILED", urn))
            }
            Some(ready) if now >= ready => Ok(()),
            _ => Err(bad("MEDIA_ASSET_WAITING_UPLOAD", urn)),
        }
    }
}
