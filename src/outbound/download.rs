//! Fetching a file that a member of a workspace named: every address on the way is guarded, and no
//! time is without end. Must not believe what the server says of the file.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use url::Url;

use super::{Body, Incoming, Origin, Request, SendError, Transport};
use crate::base::{Clock, CorrelationId};

/// reliability-security.md B9.4.
const REDIRECTS: usize = 3;

/// How long it may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Until the head of an answer, and between two pieces of the file.
    pub idle: Duration,
    /// From the first address to the last byte.
    pub total: Duration,
}

/// Why there is no file, or no more of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An address on the way may not be called from here.
    Refused {
        host: String,
    },
    /// The server leads on and on.
    TooManyRedirects,
    /// It leads to what is no address, or from https to http.
    BadRedirect,
    Unreachable {
        why: &'static str,
    },
    Status(u16),
    /// The bytes are packed, although nobody asked for it.
    Encoded,
    TooSlow,
    /// The file broke off.
    Broken,
}

/// A file on its way.
pub struct Download {
    incoming: Incoming,
    clock: Arc<dyn Clock>,
    patience: Patience,
    /// By the monotonic clock.
    ends: Duration,
}

impl Download {
    /// Follows `url` to a file.
    pub async fn begin(
        transport: &dyn Transport,
        clock: &Arc<dyn Clock>,
        url: Url,
        patience: Patience,
        correlation: CorrelationId,
    ) -> Result<Self, Fault> {
        let ends = clock.monotonic().saturating_add(patience.total);
        let mut url = url;
        for _ in 0..=REDIRECTS {
            let left = ends.saturating_sub(clock.monotonic());
            let request = Request {
                method: Method::GET,
                url: url.clone(),
                headers: headers(),
                body: Body::default(),
                // The end of patience is told apart from a broken line, so it must come first.
                deadline: left.saturating_add(patience.idle),
                origin: Origin::Whole,
                correlation,
            };
            let asked = transport.open(request);
            let incoming = match select(asked, clock.sleep(left.min(patience.idle))).await {
                Either::Left((answer, _)) => answer?,
                Either::Right(_) => return Err(Fault::TooSlow),
            };
            match incoming.status {
                200 if is_packed(&incoming.headers) => return Err(Fault::Encoded),
                200 => return Ok(Self { incoming, clock: Arc::clone(clock), patience, ends }),
                301 | 302 | 303 | 307 | 308 => url = led_to(&url, &incoming.headers)?,
                status => return Err(Fault::Status(status)),
            }
        }
        Err(Fault::TooManyRedirects)
    }

    /// What the server says that the file comes to; enough to refuse it, never to believe it.
    pub fn announced(&self) -> Option<u64> {
        self.incoming.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }

    /// The next piece; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        let left = self.ends.saturating_sub(self.clock.monotonic());
        if left.is_zero() {
            return Err(Fault::TooSlow);
        }
        let wait = self.clock.sleep(left.min(self.patience.idle));
        match select(self.incoming.body.next(), wait).await {
            Either::Left((piece, _)) => piece.transpose().map_err(|_| Fault::Broken),
            Either::Right(_) => Err(Fault::TooSlow),
        }
    }
}

fn headers() -> HeaderMap {
    let fixed: [(HeaderName, &'static str); 2] =
        [(ACCEPT, "image/*, video/*"), (ACCEPT_ENCODING, "identity")];
    fixed.map(|(name, value)| (name, HeaderValue::from_static(value))).into_iter().collect()
}

fn is_packed(headers: &HeaderMap) -> bool {
    let plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    !headers.get_all(CONTENT_ENCODING).iter().all(plain)
}

fn led_to(from: &Url, headers: &HeaderMap) -> Result<Url, Fault> {
    let place = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let mut to = place.and_then(|text| from.join(text).ok()).ok_or(Fault::BadRedirect)?;
    to.set_fragment(None);
    let safe = to.has_host()
        && (to.scheme() == "https" || (to.scheme() == "http" && from.scheme() == "http"));
    if safe { Ok(to) } else { Err(Fault::BadRedirect) }
}

impl From<SendError> for Fault {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Refused { host } => Self::Refused { host },
            SendError::NotSent { why } | SendError::Lost { why, .. } => Self::Unreachable { why },
        }
    }
}
