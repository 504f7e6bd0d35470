//! Answers that go on: the live stream of a workspace's activity, as server-sent events. Each look
//! asks again whether the reader still may: nothing is sent after that was lost, and the stream ends
//! within a second. Must not keep what a slow reader has not taken: rows are read when it does.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::future::{pending, select};
use futures_util::stream::unfold;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, ORIGIN};
use http::request::Parts;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::extract::{bearer, only};
use super::limits::Reader;
use super::problem::Refusal;
use super::visitor::sure_address;
use super::{Readiness, Shared};
use crate::base::{Code, CorrelationId, Problem, Secret, WorkspaceId};
use crate::domain::access::{Read, Right};
use crate::service::{Access, ActivityShown, Whence};
use crate::store::{Changes, Table};

/// Between two looks at most; twice in the second within which access must be lost.
const LOOK: Duration = Duration::from_millis(400);
/// Between two looks at least, however much happens.
const REST: Duration = Duration::from_millis(50);
/// Between two signs of life; well within what connections and proxies allow.
const SIGN: Duration = Duration::from_secs(15);

/// What a caller was let in with, kept to ask again.
pub(super) struct Presented {
    secret: Secret<String>,
    /// That of the page that asked, if a browser said one.
    origin: Option<String>,
    /// Where that asked from.
    address: Option<IpAddr>,
}

impl FromRequestParts<Shared> for Presented {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, face: &Shared) -> Result<Self, Refusal> {
        let secret = bearer(&parts.headers).ok_or_else(|| Problem::new(Code::Unauthenticated))?;
        let origin = only(&parts.headers, &ORIGIN)?.map(str::to_owned);
        let secret = Secret::new(secret.to_owned());
        Ok(Self { secret, origin, address: sure_address(parts, face) })
    }
}

/// Asks again and again whether somebody still may.
pub(super) struct Watch {
    face: Shared,
    presented: Presented,
    workspace: WorkspaceId,
    correlation: CorrelationId,
}

impl Watch {
    pub(super) fn of<R: Right>(face: &Shared, presented: Presented, access: &Access<R>) -> Self {
        Self {
            face: Arc::clone(face),
            presented,
            workspace: access.workspace(),
            correlation: access.correlation(),
        }
    }

    /// The access as it is now; `None` when it was lost.
    pub(super) async fn access<R: Right>(&self) -> Option<Access<R>> {
        let services = &self.face.services;
        let Presented { secret, origin, address } = &self.presented;
        let (origin, address, correlation) = (origin.as_deref(), *address, self.correlation);
        let whence = Whence { origin, address, correlation };
        let principal = services.authenticate(secret.reveal(), whence).await.ok()?;
        services.still::<R>(&principal, self.workspace, self.correlation)
    }
}

/// One live stream.
struct Live {
    watch: Watch,
    changes: Receiver<Arc<Changes>>,
    /// The last event that was sent or passed over.
    after: u64,
    begun: bool,
    looked: Duration,
    said: Duration,
    _place: Reader,
}

/// Everything after event number `after`, as it comes.
pub(super) fn stream(watch: Watch, after: u64, place: Reader) -> Response {
    let changes = watch.face.services.store.changes();
    let said = watch.face.services.clock.monotonic();
    let begun = false;
    let live = Live { watch, changes, after, begun, looked: said, said, _place: place };
    let pieces = unfold(live, async |mut live| {
        live.next().await.map(|piece| (Ok::<_, Infallible>(piece), live))
    });
    let mut response = Body::from_stream(pieces).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // Proxies that collect answers would keep it back.
    let collecting = HeaderName::from_static("x-accel-buffering");
    headers.insert(collecting, HeaderValue::from_static("no"));
    response
}

impl Live {
    /// What is sent next; `None` when it is over.
    async fn next(&mut self) -> Option<Bytes> {
        let face = Arc::clone(&self.watch.face);
        let (clock, services) = (&face.services.clock, &face.services);
        if !std::mem::replace(&mut self.begun, true) {
            // Whoever loses the connection before the first event goes on from here.
            return Some(format!("retry: 1000\nid: {}\n\n", self.after).into());
        }
        loop {
            let access = self.watch.access::<Read>().await?;
            if (face.readiness)() == Readiness::Stopping {
                return None;
            }
            self.looked = clock.monotonic();
            let (news, next) = services.news(&access, self.after).await.ok()?;
            let passed = next > self.after;
            self.after = next;
            if !news.is_empty() {
                self.said = self.looked;
                return Some(written(&news)?.into());
            }
            if self.looked.saturating_sub(self.said) >= SIGN {
                self.said = self.looked;
                // With the number, which may have gone on without anything to be told.
                return Some(format!(": {}\nid: {}\n\n", services.now(), self.after).into());
            }
            if !passed {
                self.wait().await;
            }
        }
    }

    /// Until something may have happened, or it is time to look anyway.
    async fn wait(&mut self) {
        let clock = Arc::clone(&self.watch.face.services.clock);
        clock.sleep_until(self.looked.saturating_add(REST)).await;
        let changed = pin!(changed(&mut self.changes));
        select(changed, clock.sleep_until(self.looked.saturating_add(LOOK))).await;
    }
}

/// Returns once events were written, of whatever workspace.
async fn changed(changes: &mut Receiver<Arc<Changes>>) {
    loop {
        match changes.recv().await {
            Ok(changes) if changes.tables.contains(&Table::Events) => return,
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => return,
            // The store is closing; the next look says so.
            Err(RecvError::Closed) => pending().await,
        }
    }
}

fn written(news: &[ActivityShown]) -> Option<String> {
    let mut text = String::new();
    for one in news {
        let data = serde_json::to_string(one).ok()?;
        write!(text, "id: {}\ndata: {data}\n\n", one.sequence).ok()?;
    }
    Some(text)
}

/// Why there is no place for one more stream.
pub(super) fn full(limit: usize) -> Problem {
    Problem::new(Code::Overloaded).with("limit_streams", limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_of_data() {
        let shown = ActivityShown {
            sequence: 7,
            at: "2026-11-22T09:00:00.000Z".to_owned(),
            actor: "system".to_owned(),
            kind: "post.changed".to_owned(),
            noun: "post".to_owned(),
            subject: "a\r\n\ndata: b".to_owned(),
            params: std::collections::BTreeMap::new(),
            correlation_id: "0".repeat(16),
        };
        let text = written(&[shown]).unwrap();
        assert!(text.starts_with("id: 7\ndata: {") && text.ends_with("}\n\n"));
        assert_eq!(text.lines().count(), 3, "{text}");
    }
}
