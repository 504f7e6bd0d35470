//! The `Transport` over sockets. Must say `Lost` whenever a connection existed and the answer did
//! not come whole, and must not log anything of a request but method, host and redacted path.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Method};
use reqwest::{Client, ClientBuilder, redirect, retry};
use url::Url;

use super::guard::{Guard, Lookup, Refusal, Resolver};
use super::redact::{MASK, redact_path};
use super::{Body, Incoming, Origin, Request, Response, SendError, Transport};
use crate::base::{Clock, limits};

/// What the operator can set.
pub struct HttpSettings {
    pub guard: Guard,
    /// Told to networks in the `User-Agent`, so that they can find who runs this installation.
    pub operator_url: Option<Url>,
    /// For name, connection and TLS together. What takes longer is known not to have been sent,
    /// so this should be well below the deadline of any request.
    pub connect_timeout: Duration,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            guard: Guard::default(),
            operator_url: None,
            connect_timeout: Duration::from_secs(10),
        }
    }
}

/// No TLS can be had on this machine.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be set up; are the CA certificates of the system installed?")]
pub struct SetupError(#[source] reqwest::Error);

/// One connection pool for addresses that operators chose or listed, one for all others.
pub struct HttpTransport {
    trusted: Client,
    guarded: Client,
    guard: Guard,
    clock: Arc<dyn Clock>,
}

/// Shorter than the keep-alive of any common server (the shortest, 5 s, are those of Node and
/// Apache), so that a post is not written to a connection that the server is about to close: it
/// would be `Lost`, and have to be looked for.
const POOL_IDLE: Duration = Duration::from_secs(4);

impl HttpTransport {
    pub fn new(
        settings: HttpSettings,
        lookup: Lookup,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SetupError> {
        let build = |lookup, guarded| {
            let builder = builder(&settings, lookup, guarded);
            builder.build().map_err(SetupError)
        };
        Ok(Self {
            trusted: build(Arc::clone(&lookup), false)?,
            guarded: build(lookup, true)?,
            guard: settings.guard,
            clock,
        })
    }

    fn client_for(&self, origin: Origin, url: &Url) -> Result<&Client, Refusal> {
        if origin == Origin::Configured {
            return Ok(&self.trusted);
        }
        self.guard.check_url(url)?;
        Ok(if self.guard.is_listed(url) { &self.trusted } else { &self.guarded })
    }

    /// Sends it, and reads the head of the answer.
    async fn begin(&self, request: Request, host: &str) -> Result<reqwest::Response, SendError> {
        let refused = |_| SendError::Refused { host: host.to_owned() };
        let client = self.client_for(request.origin, &request.url).map_err(refused)?;
        let mut headers = request.headers;
        if request.body.is_empty()
            && [Method::POST, Method::PUT, Method::PATCH].contains(&request.method)
        {
            // hyper leaves it out of HTTP/1.1, and some servers answer 411 then.
            headers.entry(CONTENT_LENGTH).or_insert(HeaderValue::from_static("0"));
        }
        let body = match request.body {
            Body::Whole(bytes) => reqwest::Body::from(bytes),
            Body::Stream { bytes, open } => {
                // Else it would go out in chunks, which many servers do not take.
                headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes));
                reqwest::Body::wrap_stream(open())
            }
        };
        client
            .request(request.method, request.url)
            .headers(headers)
            .body(body)
            .timeout(request.deadline)
            .send()
            .await
            .map_err(|error| no_answer(&error, host))
    }

    async fn call(&self, request: Request, host: &str) -> Result<Response, SendError> {
        let mut answer = self.begin(request, host).await?;
        let status = answer.status().as_u16();
        let headers = std::mem::take(answer.headers_mut());
        let lost = |why| SendError::Lost { status: Some(status), why };
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|e| lost(broken_body(&e)))? {
            if body.len() + chunk.len() > limits::ANSWER_BYTES {
                return Err(lost("it is too large"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response { status, headers, body: Bytes::from(body) })
    }

    /// Does it, and logs what came of it.
    async fn logged<T>(
        &self,
        request: Request,
        status: impl Fn(&T) -> u16,
        call: impl AsyncFnOnce(Request, &str) -> Result<T, SendError>,
    ) -> Result<T, SendError> {
        let (correlation, method) = (request.correlation, request.method.clone());
        let host = request.url.host_str().unwrap_or_default().to_owned();
        let path = match request.origin {
            Origin::Configured | Origin::Workspace => redact_path(&request.url),
            Origin::Whole => MASK.to_owned(),
        };
        let start = self.clock.monotonic();
        let result = call(request, &host).await;
        let took = self.clock.monotonic().saturating_sub(start);
        tracing::info!(
            correlation_id = %correlation,
            %method,
            network_host = host,
            path,
            status = match &result {
                Ok(answer) => Some(status(answer)),
                Err(SendError::Lost { status, .. }) => *status,
                Err(SendError::Refused { .. } | SendError::NotSent { .. }) => None,
            },
            duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            error = result.as_ref().err().map(tracing::field::display),
            "network call"
        );
        result
    }
}

fn builder(settings: &HttpSettings, lookup: Lookup, guarded: bool) -> ClientBuilder {
    let version = env!("CARGO_PKG_VERSION");
    let agent = match &settings.operator_url {
        Some(url) => format!("Carillon/{version} (+{url})"),
        None => format!("Carillon/{version}"),
    };
    Client::builder()
        .user_agent(agent)
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
        // reqwest would send again what a server refused by GOAWAY or REFUSED_STREAM. What stays
        // is hyper's: a request that was still queued when its pooled connection closed, of which
        // nothing was written, goes out on another connection.
        .retry(retry::never())
        .connect_timeout(settings.connect_timeout)
        .pool_idle_timeout(POOL_IDLE)
        .dns_resolver(Resolver { lookup, guarded })
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, request: Request) -> Result<Response, SendError> {
        self.logged(
            request,
            |answer: &Response| answer.status,
            async |request, host| self.call(request, host).await,
        )
        .await
    }

    async fn open(&self, request: Request) -> Result<Incoming, SendError> {
        self.logged(
            request,
            |answer: &Incoming| answer.status,
            async |request, host| {
                let mut answer = self.begin(request, host).await?;
                let (status, headers) =
                    (answer.status().as_u16(), std::mem::take(answer.headers_mut()));
                let broken = |error: reqwest::Error| io::Error::other(broken_body(&error));
                let body = answer.bytes_stream().map_err(broken).boxed();
                Ok(Incoming { status, headers, body })
            },
        )
        .await
    }
}

/// No status was read. Only what failed while building the request or before its connection stood
/// is known not to have been sent.
fn no_answer(error: &reqwest::Error, host: &str) -> SendError {
    if causes(error).any(<dyn StdError>::is::<Refusal>) {
        SendError::Refused { host: host.to_owned() }
    } else if error.is_builder() {
        SendError::NotSent { why: "it is not a request that HTTP can carry" }
    } else if error.is_connect() {
        SendError::NotSent { why: no_connection(error) }
    } else if error.is_timeout() {
        SendError::Lost { status: None, why: "the deadline passed" }
    } else {
        SendError::Lost { status: None, why: "the connection broke" }
    }
}

fn no_connection(error: &reqwest::Error) -> &'static str {
    if error.is_dns() {
        return "the name could not be resolved";
    }
    if error.is_timeout() {
        return "connecting took too long";
    }
    let failed_with = |kind| {
        causes(error)
            .filter_map(|cause| cause.downcast_ref::<io::Error>())
            .any(|cause| cause.kind() == kind)
    };
    if failed_with(io::ErrorKind::ConnectionRefused) {
        "the connection was refused"
    } else if failed_with(io::ErrorKind::InvalidData) {
        // What rustls says is wrapped like this.
        "TLS failed"
    } else {
        "the connection failed"
    }
}

