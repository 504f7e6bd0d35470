//! Carries a world on a TCP listener, wire faults included, with routes to look at it and to
//! script it. Must not decide what a network answers. Names axum, alone in this room.

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Json, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::StatusCode;
use http::header::{CONTENT_LENGTH, HOST, HeaderValue};
use tokio::net::TcpListener;

use super::{Answer, Fate, Fault, Request, ShownInstance, World, handle, page};
use crate::base::Clock;

/// The largest upload that a practice network takes, and a little around it.
const BODY_MAX: usize = 100 * 1024 * 1024;
/// Bytes of one chunk of a slow body.
const DRIP_BYTES: usize = 16;

#[derive(Clone)]
struct Carrier {
    world: Arc<Mutex<World>>,
    clock: Arc<dyn Clock>,
}

/// Serves until `shutdown` resolves; then nothing is accepted any more and what is under way ends
/// with the runtime. Answers for the instance that the `Host` header names, or else the one that
/// the first part of the path names, up to the first dot: `/practice-a/api/v1/statuses`.
pub async fn serve(
    listener: TcpListener,
    world: Arc<Mutex<World>>,
    clock: Arc<dyn Clock>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let routes = axum::Router::new()
        .route("/", get(timeline))
        .route("/_practice/timeline.json", get(timeline_json))
        .route("/_practice/journal", get(journal))
        .route("/_practice/requests", get(requests))
        .route("/_practice/faults", post(add_fault).delete(clear_faults))
        .fallback(network)
        .with_state(Carrier { world, clock });
    tokio::select! {
        ended = axum::serve(listener, routes).into_future() => ended,
        () = shutdown => Ok(()),
    }
}

impl Carrier {
    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The world as it is now, with all that was to land by now.
    fn settled(&self) -> MutexGuard<'_, World> {
        let mut world = self.lock();
        world.settle(self.clock.now());
        world
    }

    /// Which instance is meant, and the path there.
    fn target(&self, parts: &Parts) -> (String, String) {
        let world = self.lock();
        let path = parts.uri.path();
        let host = parts.headers.get(HOST).and_then(|h| h.to_str().ok()).unwrap_or("");
        let host = host.rsplit_once(':').map_or(host, |(name, _port)| name);
        if world.knows(host) {
            return (host.to_owned(), path.to_owned());
        }
        let inner = path.strip_prefix('/').unwrap_or(path);
        let (name, rest) = inner.split_once('/').unwrap_or((inner, ""));
        match world.host_named(name) {
            Some(host) => (host, format!("/{rest}")),
            None => (host.to_owned(), path.to_owned()),
        }
    }

    async fn send(&self, answer: Answer) -> Response {
        if answer.delay > Duration::ZERO {
            self.clock.sleep(answer.delay).await;
        }
        let length = answer.body.len();
        let body = match answer.fate {
            Fate::Whole => Body::from(answer.body),
            Fate::HangUp => broken_off(Bytes::new()),
            Fate::CutBody { after } => {
                broken_off(answer.body.slice(..after.min(length.saturating_sub(1))))
            }
            Fate::Drip { every } => drip(answer.body, every, Arc::clone(&self.clock)),
        };
        let mut response = Response::new(body);
        *response.status_mut() =
            StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        *response.headers_mut() = answer.headers;
        if length > 0 {
            // With a length of zero hyper would not even ask a body that fails.
            let length = HeaderValue::from(length);
            response.headers_mut().insert(CONTENT_LENGTH, length);
        }
        response
    }
}

/// Sends `start` and then closes the connection. A body that fails before its first byte takes
/// the head with it, because hyper flushes only when the body has to wait: nothing is sent at all.
fn broken_off(start: Bytes) -> Body {
    let start = (!start.is_empty()).then_some(start);
    let waits = start.is_some();
    let end = async move {
        if waits {
            tokio::task::yield_now().await;
        }
        Err(io::Error::from(io::ErrorKind::ConnectionAborted))
    };
    Body::from_stream(stream::iter(start.map(Ok)).chain(stream::once(end)))
}

fn drip(body: Bytes, every: Duration, clock: Arc<dyn Clock>) -> Body {
    let chunks = stream::unfold(body, move |mut rest| {
        let clock = Arc::clone(&clock);
        async move {
            if rest.is_empty() {
                return None;
            }
            clock.sleep(every).await;
            let chunk = rest.split_to(DRIP_BYTES.min(rest.len()));
            Some((Ok::<_, io::Error>(chunk), rest))
        }
    });
    Body::from_stream(chunks)
}

async fn network(State(carrier): State<Carrier>, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let (host, path) = carrier.target(&parts);
    let request = Request {
        query: parts.uri.query().unwrap_or("").to_owned(),
        method: parts.method,
        path,
        headers: parts.headers,
        body,
    };
    let now = carrier.clock.now();
    let answer = handle(&mut carrier.lock(), &host, &request, now);
    carrier.send(answer).await
}

async fn timeline(State(carrier): State<Carrier>) -> Response {
    let shown = carrier.settled().timeline();
    carrier.send(page::timeline(shown)).await
}

