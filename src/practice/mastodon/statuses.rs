//! Statuses: publish, read, list, edit, delete, and the idempotency keys. Must not answer from
//! anything but what was stored.

use std::time::Duration;

use serde_json::Value;

use super::super::journal::{Effect, Moment};
use super::super::{Answer, Request, Shown};
use super::{Outcome, Params, Refusal, Server, Token, text};
use crate::base::Timestamp;

/// networks.md 11.3: keys are kept one hour.
const KEY_LIFE: Duration = Duration::from_hours(1);
const LIST_DEFAULT: usize = 20;
const LIST_MAX: usize = 40;
const VISIBILITIES: &[&str] = &["public", "unlisted", "private", "direct"];
/// What `POST` takes. A real server ignores other names; here they are refused, because a
/// misspelt parameter would otherwise change a post without anybody noticing.
const POST_PARAMS: &[&str] = &[
    "status",
    "in_reply_to_id",
    "media_ids",
    "sensitive",
    "spoiler_text",
    "visibility",
    "language",
];
const EDIT_PARAMS: &[&str] = &["status", "spoiler_text", "sensitive", "language"];

pub(super) struct Status {
    pub id: u64,
    pub account: u64,
    pub created_at: Timestamp,
    pub edited_at: Option<Timestamp>,
    pub text: String,
    pub spoiler_text: String,
    pub sensitive: bool,
    pub visibility: String,
    pub language: String,
    pub in_reply_to_id: Option<u64>,
    /// The `client_id` of the application that posted it.
    pub app: Option<String>,
    pub media: Vec<u64>,
}

/// Which status a key stands for, and from when on it is seen.
pub(super) struct Kept {
    status: u64,
    from: Timestamp,
}

/// What may be said about a status, from a request.
struct Draft {
    text: String,
    spoiler_text: String,
    sensitive: bool,
    language: String,
}

fn refuse_unknown(params: &Params, known: &[&str]) -> Result<(), Refusal> {
    match params.unknown(known) {
        Some(name) => Err(Refusal::invalid(&format!("Unknown parameter {name}"))),
        None => Ok(()),
    }
}

/// Two or three letters, perhaps with a script or region. A real server falls back to the
/// account's own language where this refuses.
fn language(code: Option<String>) -> Result<String, Refusal> {
    let code = code.unwrap_or_else(|| "en".to_owned());
    let (tongue, region) = code.split_once('-').unwrap_or((&code, "xx"));
    let good = (2..=3).contains(&tongue.len())
        && tongue.chars().all(|c| c.is_ascii_lowercase())
        && (2..=4).contains(&region.len())
        && region.chars().all(|c| c.is_ascii_alphabetic());
    if good { Ok(code) } else { Err(Refusal::invalid("Language is invalid")) }
}

impl Server {
    pub(super) fn create_status(&mut self, m: &mut Moment<'_>, request: &Request) -> Outcome {
        let (account, token) = self.author(request, &["write", "write:statuses"])?;
        let params = Params::body(request)?;
        refuse_unknown(&params, POST_PARAMS)?;
        // The target of a reply is looked at before the key, so a repeat can fail here too.
        let in_reply_to_id = self.reply_target(&params, account)?;
        let key = request.header("idempotency-key").filter(|key| !key.is_empty());
        if let Some(answer) = key.and_then(|key| self.repeated(m.now, account, key)) {
            return answer;
        }
        let media = self.attachable(m.now, account, &params.list("media_ids")?)?;
        let visibility = params.text("visibility")?.unwrap_or_else(|| "public".to_owned());
        if !VISIBILITIES.contains(&visibility.as_str()) {
            return Err(Refusal::invalid("Visibility is invalid"));
        }
        let draft = self.draft(&params, None, !media.is_empty())?;
        let status = Status {
            id: self.next_id(m.now),
            account,
            created_at: m.now,
            edited_at: None,
            text: draft.text,
            spoiler_text: draft.spoiler_text,
            sensitive: draft.sensitive,
            visibility,
            language: draft.language,
            in_reply_to_id,
            app: token.app,
            media,
        };
        Ok(self.store_status(m, status, request, key))
    }

    fn store_status(
        &mut self,
        m: &mut Moment<'_>,
        status: Status,
        request: &Request,
        key: Option<&str>,
    ) -> Answer {
        let effect = Effect::StatusCreated {
            id: status.id.to_string(),
            text: status.text.clone(),
            in_reply_to_id: status.in_reply_to_id.map(|id| id.to_string()),
            idempotency_key: key.map(str::to_owned),
            correlation: request.header("x-correlation-id").map(str::to_owned),
        };
        m.note(self.username(status.account), effect);
        if let Some(key) = key.filter(|_| self.settings.honours_idempotency_key) {
            let kept = Kept { status: status.id, from: m.now.plus(self.settings.key_settles) };
            self.keys.insert((status.account, key.to_owned()), kept);
        }
        self.attach(&status);
        if let Some(account) = self.accounts.get_mut(&status.account) {
            account.statuses_count += 1;
            account.last_status_at = Some(m.now);
        }
        let mut told = self.status(&status);
        if self.settings.is_front {
            told["id"] = m.now.as_millis().to_string().into();
        }
        self.statuses.insert(status.id, status);
        Answer::json(200, &told)
    }

