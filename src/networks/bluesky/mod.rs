//! Bluesky, by app password: an account on any server (PDS) of the AT Protocol. Facts: networks.md
//! 10, and the reference server 0.5.35, asked in November 2026. Must not use a listing as evidence:
//! every record has a key of ours.

mod facets;
mod media;
mod record;
mod session;
mod xrpc;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use url::Url;

use super::call::Answered;
use super::{
    Asks, Call, CallError, Connected, Credential, Facts, Failure, Grant, Network, PartCall,
    Prepared, Proof, Told, failure,
};
use crate::base::{Timestamp, limits};
use crate::domain::capability::{Capabilities, OptionSpec, Takes};
use crate::domain::channel::Account;
use crate::domain::publish::{Outcome, ReadBack, Reading, Receipt, Source};
use crate::domain::text::Counter;
use crate::outbound::Response;

pub(super) struct Bluesky;

/// The collection of posts, which is also the type of its records.
const POSTS: &str = "app.bsky.feed.post";
/// Where people read posts, whatever server of the public network holds them.
const APP: &str = "https://bsky.app";

/// A record keeps its key for ever; this is longer than any delivery is tried.
const KEY_MEMORY: Duration = Duration::from_hours(24 * 3_650);

const LANGUAGES: &str = "languages";
const LABEL: &str = "label";
const CARD_URL: &str = "card_url";
const CARD_TITLE: &str = "card_title";
const CARD_DESCRIPTION: &str = "card_description";

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: LANGUAGES,
        about: "up to three BCP 47 codes of the text's languages, separated by commas",
        takes: Takes::Languages(3),
    },
    OptionSpec {
        name: LABEL,
        about: "the account's own warning about the content",
        takes: Takes::Choice(&["sexual", "nudity", "porn", "graphic-media"]),
    },
    OptionSpec {
        name: CARD_URL,
        about: "the address of a link card under the first part, when it has no images; needs \
                `card_title`",
        takes: Takes::Address,
    },
    OptionSpec { name: CARD_TITLE, about: "the card's title", takes: Takes::Text(300) },
    OptionSpec {
        name: CARD_DESCRIPTION,
        about: "the card's words below its title",
        takes: Takes::Text(1_000),
    },
];

#[async_trait]
impl Network for Bluesky {
    fn word(&self) -> &'static str {
        "bluesky"
    }

    fn title(&self) -> &'static str {
        "Bluesky"
    }

    fn asks(&self) -> Asks {
        Asks { instance: true, identifier: true, token: true, url: false }
    }

    fn capabilities(&self, _: &Facts) -> Capabilities {
        Capabilities {
            network: "bluesky",
            text_max: 300,
            text_bytes_max: Some(3_000),
            counter: Counter::Graphemes,
            parts_max: limits::PARTS_PER_POST,
            media_max: media::IMAGES,
            media: media::rules(),
            later: None,
            options: OPTIONS,
            counted: None,
            needs: Some((CARD_URL, CARD_TITLE)),
        }
    }

    fn proof(&self, _: &Facts, _: usize) -> Proof {
        Proof { key_memory: Some(KEY_MEMORY), read_back: Some(ReadBack::Record) }
    }

    async fn connect(&self, call: &Call<'_>, grant: Grant<'_>) -> Result<Connected, CallError> {
        match grant {
            Grant::Password { identifier, password } => {
                session::connect(call, identifier.trim_start_matches('@'), password).await
            }
            _ => Err(CallError::Missing("token")),
        }
    }

    async fn identify(&self, call: &Call<'_>) -> Result<Account, CallError> {
        session::identify(call).await
    }

    fn renew_from(&self, credential: &Credential) -> Option<Timestamp> {
        session::renew_from(credential)
    }

    fn keep_from(&self, credential: &Credential) -> Option<Timestamp> {
        session::keep_from(credential)
    }

    async fn renew(&self, call: &Call<'_>) -> Result<Credential, CallError> {
        session::renew(call).await
    }

    /// networks.md 10.4: 3,000 calls in 5 minutes are counted by address, not by account.
    fn is_shared(&self, told: &Told) -> bool {
        (told.allowed, told.window) == (Some(3_000), Some(Duration::from_mins(5)))
    }

    async fn prepare(&self, call: &Call<'_>, part: &PartCall<'_>) -> Prepared {
        media::prepare(call, part).await
    }

    /// Writes the record under its own key, and only if there is none: a repeat of the same record
    /// is answered as the first was, and another record under the key is told apart. `createRecord`
    /// would answer every repeat with a bare 500.
    async fn commit(&self, call: &Call<'_>, part: &PartCall<'_>) -> Outcome {
        let record = match record::build(call, part).await {
            Ok(record) => record,
            Err(untried) => return untried,
        };
        let Some(account) = call.account else {
            return Outcome::Refused(failure("missing", "account", None));
        };
        let key = record::key(part);
        let input = json!({
            "repo": account.remote_id,
            "collection": POSTS,
            "rkey": key,
            "record": record,
            "swapRecord": null,
        });
        let method = "com.atproto.repo.putRecord";
        let Ok(request) = xrpc::procedure(call, xrpc::Host::Own, method, Some(&input)) else {
            return Outcome::Refused(failure("missing", "instance", None));
        };
        match call.commit(request).await {
            Answered::Never(outcome) => outcome,
            Answered::Whole(response) => outcome(call, part, &key, &response).await,
        }
    }

    /// By the one address that it can have; a record is there as soon as its write is answered.
    async fn read_back(&self, call: &Call<'_>, part: &PartCall<'_>, _: Timestamp) -> Reading {
        match record::lookup(call, &record::key(part)).await {
            Ok(None) => Reading::Absent,
            Ok(Some(found)) if found.text == part.draft.text => {
                Reading::Found(receipt(call, found.uri, Source::ReadBack))
            }
            Ok(Some(_)) => Reading::Ambiguous,
            // No token was sent, so a refusal says nothing about ours.
            Err(CallError::Unauthorized(failure)) => Reading::Unavailable(failure),
            Err(error) => error.into_reading(),
        }
    }
}

