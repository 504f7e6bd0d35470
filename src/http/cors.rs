//! What a browser is told about pages of other origins: those of a host may call the API with the
//! bearer that is bound to them, and read the answer. Must not tell any other page anything, and
//! never lets cookies along.

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
    VARY,
};
use http::{HeaderValue, Method, StatusCode};

use super::Face;
use super::extract::{bearer, only};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PATCH, PUT, DELETE");
const HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, idempotency-key, if-match, if-none-match, tus-resumable, \
     upload-length, upload-metadata, upload-offset",
);
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "etag, location, retry-after, idempotency-replayed, x-correlation-id, tus-resumable, \
     upload-expires, upload-length, upload-offset",
);
/// Seconds that a browser may remember it: a host that was revoked is asked about again soon.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Answers what a browser asks before a request, and adds to answers what it must know.
pub(super) async fn answer(
    face: &Face,
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    if !request.uri().path().starts_with("/api/") {
        return next(request).await;
    }
    let headers = request.headers();
    let Ok(Some(origin)) = only(headers, &ORIGIN) else { return next(request).await };
    let Ok(allowed) = HeaderValue::from_str(origin) else { return next(request).await };
    let asks =
        request.method() == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if asks && face.services.is_host_origin(origin).unwrap_or(false) {
        return preflight(allowed);
    }
    let reads =
        bearer(headers).is_some_and(|token| face.services.may_read(origin, token).unwrap_or(false));
    let mut response = next(request).await;
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("origin"));
    if reads {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
    response
}

fn preflight(allowed: HeaderValue) -> Response {
    let mut response = (StatusCode::NO_CONTENT, Body::empty()).into_response();
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
    headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    headers.insert(VARY, HeaderValue::from_static("origin"));
    response
}