    fn reply_target(&self, params: &Params, reader: u64) -> Result<Option<u64>, Refusal> {
        let missing = "The post you are trying to reply to does not appear to exist.";
        let Some(id) = params.text("in_reply_to_id")?.filter(|id| !id.is_empty()) else {
            return Ok(None);
        };
        let target = id.parse().ok().and_then(|id: u64| self.statuses.get(&id));
        match target.filter(|t| visible(t, Some(reader))) {
            Some(target) => Ok(Some(target.id)),
            None if self.settings.is_front => Ok(None),
            None => Err(Refusal::new(404, missing)),
        }
    }

    /// The answer to a repeat, if this key is known.
    /// networks.md 11.7 (2): the same key answers the same status, even with another body.
    fn repeated(&self, now: Timestamp, account: u64, key: &str) -> Option<Outcome> {
        let kept = self.keys.get(&(account, key.to_owned()))?;
        if now < kept.from || now >= kept.from.plus(KEY_LIFE) {
            return None;
        }
        if self.settings.key_repeat_fails {
            return Some(Err(Refusal::new(500, "Internal Server Error")));
        }
        // A key whose status was deleted finds nothing, and does not post again.
        let found = self.statuses.get(&kept.status).map(|s| Answer::json(200, &self.status(s)));
        Some(found.ok_or_else(Refusal::not_found))
    }

    /// The content that a request asks for; what it does not name stays as it was `before`.
    fn draft(
        &self,
        params: &Params,
        before: Option<&Status>,
        has_media: bool,
    ) -> Result<Draft, Refusal> {
        // The network trims both before it stores them; a reader must compare accordingly.
        let trimmed = |name: &str, old: Option<&str>| -> Result<String, Refusal> {
            let given = params.text(name)?;
            Ok(given.as_deref().or(old).unwrap_or("").trim().to_owned())
        };
        let mut text = trimmed("status", before.map(|s| s.text.as_str()))?;
        let mut spoiler_text = trimmed("spoiler_text", before.map(|s| s.spoiler_text.as_str()))?;
        let sensitive = params.flag("sensitive")?.or(before.map(|s| s.sensitive));
        let sensitive = sensitive.unwrap_or(false) || !spoiler_text.is_empty();
        // A content warning without a text becomes the text.
        if text.is_empty() {
            text = std::mem::take(&mut spoiler_text);
        }
        if text.is_empty() && !has_media {
            return Err(Refusal::invalid("Text can't be blank"));
        }
        let max = self.settings.max_characters;
        if text::length(&spoiler_text, &text, self.settings.reserved_per_url) > max {
            let what = format!("Text character limit of {max} exceeded");
            return Err(Refusal::invalid(&what));
        }
        Ok(Draft {
            text,
            spoiler_text,
            sensitive,
            language: language(params.text("language")?.or(before.map(|s| s.language.clone())))?,
        })
    }

    fn find_status(&self, id: &str, reader: Option<u64>) -> Result<&Status, Refusal> {
        let status = id.parse().ok().and_then(|id: u64| self.statuses.get(&id));
        status.filter(|s| visible(s, reader)).ok_or_else(Refusal::not_found)
    }

    pub(super) fn show_status(&self, request: &Request, id: &str) -> Outcome {
        let reader = self.reader(request, &["read", "read:statuses"])?;
        let status = self.find_status(id, reader)?;
        Ok(Answer::json(200, &self.status(status)))
    }

    /// One's own status, to change it.
    fn own_status(&self, request: &Request, id: &str) -> Result<u64, Refusal> {
        let (account, _): (u64, Token) = self.author(request, &["write", "write:statuses"])?;
        let status = self.find_status(id, Some(account))?;
        if status.account == account { Ok(status.id) } else { Err(Refusal::not_found()) }
    }

    pub(super) fn edit_status(
        &mut self,
        m: &mut Moment<'_>,
        request: &Request,
        id: &str,
    ) -> Outcome {
        let id = self.own_status(request, id)?;
        let params = Params::body(request)?;
        refuse_unknown(&params, EDIT_PARAMS)?;
        let before = self.statuses.get(&id).ok_or_else(Refusal::not_found)?;
        let draft = self.draft(&params, Some(before), !before.media.is_empty())?;
        let status = self.statuses.get_mut(&id).ok_or_else(Refusal::not_found)?;
        status.text = draft.text;
        status.spoiler_text = draft.spoiler_text;
        status.sensitive = draft.sensitive;
        status.language = draft.language;
        status.edited_at = Some(m.now);
        let status = self.statuses.get(&id).ok_or_else(Refusal::not_found)?;
        let effect = Effect::StatusEdited { id: id.to_string(), text: status.text.clone() };
        m.note(self.username(status.account), effect);
        Ok(Answer::json(200, &self.status(status)))
    }

