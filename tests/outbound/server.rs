//! Servers on a loopback port that do exactly what a test says, and the client to call them with.
#![expect(
    clippy::disallowed_methods,
    reason = "the servers of a test are tasks of its own runtime"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use carillon::base::{CorrelationId, SeededRng, SystemClock};
use carillon::outbound::client::{HttpSettings, HttpTransport};
use carillon::outbound::guard::{Guard, Lookup, system_lookup};
use carillon::outbound::{Origin, Request};
use http::{HeaderMap, Method};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// What a server does with the n-th connection, counted from 0.
pub struct Server {
    pub port: u16,
    connections: Arc<AtomicUsize>,
}

impl Server {
    pub async fn start<F, Fut>(serve: F) -> Self
    where
        F: Fn(usize, TcpStream) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let n = count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(n, socket));
            }
        });
        Self { port, connections }
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://127.0.0.1:{}{path}", self.port)).unwrap()
    }
}

/// Reads one request with a body of known length; `None` when the client closed first.
pub async fn read_request(socket: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = |line: &str| line.strip_prefix("content-length: ")?.parse().ok();
            let expected: usize = head.lines().find_map(length).unwrap_or(0);
            if body.len() >= expected {
                return Some(text);
            }
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

pub async fn answer(socket: &mut TcpStream, text: &str) {
    socket.write_all(text.as_bytes()).await.unwrap();
}

/// Holds the connection open without a word until the client closes it.
pub async fn silence(socket: &mut TcpStream) {
    let mut rest = Vec::new();
    // A reset is as good an end as a close.
    drop(socket.read_to_end(&mut rest).await);
}

pub fn settings() -> HttpSettings {
    HttpSettings {
        operator_url: Some(Url::parse("https://ops.example/about").unwrap()),
        ..HttpSettings::default()
    }
}

pub fn transport_of(settings: HttpSettings, lookup: Lookup) -> HttpTransport {
    HttpTransport::new(settings, lookup, Arc::new(SystemClock::new())).unwrap()
}

pub fn transport_with(allow: &[&str], lookup: Lookup) -> HttpTransport {
    let guard = Guard::new(allow.iter().copied()).unwrap();
    let settings = HttpSettings { guard, ..settings() };
    transport_of(settings, lookup)
}

pub fn transport() -> HttpTransport {
    transport_of(settings(), system_lookup())
}

pub fn post(url: Url) -> Request {
    Request {
        method: Method::POST,
        url,
        headers: HeaderMap::new(),
        body: Bytes::from_static(b"a post").into(),
        // Long enough that only a test about deadlines, which shortens it, can reach it.
        deadline: Duration::from_mins(1),
        origin: Origin::Configured,
        correlation: CorrelationId::new(&SeededRng::new(1)),
    }
}
