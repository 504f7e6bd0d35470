//! The rest of a body that nobody read because the request was refused: it is read and thrown away,
//! for a connection that is closed with bytes unread is reset, and the answer may be lost with it.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use futures_util::future::select;
use http::header::EXPECT;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Frame, SizeHint};

use crate::base::{Clock, limits};

/// As for a head. Who sends slower gets its answer without.
const PATIENCE: Duration = Duration::from_secs(5);

/// What became of a lent body.
pub(super) struct Leftover(Arc<Mutex<Option<Body>>>);

/// A body that comes back when it is dropped.
struct Lent {
    body: Body,
    back: Arc<Mutex<Option<Body>>>,
}

/// Lends the request's body out; `None` when there is none, or its sender waits to be asked for it.
pub(super) fn lend(request: &mut Request) -> Option<Leftover> {
    if request.body().is_end_stream() || request.headers().contains_key(EXPECT) {
        return None;
    }
    let back = Arc::default();
    let body = std::mem::take(request.body_mut());
    *request.body_mut() = Body::new(Lent { body, back: Arc::clone(&back) });
    Some(Leftover(back))
}

impl Leftover {
    /// Reads what is left, as far as it is no more than an API request may have.
    pub(super) async fn discard(self, clock: &dyn Clock) {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut body) = left.filter(|body| !body.is_end_stream()) else { return };
        let all = pin!(async {
            let mut room = limits::BODY_BYTES;
            while let Some(Ok(frame)) = body.frame().await {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                match room.checked_sub(bytes) {
                    Some(less) => room = less,
                    None => return,
                }
            }
        });
        select(all, clock.sleep(PATIENCE)).await;
    }
}

impl hyper::body::Body for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let body = std::mem::take(&mut self.body);
        *self.back.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
    }
}
