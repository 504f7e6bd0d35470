//! Secrets stay where they belong: each one that is brought or made has a mark of its own, and
//! after a day's work, with networks that quote what they were sent, none is found in a log line,
//! an answer but the one that gives it, an event, a stream, an export, a terminal, a backup, or a
//! file of the data folder.

mod people;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use carillon::base::{Clock, SystemClock};
use carillon::practice::mastodon::Settings;
use carillon::practice::{World, bluesky, serve, x};
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::program::{Server, ask};

/// The marks of what people bring.
const TOKEN: &str = "canary-mastodon-token-7f3a1c";
const QUOTED: &str = "canary-quoted-token-d01b55";
const PASSWORD: &str = "canary-bluesky-password-91ee";
const IN_THE_ADDRESS: &str = "canary-in-the-address-5cc2";
/// Whose bytes are `canary-webhook-secret-0123456789`.
const HOOK_SECRET: &str = "whsec_Y2FuYXJ5LXdlYmhvb2stc2VjcmV0LTAxMjM0NTY3ODk=";
/// The four keys of an app at X; the first names it, and the third has the account's number.
const FOUR_KEYS: &str =
    "canary-x-key-41c7:canary-x-secret-88e0:42-canary-x-token:canary-x-token-secret-7b";
/// Of this installation at an identity provider.
const CLIENT_SECRET: &str = "canary-oidc-client-secret-3d90";
/// What X signs webhooks with.
const WEBHOOK: &str = "canary-of-webhooks-6e02f4";
/// Not a secret: it must be found, or the search finds nothing.
const WORDS: &str = "canary-in-plain-words";
const HANDLE: &str = "acme.test";

/// Practice networks on a thread of their own.
struct Practice {
    at: String,
    stop: CancellationToken,
    thread: Option<thread::JoinHandle<()>>,
}

impl Practice {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap().to_string();
        let mut world = World::new(1);
        world.add_mastodon("masto", Settings::new(&format!("http://{at}/masto")));
        world.add_account("masto", "acme", TOKEN, "read write").unwrap();
        world.add_bluesky("sky", bluesky::Settings::new(&format!("http://{at}/sky")));
        world.add_account("sky", HANDLE, PASSWORD, "").unwrap();
        world.add_webhook("hook", HOOK_SECRET);
        world.add_x("x", x::Settings::new(&format!("http://{at}/x")));
        world.add_account("x", "acme", FOUR_KEYS, "").unwrap();
        let stop = CancellationToken::new();
        let until = stop.clone().cancelled_owned();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async move {
                listener.set_nonblocking(true).unwrap();
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
                serve(listener, Arc::new(Mutex::new(world)), clock, until).await.unwrap();
            });
        });
        Self { at, stop, thread: Some(thread) }
    }
}

impl Drop for Practice {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// A server that refuses everything and says in its answer all that it was told, headers first.
struct Parrot {
    at: String,
    heard: Arc<Mutex<String>>,
}

impl Parrot {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap().to_string();
        let heard = Arc::new(Mutex::new(String::new()));
        let all = Arc::clone(&heard);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
                let mut told = Vec::new();
                let mut piece = [0; 4096];
                while let Ok(n @ 1..) = stream.read(&mut piece) {
                    told.extend_from_slice(&piece[..n]);
                }
                let told = String::from_utf8_lossy(&told).into_owned();
                all.lock().unwrap().push_str(&told);
                let body = serde_json::json!({ "error": told, "error_description": told });
                let body = body.to_string();
                let answer = format!(
                    "HTTP/1.1 422 Unprocessable Content\r\ncontent-type: application/json\r\n\
                     content-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                drop(stream.write_all(answer.as_bytes()));
            }
        });
        Self { at, heard }
    }
}

/// What was written or said, by where.
#[derive(Default)]
struct Seen(BTreeMap<String, Vec<u8>>);

impl Seen {
    fn add(&mut self, place: impl Into<String>, bytes: &[u8]) {
        self.0.entry(place.into()).or_default().extend_from_slice(bytes);
    }

    fn said(&mut self, args: &[&str], output: &Output) {
        self.add(args.join(" "), &output.stdout);
        self.add(args.join(" "), &output.stderr);
    }

    /// Each file below, by its path.
    fn files(&mut self, below: &Path) {
        for entry in std::fs::read_dir(below).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.files(&path);
            } else if path.is_file() {
                self.add(path.display().to_string(), &std::fs::read(&path).unwrap());
            }
        }
    }

    fn places_of(&self, needle: impl AsRef<[u8]>) -> Vec<&str> {
        let needle = needle.as_ref();
        let holds = |bytes: &[u8]| bytes.windows(needle.len()).any(|w| w == needle);
        self.0.iter().filter(|(_, bytes)| holds(bytes)).map(|(place, _)| place.as_str()).collect()
    }
}

