//! Real sockets: slow clients, many clients, a stop in the middle, and the admin socket.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use carillon::base::{Clock, ManualClock, Spawner, SystemClock, Timestamp, tokio_spawner};
use carillon::http::{Listener, Settings};
use carillon::telemetry::Metrics;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::harness::House;

const SOON: Duration = Duration::from_millis(200);
const LIVE: &str = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";

struct Server {
    port: u16,
    tasks: TaskTracker,
    stop: CancellationToken,
    metrics: Arc<Metrics>,
}

impl Server {
    async fn start(router: &Router, settings: Settings, clock: Arc<dyn Clock>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let metrics = Arc::new(Metrics::new().unwrap());
        let server = Self { port, tasks, stop, metrics };
        server.run(Listener::Tcp(listener), router, settings, clock);
        server
    }

    fn run(&self, on: Listener, router: &Router, settings: Settings, clock: Arc<dyn Clock>) {
        let spawner = tokio_spawner(self.tasks.clone());
        let (router, stop) = (router.clone(), self.stop.clone());
        let (metrics, of) = (Arc::clone(&self.metrics), Spawner::clone(&spawner));
        let server = carillon::http::Server { router, settings, metrics, clock, spawner: of };
        spawner(Box::pin(server.serve(on, stop)));
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }

    /// Stops, and returns when everything has ended.
    async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        within("the server does not stop", self.tasks.wait()).await;
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

/// No test needs as long; one that does has failed.
async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::select! {
        done = work => done,
        () = clock().sleep(Duration::from_secs(30)) => panic!("{what}"),
    }
}

/// Reads one answer and no byte more; `None` when the connection ends before its first byte.
async fn answer(socket: &mut (impl AsyncRead + Unpin)) -> Option<(u16, String)> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let lower = head.to_lowercase();
            let length = lower.split("content-length: ").nth(1);
            let length = length.and_then(|rest| rest.lines().next()).unwrap_or("0");
            if body.len() >= length.parse().unwrap() {
                let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                return Some((status, text));
            }
        }
        // A reset instead of an end is as good a way to hang up.
        match within("no answer comes", socket.read_u8()).await {
            Ok(byte) => bytes.push(byte),
            Err(_) if bytes.is_empty() => return None,
            Err(error) => panic!("half an answer, {error}: {text}"),
        }
    }
}

async fn ask(socket: &mut (impl AsyncRead + AsyncWrite + Unpin), text: &str) -> (u16, String) {
    socket.write_all(text.as_bytes()).await.unwrap();
    answer(socket).await.unwrap()
}

#[tokio::test]
async fn half_open_connections_do_not_stay() {
    let house = House::new().await;
    let settings = Settings { header_timeout: SOON, connections: 60, ..Settings::default() };
    let server = Server::start(&house.router, settings, clock()).await;
    let time = clock();
    let mut half_open = Vec::new();
    for n in 0..50 {
        let mut socket = server.connect().await;
        let begun =
            ["", "GET", "GET /health/live HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: x\r\nA: "];
        socket.write_all(begun[n % 4].as_bytes()).await.unwrap();
        half_open.push(socket);
    }
    assert_eq!(ask(&mut server.connect().await, LIVE).await.0, 200, "others are served meanwhile");
    for socket in &mut half_open {
        assert_eq!(answer(socket).await, None);
    }
    assert!(time.monotonic() >= SOON);
    // A request and then the begin of another is no way around it.
    let mut socket = server.connect().await;
    assert_eq!(ask(&mut socket, LIVE).await.0, 200);
    socket.write_all(b"GET /hea").await.unwrap();
    assert_eq!(answer(&mut socket).await, None);
    server.stop().await;
}

#[tokio::test]
async fn a_connection_may_rest_between_requests() {
    let house = House::new().await;
    let clock = ManualClock::at(Timestamp::from_millis(0));
    let server = Server::start(&house.router, Settings::default(), Arc::new(clock.clone())).await;
    let mut socket = server.connect().await;
    for _ in 0..3 {
        assert_eq!(ask(&mut socket, LIVE).await.0, 200);
        clock.advance(Duration::from_secs(59));
    }
    assert_eq!(ask(&mut socket, &LIVE.repeat(2)).await.0, 200);
    assert_eq!(answer(&mut socket).await.unwrap().0, 200, "two at once");
    clock.advance(Duration::from_mins(1));
    assert_eq!(answer(&mut socket).await, None);
    server.stop().await;
}