/// networks.md 10.6, with SPEC part 4's rule that 408 and 5xx after a commit are unknown.
async fn outcome(call: &Call<'_>, part: &PartCall<'_>, key: &str, response: &Response) -> Outcome {
    let code = xrpc::code(response);
    let failed = || failure(code, &call.words(response), Some(response.status));
    match response.status {
        200..=299 => match written(response, key) {
            Some(uri) => Outcome::Done(receipt(call, uri, Source::Answer)),
            None => Outcome::Lost(Failure { code: "unreadable_answer".to_owned(), ..failed() }),
        },
        408 | 500.. => Outcome::Lost(failed()),
        429 => Outcome::RateLimited { until: xrpc::reset(call, response), failure: failed() },
        _ if xrpc::is_about_the_account(code) => Outcome::Reconnect(failed()),
        // An earlier attempt wrote it, with another time or other mentions.
        _ if code == xrpc::INVALID_SWAP => match record::lookup(call, key).await {
            Ok(Some(found)) if found.text == part.draft.text => {
                Outcome::Exists(Some(receipt(call, found.uri, Source::ReadBack)))
            }
            _ => Outcome::Exists(None),
        },
        _ => Outcome::Refused(failed()),
    }
}

fn written(response: &Response, key: &str) -> Option<String> {
    let json: Value = serde_json::from_slice(&response.body).ok()?;
    let uri = json.get("uri")?.as_str()?;
    uri.ends_with(&format!("/{key}")).then(|| uri.to_owned())
}

/// Where an account's pages are. A server without TLS cannot be part of the public network: it is
/// a practice server, which shows its posts itself.
fn profile(call: &Call<'_>, did: &str) -> String {
    let own = call.instance.filter(|url| url.scheme() == "http").map(Url::as_str);
    format!("{}/profile/{did}", own.unwrap_or(APP).trim_end_matches('/'))
}

fn receipt(call: &Call<'_>, uri: String, source: Source) -> Receipt {
    let did = call.account.map(|account| account.remote_id.as_str()).unwrap_or_default();
    let key = uri.rsplit('/').next().unwrap_or_default();
    let url = format!("{}/post/{key}", profile(call, did));
    Receipt { remote_id: uri, url: Some(url), at: call.now, source }
}
