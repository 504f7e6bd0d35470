//! What each way of failing is called, over real sockets. `NotSent` after a byte of a request was
//! written would let a post be sent twice.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use carillon::base::limits::ANSWER_BYTES;
use carillon::outbound::client::HttpSettings;
use carillon::outbound::guard::{Lookup, system_lookup};
use carillon::outbound::{Origin, Request, SendError, Transport};
use futures_util::future::join_all;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method};
use tokio::net::TcpListener;
use url::Url;

use crate::server::{
    Server, answer, post, read_request, settings, silence, transport, transport_of, transport_with,
};

/// Passes in every run, and is long enough for a loopback server to have said what it says.
const SHORT: Duration = Duration::from_secs(1);
/// Passes in no run.
const LONG: Duration = Duration::from_mins(1);

fn lost(error: &SendError) -> Option<u16> {
    match error {
        SendError::Lost { status, .. } => *status,
        other => panic!("not lost: {other}"),
    }
}

fn not_sent(error: &SendError) -> &'static str {
    match error {
        SendError::NotSent { why } => why,
        other => panic!("not `not sent`: {other}"),
    }
}

#[tokio::test]
async fn a_whole_answer_comes_through_and_the_request_is_as_given() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let server = Server::start(move |_, mut socket| {
        let log = Arc::clone(&log);
        async move {
            while let Some(request) = read_request(&mut socket).await {
                log.lock().unwrap().push(request);
                let text = "HTTP/1.1 201 Created\r\nx-id: 7\r\nset-cookie: a=b\r\n\
                            content-length: 5\r\n\r\nhello";
                answer(&mut socket, text).await;
            }
        }
    })
    .await;
    let transport = transport();
    let mut request = post(server.url("/a?b=c"));
    request.headers.insert("x-mine", HeaderValue::from_static("1"));
    let response = transport.send(request).await.unwrap();
    assert_eq!((response.status, &*response.body), (201, b"hello".as_slice()));
    assert_eq!(response.headers["x-id"], "7");
    let mut empty = post(server.url("/empty"));
    empty.body = Bytes::new().into();
    transport.send(empty).await.unwrap();
    let mut get = post(server.url("/get"));
    (get.method, get.body) = (Method::GET, Bytes::new().into());
    transport.send(get).await.unwrap();

    let seen = seen.lock().unwrap();
    assert!(seen[0].starts_with("POST /a?b=c HTTP/1.1\r\n"), "{}", seen[0]);
    assert!(seen[0].contains("x-mine: 1\r\n") && seen[0].ends_with("\r\n\r\na post"));
    let agent = concat!("Carillon/", env!("CARGO_PKG_VERSION"), " (+https://ops.example/about)");
    assert!(seen[0].contains(&format!("user-agent: {agent}\r\n")), "{}", seen[0]);
    assert!(!seen[0].contains("accept-encoding"), "{}", seen[0]);
    // A bodiless POST says so (some networks answer 411 otherwise), a GET says nothing.
    assert!(seen[1].contains("content-length: 0\r\n"), "{}", seen[1]);
    assert!(!seen[1].contains("cookie"), "{}", seen[1]);
    assert!(!seen[2].contains("content-length"), "{}", seen[2]);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn no_connection_is_not_sent() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    let url = Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
    let error = transport().send(post(url)).await.unwrap_err();
    assert_eq!(not_sent(&error), "the connection was refused");

    let unknown: Lookup = Arc::new(|_| Box::pin(async { Err(io::Error::other("no such name")) }));
    let url = Url::parse("https://nowhere.example/").unwrap();
    let error = transport_with(&[], unknown).send(post(url.clone())).await.unwrap_err();
    assert_eq!(not_sent(&error), "the name could not be resolved");
    let nothing: Lookup = Arc::new(|_| Box::pin(async { Ok(Vec::new()) }));
    let error = transport_with(&[], nothing).send(post(url)).await.unwrap_err();
    not_sent(&error);

    let url = Url::parse("ftp://127.0.0.1/").unwrap();
    let error = transport().send(post(url)).await.unwrap_err();
    assert_eq!(not_sent(&error), "it is not a request that HTTP can carry");
}

async fn https_error(server: &Server, connect_timeout: Duration) -> SendError {
    let settings = HttpSettings { connect_timeout, ..settings() };
    let mut url = server.url("/");
    url.set_scheme("https").unwrap();
    let transport = transport_of(settings, system_lookup());
    transport.send(post(url)).await.unwrap_err()
}

