//! Files from addresses, through the real binary: servers that lie, drip, lead astray and end too
//! early. Whatever they do, nothing of it stays.

use std::io::{BufRead as _, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use support::media::jpeg;

use crate::program::{Server, ask};

/// Serves files, well and badly, on a port of this machine; ends with the process.
fn stranger(other: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (own, other) = (address.clone(), other.to_owned());
    thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            let (own, other) = (own.clone(), other.clone());
            // The client going away is no error of these servers.
            thread::spawn(move || drop(serve(socket, &own, &other)));
        }
    });
    address
}

/// The status and place of a redirect.
fn leads_to(path: &str, own: &str, other: &str) -> Option<(u16, String)> {
    let (status, place) = match path {
        "/hop.jpg" => (302, "/named.php"),
        "/round.jpg" => (307, "/round.jpg"),
        "/astray.jpg" => return Some((302, format!("http://{other}/x"))),
        "/metadata.jpg" => (301, "https://169.254.169.254/latest"),
        "/mapped.jpg" => (308, "https://[::ffff:127.0.0.1]/"),
        "/user.jpg" => return Some((302, format!("http://a:b@{own}/named.php"))),
        "/name.jpg" => (302, "https://localhost/x"),
        "/file.jpg" => (302, "file:///etc/passwd"),
        _ => return None,
    };
    Some((status, place.to_owned()))
}

fn serve(mut socket: TcpStream, own: &str, other: &str) -> std::io::Result<()> {
    let mut lines = BufReader::new(socket.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut asked = String::new();
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        asked = format!("{asked}{}\n", line.to_ascii_lowercase());
    }
    let (picture, mut head) = (jpeg(40, 30), |text: &str| {
        socket.write_all(format!("HTTP/1.1 {text}\r\nconnection: close\r\n\r\n").as_bytes())
    });
    let length = picture.len();
    let plain =
        |mime: &str, n: usize| format!("200 OK\r\ncontent-type: {mime}\r\ncontent-length: {n}");
    if let Some((status, place)) = leads_to(&path, own, other) {
        return head(&format!("{status} Moved\r\nlocation: {place}\r\ncontent-length: 0"));
    }
    match path.as_str() {
        "/dir/caf%C3%A9.jpg?size=1" | "/named.php" => {
            assert!(asked.contains("accept-encoding: identity") && !asked.contains("cookie"));
            head(&plain("text/html", length))?;
            socket.write_all(&picture)
        }
        "/html.jpg" => {
            head(&plain("image/jpeg", 19))?;
            socket.write_all(b"<html><script>x</sc")
        }
        "/says-more.jpg" => {
            head(&plain("image/jpeg", length + 1))?;
            socket.write_all(&picture)
        }
        "/says-less.jpg" => {
            head(&plain("image/jpeg", length - 7))?;
            socket.write_all(&picture)
        }
        "/chunks-cut.jpg" => {
            head("200 OK\r\ntransfer-encoding: chunked")?;
            socket.write_all(b"5\r\nhello\r\n")
        }
        "/endless.jpg" => {
            head("200 OK\r\ntransfer-encoding: chunked")?;
            let piece = [b"10000\r\n".to_vec(), vec![7; 0x10000], b"\r\n".to_vec()].concat();
            loop {
                socket.write_all(&piece)?;
            }
        }
        "/announced.jpg" => head(&plain("image/jpeg", 3 << 20)),
        "/drip.jpg" => {
            head(&plain("image/jpeg", length))?;
            for byte in picture {
                socket.write_all(&[byte])?;
                thread::sleep(Duration::from_millis(100));
            }
            Ok(())
        }
        "/silent.jpg" => {
            let mut socket = socket;
            std::io::copy(&mut socket, &mut std::io::sink()).map(drop)
        }
        "/stalls.jpg" => {
            head(&plain("image/jpeg", length))?;
            socket.write_all(&picture[..100])?;
            std::io::copy(&mut socket, &mut std::io::sink()).map(drop)
        }
        "/packed.jpg" => {
            head(&format!("{}\r\ncontent-encoding: gzip", plain("image/jpeg", 4)))?;
            socket.write_all(b"\x1f\x8b\x08\0")
        }
        "/nowhere.jpg" => head("302 Found\r\ncontent-length: 0"),
        _ => head("404 Not Found\r\ncontent-length: 0"),
    }
}

/// Files in a folder and below.
fn files(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .map(|entry| entry.unwrap().path())
        .map(|path| if path.is_dir() { files(&path) } else { 1 })
        .sum()
}

struct House {
    server: Server,
    media: String,
    key: String,
}