fn broken_body(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() { "the deadline passed" } else { "the connection broke" }
}

/// `error` and what caused it, outermost first.
fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| next_cause(*error))
}

fn next_cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    // What an error of `io` wraps is not in its chain of sources.
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http::HeaderMap;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::base::{CorrelationId, SeededRng, SystemClock};
    use crate::outbound::guard::system_lookup;

    /// Answers the first request of an HTTP/2 connection with `frames`, then only counts; ends
    /// with the connection.
    async fn serve(mut socket: TcpStream, frames: &[u8], requests: &AtomicUsize) -> io::Result<()> {
        const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
        socket.write_all(SETTINGS).await?;
        let mut preface = [0; 24];
        socket.read_exact(&mut preface).await?;
        loop {
            let mut head = [0; 9];
            socket.read_exact(&mut head).await?;
            let [a, b, c, kind, ..] = head;
            let mut rest = vec![0; u32::from_be_bytes([0, a, b, c]).try_into().unwrap()];
            socket.read_exact(&mut rest).await?;
            if kind == 1 && requests.fetch_add(1, Ordering::SeqCst) == 0 {
                socket.write_all(frames).await?;
            }
        }
    }

    /// HTTP/2 says of some requests that they were not handled. They are `Lost` all the same, and
    /// above all not sent again behind our back.
    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "the server is a task of the test")]
    async fn what_http2_refuses_is_lost_and_not_repeated() {
        const REFUSED_STREAM: &[u8] = &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 7];
        const GO_AWAY: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        const HEAD_THEN_RESET: &[u8] = &[
            0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88, // status 200
            0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 2, // INTERNAL_ERROR
        ];
        for (frames, expected) in
            [(REFUSED_STREAM, None), (GO_AWAY, None), (HEAD_THEN_RESET, Some(200))]
        {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/", listener.local_addr().unwrap());
            let requests = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&requests);
            tokio::spawn(async move {
                while let Ok((socket, _)) = listener.accept().await {
                    serve(socket, frames, &count).await.unwrap_err();
                }
            });
            let settings = HttpSettings::default();
            let client = builder(&settings, system_lookup(), false).http2_prior_knowledge();
            let client = client.build().unwrap();
            let transport = HttpTransport {
                trusted: client.clone(),
                guarded: client,
                guard: settings.guard,
                clock: Arc::new(SystemClock::new()),
            };
            let request = Request {
                method: Method::POST,
                url: Url::parse(&url).unwrap(),
                headers: HeaderMap::new(),
                body: Bytes::from_static(b"a post").into(),
                deadline: Duration::from_mins(1),
                origin: Origin::Configured,
                correlation: CorrelationId::new(&SeededRng::new(1)),
            };
            match transport.send(request).await {
                Err(SendError::Lost { status, .. }) => assert_eq!(status, expected),
                other => panic!("{other:?}"),
            }
            assert_eq!(requests.load(Ordering::SeqCst), 1);
        }
    }
}
