//! Comments under a post of one's own: the parts after the first (networks.md 2.4, 6). They are plain
//! text, and nothing tells a second one from the first but the list of a page's. Must not post.

use http::Method;
use serde_json::{Value, json};

use super::super::call::Answered;
use super::super::{Call, CallError, PartCall, failure};
use super::{api, author, read_back};
use crate::base::Timestamp;
use crate::domain::capability::Later;
use crate::domain::publish::{Outcome, Reading, Receipt, Source};
use crate::domain::text::Counter;
use crate::outbound::Response;

/// Parts of one delivery: the post, and what is said under it.
pub(super) const PARTS: usize = 10;
/// As many as are looked through.
const LISTED: usize = 100;

/// networks.md 2.9: no little text, so nothing counts twice.
pub(super) fn limits() -> Later {
    Later { text_max: 1_250, counter: Counter::Chars, media_max: 0 }
}

/// The post that it belongs under; one that a person found is known by its address.
fn post_of(part: &PartCall<'_>) -> Option<String> {
    let post = part.before.first()?;
    let named = Some(post.remote_id.clone()).filter(|urn| api::is_post(urn));
    named.or_else(|| {
        let url = percent_encoding::percent_decode_str(post.url.as_deref()?).decode_utf8().ok()?;
        let urn = url.get(url.find("urn:li:")?..)?;
        let end = urn.find(|c: char| !c.is_ascii_alphanumeric() && c != ':').unwrap_or(urn.len());
        urn.get(..end).filter(|urn| api::is_post(urn)).map(str::to_owned)
    })
}

fn path(post: &str) -> String {
    format!("/rest/socialActions/{}/comments", api::encoded(post))
}

pub(super) async fn commit(call: &Call<'_>, part: &PartCall<'_>) -> Outcome {
    let Some(actor) = author(call) else {
        return Outcome::Refused(failure("missing", "account", None));
    };
    let Some(post) = post_of(part) else {
        let why = "the address of the post before it names no post";
        return Outcome::Refused(failure("parent_unknown", why, None));
    };
    let body = json!({ "actor": actor, "object": post, "message": { "text": part.draft.text } });
    let request = match api::request(call, Method::POST, &path(&post), Some(&body)) {
        Ok(request) => request,
        Err(error) => return api::unasked(error),
    };
    match call.commit(request).await {
        Answered::Never(outcome) => outcome,
        Answered::Whole(response) => outcome(call, &post, &response),
    }
}

fn outcome(call: &Call<'_>, post: &str, response: &Response) -> Outcome {
    match response.status {
        200..=299 => {
            let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
            let header = response.headers.get("x-restli-id").and_then(|id| id.to_str().ok());
            match urn(&body, post).or_else(|| named(header?, post)) {
                Some(urn) => Outcome::Done(receipt(call, post, urn, Source::Answer)),
                None => Outcome::Lost(failure("unreadable_answer", "no id", Some(response.status))),
            }
        }
        408 | 500.. => Outcome::Lost(api::failed(call, response)),
        _ => api::untried(call, response),
    }
}

/// `urn:li:comment:(urn:li:activity:1,2)`, by whichever of its names it is told.
fn urn(comment: &Value, post: &str) -> Option<String> {
    let whole = ["commentUrn", "$URN"].iter().find_map(|name| comment[*name].as_str());
    named(whole.or_else(|| comment["id"].as_str())?, post)
}

fn named(id: &str, post: &str) -> Option<String> {
    let id = percent_encoding::percent_decode_str(id).decode_utf8().ok()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || ":(),".contains(c);
    if id.starts_with("urn:li:comment:(") && id.len() <= 200 && id.chars().all(plain) {
        return Some(id.into_owned());
    }
    let digits = (1..=20).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| format!("urn:li:comment:({post},{id})"))
}

fn receipt(call: &Call<'_>, post: &str, urn: String, source: Source) -> Receipt {
    let (web, comment) = (call.hosts.base(&super::WEB), api::encoded(&urn));
    let url = format!("{web}/feed/update/{post}?commentUrn={comment}");
    Receipt { remote_id: urn, url: Some(url), at: call.now, source }
}

/// Looks among the comments of the post; only a page's can be listed (networks.md 2.1).
pub(super) async fn read_back(call: &Call<'_>, part: &PartCall<'_>, armed: Timestamp) -> Reading {
    let Some(post) = post_of(part) else {
        return Reading::Unavailable(failure("parent_unknown", "", None));
    };
    let list = match ask(call, &post).await {
        Ok(list) => list,
        Err(CallError::Refused(failure)) => return Reading::Unavailable(failure),
        Err(error) => return error.into_reading(),
    };
    let unreadable = |what| Reading::Unavailable(failure("unreadable_answer", what, Some(200)));
    let Some(comments) = list["elements"].as_array() else { return unreadable("not a list") };
    let wanted = read_back::words(&part.draft.text);
    let mut found = Vec::new();
    for comment in comments {
        let at = comment["created"]["time"].as_u64().map(Timestamp::from_millis);
        let (Some(urn), Some(at)) = (urn(comment, &post), at) else {
            return unreadable("no id or time");
        };
        let words = read_back::words(comment["message"]["text"].as_str().unwrap_or_default());
        let ours = comment["actor"].as_str() == author(call)
            && words == wanted
            && at >= armed.minus(read_back::SKEW)
            && !part.before.iter().chain(part.known).any(|known| known.remote_id == urn);
        found.extend(ours.then_some(urn));
    }
    match (found.pop(), found.is_empty()) {
        (Some(urn), true) => Reading::Found(receipt(call, &post, urn, Source::ReadBack)),
        (Some(_), false) => Reading::Ambiguous,
        (None, _) if comments.len() < LISTED => Reading::Absent,
        (None, _) => {
            let why = "there are too many comments";
            Reading::Unavailable(failure("listing_too_long", why, None))
        }
    }
}

async fn ask(call: &Call<'_>, post: &str) -> Result<Value, CallError> {
    let path = format!("{}?count={LISTED}", path(post));
    api::ask(call, api::request(call, Method::GET, &path, None)?).await
}