#[tokio::test]
async fn a_head_is_bounded() {
    let house = House::new().await;
    let server = Server::start(&house.router, Settings::default(), clock()).await;
    let head = |bytes: usize| {
        let long = "x".repeat(bytes);
        format!("GET /health/live HTTP/1.1\r\nHost: x\r\nA: {long}\r\n\r\n")
    };
    assert_eq!(ask(&mut server.connect().await, &head(31 * 1024)).await.0, 200);
    assert_eq!(ask(&mut server.connect().await, &head(33 * 1024)).await.0, 431);
    assert_eq!(ask(&mut server.connect().await, "nonsense\r\n\r\n").await.0, 400);
    server.stop().await;
}

#[tokio::test]
async fn one_more_than_there_are_places_waits() {
    let house = House::new().await;
    let settings = Settings { connections: 2, ..Settings::default() };
    let server = Server::start(&house.router, settings, clock()).await;
    let mut first = server.connect().await;
    let mut second = server.connect().await;
    for socket in [&mut first, &mut second] {
        assert_eq!(ask(socket, LIVE).await.0, 200);
    }
    let mut third = server.connect().await;
    third.write_all(LIVE.as_bytes()).await.unwrap();
    tokio::select! {
        answer = answer(&mut third) => panic!("answered without a place: {answer:?}"),
        () = clock().sleep(SOON) => drop(second),
    }
    assert_eq!(answer(&mut third).await.unwrap().0, 200);
    server.stop().await;
}

/// The head of a request to write a draft, and its body.
fn draft(house: &House) -> (String, &'static str) {
    let body = r#"{"parts":[{"text":"x"}],"draft":true}"#;
    let head = format!(
        "POST /api/v1/workspaces/{}/posts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        house.workspace,
        house.key,
        body.len()
    );
    (head, body)
}

