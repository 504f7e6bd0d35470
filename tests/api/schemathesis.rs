//! Requests made from the `OpenAPI` document by the program that others wrote for that, against the
//! real binary, with a key of each scope: no fault of the server's, and no answer that the document
//! does not describe. Needs `pip install schemathesis==4.32.5`; skips without it, unless
//! `CARILLON_REQUIRE_REAL_PARTS=1`.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};
use support::{Carillon, Tool};

/// For one operation, in the phase that makes requests up; other phases have their own numbers. By
/// hand, 500 make 20,000 requests a scope.
const EXAMPLES: &str = "8";
const MORE: &str = "CARILLON_SCHEMATHESIS_EXAMPLES";

/// The scopes that there are, and nobody.
const SCOPES: [&str; 6] = ["admin", "publish", "write", "read", "metrics", ""];

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

    /// Requests that it answered, and those of them with 5xx.
    async fn answered(&self) -> (u64, u64) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let asked = client.get(format!("http://{}/metrics", self.address)).send();
        let text = asked.await.unwrap().text().await.unwrap();
        let (mut all, mut ours) = (0, 0);
        for line in text.lines().filter(|line| line.starts_with("carillon_http_requests_total{")) {
            let n: u64 = line.rsplit_once(' ').unwrap().1.parse().unwrap();
            all += n;
            ours += if line.contains("status=\"5xx\"") { n } else { 0 };
        }
        (all, ours)
    }
}

fn run(folder: &Path, address: &str, workspace: &str, key: &str) -> Output {
    let settings = folder.join("schemathesis.toml");
    // A network that does not answer is no fault of the server's.
    let hooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/schemathesis_hooks.py");
    let text = format!(
        "hooks = \"{}\"\n[parameters]\n\"path.workspace\" = \"{workspace}\"\n\
         [checks.not_a_server_error]\nexpected-statuses = [\"2xx\", \"3xx\", \"4xx\", 502]\n",
        hooks.display()
    );
    std::fs::write(&settings, text).unwrap();
    let examples = std::env::var_os(MORE).unwrap_or_else(|| EXAMPLES.into());
    let mut command = Command::new("python3");
    command.args(["-m", "schemathesis.cli", "--config-file"]).arg(&settings).arg("run");
    command.arg(format!("http://{address}/api/openapi.json"));
    command.args(["--checks", CHECKS, "--seed", "7", "--max-examples"]).arg(examples);
    command.args(["--suppress-health-check", "all", "--request-timeout", "40", "--no-color"]);
    command.args(["--generation-database", "none", "--warnings", "off", "--no-shrink"]);
    // It has no end.
    command.args(["--continue-on-failure", "--exclude-operation-id", "stream_events"]);
    if !key.is_empty() {
        command.arg("--header").arg(format!("Authorization: Bearer {key}"));
    }
    command.current_dir(folder).output().unwrap()
}

#[tokio::test]
async fn answers_are_as_the_document_says_for_every_scope() {
    if !Tool::PythonModule("schemathesis").available_or_skip() {
        return;
    }
    let mut told = String::new();
    for scope in SCOPES {
        let server = Server::start().await;
        let mut key = String::new();
        if !scope.is_empty() {
            let made = server.verb(("key", "create"), json!({ "name": "k", "scope": [scope] }));
            key = made.await["key"].as_str().unwrap().to_owned();
        }
        let (folder, address) = (server.folder.path().to_owned(), server.address.clone());
        let workspace = server.workspace.clone();
        let asked = move || run(&folder, &address, &workspace, &key);
        let output = tokio::task::spawn_blocking(asked).await.unwrap();
        let (all, faults) = server.answered().await;
        println!("schemathesis as {scope:?}: {all} requests, {faults} answered with 5xx");
        if !output.status.success() {
            told += scope;
            told += ":\n";
            told += &String::from_utf8_lossy(&[output.stdout, output.stderr].concat());
        }
    }
    assert!(told.is_empty(), "{told}");
}
