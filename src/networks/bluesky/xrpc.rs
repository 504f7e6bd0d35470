//! Calls in the manner of XRPC: methods under `/xrpc/`, errors as `{error, message}` (networks.md
//! 10.6). Must not decide what a refused call means for a post.

use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde_json::Value;
use std::time::Duration;
use url::Url;

use super::super::call::unanswered;
use super::super::{Call, CallError, Told, failure};
use crate::base::Timestamp;
use crate::outbound::{Request, Response};

/// The credential's field that holds the address of the account's own server (its PDS).
pub(super) const SERVICE: &str = "service";

pub(super) const RECORD_NOT_FOUND: &str = "record_not_found";
pub(super) const INVALID_SWAP: &str = "exists_already";

/// Where a call goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Host {
    /// The server that a person named; it may only be the way in.
    Entry,
    /// The server that holds the account's records.
    Own,
}

/// Without a token: some questions are public.
pub(super) fn public_query(
    call: &Call<'_>,
    host: Host,
    method: &str,
    parameters: &[(&str, &str)],
) -> Result<Request, CallError> {
    let mut request = call.request(Method::GET, at(call, host, method)?);
    request.headers.remove(AUTHORIZATION);
    request.url.query_pairs_mut().extend_pairs(parameters);
    Ok(request)
}

pub(super) fn query(call: &Call<'_>, method: &str) -> Result<Request, CallError> {
    Ok(call.request(Method::GET, at(call, Host::Own, method)?))
}

/// A POST with a JSON body. Servers refuse a body where none is expected, so none is sent then.
pub(super) fn procedure(
    call: &Call<'_>,
    host: Host,
    method: &str,
    input: Option<&Value>,
) -> Result<Request, CallError> {
    let mut request = call.request(Method::POST, at(call, host, method)?);
    if let Some(input) = input {
        request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.body = input.to_string().into();
    }
    Ok(request)
}

fn at(call: &Call<'_>, host: Host, method: &str) -> Result<Url, CallError> {
    let own = call.credential.and_then(|c| c.get(SERVICE)).filter(|_| host == Host::Own);
    let own = own.and_then(|url| Url::parse(url).ok());
    let call = Call { instance: own.as_ref().or(call.instance), ..*call };
    call.at(&format!("/xrpc/{method}"))
}

/// Asks, and reads the JSON of a 200.
pub(super) async fn ask(call: &Call<'_>, request: Request) -> Result<Value, CallError> {
    let response = call.transport.send(request).await.map_err(unanswered)?;
    let (code, said) = (code(&response), call.words(&response));
    let failed = |code| failure(code, &said, Some(response.status));
    match response.status {
        200 => serde_json::from_slice(&response.body)
            .map_err(|_| CallError::Refused(failed("not_json"))),
        _ if is_about_the_account(code) => Err(CallError::Unauthorized(failed(code))),
        408 | 429 | 500.. => Err(CallError::Unreachable(failed(code))),
        _ => Err(CallError::Refused(failed(code))),
    }
}

/// Our word for what a server answered; networks.md 10.6 and the reference server, read 2026-11.
pub(super) fn code(response: &Response) -> &'static str {
    let json: Option<Value> = serde_json::from_slice(&response.body).ok();
    let name = json.as_ref().and_then(|json| json.get("error")?.as_str()).unwrap_or_default();
    match (name, response.status) {
        (_, 429) => "rate_limited",
        (_, 408 | 500..) => "network_error",
        // With status 400.
        ("ExpiredToken", _) => "token_expired",
        ("InvalidToken", _) => "token_invalid",
        ("AuthFactorTokenRequired", _) => "not_an_app_password",
        ("AccountTakedown" | "AccountSuspended", _) => "account_suspended",
        ("AccountDeactivated", _) => "account_deactivated",
        // The account is no longer on this server.
        ("AccountNotFound", _) => "account_not_found",
        (_, 401) => "unauthorized",
        ("RecordNotFound", _) => RECORD_NOT_FOUND,
        ("InvalidSwap", _) => INVALID_SWAP,
        (_, 300..=399) => "redirected",
        (_, 403) => "policy",
        _ => "validation",
    }
}

/// Whether the account or its credential is refused, and not the request.
pub(super) fn is_about_the_account(code: &str) -> bool {
    matches!(
        code,
        "token_expired"
            | "token_invalid"
            | "not_an_app_password"
            | "account_suspended"
            | "account_deactivated"
            | "account_not_found"
            | "unauthorized"
    )
}

pub(super) fn reset(call: &Call<'_>, response: &Response) -> Timestamp {
    let told = Told::by(&response.headers, call.now);
    told.reset.unwrap_or_else(|| call.now.plus(Duration::from_mins(5)))
}
