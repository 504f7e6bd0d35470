//! Requests made from the `OpenAPI` document by the program that others wrote for that, against the
//! real binary, with a key of each scope, as a member of each role, and from a page in a host: no fault
//! of the server's, and no answer that the document does not describe. Needs
//! `pip install schemathesis==4.32.5`; skips without it, unless `CARILLON_REQUIRE_REAL_PARTS=1`.
//!
//! By hand, 20,000 requests of each (release: `--release`):
//! `CARILLON_SCHEMATHESIS_EXAMPLES=300 cargo test --test api schemathesis -- --nocapture`;
//! `CARILLON_SCHEMATHESIS_AS=owner,embed` leaves out the others.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};
use support::{Carillon, Tool};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::task::TaskTracker;

/// For one operation, in the phase that makes requests up; other phases have their own numbers.
const EXAMPLES: &str = "3";
const MORE: &str = "CARILLON_SCHEMATHESIS_EXAMPLES";
const ONLY: &str = "CARILLON_SCHEMATHESIS_AS";

/// Who asks.
#[derive(Clone, Copy, PartialEq)]
enum As {
    /// A key of this scope.
    Key(&'static str),
    /// A person of this role, signed in with a password.
    Member(&'static str),
    /// A page that a host embeds, for a person of the highest role.
    Embed,
    Nobody,
}

const ALL: [As; 11] = [
    As::Key("admin"),
    As::Key("publish"),
    As::Key("write"),
    As::Key("read"),
    As::Key("metrics"),
    As::Nobody,
    As::Member("owner"),
    As::Member("admin"),
    As::Member("editor"),
    As::Member("viewer"),
    As::Embed,
];

impl As {
    /// What `ONLY` calls it.
    fn word(self) -> String {
        match self {
            Self::Key(scope) => format!("key:{scope}"),
            Self::Member(role) => role.to_owned(),
            Self::Embed => "embed".to_owned(),
            Self::Nobody => "nobody".to_owned(),
        }
    }
}

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance,ignored_auth,unsupported_method,\
    allow_header_conformance,use_after_free";

struct Server {
    _process: Carillon,
    folder: tempfile::TempDir,
    address: String,
    workspace: String,
}

impl Server {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_carillon"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path());
        // One who asks as fast as it can, and calls that nobody answers.
        command.env("CARILLON_HTTP__KEY_RATE", "0");
        command.env("CARILLON_OUTBOUND__CONNECT_TIMEOUT", "1s");
        let mut process = Carillon::start(&mut command);
        let ready = process.wait_until("says ready", Duration::from_secs(30), |line| {
            line.contains("\"message\":\"ready\"")
        });
        let ready: Value = serde_json::from_str(&ready).unwrap();
        let address = ready["address"].as_str().unwrap().to_owned();
        let server = Self { _process: process, folder, address, workspace: String::new() };
        let made = server.verb(("workspace", "create"), json!({ "name": "Acme" })).await;
        let workspace = made["id"].as_str().unwrap().to_owned();
        let server = Self { workspace, ..server };
        server.verb(("channel", "add"), json!({ "network": "feed", "name": "News" })).await;
        server
    }

    async fn verb(&self, (noun, verb): (&str, &str), args: Value) -> Value {
        let mut question = json!({ "noun": noun, "verb": verb, "args": args });
        if !self.workspace.is_empty() {
            question["workspace"] = json!(self.workspace);
        }
        let socket = self.folder.path().join("admin.sock");
        let (status, body) = carillon::http::ask_admin(&socket, &question).await.unwrap();
        let answer: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(status, 200, "{question} {answer}");
        answer
    }

    /// Requests that it answered, by class of status.
    async fn answered(&self) -> BTreeMap<String, u64> {
        let asked = client().get(format!("http://{}/metrics", self.address)).send();
        let text = asked.await.unwrap().text().await.unwrap();
        let mut all = BTreeMap::new();
        for line in text.lines().filter(|line| line.starts_with("carillon_http_requests_total{")) {
            let (labels, n) = line.rsplit_once(' ').unwrap();
            let class = labels.split("status=\"").nth(1).unwrap().split('"').next().unwrap();
            *all.entry(class.to_owned()).or_default() += n.parse::<u64>().unwrap();
        }
        all
    }

    /// The bearer of `one`, and the environment of the hooks; for a page the workspace is the host's.
    async fn enter(&mut self, one: As) -> (String, Vec<(&'static str, String)>) {
        match one {
            As::Nobody => (String::new(), vec![]),
            As::Key(scope) => {
                let args = json!({ "name": "k", "scope": [scope] });
                (text(&self.verb(("key", "create"), args).await["key"]), vec![])
            }
            As::Member(role) => {
                let (email, password) = (format!("{role}@acme.example"), "correct horse battery");
                let who = json!({ "email": email, "password": password });
                let made = self.verb(("user", "create"), who.clone()).await;
                let member = json!({ "user": made["id"], "role": role });
                self.verb(("member", "add"), member).await;
                let opened = self.post("/api/v1/sessions", "", &who).await;
                (text(&opened["token"]), vec![])
            }
            As::Embed => {
                let origin = "https://crm.example";
                let host = json!({ "name": "CRM", "origin": [origin] });
                let key = text(&self.verb(("host", "create"), host).await["key"]);
                let body = json!({
                    "user": { "id": "u-1", "email": "ann@acme.example", "name": "Ann" },
                    "workspace": { "id": "a-1", "name": "Acme of the CRM" },
                    "role": "owner", "origin": origin,
                });
                let path = "/api/v1/embed-sessions";
                let opened = self.post(path, &key, &body).await;
                self.workspace = text(&opened["workspace"]);
                // It is good for a quarter of an hour only: the hooks renew it as a host's backend does.
                let url = format!("http://{}{path}", self.address);
                let renewal =
                    vec![("EMBED_URL", url), ("EMBED_KEY", key), ("EMBED_BODY", body.to_string())];
                (text(&opened["token"]), renewal)
            }
        }
    }

    /// Makes something; the answer.
    async fn post(&self, path: &str, bearer: &str, body: &Value) -> Value {
        let asked = client().post(format!("http://{}{path}", self.address)).bearer_auth(bearer);
        let asked = asked.header("content-type", "application/json").body(body.to_string());
        let answer = asked.send().await.unwrap();
        assert_eq!(answer.status(), 201, "{path}");
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }

    /// Whether `bearer` still leads into the workspace; else what came back was of a stranger.
    async fn lets_in(&self, bearer: &str) -> bool {
        let url = format!("http://{}/api/v1/workspaces/{}", self.address, self.workspace);
        client().get(url).bearer_auth(bearer).send().await.unwrap().status() == 200
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

fn run(
    folder: &Path,
    (address, workspace): (&str, &str),
    bearer: &str,
    renewal: Vec<(&'static str, String)>,
    brief: bool,
) -> Output {
    let mut command = asking(folder, (address, workspace), brief);
    if renewal.is_empty() && !bearer.is_empty() {
        command.arg("--header").arg(format!("Authorization: Bearer {bearer}"));
    }
    command.envs(renewal);
    command.output().unwrap()
}

/// All but who asks.
fn asking(folder: &Path, (address, workspace): (&str, &str), brief: bool) -> Command {
    let settings = folder.join("schemathesis.toml");
    // A network that does not answer is no fault of the server's.
    let hooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/schemathesis_hooks.py");
    let text = format!(
        "hooks = \"{}\"\n[parameters]\n\"path.workspace\" = \"{workspace}\"\n\
         [checks.not_a_server_error]\nexpected-statuses = [\"2xx\", \"3xx\", \"4xx\", 502]\n",
        hooks.display()
    );
    std::fs::write(&settings, text).unwrap();
    let more = std::env::var_os(MORE);
    let mut command = Command::new("python3");
    command.args(["-m", "schemathesis.cli", "--config-file"]).arg(&settings).arg("run");
    command.arg(format!("http://{address}/api/openapi.json"));
    command
        .args(["--checks", CHECKS, "--seed", "7", "--max-examples"])
        .arg(more.as_deref().unwrap_or(EXAMPLES.as_ref()));
    if brief && more.is_none() {
        command.args(["--phases", "fuzzing,stateful"]);
    }
    command.args(["--suppress-health-check", "all", "--request-timeout", "40", "--no-color"]);
    command.args(["--generation-database", "none", "--warnings", "off", "--no-shrink"]);
    // The first has no end; after the others whoever asks is a stranger.
    command.arg("--continue-on-failure");
    for operation in ["stream_events", "leave_workspace", "end_session", "delete_workspace"] {
        command.args(["--exclude-operation-id", operation]);
    }
    command.current_dir(folder);
    command
}

#[tokio::test]
async fn answers_are_as_the_document_says_for_everybody() {
    if !Tool::PythonModule("schemathesis").available_or_skip() {
        return;
    }
    let only = std::env::var_os(ONLY).map(|only| only.to_string_lossy().into_owned());
    let chosen = |one: &As| only.as_ref().is_none_or(|it| it.split(',').any(|it| it == one.word()));
    let mut told = String::new();
    for one in ALL.into_iter().filter(chosen) {
        let mut server = Server::start().await;
        let (bearer, renewal) = server.enter(one).await;
        let (folder, address) = (server.folder.path().to_owned(), server.address.clone());
        let (workspace, given) = (server.workspace.clone(), bearer.clone());
        // What a key of their scope is asked in all phases need not be asked of people again.
        let brief = matches!(one, As::Member(_) | As::Embed);
        let asked = move || run(&folder, (&address, &workspace), &given, renewal, brief);
        let output = tokio::task::spawn_blocking(asked).await.unwrap();
        let (name, answered) = (one.word(), server.answered().await);
        let sum: u64 = answered.values().sum();
        println!("schemathesis as {name}: {sum} requests, {answered:?}");
        let in_still = !matches!(one, As::Member(_)) || server.lets_in(&bearer).await;
        if !output.status.success() {
            told.extend([name.as_str(), ":\n"]);
            told += &String::from_utf8_lossy(&[output.stdout, output.stderr].concat());
        }
        if !in_still {
            told.extend([name.as_str(), " did away with their own access\n"]);
        }
    }
    assert!(told.is_empty(), "{told}");
}

/// What a server may answer with instead of the truth.
type Lie = fn(&Value) -> (u16, String);

/// Three servers that break what the document says, and what must be found of each.
const LIES: [(&str, Lie); 3] = [
    ("Server error", |_| (500, "{}".to_owned())),
    ("Undocumented status code", |truth| (203, truth.to_string())),
    ("Response violates schema", |truth| {
        let mut lie = truth.clone();
        lie["items"][0]["id"] = json!(7);
        (200, lie.to_string())
    }),
];

/// Stands before the server and tells of its networks what `lie` makes of the truth.
async fn liar(lie: Lie, truth: Value) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let document = include_str!("openapi.json");
    let told = move |path: &str| match path {
        "/api/openapi.json" => (200, document.to_owned()),
        path if path.ends_with("/networks") => lie(&truth),
        _ => (404, String::new()),
    };
    let telling = async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let (status, body) = told(head.split(' ').nth(1).unwrap_or_default());
            let answer = format!(
                "HTTP/1.1 {status} -\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
                 connection: close\r\n\r\n{body}",
                body.len()
            );
            drop(stream.write_all(answer.as_bytes()).await);
        }
    };
    drop(TaskTracker::new().spawn(telling));
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_that_does_not_do_what_its_document_says_is_found_out() {
    if !Tool::PythonModule("schemathesis").available_or_skip() {
        return;
    }
    let server = Server::start().await;
    let truth = server.verb(("network", "list"), json!({})).await;
    let folder = server.folder.path().to_owned();
    let honest: Lie = |truth| (200, truth.to_string());
    for (found, lie) in std::iter::once(("", honest)).chain(LIES) {
        let (address, folder) = (liar(lie, truth.clone()).await, folder.clone());
        let asked = move || {
            let mut command = asking(&folder, (&address, "w"), true);
            // What stands before it knows no method and nobody.
            command.args(["--include-operation-id", "list_networks", "--exclude-checks"]);
            command.arg("ignored_auth,unsupported_method,allow_header_conformance");
            command.output().unwrap()
        };
        let output = tokio::task::spawn_blocking(asked).await.unwrap();
        let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.success(), found.is_empty(), "{found}: {told}");
        assert!(told.contains(found), "{found}: {told}");
    }
}
