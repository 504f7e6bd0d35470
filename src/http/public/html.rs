//! Pages without scripts: their style, their headers, their tags. Must not pass text on unescaped;
//! the templates escape it.

use std::sync::LazyLock;

use askama::Template;
use axum::response::{IntoResponse, Response};
use data_encoding::{BASE64, HEXLOWER};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderValue, REFERRER_POLICY,
};
use http::{HeaderName, StatusCode};
use sha2::{Digest, Sha256};

use crate::base::{Code, Problem};
use crate::http::extract::Seen;
use crate::http::problem::Refusal;

/// Inside every page, so that a page is one request; the policy names it by its hash.
pub(super) const STYLE: &str = include_str!("../../../assets/web/page.css");

static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = BASE64.encode(&Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src 'self'; media-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// How long a reader may keep what is public.
const FRESH: HeaderValue = HeaderValue::from_static("public, max-age=60");

pub(super) const HTML: &str = "text/html; charset=utf-8";

/// Answers with a rendered document, or 304 when the caller has it.
pub(super) fn document(
    template: &impl Template,
    kind: &'static str,
    seen: &Seen,
) -> Result<Response, Refusal> {
    let text = template.render().map_err(|error| {
        tracing::error!(%error, "a page could not be rendered");
        Refusal(Problem::new(Code::Internal))
    })?;
    Ok(fresh(text, kind, seen))
}

/// Answers with `text`, tagged by its hash.
pub(super) fn fresh(text: String, kind: &'static str, seen: &Seen) -> Response {
    let hash = Sha256::digest(&text);
    let tag = format!("\"{}\"", HEXLOWER.encode(hash.first_chunk::<16>().map_or(&[], |half| half)));
    let mut response = if seen.has(&tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        text.into_response()
    };
    let mut header = |name: HeaderName, value: HeaderValue| {
        response.headers_mut().insert(name, value);
    };
    if let Ok(tag) = HeaderValue::try_from(tag) {
        header(ETAG, tag);
    }
    header(CACHE_CONTROL, FRESH);
    header(CONTENT_TYPE, HeaderValue::from_static(kind));
    header(CONTENT_SECURITY_POLICY, POLICY.clone());
    header(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
