//! Files in stretches, through the real binary: by clients of tus that others wrote, and through a
//! kill -9 in the middle of one.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::media::mp4;
use support::{Carillon, Tool, skip};

use crate::media::{key, upload};
use crate::program::{Server, ask, carillon, get};

/// A film of some MiB.
fn film(mib: usize) -> Vec<u8> {
    let mut film = mp4(b"isom", 40, 30, 1);
    let bytes = mib << 20;
    film.extend(u32::try_from(bytes + 8).unwrap().to_be_bytes());
    film.extend(b"mdat");
    let noise = |i: usize| u8::try_from(i * 31 % 251).unwrap();
    film.extend((0..bytes).map(noise));
    film
}

struct House {
    server: Server,
    media: String,
    key: String,
}

fn house() -> House {
    let server = Server::start(&[]);
    let made = server.json(&["workspace", "create", "Acme"]);
    let media = format!("/api/v1/workspaces/{}/media", made["id"].as_str().unwrap());
    let key = key(&server, "acme");
    House { server, media, key }
}

impl House {
    fn headers<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        [&[("authorization", self.key.as_str()), ("tus-resumable", "1.0.0")], more].concat()
    }

    fn asset(&self, address: &str, id: &str) -> (u16, Value) {
        let path = format!("{}/{id}", self.media);
        let (status, _, body) = get(address, &path, &[("authorization", &self.key)]);
        (status, serde_json::from_str(&body).unwrap())
    }

    fn arriving(&self) -> std::path::PathBuf {
        self.server.folder.path().join("data/media/arriving")
    }

    /// Runs a client of others on a film; what came must be the film, under the address it prints.
    fn played(&self, command: &mut Command) {
        let bytes = film(3);
        let path = self.server.folder.path().join("film.mp4");
        std::fs::write(&path, &bytes).unwrap();
        let endpoint = self.server.url(&format!("{}/uploads", self.media));
        let output = command.args([&endpoint, &self.key]).arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.code() == Some(77) {
            skip(&said);
            return;
        }
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let (place, id) = said.trim().rsplit_once('/').unwrap();
        assert_eq!(place, endpoint);
        let (status, asset) = self.asset(&self.server.address, id);
        assert_eq!(status, 200, "{asset}");
        assert_eq!(
            (&asset["name"], &asset["alt"]),
            (&json!("film.mp4"), &json!("A pattern, moving"))
        );
        let (_, same) = upload(&self.server.address, &self.media, &self.key, "film.mp4", &bytes);
        assert_eq!((&same["sha256"], &same["bytes"]), (&asset["sha256"], &json!(bytes.len())));
        assert_eq!(std::fs::read_dir(self.arriving()).unwrap().count(), 0);
    }
}

#[test]
fn tus_js_client_works_unmodified() {
    if !Tool::Program("node").available_or_skip() {
        return;
    }
    let Some(folder) = std::env::var_os("CARILLON_TUS") else {
        return skip("CARILLON_TUS names no folder with tus-js-client");
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/tus.mjs");
    house().played(Command::new("node").arg(script).env("CARILLON_TUS", folder));
}

#[test]
fn tuspy_works_unmodified() {
    if !Tool::Program("python3").available_or_skip() {
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/tus.py");
    house().played(Command::new("python3").arg(script));
}

/// The value of a header.
fn header(head: &str, name: &str) -> String {
    let line = head.lines().find_map(|line| {
        let (known, value) = line.split_once(": ")?;
        known.eq_ignore_ascii_case(name).then(|| value.to_owned())
    });
    assert!(line.is_some(), "no {name} in {head}");
    line.unwrap()
}

fn offset(house: &House, address: &str, path: &str) -> u64 {
    let (status, head, _) = ask("HEAD", address, path, &house.headers(&[]), "");
    assert_eq!(status, 200, "{head}");
    header(&head, "upload-offset").parse().unwrap()
}

/// Sends bytes as a stretch; status and head of the answer.
fn stretch(house: &House, address: &str, path: &str, from: usize, bytes: &[u8]) -> (u16, String) {
    let mut stream = begun(house, address, path, from, bytes.len());
    stream.write_all(bytes).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split_whitespace().nth(1).unwrap().parse().unwrap();
    (status, answer)
}

/// The head of a stretch is sent.
fn begun(house: &House, address: &str, path: &str, from: usize, length: usize) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "PATCH {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: {}\r\nconnection: close\r\n\
         tus-resumable: 1.0.0\r\nupload-offset: {from}\r\ncontent-length: {length}\r\n\
         content-type: application/offset+octet-stream\r\n\r\n",
        house.key
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

#[test]
fn what_came_before_a_kill_is_not_sent_again() {
    let mut house = house();
    let bytes = film(24);
    let length = bytes.len().to_string();
    let (address, uploads) = (house.server.address.clone(), format!("{}/uploads", house.media));
    let new = [("upload-length", length.as_str()), ("upload-metadata", "filename YS5tcDQ=")];
    let (status, head, _) = ask("POST", &address, &uploads, &house.headers(&new), "");
    assert_eq!(status, 201, "{head}");
    let path = header(&head, "location");
    let id = path.rsplit('/').next().unwrap().to_owned();

    // Half of it is sent, and the server dies while it waits for more.
    let half = bytes.len() / 2;
    let mut stream = begun(&house, &address, &path, 0, bytes.len());
    stream.write_all(&bytes[..half]).unwrap();
    let file = house.arriving().join(&id);
    let deadline = Instant::now() + Duration::from_secs(20);
    while std::fs::metadata(&file).map_or(0, |file| file.len()) < 8 << 20 {
        assert!(Instant::now() < deadline, "nothing comes");
    }
    let (status, busy) = stretch(&house, &address, &path, 0, b"");
    assert!(status == 423 && busy.contains("upload_busy"), "{busy}");
    house.server.process.kill();
    drop(stream);

    let data = house.server.folder.path().join("data");
    let mut command = carillon();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
    let mut again = Carillon::start(&mut command);
    let ready = again.wait_until("says ready", Duration::from_secs(20), |line| {
        line.contains("\"message\":\"ready\"")
    });
    let ready: Value = serde_json::from_str(&ready).unwrap();
    let address = ready["address"].as_str().unwrap();
    let at = offset(&house, address, &path);
    assert!((8 << 20..=u64::try_from(half).unwrap()).contains(&at), "{at}");
    assert_eq!(std::fs::metadata(&file).unwrap().len(), at);
    let (status, _) = house.asset(address, &id);
    assert_eq!(status, 404, "it is no asset yet");

    // All but the last byte, then that: only then it is whole.
    let (at, last) = (usize::try_from(at).unwrap(), bytes.len() - 1);
    let (status, head) = stretch(&house, address, &path, at, &bytes[at..last]);
    assert_eq!((status, header(&head, "upload-offset")), (204, last.to_string()));
    let (status, head) = stretch(&house, address, &path, at, b"");
    assert!(status == 409 && head.contains("upload_offset"), "{head}");
    let (status, head) = stretch(&house, address, &path, last, &bytes[last..]);
    assert_eq!((status, header(&head, "upload-offset")), (204, length));
    assert_eq!(offset(&house, address, &path), u64::try_from(bytes.len()).unwrap());
    let (status, asset) = house.asset(address, &id);
    assert_eq!((status, &asset["name"]), (200, &json!("a.mp4")), "{asset}");
    let (_, same) = upload(address, &house.media, &house.key, "a.mp4", &bytes);
    assert_eq!(same["sha256"], asset["sha256"]);
    assert!(!file.exists());
}