async fn timeline_json(State(carrier): State<Carrier>) -> Json<Vec<ShownInstance>> {
    Json(carrier.settled().timeline())
}

async fn journal(State(carrier): State<Carrier>) -> impl IntoResponse {
    Json(carrier.settled().journal().to_vec())
}

async fn requests(State(carrier): State<Carrier>) -> impl IntoResponse {
    Json(carrier.settled().requests().cloned().collect::<Vec<_>>())
}

async fn add_fault(State(carrier): State<Carrier>, Json(fault): Json<Fault>) -> StatusCode {
    carrier.lock().add_fault(fault);
    StatusCode::NO_CONTENT
}

async fn clear_faults(State(carrier): State<Carrier>) -> StatusCode {
    carrier.lock().clear_faults();
    StatusCode::NO_CONTENT
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::super::mastodon::Settings;
    use super::*;
    use crate::base::SystemClock;

    const HOST: &str = "practice-a.test";
    const PREFIX: &str = "/practice-a/api/v1/statuses";

    /// All bytes that come back for one request, up to the end of the connection.
    async fn exchange(port: u16, line: &str, host: &str, body: &str) -> String {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let length = body.len();
        let kind = if body.starts_with('{') { "application/json" } else { "x" };
        let head = format!(
            "{line} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: close\r\n\
             Content-Type: {kind}\r\nAuthorization: Bearer t\r\n\r\n{body}"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A reset instead of an end is as good a way to hang up.
        drop(socket.read_to_end(&mut answer).await);
        String::from_utf8(answer).unwrap()
    }

    async fn with_server<F: Future<Output = ()>>(client: impl FnOnce(u16) -> F) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut world = World::new(1);
        world.add_mastodon(HOST, Settings::new(&format!("http://127.0.0.1:{port}/practice-a")));
        world.add_account(HOST, "ann", "t", "read write");
        let world = Arc::new(Mutex::new(world));
        let clock = Arc::new(SystemClock::new());
        serve(listener, world, clock, client(port)).await.unwrap();
    }

    #[tokio::test]
    async fn an_instance_is_found_by_host_and_by_path() {
        with_server(|port| async move {
            for (line, host) in [
                ("GET /api/v1/instance", "practice-a.test"),
                ("GET /api/v1/instance", "practice-a.test:8080"),
                ("GET /practice-a/api/v1/instance/", "localhost"),
            ] {
                let found = exchange(port, line, host, "").await;
                assert!(found.starts_with("HTTP/1.1 200 OK\r\n"), "{found}");
                assert!(found.contains("\"uri\":\"practice-a.test\""), "{found}");
            }
            let missing = exchange(port, "GET /practice-b/api/v1/instance", "x", "").await;
            assert!(missing.starts_with("HTTP/1.1 404"), "{missing}");
        })
        .await;
    }

    #[tokio::test]
    async fn wire_faults_reach_the_wire() {
        with_server(|port| async move {
            let write = format!("POST {PREFIX}");
            let empty: fn(&str) -> bool = |a| a.is_empty();
            for (act, check) in [
                (r#""accept_then_drop""#, empty),
                (r#""drop_before""#, |a| a.is_empty()),
                (r#"{"cut_body":{"after":7}}"#, |a| a.ends_with("\r\n\r\n{\"id\":\"")),
                (r#"{"slow_body":{"every_ms":0}}"#, |a| a.ends_with('}')),
                (r#"{"slow_start":{"delay_ms":1}}"#, |a| a.starts_with("HTTP/1.1 200 OK")),
                (r#"{"error_after":{"status":503}}"#, |a| a.contains("Service Unavailable")),
            ] {
                let fault = format!("{{\"on\":\"write\",\"act\":{act}}}");
                let set = exchange(port, "POST /_practice/faults", "x", &fault).await;
                assert!(set.starts_with("HTTP/1.1 204"), "{set}");
                let answer = exchange(port, &write, "x", r#"{"status":"x"}"#).await;
                assert!(check(&answer), "{act}: {answer}");
            }
            let journal = exchange(port, "GET /_practice/journal", "x", "").await;
            assert_eq!(journal.matches("status_created").count(), 5, "{journal}");
            let requests = exchange(port, "GET /_practice/requests", "x", "").await;
            assert_eq!(requests.matches("\"status\":null").count(), 2, "{requests}");
            let page = exchange(port, "GET /", "x", "").await;
            assert_eq!(page.matches("<article>").count(), 5, "{page}");
            let json = exchange(port, "GET /_practice/timeline.json", "x", "").await;
            assert!(json.contains("\"account\":\"ann\""), "{json}");
            let bad = exchange(port, "POST /_practice/faults", "x", r#"{"on":"all"}"#).await;
            assert!(bad.starts_with("HTTP/1.1 422"), "{bad}");
            let clear = exchange(port, "DELETE /_practice/faults", "x", "").await;
            assert!(clear.starts_with("HTTP/1.1 204"), "{clear}");
        })
        .await;
    }
}
