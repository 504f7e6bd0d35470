//! Clients that are slow on purpose, and those that come too many at once.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::program::Program;

/// More than any limit set here, and far less than nothing would give.
const PATIENCE: Duration = Duration::from_secs(12);

/// Sends `text`, then a byte of `drip` every 200 ms, until the server has enough; what it said and
/// how long that took.
async fn drip(program: &Program, text: String, drip: u8) -> (String, Duration) {
    let began = Instant::now();
    let socket = TcpStream::connect(program.address).await.unwrap();
    let (mut reading, mut writing) = socket.into_split();
    let dripping = tokio::spawn(async move {
        writing.write_all(text.as_bytes()).await.unwrap();
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            if writing.write_all(&[drip]).await.is_err() {
                return;
            }
        }
    });
    let mut said = Vec::new();
    // A reset is as good an end.
    let end = tokio::time::timeout(PATIENCE, reading.read_to_end(&mut said)).await;
    let took = began.elapsed();
    dripping.abort();
    assert!(end.is_ok(), "still open after {took:?}: {}", String::from_utf8_lossy(&said));
    (String::from_utf8_lossy(&said).into_owned(), took)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_heads_and_slow_bodies_are_cut_off() {
    let _alone = super::alone().await;
    let settings = [
        ("CARILLON_HTTP__HEADER_TIMEOUT", "1s"),
        ("CARILLON_HTTP__BODY_TIMEOUT", "1s"),
        ("CARILLON_HTTP__REQUEST_TIMEOUT", "3s"),
    ];
    let program = Program::start(None, &settings).await;
    let key = program.key(&["publish"]).await;
    let head = |length: usize, key: &str| {
        format!(
            "POST /api/v1/workspaces/{}/posts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n",
            program.workspace
        )
    };
    let heads: Vec<_> = (0..100)
        .map(|n| {
            let begun = ["", "GET", "GET / HTTP/1.1\r\nHost: x\r\nA: "][n % 3].to_owned();
            drip(&program, begun, b'x')
        })
        .collect();
    let heads = futures_util::future::join_all(heads);
    let body = drip(&program, head(100_000, &key), b' ');
    let stranger = drip(&program, head(100_000, "nobody"), b' ');
    let (heads, body, stranger, silent) =
        tokio::join!(heads, body, stranger, silent(&program, head(100, &key) + "{"));
    for (said, took) in &heads {
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
        assert!(*took < Duration::from_secs(8), "{took:?}");
    }
    // A body that never ends has as long as any request.
    assert!(body.0.starts_with("HTTP/1.1 503 ") && body.1 < Duration::from_secs(10), "{body:?}");
    assert!(body.0.to_lowercase().contains("retry-after: "), "{body:?}");
    // Nobody waits for the body of somebody unknown.
    assert!(stranger.0.starts_with("HTTP/1.1 401 "), "{stranger:?}");
    assert!(silent.0.starts_with("HTTP/1.1 408 "), "{silent:?}");
    assert!(silent.1 >= Duration::from_secs(1) && silent.1 < Duration::from_secs(8), "{silent:?}");
    assert_eq!(program.get("/health/live").await.0, 200);
    assert!(program.metric("carillon_http_refused_total{reason=\"slow\"}").await >= 1);
}

/// Sends `text`, and no more.
async fn silent(program: &Program, text: String) -> (String, Duration) {
    let began = Instant::now();
    let mut socket = TcpStream::connect(program.address).await.unwrap();
    socket.write_all(text.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    let end = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut said)).await;
    assert!(end.is_ok(), "still open: {}", String::from_utf8_lossy(&said));
    (String::from_utf8_lossy(&said).into_owned(), began.elapsed())
}

/// Connects from another address of this machine.
async fn from(address: [u8; 4], program: &Program) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((address, 0).into()).unwrap();
    socket.connect(program.address).await.unwrap()
}

const LIVE: &[u8] = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";

async fn status(socket: &mut TcpStream) -> String {
    let mut said = [0; 12];
    // Sent away before it could ask.
    drop(socket.write_all(LIVE).await);
    match tokio::time::timeout(PATIENCE, socket.read_exact(&mut said)).await {
        Ok(Ok(_)) => String::from_utf8_lossy(&said).into_owned(),
        Ok(Err(_)) => "closed".to_owned(),
        Err(late) => panic!("neither an answer nor an end: {late}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_does_not_take_all_connections() {
    let _alone = super::alone().await;
    let settings =
        [("CARILLON_HTTP__CONNECTIONS_PER_ADDRESS", "8"), ("CARILLON_HTTP__PROXIES", "127.0.0.1")];
    let program = Program::start(None, &settings).await;
    let mut held = Vec::new();
    for _ in 0..8 {
        let mut socket = from([127, 0, 0, 2], &program).await;
        assert_eq!(status(&mut socket).await, "HTTP/1.1 200");
        held.push(socket);
    }
    let mut refused = 0;
    for _ in 0..50 {
        let said = status(&mut from([127, 0, 0, 2], &program).await).await;
        assert!(["HTTP/1.1 503", "closed"].contains(&said.as_str()), "{said}");
        refused += u32::from(said == "HTTP/1.1 503");
    }
    assert!(refused > 0, "nobody was told why");
    assert_eq!(status(&mut from([127, 0, 0, 3], &program).await).await, "HTTP/1.1 200");
    let mut proxy = Vec::new();
    for _ in 0..20 {
        proxy.push(from([127, 0, 0, 1], &program).await);
    }
    for socket in &mut proxy {
        assert_eq!(status(socket).await, "HTTP/1.1 200", "a proxy brings many people");
    }
    let counted = program.metric("carillon_http_refused_total{reason=\"address\"}").await;
    assert_eq!(counted, 50);
    drop(held);
    // Once they have gone there is room again.
    let deadline = Instant::now() + PATIENCE;
    while status(&mut from([127, 0, 0, 2], &program).await).await != "HTTP/1.1 200" {
        assert!(Instant::now() < deadline, "no room after they have gone");
    }
}
