//! Mastodon, and servers with its API. Facts: networks.md 11, from the documentation of 2026-07.
//! Must not trust a server to be Mastodon itself unless it says so.

mod connect;
mod media;
mod parent;
mod read_back;
mod token;

use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Value, json};

use self::media::Ticket;
use super::call::Answered;
use super::{
    Asks, Call, CallError, Connected, Credential, Facts, Grant, Network, PartCall, Prepared, Proof,
    Told, failure,
};
use crate::base::Timestamp;
use crate::domain::capability::{Capabilities, OptionSpec, Takes, languages};
use crate::domain::channel::Account;
use crate::domain::media::{MediaKind, MediaRules};
use crate::domain::publish::{Outcome, ReadBack, Reading, Receipt, Source};
use crate::domain::text::Counter;
use crate::outbound::Response;

pub(super) struct Mastodon;

/// The server remembers an `Idempotency-Key` for an hour; ten minutes of it are left to clocks.
const KEY_MEMORY: Duration = Duration::from_mins(50);

/// Names of facts, see `connect`.
const MAX_CHARACTERS: &str = "max_characters";
const URL_LENGTH: &str = "characters_reserved_per_url";
const HONOURS_KEY: &str = "honours_idempotency_key";
const MAX_MEDIA: &str = "max_media_attachments";
const MEDIA_TYPES: &str = "supported_mime_types";
const ALT_MAX: &str = "description_limit";
const IMAGE_BYTES: &str = "image_size_limit";
const IMAGE_PIXELS: &str = "image_matrix_limit";
const VIDEO_BYTES: &str = "video_size_limit";
const VIDEO_PIXELS: &str = "video_matrix_limit";

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "visibility",
        about: "who sees it; the account's own default when not given",
        takes: Takes::Choice(&["public", "unlisted", "private", "direct"]),
    },
    OptionSpec {
        name: "spoiler_text",
        about: "the content warning shown before the text; its length counts",
        takes: Takes::Text(500),
    },
    OptionSpec { name: "sensitive", about: "hide media behind a warning", takes: Takes::Flag },
    OptionSpec {
        name: "language",
        about: "ISO 639-1 code of the text's language",
        takes: Takes::Languages(1),
    },
];

#[async_trait]
impl Network for Mastodon {
    fn word(&self) -> &'static str {
        "mastodon"
    }

    fn title(&self) -> &'static str {
        "Mastodon"
    }

    fn asks(&self) -> Asks {
        Asks { instance: true, identifier: false, token: true, url: false }
    }

    fn capabilities(&self, facts: &Facts) -> Capabilities {
        let fact = |name: &str, default| {
            facts.get(name).and_then(|value| value.parse().ok()).unwrap_or(default)
        };
        Capabilities {
            network: "mastodon",
            text_max: fact(MAX_CHARACTERS, 500),
            text_bytes_max: None,
            counter: Counter::Mastodon { url: fact(URL_LENGTH, 23) },
            parts_max: 50,
            media_max: fact(MAX_MEDIA, 4),
            media: media_rules(facts),
            later: None,
            options: OPTIONS,
            counted: Some("spoiler_text"),
            needs: None,
        }
    }

    /// Two widely used servers of this API ignore the key, so it counts only where the server was
    /// seen to be Mastodon.
    fn proof(&self, facts: &Facts, _: usize) -> Proof {
        let key_memory = is_mastodon(facts).then_some(KEY_MEMORY);
        Proof { key_memory, read_back: Some(ReadBack::Listing) }
    }

    async fn connect(&self, call: &Call<'_>, grant: Grant<'_>) -> Result<Connected, CallError> {
        connect::connect(call, grant).await
    }

    async fn identify(&self, call: &Call<'_>) -> Result<Account, CallError> {
        connect::identify(call).await
    }

    fn renew_from(&self, credential: &Credential) -> Option<Timestamp> {
        token::renew_from(credential)
    }

    async fn renew(&self, call: &Call<'_>) -> Result<Credential, CallError> {
        token::renew(call).await
    }

    async fn prepare(&self, call: &Call<'_>, part: &PartCall<'_>) -> Prepared {
        match parent::prepare(call, part).await {
            Some(step) => step,
            None => media::prepare(call, part).await,
        }
    }

    fn waits_for(&self, noted: &[u8]) -> &'static str {
        media::Ticket::waits_for(noted)
    }

    async fn commit(&self, call: &Call<'_>, part: &PartCall<'_>) -> Outcome {
        let Ok(url) = call.at("/api/v1/statuses") else {
            return Outcome::Refused(failure("missing", "instance", None));
        };
        let mut request = call.request(Method::POST, url);
        let body = status(call, part);
        request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Ok(key) = HeaderValue::from_str(part.key) {
            request.headers.insert("idempotency-key", key);
        }
        request.body = body.to_string().into();
        match call.commit(request).await {
            Answered::Never(outcome) => outcome,
            Answered::Whole(response) => outcome(call, &response),
        }
    }

    async fn read_back(&self, call: &Call<'_>, part: &PartCall<'_>, armed: Timestamp) -> Reading {
        read_back::read_back(call, part, armed).await
    }
}

