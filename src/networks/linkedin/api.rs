//! Calls of LinkedIn's versioned API (networks.md 2.2, 2.7). Must not decide what a refused call
//! means for a post.

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::super::call::unanswered;
use super::super::{Call, CallError, Failure, Told, failure};
use super::{API, VERSION, errors, token};
use crate::domain::publish::Outcome;
use crate::outbound::{Request, Response};

/// In paths and queries every colon of a URN is encoded, too (networks.md 2.4).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(super) fn encoded(urn: &str) -> String {
    utf8_percent_encode(urn, ENCODED).to_string()
}

pub(super) fn request(
    call: &Call<'_>,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Request, CallError> {
    let mut request = call.request(method, call.on(&API, path)?);
    let headers = &mut request.headers;
    headers.insert("x-restli-protocol-version", HeaderValue::from_static("2.0.0"));
    if path.starts_with("/rest/")
        && let Ok(version) = HeaderValue::from_str(call.hosts.version(&VERSION))
    {
        headers.insert("linkedin-version", version);
    }
    if let Some(body) = body {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.body = body.to_string().into();
    }
    Ok(request)
}

/// Asks, and reads the JSON of a 200.
pub(super) async fn ask(call: &Call<'_>, request: Request) -> Result<Value, CallError> {
    let response = call.transport.send(request).await.map_err(unanswered)?;
    let failed = failed(call, &response);
    match response.status {
        200..=299 => {
            let unreadable = failure("not_json", &failed.detail, failed.status);
            serde_json::from_slice(&response.body).map_err(|_| CallError::Refused(unreadable))
        }
        _ if errors::is_about_the_account(&failed.code) => Err(CallError::Unauthorized(failed)),
        401 | 408 | 429 | 500.. => Err(CallError::Unreachable(failed)),
        _ => Err(CallError::Refused(failed)),
    }
}

/// Our word for a refusal, with LinkedIn's own.
pub(super) fn failed(call: &Call<'_>, response: &Response) -> Failure {
    let told = errors::Told::read(&response.body);
    let mut code = errors::judge(response.status, &told).code;
    // networks.md 2.7: a fresh token is called revoked for some seconds.
    if code == "token_revoked" && token::is_fresh(call) {
        code = "token_not_active_yet";
    }
    let said = if told.is_empty() { call.words(response) } else { call.scrubbed(&told.said()) };
    failure(code, &said, Some(response.status))
}

/// What an answer other than success means where nothing can have become visible.
pub(super) fn untried(call: &Call<'_>, response: &Response) -> Outcome {
    let failed = failed(call, response);
    match response.status {
        200..=299 => {
            Outcome::Transient(failure("unreadable_answer", &failed.detail, failed.status))
        }
        // networks.md 2.5: LinkedIn itself does not say when; something in front of it may.
        429 => {
            let told = Told::by(&response.headers, call.now).reset;
            let until = told.unwrap_or_else(|| super::midnight(call.now));
            Outcome::RateLimited { until, failure: failed }
        }
        408 | 500.. => Outcome::Transient(failed),
        _ if matches!(failed.code.as_str(), "token_not_active_yet" | "media_not_ready") => {
            Outcome::Transient(failed)
        }
        _ if errors::is_about_the_account(&failed.code) => Outcome::Reconnect(failed),
        _ => Outcome::Refused(failed),
    }
}

/// The same for a question that could not be asked or was not answered.
pub(super) fn unasked(error: CallError) -> Outcome {
    match error {
        CallError::Unauthorized(failure) => Outcome::Reconnect(failure),
        CallError::Unreachable(failure) => Outcome::Transient(failure),
        refused => Outcome::Refused(refused.into_failure()),
    }
}

/// The id of what was made: it is in a header, and may be percent-encoded (networks.md 2.9).
pub(super) fn made(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("x-restli-id")?.to_str().ok()?;
    let id = percent_encoding::percent_decode_str(id).decode_utf8().ok()?;
    is_post(&id).then(|| id.into_owned())
}

/// `urn:li:share:1` or `urn:li:ugcPost:1`.
pub(super) fn is_post(urn: &str) -> bool {
    let number = ["urn:li:share:", "urn:li:ugcPost:"].iter().find_map(|of| urn.strip_prefix(of));
    number.is_some_and(|n| (1..=20).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit()))
}
