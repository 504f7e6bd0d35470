//! Live streams of the real program end when whoever reads them is shut out. That it is within a second
//! by the program's own clock, `api::stream` holds; here the delays of a machine come on top.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::program::{Server, ask};

const PASSWORD: &str = "correct horse battery";
const ORIGIN: &str = "https://crm.example";
/// More than this is no delay of a machine's.
const MOST: Duration = Duration::from_secs(3);

/// A stream that is read to its end on a thread of its own.
struct Stream {
    begun: std::sync::mpsc::Receiver<()>,
    reader: thread::JoinHandle<(Instant, String)>,
}

impl Stream {
    fn open(server: &Server, workspace: &str, bearer: &str) -> Self {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        let request = format!(
            "GET /api/v1/workspaces/{workspace}/stream HTTP/1.1\r\nhost: {}\r\n\
             authorization: Bearer {bearer}\r\n\r\n",
            server.address
        );
        stream.write_all(request.as_bytes()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let (begins, begun) = std::sync::mpsc::channel();
        let reader = thread::spawn(move || {
            let (mut told, mut piece) = (String::new(), [0; 4096]);
            // Chunks end with an empty one.
            while !told.ends_with("\r\n0\r\n\r\n") {
                match stream.read(&mut piece).unwrap() {
                    0 => break,
                    n => told.push_str(&String::from_utf8_lossy(&piece[..n])),
                }
                if told.contains("retry: 1000") {
                    // Once is enough, and then nobody listens any more.
                    begins.send(()).unwrap_or(());
                }
            }
            (Instant::now(), told)
        });
        Self { begun, reader }
    }

    /// Does what takes the access away, once the stream has begun; how long it lived on.
    fn lived_on(self, told: &str, lose: impl FnOnce()) -> Duration {
        self.begun.recv().unwrap_or_else(|_| panic!("{told}: it did not begin"));
        assert!(!self.reader.is_finished(), "{told}: it goes on");
        lose();
        let lost = Instant::now();
        let (ended, text) = self.reader.join().unwrap();
        assert!(text.starts_with("HTTP/1.1 200"), "{told}: {text}");
        let lived = ended.saturating_duration_since(lost);
        assert!(lived < MOST, "{told}: {lived:?}");
        lived
    }
}

fn send(server: &Server, method: &str, path: &str, bearer: &str, body: &Value) -> (u16, Value) {
    let bearer = format!("Bearer {bearer}");
    let headers = [("authorization", &*bearer), ("content-type", "application/json")];
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let (status, _, body) = ask(method, &server.address, path, &headers, &text);
    (status, serde_json::from_str(&body).unwrap_or_default())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// A member of the workspace who is signed in: their id, and their session and its token.
fn member(server: &Server, email: &str) -> (String, String, String) {
    let link = text(&server.json(&["user", "create", email])["link"]);
    let body = json!({ "token": link.rsplit('/').next().unwrap(), "password": PASSWORD });
    assert_eq!(send(server, "POST", "/api/v1/password-resets", "", &body).0, 204);
    server.json(&["member", "add", email, "--role", "viewer", "-w", "acme"]);
    let body = json!({ "email": email, "password": PASSWORD });
    let (status, opened) = send(server, "POST", "/api/v1/sessions", "", &body);
    assert_eq!(status, 201, "{opened}");
    (text(&opened["user"]["id"]), text(&opened["session"]["id"]), text(&opened["token"]))
}

#[test]
fn whoever_is_shut_out_loses_the_stream_at_once() {
    let server = Server::start(&[]);
    let workspace = text(&server.json(&["workspace", "create", "Acme"])["id"]);
    let acme = ["-w", "acme"];
    let verb = |args: &[&str]| drop(server.json(args));
    let open = |bearer: &str| Stream::open(&server, &workspace, bearer);
    let mut longest = Duration::ZERO;
    let mut note = |lived: Duration| longest = longest.max(lived);

    let (user, _, token) = member(&server, "a@example.org");
    let suspend = [&["member", "suspend", &user][..], &acme].concat();
    note(open(&token).lived_on("suspended", || verb(&suspend)));
    let (user, _, token) = member(&server, "b@example.org");
    let remove = [&["member", "remove", &user][..], &acme].concat();
    note(open(&token).lived_on("removed", || verb(&remove)));
    let (_, _, token) = member(&server, "c@example.org");
    note(open(&token).lived_on("disabled", || verb(&["user", "disable", "c@example.org"])));
    let (_, session, token) = member(&server, "d@example.org");
    note(open(&token).lived_on("session ended", || {
        let path = format!("/api/v1/sessions/{session}");
        assert_eq!(send(&server, "DELETE", &path, &token, &Value::Null).0, 204);
    }));
    let key = ["key", "create", "k", "--scope", "read"];
    let key = server.json(&[&key[..], &acme].concat());
    let revoke = text(&key["id"]);
    let revoke = [&["key", "revoke", &revoke][..], &acme].concat();
    note(open(&text(&key["key"])).lived_on("key revoked", || verb(&revoke)));

    let host = server.json(&["host", "create", "CRM", "--origin", ORIGIN]);
    let body = json!({
        "user": { "id": "u", "email": "u@crm.example", "name": "U" },
        "workspace": { "id": "w", "name": "W" }, "role": "viewer", "origin": ORIGIN,
    });
    let page = || {
        let key = text(&host["key"]);
        let (status, page) = send(&server, "POST", "/api/v1/embed-sessions", &key, &body);
        assert_eq!(status, 201, "{page}");
        let stream = Stream::open(&server, &text(&page["workspace"]), &text(&page["token"]));
        (text(&page["id"]), stream)
    };
    let (id, stream) = page();
    note(stream.lived_on("page ended", || {
        let (path, key) = (format!("/api/v1/embed-sessions/{id}"), text(&host["key"]));
        assert_eq!(send(&server, "DELETE", &path, &key, &Value::Null).0, 204);
    }));
    let (_, stream) = page();
    let revoke = text(&host["id"]);
    note(stream.lived_on("host revoked", || verb(&["host", "revoke", &revoke])));
    println!("a stream lived on for {} ms at most", longest.as_millis());
}