/// Whether the server was seen to be Mastodon itself.
fn is_mastodon(facts: &Facts) -> bool {
    facts.get(HONOURS_KEY).is_some_and(|v| v == "true")
}

/// networks.md 11.4, where the instance does not say otherwise.
fn media_rules(facts: &Facts) -> MediaRules {
    let fact = |name: &str, default: u64| {
        Some(facts.get(name).and_then(|value| value.parse().ok()).unwrap_or(default))
    };
    let kinds = facts.get(MEDIA_TYPES).map(|types| {
        let kinds = types.split(',').filter_map(MediaKind::from_mime);
        kinds.filter(|kind| !kind.is_document()).collect::<Vec<_>>()
    });
    MediaRules {
        kinds: kinds.unwrap_or(MediaRules::whatever_is_seen().kinds),
        image_bytes: fact(IMAGE_BYTES, 16 * 1024 * 1024),
        image_pixels: fact(IMAGE_PIXELS, 33_177_600),
        video_bytes: fact(VIDEO_BYTES, 99 * 1024 * 1024),
        video_pixels: fact(VIDEO_PIXELS, 8_294_400),
        video_seconds: None,
        alt_chars: fact(ALT_MAX, 1_500).and_then(|max| usize::try_from(max).ok()),
        video_alone: true,
        ..MediaRules::NONE
    }
}

fn status(call: &Call<'_>, part: &PartCall<'_>) -> Value {
    let ticket = Ticket::read(part, call.now);
    let mut body = json!({ "status": part.draft.text });
    if !part.media.is_empty() {
        body["media_ids"] = json!(ticket.attached());
    }
    if let Some(parent) = ticket.replies_to(part) {
        body["in_reply_to_id"] = json!(parent);
    }
    for name in ["visibility", "spoiler_text"] {
        if let Some(value) = part.text_option(name) {
            body[name] = json!(value);
        }
    }
    if let Some(code) = part.text_option("language").and_then(|text| languages(text).next()) {
        body["language"] = json!(code);
    }
    if part.flag_option("sensitive") {
        body["sensitive"] = json!(true);
    }
    body
}

/// networks.md 11.6, with SPEC part 4's rule that 408 and 5xx after a commit are unknown.
fn outcome(call: &Call<'_>, response: &Response) -> Outcome {
    let said = call.words(response);
    let failed = |code| failure(code, &said, Some(response.status));
    match response.status {
        200..=299 => match receipt(call, response) {
            Some(receipt) => Outcome::Done(receipt),
            None => Outcome::Lost(failed("unreadable_answer")),
        },
        // Not followed: a redirected POST would arrive as something else.
        300..=399 => Outcome::Refused(failed("redirected")),
        401 => Outcome::Reconnect(failed("unauthorized")),
        403 => Outcome::Refused(failed("policy")),
        408 | 500.. => Outcome::Lost(failed("network_error")),
        429 => {
            Outcome::RateLimited { until: reset(call, response), failure: failed("rate_limited") }
        }
        // networks.md 11.6: it was told ready, and is not.
        422 if said.contains("not finished processing") => {
            Outcome::Transient(failed("media_not_ready"))
        }
        _ => Outcome::Refused(failed("validation")),
    }
}

fn receipt(call: &Call<'_>, response: &Response) -> Option<Receipt> {
    let json: Value = serde_json::from_slice(&response.body).ok()?;
    // A scheduled status has an id too, but no `uri`: that would not be out.
    let (id, _) = (json.get("id")?.as_str()?, json.get("uri")?.as_str()?);
    Some(Receipt {
        remote_id: id.to_owned(),
        url: web_url(json.get("url")),
        at: call.now,
        source: Source::Answer,
    })
}

/// Only addresses that a page may link to.
fn web_url(value: Option<&Value>) -> Option<String> {
    let url = value?.as_str()?;
    let parsed = url::Url::parse(url).ok()?;
    matches!(parsed.scheme(), "http" | "https").then(|| parsed.to_string())
}

fn reset(call: &Call<'_>, response: &Response) -> Timestamp {
    let told = Told::by(&response.headers, call.now);
    told.reset.unwrap_or_else(|| call.now.plus(Duration::from_mins(5)))
}
