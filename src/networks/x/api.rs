//! Calls of X's API v2 and the meaning of its answers (networks.md 1.6). Must not decide what a
//! refused call means for a post.

use http::Method;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde_json::Value;

use super::super::call::unanswered;
use super::super::{Call, CallError, Failure, Told, failure};
use super::{API, errors, oauth1};
use crate::base::Timestamp;
use crate::domain::publish::Outcome;
use crate::outbound::{Request, Response, SendError};

/// A question; authorized when it is sent.
pub(super) fn get(
    call: &Call<'_>,
    path: &str,
    query: &[(&str, &str)],
) -> Result<Request, CallError> {
    let mut request = call.request(Method::GET, call.on(&API, path)?);
    if !query.is_empty() {
        request.url.query_pairs_mut().extend_pairs(query);
    }
    Ok(request)
}

pub(super) fn post(
    call: &Call<'_>,
    path: &str,
    body: Option<&Value>,
) -> Result<Request, CallError> {
    let mut request = call.request(Method::POST, call.on(&API, path)?);
    if let Some(body) = body {
        request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.body = body.to_string().into();
    }
    Ok(request)
}

pub(super) async fn send(call: &Call<'_>, request: Request) -> Result<Response, SendError> {
    call.transport.send(oauth1::authorized(call, request)).await
}

/// Asks, and reads the JSON of a 2xx.
pub(super) async fn ask(call: &Call<'_>, request: Request) -> Result<Value, CallError> {
    let response = send(call, request).await.map_err(unanswered)?;
    answer(call, &response)
}

pub(super) fn answer(call: &Call<'_>, response: &Response) -> Result<Value, CallError> {
    let failed = failed(call, response);
    match response.status {
        200..=299 => {
            let unreadable = failure("not_json", &call.words(response), Some(response.status));
            serde_json::from_slice(&response.body).map_err(|_| CallError::Refused(unreadable))
        }
        _ if errors::is_about_the_account(&failed.code) => Err(CallError::Unauthorized(failed)),
        // Credits and limits pass, and say nothing of the credential.
        402 | 408 | 429 | 500.. => Err(CallError::Unreachable(failed)),
        _ => Err(CallError::Refused(failed)),
    }
}

/// Our word for a refusal, with X's own.
pub(super) fn failed(call: &Call<'_>, response: &Response) -> Failure {
    let told = errors::Told::read(&response.body);
    let code = errors::judge(response.status, &told).code;
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
        402 => Outcome::Billing(failed),
        429 => Outcome::RateLimited { until: reset(call, response), failure: failed },
        408 | 500.. => Outcome::Transient(failed),
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

/// networks.md 1.8: there is no `Retry-After`; the headers of the window that is used up count.
pub(super) fn reset(call: &Call<'_>, response: &Response) -> Timestamp {
    let told = Told::by(&response.headers, call.now);
    told.reset.unwrap_or_else(|| call.now.plus(std::time::Duration::from_mins(15)))
}
