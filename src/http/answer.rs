//! Answers: JSON with the headers that go with it. Must not hold problems; see `problem`.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LOCATION};
use serde::Serialize;

use super::extract::Seen;
use super::problem::Refusal;
use crate::base::{Code, Problem};

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What most answers fit in, so that their buffer need not grow.
const ANSWER_BYTES: usize = 2 * 1024;

/// What most answers have of them, for the same reason: as many as fit in the next smaller table.
const HEADERS: usize = 6;

/// The tag of a thing's revision.
pub(super) fn tag(revision: u64) -> String {
    format!("\"{revision}\"")
}

/// What a handler answers.
pub(super) struct Answer(Response);

impl Answer {
    pub(super) fn json(value: &impl Serialize) -> Self {
        let mut bytes = Vec::with_capacity(ANSWER_BYTES);
        match serde_json::to_writer(&mut bytes, value) {
            Ok(()) => {
                let mut response = Response::new(bytes.into());
                let json = HeaderValue::from_static("application/json");
                response.headers_mut().reserve(HEADERS);
                response.headers_mut().insert(CONTENT_TYPE, json);
                Self(response)
            }
            Err(error) => {
                tracing::error!(%error, "an answer could not be written");
                Self(Refusal(Problem::new(Code::Internal)).into_response())
            }
        }
    }

    /// 201, and where the new thing is.
    pub(super) fn created(value: &impl Serialize, location: &str) -> Self {
        let mut answer = Self::json(value).header(LOCATION, location);
        *answer.0.status_mut() = StatusCode::CREATED;
        answer
    }

    /// 201 without words, and where the new thing is.
    pub(super) fn made(location: &str) -> Self {
        Self(StatusCode::CREATED.into_response()).header(LOCATION, location)
    }

    /// 200 without words: the headers say it.
    pub(super) fn empty() -> Self {
        Self(StatusCode::OK.into_response())
    }

    /// 204.
    pub(super) fn done() -> Self {
        Self(StatusCode::NO_CONTENT.into_response())
    }

    /// 304 instead of `value` when the caller has the state of this revision.
    pub(super) fn unless_seen(value: &impl Serialize, revision: u64, seen: &Seen) -> Self {
        if seen.has(&tag(revision)) {
            return Self(StatusCode::NOT_MODIFIED.into_response()).tagged(revision);
        }
        Self::json(value).tagged(revision)
    }

    pub(super) fn tagged(self, revision: u64) -> Self {
        self.header(ETAG, &tag(revision)).header(CACHE_CONTROL, "private, no-cache")
    }

    /// Says so when an earlier, equal request did it.
    pub(super) fn replayed(self, replayed: bool) -> Self {
        if replayed { self.header(REPLAYED, "true") } else { self }
    }

    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.0.headers_mut().insert(name, value);
        }
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        self.0
    }
}