#[tokio::test]
async fn tls_that_fails_or_never_comes_is_not_sent() {
    let server = Server::start(|_, mut socket| async move {
        answer(&mut socket, "HTTP/1.1 400 Bad Request\r\n\r\n").await;
        silence(&mut socket).await;
    })
    .await;
    let error = https_error(&server, LONG).await;
    assert_eq!(not_sent(&error), "TLS failed");
    assert_eq!(server.connections(), 1);

    let closing = Server::start(|_, socket| async move { drop(socket) }).await;
    not_sent(&https_error(&closing, LONG).await);

    let silent = Server::start(|_, mut socket| async move { silence(&mut socket).await }).await;
    let error = https_error(&silent, SHORT).await;
    assert_eq!(not_sent(&error), "connecting took too long");
}

#[tokio::test]
async fn a_connection_that_closes_without_an_answer_is_lost() {
    // At once, after the request, and after half a status line.
    for how in 0..3 {
        let server = Server::start(move |_, mut socket| async move {
            if how >= 1 {
                read_request(&mut socket).await.unwrap();
            }
            if how == 2 {
                answer(&mut socket, "HTTP/1.1 2").await;
            }
        })
        .await;
        let error = transport().send(post(server.url("/"))).await.unwrap_err();
        assert_eq!(lost(&error), None, "{how}: {error}");
        assert_eq!(server.connections(), 1, "it was sent again");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_http_is_lost() {
    let server = Server::start(|_, mut socket| async move {
        read_request(&mut socket).await.unwrap();
        answer(&mut socket, "SSH-2.0-OpenSSH_10.0\r\n").await;
        silence(&mut socket).await;
    })
    .await;
    let error = transport().send(post(server.url("/"))).await.unwrap_err();
    assert_eq!(lost(&error), None, "{error}");
}

#[tokio::test]
async fn silence_until_the_deadline_is_lost_with_what_was_read() {
    let cases = [
        ("", None),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", Some(200)),
        ("HTTP/1.1 503 Busy\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n", Some(503)),
    ];
    join_all(cases.map(|(head, status)| async move {
        let server = Server::start(move |_, mut socket| async move {
            read_request(&mut socket).await.unwrap();
            answer(&mut socket, head).await;
            silence(&mut socket).await;
        })
        .await;
        let mut request = post(server.url("/"));
        request.deadline = SHORT;
        let error = transport().send(request).await.unwrap_err();
        assert_eq!(lost(&error), status, "{error}");
        assert!(error.to_string().ends_with("the deadline passed"), "{error}");
    }))
    .await;
}

#[tokio::test]
async fn a_body_that_breaks_off_is_lost_after_its_status() {
    for head in ["content-length: 10", "transfer-encoding: chunked"] {
        let server = Server::start(move |_, mut socket| async move {
            read_request(&mut socket).await.unwrap();
            answer(&mut socket, &format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n5\r\nab")).await;
        })
        .await;
        let error = transport().send(post(server.url("/"))).await.unwrap_err();
        assert_eq!(lost(&error), Some(200), "{error}");
    }
}

#[tokio::test]
async fn a_body_may_be_as_large_as_the_limit_and_not_larger() {
    for (over, declared) in [(0, true), (1, true), (1, false)] {
        let server = Server::start(move |_, mut socket| async move {
            read_request(&mut socket).await.unwrap();
            let size = ANSWER_BYTES + over;
            let length =
                if declared { format!("content-length: {size}\r\n") } else { String::new() };
            let text = format!("HTTP/1.1 200 OK\r\n{length}\r\n{}", "x".repeat(size));
            // The client may close before all is written.
            drop(tokio::io::AsyncWriteExt::write_all(&mut socket, text.as_bytes()).await);
        })
        .await;
        match transport().send(post(server.url("/"))).await {
            Ok(response) => assert_eq!((over, response.body.len()), (0, ANSWER_BYTES)),
            Err(error) => assert_eq!((over, lost(&error)), (1, Some(200)), "{error}"),
        }
    }
}

#[tokio::test]
async fn redirects_and_errors_are_answers_and_nothing_is_repeated() {
    for status in [302, 307, 308, 401, 408, 425, 429, 500, 502, 503, 504] {
        let server = Server::start(move |_, mut socket| async move {
            while read_request(&mut socket).await.is_some() {
                let head = "location: /elsewhere\r\nretry-after: 0\r\ncontent-length: 0";
                answer(&mut socket, &format!("HTTP/1.1 {status} X\r\n{head}\r\n\r\n")).await;
            }
        })
        .await;
        let requests = server.connections();
        let response = transport().send(post(server.url("/"))).await.unwrap();
        assert_eq!(response.status, status);
        assert_eq!(response.headers["location"], "/elsewhere");
        assert_eq!(server.connections(), requests + 1);
    }
}

/// The server closes an idle connection, at once or when the next request arrives on it. A post
/// may then go out on a fresh connection only if nothing of it was written on the old one.
#[tokio::test]
async fn a_stale_pooled_connection_never_sends_twice_and_never_says_not_sent() {
    for close_on_request in [false, true] {
        let requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&requests);
        let server = Server::start(move |n, mut socket| {
            let count = Arc::clone(&count);
            async move {
                while read_request(&mut socket).await.is_some() {
                    count.fetch_add(1, Ordering::SeqCst);
                    if n == 0 && close_on_request && count.load(Ordering::SeqCst) == 2 {
                        return;
                    }
                    answer(&mut socket, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
                    if n == 0 && !close_on_request {
                        return;
                    }
                }
            }
        })
        .await;
        let transport = transport();
        transport.send(post(server.url("/1"))).await.unwrap();
        let second = transport.send(post(server.url("/2"))).await;
        match &second {
            Ok(_) => assert!(!close_on_request),
            Err(error) => assert_eq!(lost(error), None),
        }
        let fresh = usize::from(second.is_ok());
        assert_eq!(server.connections(), 1 + fresh);
        let expected = if close_on_request { 2 } else { 1 + fresh };
        assert_eq!(requests.load(Ordering::SeqCst), expected);
    }
}

fn member(url: Url) -> Request {
    let mut request = post(url);
    request.origin = Origin::Workspace;
    request
}

#[tokio::test]
async fn members_reach_listed_hosts_only_operators_any() {
    let server = Server::start(|_, mut socket| async move {
        while read_request(&mut socket).await.is_some() {
            answer(&mut socket, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        }
    })
    .await;
    let host = "127.0.0.1".to_owned();
    let error = transport().send(member(server.url("/"))).await.unwrap_err();
    assert_eq!(error, SendError::Refused { host });
    assert_eq!(server.connections(), 0);
    transport().send(post(server.url("/"))).await.unwrap();

    let loopback: Lookup = Arc::new(|_| Box::pin(async { Ok(vec![Ipv4Addr::LOCALHOST.into()]) }));
    let listed = transport_with(&[&format!("box.test:{}", server.port)], loopback);
    let url = Url::parse(&format!("http://box.test:{}/", server.port)).unwrap();
    listed.send(member(url)).await.unwrap();
    // The same name at another port is not listed, and so its addresses are judged.
    let url = Url::parse("https://box.test:8443/").unwrap();
    let host = "box.test".to_owned();
    assert_eq!(listed.send(member(url)).await.unwrap_err(), SendError::Refused { host });
}

/// A resolver that answers differently each time finds no gap: it is asked once for a connection,
/// and that answer is both judged and used.
#[tokio::test]
async fn a_name_that_turns_private_is_refused() {
    const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(1, 1, 1, 1));
    let private = Ipv4Addr::new(10, 0, 0, 1).into();
    let answers = [
        vec![],
        vec![Ipv4Addr::LOCALHOST.into()],
        vec![PUBLIC, private],
        vec![PUBLIC, Ipv6Addr::LOCALHOST.into()],
    ];
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let flipping: Lookup = Arc::new(move |_| {
        let answer = answers[count.fetch_add(1, Ordering::SeqCst)].clone();
        Box::pin(async { Ok(answer) })
    });
    let transport = transport_with(&[], flipping);
    let url = Url::parse("https://flip.test/").unwrap();
    not_sent(&transport.send(member(url.clone())).await.unwrap_err());
    for n in 1..4 {
        let host = "flip.test".to_owned();
        let error = transport.send(member(url.clone())).await.unwrap_err();
        assert_eq!(error, SendError::Refused { host });
        assert_eq!(asked.load(Ordering::SeqCst), n + 1);
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_has_the_call_and_none_of_its_secrets() {
    let server = Server::start(|_, mut socket| async move {
        read_request(&mut socket).await.unwrap();
        answer(&mut socket, "HTTP/1.1 403 No\r\nx-canary: canary\r\n\r\ncanary").await;
    })
    .await;
    let words = server.url("/services/canary?q=canary");
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let mut request = post(server.url("/bot1:canary-canary-canary-canary/send?q=canary#canary"));
    request.headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer canary"));
    request.body = Bytes::from_static(b"canary").into();
    transport().send(request).await.unwrap();
    // A secret of plain words, in an address that is somebody's whole.
    let mut whole = post(words);
    whole.origin = Origin::Whole;
    let host = format!("127.0.0.1:{}", server.port);
    let lookup: Lookup = Arc::new(|_| Box::pin(async { Ok(Vec::new()) }));
    transport_with(&[&host], lookup).send(whole).await.unwrap();
    drop(guard);

    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let line = text.lines().find(|line| line.contains("network call")).unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    let fields = &line["fields"];
    assert_eq!(fields["correlation_id"].as_str().unwrap().len(), 16);
    assert_eq!(fields["method"], "POST");
    assert_eq!(fields["network_host"], "127.0.0.1");
    assert_eq!(fields["path"], "/[secret]/send");
    assert_eq!(fields["status"], 403);
    assert!(fields["duration_ms"].is_u64());
    assert!(fields.get("error").is_none());
    assert!(!text.contains("canary"), "{text}");
}