/// A secret as it may be written down: as it is, and in the usual codings.
fn forms(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let mut forms = vec![secret.to_owned(), HEXLOWER.encode(bytes), BASE64URL_NOPAD.encode(bytes)];
    // Base64 of something that contains it depends on where it begins there.
    for skipped in 0..3 {
        let whole = bytes.get(skipped..).unwrap_or_default();
        let even = whole.get(..whole.len() / 3 * 3).unwrap_or_default();
        forms.push(BASE64.encode(even));
    }
    forms
}

struct Set {
    server: Server,
    _folder: tempfile::TempDir,
    settings: PathBuf,
    practice: Practice,
    parrot: Parrot,
    /// By what they are.
    secrets: Vec<(&'static str, String)>,
    /// Those that are no text.
    raw: Vec<(&'static str, Vec<u8>)>,
    seen: Seen,
}

impl Set {
    fn up() -> Self {
        let (practice, parrot) = (Practice::start(), Parrot::start());
        let folder = tempfile::tempdir().unwrap();
        let settings = folder.path().join("settings.toml");
        let text = format!(
            "[outbound]\nallow = [{:?}, {:?}]\n[log]\nlevel = \"trace\"\nfile = \"{}\"\n\
             [oidc]\nissuer = \"http://{}\"\nclient_id = \"c\"\nclient_secret_file = \"{}\"\n\
             [networks.x]\napi_url = \"http://{}/x\"\n[publish]\nretry_base = \"50ms\"\n[backup]\nrecipients = [{:?}]\nfolder = \"{}\"\n",
            practice.at,
            parrot.at,
            folder.path().join("logs/carillon.jsonl").display(),
            parrot.at,
            folder.path().join("client").display(),
            practice.at,
            "age1lvyvwawkr0mcnnnncaghunadrqkmuf9e6507x9y920xxpp866cnql7dp2z",
            folder.path().join("backups").display(),
        );
        std::fs::write(&settings, text).unwrap();
        let client = folder.path().join("client");
        std::fs::write(&client, CLIENT_SECRET).unwrap();
        let server = Server::start(&["--config", settings.to_str().unwrap()]);
        std::fs::remove_file(client).unwrap();
        let secrets = vec![
            ("the secret of a client", CLIENT_SECRET.to_owned()),
            ("the secret of webhooks", WEBHOOK.to_owned()),
            ("the token of a Mastodon account", TOKEN.to_owned()),
            ("a token that a server quotes", QUOTED.to_owned()),
            ("the password of a Bluesky account", PASSWORD.to_owned()),
            ("the path of a webhook's address", IN_THE_ADDRESS.to_owned()),
            ("the secret of a webhook", HOOK_SECRET.trim_start_matches("whsec_").to_owned()),
            ("the secret of an app", FOUR_KEYS.split(':').nth(1).unwrap().to_owned()),
            ("an access token", FOUR_KEYS.split(':').nth(2).unwrap().to_owned()),
            ("its secret", FOUR_KEYS.split(':').nth(3).unwrap().to_owned()),
            ("the bytes of that secret", "canary-webhook-secret-0123456789".to_owned()),
        ];
        let (raw, seen) = (Vec::new(), Seen::default());
        Self { server, _folder: folder, settings, practice, parrot, secrets, raw, seen }
    }

    /// Runs a verb, both ways of answering, and keeps what it said.
    fn run(&mut self, args: &[&str]) -> Output {
        let output = self.server.run(args);
        self.seen.said(args, &output);
        output
    }

    /// Runs a verb for its JSON; what it says is kept, except the field that shows a secret once.
    fn made(&mut self, args: &[&str], shows: Option<(&'static str, &str)>) -> Value {
        let mut answer = self.server.json(args);
        if let Some((what, field)) = shows {
            let secret = answer[field].take();
            self.secrets.push((what, secret.as_str().unwrap().to_owned()));
        }
        self.seen.add(args.join(" "), answer.to_string().as_bytes());
        answer
    }

    /// A file with a secret, which is gone before files are looked at.
    fn file(&self, secret: &str) -> String {
        let path = self.server.folder.path().join("secret");
        std::fs::write(&path, secret).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn add(&mut self, name: &str, args: &[&str], secret: &str) -> Output {
        let file = self.file(secret);
        let add = ["channel", "add", "-w", "acme", "--name", name];
        let output = self.run(&[&add[..], args, &["--token-file", &file, "--json"]].concat());
        std::fs::remove_file(file).unwrap();
        output
    }

    /// Channels that answer, one that is refused by a server that quotes, and keys.
    fn connect(&mut self) -> Vec<String> {
        self.made(&["workspace", "create", "Acme"], None);
        let at = |name: &str| format!("http://{}/{name}", self.practice.at);
        let (masto, sky, hook) = (at("masto"), at("sky"), at("hook") + "/" + IN_THE_ADDRESS);
        let parrot = format!("http://{}", self.parrot.at);
        let quoting = format!("{parrot}/{IN_THE_ADDRESS}");
        let mut channels = Vec::new();
        for (name, args, secret) in [
            ("M", &["--network", "mastodon", "--instance", &masto][..], TOKEN),
            (
                "B",
                &["--network", "bluesky", "--instance", &sky, "--identifier", HANDLE][..],
                PASSWORD,
            ),
            ("W", &["--network", "webhook", "--url", &hook][..], HOOK_SECRET),
            ("Q", &["--network", "webhook", "--url", &quoting][..], HOOK_SECRET),
            ("X", &["--network", "x"][..], FOUR_KEYS),
        ] {
            let added = self.add(name, args, secret);
            assert!(added.status.success(), "{added:?}");
            let added: Value = serde_json::from_slice(&added.stdout).unwrap();
            channels.push(added["id"].as_str().unwrap().to_owned());
        }
        // A server that repeats the token it refuses, and one that repeats a password.
        let refused = self.add("P", &["--network", "mastodon", "--instance", &parrot], QUOTED);
        assert!(!refused.status.success(), "{refused:?}");
        let bluesky = ["--network", "bluesky", "--instance", &parrot, "--identifier", HANDLE];
        assert!(!self.add("P", &bluesky, QUOTED).status.success());
        let registered = ["channel", "add", "-w", "acme", "--name", "R", "--network", "mastodon"];
        self.run(&[&registered[..], &["--instance", &masto]].concat());
        let add = ["channel", "add", "-w", "acme", "--network", "webhook", "--name", "Made"];
        let shows = Some(("the secret made for a webhook", "secret"));
        let made = self.made(&[&add[..], &["--url", &quoting]].concat(), shows);
        channels.push(made["id"].as_str().unwrap().to_owned());
        channels
    }

    /// The application at X with what signs webhooks, and answers to what comes in its name.
    fn hooks(&mut self) {
        let file = self.file("not-looked-for");
        let set = ["app", "set", "x", "--client-id", "my-id", "--client-secret-file", &file];
        assert!(self.run(&set).status.success());
        let file = self.file(WEBHOOK);
        let set = ["app", "webhook-secret", "x", "--webhook-secret-file", &file];
        assert!(self.run(&set).status.success());
        std::fs::remove_file(file).unwrap();
        let challenge = "/hooks/x?crc_token=abc";
        let (status, head, body) = ask("GET", &self.server.address, challenge, &[], "");
        assert_eq!(status, 200, "it is set");
        self.seen.add("a challenge", (head + &body).as_bytes());
        let headers = [("x-twitter-webhooks-signature", "sha256=AAAA")];
        let (status, head, body) = ask("POST", &self.server.address, "/hooks/x", &headers, "{}");
        assert_eq!(status, 401);
        self.seen.add("a webhook", (head + &body).as_bytes());
        for args in [&["app", "list"][..], &["app", "show", "x"], &["hook", "list"]] {
            self.run(&[args, &["--json"]].concat());
        }
    }

    /// Posts, until nothing is on its way.
    fn work(&mut self, channels: &[String]) {
        let mut args = vec!["post", "create", "-w", "acme", "--now", "--text", WORDS];
        for channel in channels {
            args.extend(["--channel", channel]);
        }
        let post = self.made(&args, None);
        let deadline = Instant::now() + Duration::from_mins(1);
        for delivery in post["deliveries"].as_array().unwrap() {
            let id = delivery["id"].as_str().unwrap();
            loop {
                let shown = self.server.json(&["delivery", "show", id, "-w", "acme"]);
                let state = shown["state"].as_str().unwrap();
                if ["published", "failed", "held", "partial"].contains(&state) {
                    break;
                }
                assert!(Instant::now() < deadline, "{shown}");
            }
        }
    }

    /// Every verb that only shows.
    fn look(&mut self, channels: &[String]) {
        for noun in ["channel", "post", "delivery", "key", "event", "media"] {
            self.run(&[noun, "list", "-w", "acme"]);
            self.run(&[noun, "list", "-w", "acme", "--json"]);
        }
        for channel in channels {
            self.run(&["channel", "show", channel, "-w", "acme"]);
            self.run(&["channel", "show", channel, "-w", "acme", "--json"]);
            self.run(&["channel", "test", channel, "-w", "acme"]);
        }
        let settings = self.settings.to_str().unwrap().to_owned();
        for args in [&["status"][..], &["doctor"], &["config", "show"], &["backup", "create"]] {
            self.run(&[args, &["--config", &settings]].concat());
        }
    }

    /// Every address of the API that shows, with every id that is known.
    fn read(&mut self, key: &str) {
        let list = self.server.json(&["workspace", "list"]);
        let workspace = list["items"][0]["id"].as_str().unwrap().to_owned();
        let get = |path: &str| {
            let headers = [("authorization", &*format!("Bearer {key}"))];
            ask("GET", &self.server.address, path, &headers, "")
        };
        let (_, _, document) = get("/api/openapi.json");
        let document: Value = serde_json::from_str(&document).unwrap();
        let mut answers = Vec::new();
        let mut lists = 0;
        for (path, item) in document["paths"].as_object().unwrap() {
            // A stream has no end; it has tests of its own.
            if item.get("get").is_none() || path.ends_with("/stream") {
                continue;
            }
            let path = path.replace("{workspace}", &workspace);
            if path.contains('{') {
                continue;
            }
            let (status, head, body) = get(&path);
            answers.push((path.clone(), head + &body));
            let items: Value = serde_json::from_str(&body).unwrap_or_default();
            lists += usize::from(status == 200 && items["items"].is_array());
            for one in items["items"].as_array().into_iter().flatten() {
                let (_, head, body) = get(&format!("{path}/{}", one["id"].as_str().unwrap_or("-")));
                answers.push((format!("{path}/ID"), head + &body));
            }
        }
        answers.push(("/metrics".to_owned(), get("/metrics").2));
        assert!(lists >= 4, "{lists} lists were read");
        for (path, text) in answers {
            self.seen.add(format!("GET {path}"), text.as_bytes());
        }
    }
}

#[test]
fn no_secret_is_ever_shown_or_stored_in_clear() {
    let mut set = Set::up();
    let channels = set.connect();
    let shows = Some(("a key", "key"));
    let key = ["key", "create", "all", "-w", "acme", "--scope", "admin", "--scope", "metrics"];
    set.made(&key, shows);
    let key = set.secrets.last().unwrap().1.clone();
    set.people();
    set.hosts();
    set.hooks();
    set.work(&channels);
    set.console();
    set.goes_on(&key);
    set.look(&channels);
    set.read(&key);
    let heard = set.parrot.heard.lock().unwrap().clone();
    assert!(heard.contains(QUOTED) && heard.contains(IN_THE_ADDRESS), "{heard}");

    let data = set.server.folder.path().to_path_buf();
    set.server.process.terminate();
    set.server.process.wait(Duration::from_secs(20));
    let lines = set.server.process.stdout().join("\n");
    assert!(lines.contains("\"level\":\"TRACE\""), "the log holds all there is to say");
    set.seen.add("standard output of the server", lines.as_bytes());
    set.seen.files(&data);
    set.seen.files(set.settings.parent().unwrap());

    let identity = std::fs::read_to_string(data.join("data/identity.txt")).unwrap();
    let own = identity.lines().find(|line| line.starts_with("AGE-SECRET-KEY-")).unwrap();
    let places = set.seen.places_of(own);
    assert!(matches!(places[..], [only] if only.ends_with("identity.txt")), "{places:?}");
    for (what, secret) in &set.raw {
        let places = set.seen.places_of(secret);
        assert!(places.is_empty(), "{what} are in {places:?}");
    }
    println!("{} secrets were looked for in {} places", set.secrets.len(), set.seen.0.len());
    for (what, secret) in &set.secrets {
        for form in forms(secret) {
            let places = set.seen.places_of(&form);
            assert!(places.is_empty(), "{what}, as {form}, is in {places:?}");
        }
    }
    // The search finds what is there: in the database, an answer and the standard output of a verb.
    let places = set.seen.places_of(WORDS).join(" ");
    for place in ["carillon.redb", "GET /api/v1/workspaces/", "post list", "the console"] {
        assert!(places.contains(place), "{place} is not among {places}");
    }
    assert!(set.seen.0.keys().any(|place| place.contains("carillon.") && place.contains("jsonl")));
}
