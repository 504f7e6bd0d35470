//! The real binary, with images, against a real Bluesky server (PDS), see networks/pds.mjs. Needs
//! what `.ci/run` puts in `CARILLON_PDS`; skips without, unless `CARILLON_REQUIRE_REAL_PARTS=1`.

use std::path::Path;

use serde_json::{Value, json};
use support::Node;
use support::media::{jpeg, png};

use crate::media::{key, upload};
use crate::program::{Server, ask, get, host_of};

const SETTINGS: &str = r#"
[publish]
deadline = "10s"
late_window = "2s"
read_lag = "100ms"
second_look = "100ms"
retry_base = "200ms"
key_settle = "100ms"
catch_up_spacing = "1ms"
"#;

/// Carillon with an account on a real server, which takes blobs of up to 900,000 bytes.
struct Set {
    pds: Node,
    host: String,
    did: String,
    server: Server,
    folder: tempfile::TempDir,
    channel: String,
    workspace: String,
    key: String,
}

impl Set {
    fn up() -> Option<Self> {
        let Some(parts) = std::env::var_os("CARILLON_PDS") else {
            support::skip("CARILLON_PDS names no folder with a Bluesky server");
            return None;
        };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/networks/pds.mjs");
        let (pds, line) = Node::start(&script, &parts);
        let told: Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("it says {line:?}"));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let base = text(&told["base"]);
        let host = host_of(&base).to_owned();
        let folder = tempfile::tempdir().unwrap();
        let password = folder.path().join("password");
        std::fs::write(&password, text(&told["author"]["password"])).unwrap();
        let settings = format!("{SETTINGS}\n[outbound]\nallow = [\"{host}\"]\n");
        std::fs::write(folder.path().join("settings"), settings).unwrap();
        let server = Server::start(&["--config", folder.path().join("settings").to_str().unwrap()]);
        let made = server.json(&["workspace", "create", "Acme"]);
        let add = ["channel", "add", "-w", "acme", "--network", "bluesky", "--name", "Us"];
        let handle = text(&told["author"]["handle"]);
        let who = ["--instance", &base, "--identifier", &handle, "--token-file"];
        let added = server.json(&[&add[..], &who[..], &[password.to_str().unwrap()]].concat());
        assert_eq!(added["state"], "connected", "{added}");
        let key = key(&server, "acme");
        Some(Self {
            pds,
            host,
            did: text(&told["author"]["did"]),
            server,
            folder,
            channel: text(&added["id"]),
            workspace: text(&made["id"]),
            key,
        })
    }

    fn restart(&mut self) {
        let settings = self.folder.path().join("settings");
        self.server.kill_and_start(&["--config", settings.to_str().unwrap()]);
    }

    fn upload(&self, name: &str, file: &[u8]) -> Value {
        let path = format!("/api/v1/workspaces/{}/media", self.workspace);
        let (status, asset) = upload(&self.server.address, &path, &self.key, name, file);
        assert_eq!(status, 201, "{asset}");
        asset
    }

    /// Asks for a post now: status and answer.
    fn post(&self, text: &str, assets: &[&Value]) -> (u16, Value) {
        let ids: Vec<&Value> = assets.iter().map(|asset| &asset["id"]).collect();
        let body = json!({
            "parts": [{ "text": text, "media": ids }],
            "channels": [self.channel],
            "schedule": { "now": true },
        });
        let headers = [("authorization", self.key.as_str()), ("content-type", "application/json")];
        let path = format!("/api/v1/workspaces/{}/posts", self.workspace);
        let (status, _, answer) =
            ask("POST", &self.server.address, &path, &headers, &body.to_string());
        (status, serde_json::from_str(&answer).unwrap())
    }

    fn delivery(&self, text: &str, assets: &[&Value]) -> String {
        let (status, made) = self.post(text, assets);
        assert_eq!(status, 201, "{made}");
        made["deliveries"][0]["id"].as_str().unwrap().to_owned()
    }

    fn published(&self, delivery: &str) {
        self.server.published("acme", delivery);
    }

    /// All records, by their keys: those of one minute in no order.
    fn records(&self) -> Vec<Value> {
        let path = format!(
            "/xrpc/com.atproto.repo.listRecords?repo={}&collection=app.bsky.feed.post",
            self.did
        );
        let listed: Value = serde_json::from_str(&get(&self.host, &path, &[]).2).unwrap();
        listed["records"].as_array().unwrap().iter().map(|row| row["value"].clone()).collect()
    }

    /// The next call of `method` is never answered.
    fn hang(&self, method: &str) {
        assert_eq!(get(&self.host, &format!("/_hang/{method}"), &[]).0, 200);
    }

    /// The next calls that the server sees are these.
    fn sees(&mut self, methods: &[&str]) {
        for method in methods {
            assert_eq!(self.pds.line().trim(), *method);
        }
    }
}