    pub(super) fn delete_status(
        &mut self,
        m: &mut Moment<'_>,
        request: &Request,
        id: &str,
    ) -> Outcome {
        let id = self.own_status(request, id)?;
        let status = self.statuses.remove(&id).ok_or_else(Refusal::not_found)?;
        let effect = Effect::StatusDeleted { id: id.to_string() };
        m.note(self.username(status.account), effect);
        if let Some(account) = self.accounts.get_mut(&status.account) {
            account.statuses_count = account.statuses_count.saturating_sub(1);
        }
        for reply in self.statuses.values_mut().filter(|s| s.in_reply_to_id == Some(id)) {
            reply.in_reply_to_id = None;
        }
        // The answer has the source text, for "delete and redraft".
        let mut body = self.status(&status);
        if let Some(body) = body.as_object_mut() {
            body.insert("text".to_owned(), status.text.into());
        }
        Ok(Answer::json(200, &body))
    }

    /// An account's statuses, newest first.
    pub(super) fn list(&self, m: &Moment<'_>, request: &Request, id: &str) -> Outcome {
        let reader = self.reader(request, &["read", "read:statuses"])?;
        let account = id.parse().ok().filter(|id: &u64| self.accounts.contains_key(id));
        let account = account.ok_or_else(Refusal::not_found)?;
        let params = Params::query(request);
        refuse_unknown(
            &params,
            &["limit", "since_id", "max_id", "min_id", "exclude_replies", "exclude_reblogs"],
        )?;
        let number = |name: &str| -> Result<Option<u64>, Refusal> {
            Ok(params.text(name)?.and_then(|n| n.parse().ok()))
        };
        let (since, max) = (number("since_id")?, number("max_id")?);
        let min = number("min_id")?;
        let without_replies = params.flag("exclude_replies")?.unwrap_or(false);
        let limit = number("limit")?.and_then(|n| usize::try_from(n).ok());
        let limit = limit.unwrap_or(LIST_DEFAULT).min(LIST_MAX);
        let mut found: Vec<&Status> = (self.statuses.values())
            .filter(|s| s.account == account && visible(s, reader))
            // A list may lag behind: what was answered with 200 need not be in it yet.
            .filter(|s| m.now >= s.created_at.plus(self.settings.list_lag))
            .filter(|s| since.or(min).is_none_or(|id| s.id > id) && max.is_none_or(|id| s.id < id))
            // Only replies to other accounts are left out; a thread's own parts stay.
            .filter(|s| !without_replies || self.replies_to_itself(s))
            .collect();
        // `since_id` keeps the newest of what is left, `min_id` the nearest.
        if min.is_some() {
            found.truncate(limit);
        }
        found.reverse();
        found.truncate(limit);
        let answer = Answer::json(200, &found.iter().map(|s| self.listed(s)).collect::<Vec<_>>());
        Ok(match (found.first(), found.last()) {
            (Some(first), Some(last)) => {
                let here = format!("{}/api/v1/accounts/{account}/statuses", self.settings.base_url);
                let (next, prev) = (last.id, first.id);
                let links = format!(
                    "<{here}?max_id={next}>; rel=\"next\", <{here}?min_id={prev}>; rel=\"prev\""
                );
                answer.with("link", &links)
            }
            _ => answer,
        })
    }

    fn listed(&self, status: &Status) -> Value {
        let mut told = self.status(status);
        if self.settings.is_front {
            told["in_reply_to_id"] = Value::Null;
            let (content, url) = (&told["content"], self.status_url(status));
            let content = content.as_str().unwrap_or_default();
            let below = format!("{content}\n<p>\u{1F517} <a href=\"{url}\">{url}</a></p>");
            told["content"] = below.into();
        }
        told
    }

    fn replies_to_itself(&self, status: &Status) -> bool {
        let target = status.in_reply_to_id.map(|id| self.statuses.get(&id).map(|t| t.account));
        target.is_none_or(|account| account == Some(status.account))
    }

    pub(super) fn shown_status(&self, status: &Status) -> Shown {
        let parent = status.in_reply_to_id.and_then(|id| self.statuses.get(&id));
        Shown {
            id: status.id.to_string(),
            account: self.username(status.account).to_owned(),
            created_at: status.created_at,
            edited: status.edited_at.is_some(),
            text: status.text.clone(),
            spoiler_text: status.spoiler_text.clone(),
            visibility: status.visibility.clone(),
            url: self.status_url(status),
            in_reply_to_id: status.in_reply_to_id.map(|id| id.to_string()),
            in_reply_to_url: parent.map(|p| self.status_url(p)),
            media: status.media.iter().map(|id| self.shown_media(*id)).collect(),
        }
    }
}

fn visible(status: &Status, reader: Option<u64>) -> bool {
    matches!(status.visibility.as_str(), "public" | "unlisted") || reader == Some(status.account)
}