#[tokio::test]
async fn a_stop_lets_requests_finish() {
    let house = House::new().await;
    let server = Server::start(&house.router, Settings::default(), clock()).await;
    let (head, body) = draft(&house);
    let mut resting = server.connect().await;
    assert_eq!(ask(&mut resting, LIVE).await.0, 200);
    let mut busy = server.connect().await;
    // The interim answer says that the handler has begun to read the body.
    let head = head.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    let interim = ask(&mut busy, &head).await;
    assert_eq!(interim.0, 100);
    server.stop.cancel();
    assert_eq!(answer(&mut resting).await, None, "one that rests is closed at once");
    let (status, text) = ask(&mut busy, body).await;
    assert_eq!(status, 201);
    assert!(text.to_lowercase().contains("connection: close"), "{text}");
    let port = server.port;
    server.stop().await;
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
    assert_eq!(house.get("/posts").await.json()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let house = House::new().await;
    let settings = Settings { stop_wait: SOON, ..Settings::default() };
    let server = Server::start(&house.router, settings, clock()).await;
    let (head, _) = draft(&house);
    let mut busy = server.connect().await;
    let head = head.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(ask(&mut busy, &head).await.0, 100);
    server.stop().await;
    assert_eq!(answer(&mut busy).await, None);
}

#[tokio::test]
async fn the_peer_of_a_socket_is_known() {
    let house = House::new().await;
    let server = Server::start(&house.router, Settings::default(), clock()).await;
    let metrics = |more: &str| format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{more}\r\n");
    let mut socket = server.connect().await;
    assert_eq!(ask(&mut socket, &metrics("")).await.0, 200);
    assert_eq!(ask(&mut socket, &metrics("X-Forwarded-For: 10.0.0.1\r\n")).await.0, 401);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let uid = std::fs::metadata(folder.path()).unwrap().uid();
    let listener = Listener::Unix(UnixListener::bind(&path).unwrap());
    server.run(listener, &house.admin, Settings::default(), clock());
    let run = |body: Value| {
        let body = body.to_string();
        let length = body.len();
        format!(
            "POST /admin/run HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
    };
    let mut admin = UnixStream::connect(&path).await.unwrap();
    let (status, text) = ask(&mut admin, &run(json!({ "noun": "status" }))).await;
    assert!(status == 200 && text.contains("\"publishing\":\"running\""), "{text}");
    let list = json!({ "noun": "key", "verb": "list", "workspace": "acme", "args": {} });
    let (status, text) = ask(&mut admin, &run(list)).await;
    assert!(status == 200 && text.contains("\"scopes\":[\"admin\"]"), "{text}");
    let events = house.actors_of("operator.entered");
    assert_eq!(events.last().unwrap(), &format!("operator:{uid}"));
    for (body, status, code) in [
        (json!({ "noun": "nothing" }), 404, "not_found"),
        (json!({ "verb": "list" }), 422, "\"field\":\"noun\""),
        (json!({ "noun": "key", "verb": "list" }), 422, "\"field\":\"workspace\""),
        (json!({ "noun": "key", "verb": "list", "workspace": "gone" }), 404, "not_found"),
        (json!({ "noun": "status", "args": { "x": 1 } }), 422, "\"field\":\"x\""),
        (json!({ "noun": "status", "more": 1 }), 422, "\"field\":\"more\""),
        (json!({ "noun": "status", "workspace": null }), 422, "\"field\":\"workspace\""),
    ] {
        let (found, text) = ask(&mut admin, &run(body)).await;
        assert!(found == status && text.contains(code), "{text}");
    }
    assert_eq!(ask(&mut admin, &metrics("")).await.0, 200);
    // Not on TCP; and if it ever were, nobody there could use it.
    assert_eq!(ask(&mut server.connect().await, &run(json!({ "noun": "status" }))).await.0, 404);
    let wrong = Server::start(&house.admin, Settings::default(), clock()).await;
    assert_eq!(ask(&mut wrong.connect().await, &run(json!({ "noun": "status" }))).await.0, 403);
    wrong.stop().await;
    drop(admin);
    server.stop().await;
}

/// One who asks for a stream and does not read it holds its place for as long as connections have
/// patience, whatever there is to tell.
#[tokio::test]
async fn a_stream_that_nobody_reads_is_dropped() {
    let keep_alive = Duration::from_secs(2);
    let settings = Settings { keep_alive, streams_each: 1, ..Settings::default() };
    let house = House::with(settings.clone()).await;
    let scope = house.scope();
    let event = carillon::domain::event::Event {
        at: house.clock.now(),
        actor: carillon::domain::event::Actor::System,
        kind: "post.changed".to_owned(),
        subject: "x".to_owned(),
        data: [("text".to_owned(), "x".repeat(60_000))].into(),
        correlation: carillon::base::CorrelationId::new(house.services.rng.as_ref()),
    };
    // More than the buffers of both ends take.
    for _ in 0..8 {
        let event = event.clone();
        let written = house.services.store.write(move |tx| {
            for _ in 0..50 {
                tx.append_event(&scope, event.clone())?;
            }
            Ok::<_, carillon::store::WriteError<()>>(())
        });
        written.await.unwrap();
    }
    let server = Server::start(&house.router, settings, clock()).await;
    let path = format!("/api/v1/workspaces/{}/stream?after=0", house.workspace);
    let bearer = format!("Authorization: Bearer {}", house.key);
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{bearer}\r\n\r\n");
    let mut stuck = server.connect().await;
    stuck.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 15];
    stuck.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    let full = ask(&mut server.connect().await, &request).await;
    assert_eq!(full.0, 503, "its place is taken: {}", full.1);
    let again = async {
        loop {
            let mut socket = server.connect().await;
            socket.write_all(request.as_bytes()).await.unwrap();
            let mut head = [0; 12];
            socket.read_exact(&mut head).await.unwrap();
            if &head == b"HTTP/1.1 200" {
                return;
            }
            clock().sleep(Duration::from_millis(20)).await;
        }
    };
    within("the place is not given back", again).await;
    drop(stuck);
    server.stop().await;
}