impl House {
    fn import(&self, body: &Value, repeat: &str) -> (u16, String, Value) {
        let headers = [
            ("authorization", self.key.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", repeat),
        ];
        let path = format!("{}/import", self.media);
        let (status, head, answer) =
            ask("POST", &self.server.address, &path, &headers, &body.to_string());
        (status, head, serde_json::from_str(&answer).unwrap())
    }
}

fn house(allow: &str) -> House {
    let settings = tempfile::NamedTempFile::new().unwrap();
    let text = format!(
        "[outbound]\nallow = [\"{allow}\"]\n[media]\nmax_mib = 2\nfetch_idle = \"2s\"\n\
         fetch_total = \"4s\"\n"
    );
    std::fs::write(settings.path(), text).unwrap();
    let server = Server::start(&["--config", settings.path().to_str().unwrap()]);
    let made = server.json(&["workspace", "create", "Acme"]);
    let key = server.json(&["key", "create", "media", "-w", "acme", "--scope", "write"]);
    House {
        server,
        media: format!("/api/v1/workspaces/{}/media", made["id"].as_str().unwrap()),
        key: format!("Bearer {}", key["key"].as_str().unwrap()),
    }
}

#[test]
fn a_file_at_an_address_is_kept_once_and_by_what_it_is() {
    let at = stranger("");
    let house = house(&at);
    for (path, name) in [
        ("/dir/caf%C3%A9.jpg?size=1", "caf\u{e9}.jpg"),
        ("/named.php", "named.php.jpg"),
        ("/hop.jpg", "hop.jpg"),
    ] {
        let body = json!({ "url": format!("http://{at}{path}"), "alt": "A pattern" });
        let (status, head, asset) = house.import(&body, path);
        assert_eq!(status, 201, "{path}: {asset}");
        assert!(head.contains(&format!("{}/{}", house.media, asset["id"].as_str().unwrap())));
        for (field, value) in
            [("name", json!(name)), ("type", json!("image/jpeg")), ("alt", json!("A pattern"))]
        {
            assert_eq!(asset[field], value, "{path} {field}");
        }
        assert_eq!(asset["bytes"], jpeg(40, 30).len(), "{path}");
        let (status, head, again) = house.import(&body, path);
        assert_eq!((status, &again), (201, &asset), "{path}");
        assert!(head.contains("idempotency-replayed: true"), "{head}");
    }
    let other = json!({ "url": format!("http://{at}/other.jpg") });
    let (status, _, refused) = house.import(&other, "/hop.jpg");
    assert_eq!((status, &refused["code"]), (422, &json!("idempotency_mismatch")));
}

#[test]
fn strangers_can_do_no_harm_and_leave_nothing() {
    // A server on this machine that nobody listed, and that must never be called.
    let private = TcpListener::bind("127.0.0.1:0").unwrap();
    private.set_nonblocking(true).unwrap();
    let at = stranger(&private.local_addr().unwrap().to_string());
    let house = house(&at);
    let own = |path: &str| format!("http://{at}{path}");
    for (url, code) in [
        (own("/html.jpg"), "not_media"),
        (own("/says-more.jpg"), "broke_off"),
        (own("/says-less.jpg"), "broken_file"),
        (own("/chunks-cut.jpg"), "broke_off"),
        (own("/endless.jpg"), "too_large"),
        (own("/announced.jpg"), "too_large"),
        (own("/drip.jpg"), "too_slow"),
        (own("/silent.jpg"), "too_slow"),
        (own("/stalls.jpg"), "too_slow"),
        (own("/packed.jpg"), "encoded"),
        (own("/round.jpg"), "too_many_redirects"),
        (own("/astray.jpg"), "address_refused"),
        (own("/metadata.jpg"), "address_refused"),
        (own("/mapped.jpg"), "address_refused"),
        (own("/user.jpg"), "address_refused"),
        (own("/name.jpg"), "address_refused"),
        (own("/file.jpg"), "bad_redirect"),
        (own("/nowhere.jpg"), "bad_redirect"),
        (own("/missing.jpg"), "not_fetched"),
        (format!("http://{}/x", private.local_addr().unwrap()), "not_possible"),
        ("https://localhost/x.jpg".to_owned(), "address_refused"),
        ("https://2130706433/x.jpg".to_owned(), "not_possible"),
        ("https://[::1]/x.jpg".to_owned(), "not_possible"),
        ("https://a.example:22/x.jpg".to_owned(), "not_possible"),
        ("file:///etc/passwd".to_owned(), "bad_format"),
        ("data:image/png;base64,AA".to_owned(), "bad_format"),
        ("x.jpg".to_owned(), "bad_format"),
    ] {
        let (status, _, refused) = house.import(&json!({ "url": url }), &url);
        if code == "too_large" {
            assert_eq!((status, &refused["code"]), (413, &json!(code)), "{url}: {refused}");
            continue;
        }
        assert_eq!(status, 422, "{url}: {refused}");
        let error = &refused["errors"][0];
        assert_eq!((&error["field"], &error["code"]), (&json!("url"), &json!(code)), "{refused}");
    }
    assert!(private.accept().is_err(), "a private server was called");
    let media = house.server.folder.path().join("data/media");
    assert_eq!(files(&media), 0, "nothing is left behind");
    // One that is right still is kept, with its thumbnail.
    let (status, _, asset) = house.import(&json!({ "url": own("/hop.jpg") }), "last");
    assert_eq!(status, 201, "{asset}");
    assert_eq!(files(&media), 2);
}
