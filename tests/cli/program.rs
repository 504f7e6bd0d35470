//! The binary: run once for an answer, or kept running as a server.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::Carillon;

pub fn carillon() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carillon"));
    command.env_remove("CARILLON_SOCKET").env_remove("CARILLON_CONFIG");
    command
}

/// A server on a folder that goes away.
pub struct Server {
    pub folder: tempfile::TempDir,
    pub process: Carillon,
    pub address: String,
    socket: PathBuf,
}

impl Server {
    pub fn start(extra: &[&str]) -> Self {
        Self::on(tempfile::tempdir().unwrap(), extra)
    }

    /// With what is in this folder.
    pub fn on(folder: tempfile::TempDir, extra: &[&str]) -> Self {
        let (process, address) = serve(folder.path(), extra);
        let socket = folder.path().join("data/admin.sock");
        Self { folder, process, address, socket }
    }

    /// `kill -9`, and a new process on the same folder.
    pub fn kill_and_start(&mut self, extra: &[&str]) {
        self.process.kill();
        (self.process, self.address) = serve(self.folder.path(), extra);
    }

    /// The demo; also its `practice` and its `workspace` line.
    pub fn demo() -> (Self, String, String) {
        let folder = tempfile::tempdir().unwrap();
        let mut command = carillon();
        command.args(["demo", "--listen", "127.0.0.1:0"]).env("TMPDIR", folder.path());
        let mut process = Carillon::start(&mut command);
        let mut value = |name: &str| {
            let line = process.wait_for(&format!("{name}: "), Duration::from_secs(30));
            line.split_once(": ").unwrap().1.to_owned()
        };
        let [practice, api, workspace, socket] =
            ["practice", "api", "workspace", "socket"].map(&mut value);
        let address = host_of(&api).to_owned();
        (Self { folder, process, address, socket: socket.into() }, practice, workspace)
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Runs a verb for its text.
    pub fn run(&self, args: &[&str]) -> Output {
        carillon().arg("--socket").arg(&self.socket).args(args).output().unwrap()
    }

    /// Runs a verb with `--json`; it must do it.
    pub fn json(&self, args: &[&str]) -> Value {
        let output = self.run(&[args, &["--json"]].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {said}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs a verb that must fail; its exit code and what it said.
    pub fn fails(&self, args: &[&str]) -> (i32, String) {
        let output = self.run(args);
        assert!(!output.status.success(), "{args:?}");
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The delivery as it is shown once it is published.
    pub fn published(&self, workspace: &str, delivery: &str) -> Value {
        self.until(workspace, delivery, "published")
    }

    /// The delivery as it is shown once it has come to `state`.
    pub fn until(&self, workspace: &str, delivery: &str, state: &str) -> Value {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let shown = self.json(&["delivery", "show", delivery, "-w", workspace]);
            if shown["state"] == state {
                return shown;
            }
            assert!(Instant::now() < deadline, "{shown}");
        }
    }
}

fn serve(folder: &Path, extra: &[&str]) -> (Carillon, String) {
    let mut command = carillon();
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(folder.join("data"))
        .args(extra);
    let mut process = Carillon::start(&mut command);
    let ready = process.wait_until("says ready", Duration::from_secs(20), |line| {
        line.contains("\"message\":\"ready\"")
    });
    let ready: Value = serde_json::from_str(&ready).unwrap();
    (process, ready["address"].as_str().unwrap().to_owned())
}

/// A whole answer over HTTP/1.1, without a client library in between.
pub fn get(address: &str, path: &str, headers: &[(&str, &str)]) -> (u16, String, String) {
    ask("GET", address, path, headers, "")
}

pub fn ask(
    method: &str,
    address: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, String, String) {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\n");
    let length = body.len().to_string();
    for (name, value) in
        headers.iter().chain(&[("connection", "close"), ("content-length", &length)])
    {
        request.extend([name, ": ", value, "\r\n"]);
    }
    stream.write_all(format!("{request}\r\n{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
    (status, head.to_owned(), body.to_owned())
}

/// Host and port of an address.
pub fn host_of(url: &str) -> &str {
    url.split('/').nth(2).unwrap()
}

pub fn exists(path: &Path) -> bool {
    path.try_exists().unwrap()
}