const UPLOAD: &str = "com.atproto.repo.uploadBlob";
const PUT: &str = "com.atproto.repo.putRecord";

#[test]
fn images_are_on_the_server_with_their_words_and_shape() {
    let Some(set) = Set::up() else { return };
    let files = [jpeg(640, 480), png(300, 500), jpeg(100, 50), png(64, 64)];
    let names = ["a.jpg", "b.png", "c.jpg", "d.png"];
    let assets: Vec<Value> =
        names.iter().zip(&files).map(|(name, file)| set.upload(name, file)).collect();
    set.published(&set.delivery("one", &[&assets[0]]));
    set.published(&set.delivery("four", &assets.iter().collect::<Vec<_>>()));
    let mut records = set.records();
    records.sort_by_key(|record| record["text"] == "one");
    let images = |of: &Value| of["embed"]["images"].as_array().unwrap().clone();
    assert_eq!((records.len(), images(&records[0]).len(), images(&records[1]).len()), (2, 4, 1));
    assert_eq!(records[1]["embed"]["$type"], "app.bsky.embed.images");
    for (image, (asset, file)) in images(&records[0]).iter().zip(assets.iter().zip(&files)) {
        assert_eq!(image["alt"], "A pattern", "{image}");
        let shape = json!({ "width": asset["width"], "height": asset["height"] });
        assert_eq!(image["aspectRatio"], shape, "{image}");
        assert_eq!(image["image"]["size"], json!(file.len()), "{image}");
        let cid = image["image"]["ref"]["$link"].as_str().unwrap();
        let path = format!("/xrpc/com.atproto.sync.getBlob?did={}&cid={cid}", set.did);
        assert_eq!(get_bytes(&set.host, &path), *file, "the very bytes");
    }
    let fifth = set.upload("e.png", &png(32, 32));
    let five: Vec<&Value> = assets.iter().chain([&fifth]).collect();
    let (status, refused) = set.post("five", &five);
    assert_eq!(status, 422, "{refused}");
}

#[test]
fn what_is_too_large_is_told_before_and_what_the_server_refuses_fails() {
    let Some(set) = Set::up() else { return };
    // About as many bytes: the pattern is everywhere as fine as in the first rows.
    let row = jpeg(500, 160).len() / 160;
    let about = |bytes: usize| jpeg(500, u32::try_from(bytes / row).unwrap());
    let large = about(1_200_000);
    assert!(large.len() > 1_000_000, "{}", large.len());
    let asset = set.upload("large.jpg", &large);
    assert_eq!(asset["fitness"]["bluesky"]["fits"], false, "{asset}");
    let (status, refused) = set.post("too large", &[&asset]);
    assert_eq!(status, 422, "{refused}");
    assert!(refused.to_string().contains("1000000"), "{refused}");
    // Fine by the network's rules, and more than this server takes.
    let middle = about(950_000);
    assert!((900_001..1_000_000).contains(&middle.len()), "{}", middle.len());
    let asset = set.upload("middle.jpg", &middle);
    assert_eq!(asset["fitness"]["bluesky"]["fits"], true, "{asset}");
    let failed = set.server.until("acme", &set.delivery("middle", &[&asset]), "failed");
    let why = &failed["parts"][0]["failure"];
    assert_eq!((&why["code"], &why["status"]), (&json!("validation"), &json!(413)), "{why}");
    assert_eq!(set.records(), [Value::Null; 0]);
}

#[test]
fn a_crash_between_uploads_and_record_publishes_once() {
    let Some(mut set) = Set::up() else { return };
    let first = set.upload("a.jpg", &jpeg(200, 100));
    let second = set.upload("b.png", &png(100, 200));
    set.hang(UPLOAD);
    let id = set.delivery("crash before the first upload is answered", &[&first, &second]);
    set.sees(&[UPLOAD]);
    set.restart();
    set.published(&id);
    set.sees(&[UPLOAD, UPLOAD, PUT]);
    // Both blobs are there, the record is asked for and never answered: it is put again, and
    // nothing is uploaded twice.
    set.hang(PUT);
    let id = set.delivery("crash before the record", &[&first, &second]);
    set.sees(&[UPLOAD, UPLOAD, PUT]);
    set.restart();
    set.published(&id);
    set.sees(&[PUT]);
    let text = |record: &Value| record["text"].as_str().unwrap().to_owned();
    let mut texts: Vec<String> = set.records().iter().map(text).collect();
    texts.sort();
    assert_eq!(texts, ["crash before the first upload is answered", "crash before the record"]);
}

fn get_bytes(address: &str, path: &str) -> Vec<u8> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    answer.split_off(end + 4)
}
