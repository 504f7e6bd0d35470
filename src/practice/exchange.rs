//! One request to a practice network and its answer, apart from any transport, with what may go
//! wrong on the wire as data. Must not know a network.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use serde::Serialize;

#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    /// Without the query, starting with `/`.
    pub path: String,
    /// Without the question mark; empty when there is none.
    pub query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Request {
    /// The value of a header, if it is there once and is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn bearer(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }
}

#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The wait before the first byte.
    pub delay: Duration,
    pub fate: Fate,
}

/// What the client gets to see of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    Whole,
    /// The connection is closed and not one byte of the answer is sent.
    HangUp,
    /// Head and length are sent, and only so many bytes of the body.
    CutBody {
        after: usize,
    },
    /// The body comes in small chunks, with a wait before each.
    Drip {
        every: Duration,
    },
}

impl Answer {
    fn new(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self { status, headers, body: body.into(), delay: Duration::ZERO, fate: Fate::Whole }
    }

    pub(super) fn json(status: u16, value: &impl Serialize) -> Self {
        let body = serde_json::to_vec(value).unwrap_or_default();
        Self::new(status, "application/json; charset=utf-8", body)
    }

    pub(super) fn html(status: u16, page: String) -> Self {
        Self::new(status, "text/html; charset=utf-8", page)
    }

    pub(super) fn hang_up() -> Self {
        Self { fate: Fate::HangUp, ..Self::new(502, "text/plain", Bytes::new()) }
    }

    /// Sets a header; a value that cannot stand in one is left out.
    #[must_use]
    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }
}
