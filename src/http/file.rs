//! Files as answers: whole or a stretch (RFC 9110, 14), tagged by their hash, and dressed so that
//! no browser takes one for a page. Must not hold a file in memory.

use std::ops::Range;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_RANGE, RANGE,
};
use http::request::Parts;
use http::{HeaderMap, StatusCode};

use super::Shared;
use super::extract::Seen;
use super::problem::Refusal;
use crate::domain::media::{Asset, MediaKind};
use crate::media::Blob;

const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// What a request says about the bytes that it wants.
pub(super) struct Asked {
    seen: Seen,
    range: Option<String>,
    if_range: Option<String>,
}

impl FromRequestParts<Shared> for Asked {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, face: &Shared) -> Result<Self, Refusal> {
        let text = |name: HeaderName| {
            let value = parts.headers.get(name)?.to_str().ok()?;
            (value.len() <= 1_000).then(|| value.to_owned())
        };
        let (range, if_range) = (text(RANGE), text(IF_RANGE));
        Ok(Self { seen: Seen::from_request_parts(parts, face).await?, range, if_range })
    }
}

/// Which bytes are answered with.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Stretch(Range<u64>),
    /// None of them exist.
    Nothing,
}

impl Asked {
    /// The bytes of an asset.
    pub(super) fn answer(&self, asset: &Asset, blob: &Blob) -> Response {
        self.answer_as(asset.shape.kind.mime(), &asset.name, &asset.object, blob)
    }

    /// Those of its thumbnail; nothing when it has none.
    pub(super) fn thumbnail(&self, asset: &Asset, blob: &Blob) -> Option<Response> {
        let small = asset.thumbnail.as_ref()?;
        Some(self.answer_as(MediaKind::Jpeg.mime(), "thumbnail.jpg", &small.object, blob))
    }

    fn answer_as(&self, mime: &'static str, name: &str, hash: &[u8], blob: &Blob) -> Response {
        let tag = format!("\"{}\"", HEXLOWER.encode(hash.get(..16).unwrap_or(hash)));
        let wanted = match &self.range {
            // A stretch of another state would not fit what the caller has.
            Some(range) if self.if_range.as_ref().is_none_or(|known| *known == tag) => {
                wanted(range, blob.bytes())
            }
            _ => Wanted::All,
        };
        let mut response = if self.seen.has(&tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            stretch(wanted, blob)
        };
        let headers = response.headers_mut();
        dress(headers, mime, name);
        if let Ok(tag) = HeaderValue::try_from(tag) {
            headers.insert(ETAG, tag);
        }
        response
    }
}

fn stretch(wanted: Wanted, blob: &Blob) -> Response {
    let (status, range) = match wanted {
        Wanted::All => (StatusCode::OK, 0..blob.bytes()),
        Wanted::Stretch(range) => (StatusCode::PARTIAL_CONTENT, range),
        Wanted::Nothing => (StatusCode::RANGE_NOT_SATISFIABLE, 0..0),
    };
    let length = range.end.saturating_sub(range.start);
    let shown = match status {
        StatusCode::PARTIAL_CONTENT => {
            Some(format!("bytes {}-{}/{}", range.start, range.end - 1, blob.bytes()))
        }
        StatusCode::RANGE_NOT_SATISFIABLE => Some(format!("bytes */{}", blob.bytes())),
        _ => None,
    };
    let mut response = (status, Body::from_stream(blob.pieces(range))).into_response();
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    if let Some(shown) = shown.and_then(|shown| HeaderValue::try_from(shown).ok()) {
        response.headers_mut().insert(CONTENT_RANGE, shown);
    }
    response
}

/// A file that somebody brought must never act as a page of this site.
fn dress(headers: &mut HeaderMap, mime: &'static str, name: &str) {
    let fixed = [
        (CONTENT_TYPE, mime),
        (ACCEPT_RANGES, "bytes"),
        (CACHE_CONTROL, "private, max-age=300"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
        (RESOURCE_POLICY, "cross-origin"),
        (ROBOTS, "none"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // A program that shows documents runs what is in them; it is for the reader to open one.
    let shown = mime != MediaKind::Pdf.mime();
    if let Ok(value) = HeaderValue::try_from(disposition(name, shown)) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
}

/// RFC 6266: a plain name for old programs, and the whole one.
fn disposition(name: &str, shown: bool) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_. ".contains(c);
    let plain: String = name.chars().map(|c| if safe(c) { c } else { '_' }).collect();
    let mut whole = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            whole.push(char::from(byte));
        } else {
            whole.push('%');
            whole.push_str(&data_encoding::HEXUPPER.encode(&[byte]));
        }
    }
    let how = if shown { "inline" } else { "attachment" };
    format!("{how}; filename=\"{plain}\"; filename*=UTF-8''{whole}")
}

/// One range; of several, and of what cannot be read, nothing is understood and all is sent.
fn wanted(range: &str, length: u64) -> Wanted {
    let Some((from, to)) = range.trim().strip_prefix("bytes=").and_then(|r| r.split_once('-'))
    else {
        return Wanted::All;
    };
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    let (from, to) = (from.trim(), to.trim());
    let stretch = match (number(from), number(to)) {
        (None, Some(last)) if from.is_empty() => length.saturating_sub(last)..length,
        (Some(start), None) if to.is_empty() => start..length,
        (Some(start), Some(end)) if start <= end => start..end.saturating_add(1).min(length),
        _ => return Wanted::All,
    };
    if stretch.is_empty() { Wanted::Nothing } else { Wanted::Stretch(stretch) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        for (range, expected) in [
            ("bytes=0-0", Wanted::Stretch(0..1)),
            ("bytes=0-", Wanted::Stretch(0..10)),
            ("bytes=5-99", Wanted::Stretch(5..10)),
            ("bytes=-3", Wanted::Stretch(7..10)),
            ("bytes=-99", Wanted::Stretch(0..10)),
            ("bytes=9-", Wanted::Stretch(9..10)),
            ("bytes=10-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=99999999999999999999999-", Wanted::Nothing),
            ("bytes=5-4", Wanted::All),
            ("bytes=-", Wanted::All),
            ("bytes=0-1,3-4", Wanted::All),
            ("bytes=a-b", Wanted::All),
            ("bytes=+1-2", Wanted::All),
            ("items=0-1", Wanted::All),
            ("", Wanted::All),
        ] {
            assert_eq!(wanted(range, 10), expected, "{range}");
        }
    }

    #[test]
    fn names_stay_inside_their_quotes() {
        let told = disposition("a\"b\u{e9}\r\n.png", true);
        assert_eq!(told, "inline; filename=\"a_b___.png\"; filename*=UTF-8''a%22b%C3%A9%0D%0A.png");
    }
}
