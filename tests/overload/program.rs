//! The real binary, with practice networks beside it.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use carillon::base::{Clock, SystemClock};
use carillon::practice::mastodon::Settings;
use carillon::practice::{World, serve};
use serde_json::{Value, json};
use support::Carillon;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

pub struct Practice {
    pub at: SocketAddr,
    pub hosts: Vec<String>,
    world: Arc<Mutex<World>>,
    _stop: DropGuard,
}

impl Practice {
    /// `count` servers of Mastodon, with one account each.
    pub async fn start(count: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let mut world = World::new(1);
        let hosts: Vec<_> = (0..count).map(|n| format!("keyed{n}")).collect();
        for host in &hosts {
            world.add_mastodon(host, Settings::new(&format!("http://{at}/{host}")));
            world.add_account(host, "acme", &format!("token-{host}"), "read write").unwrap();
        }
        let world = Arc::new(Mutex::new(world));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let stop = CancellationToken::new();
        let until = stop.clone().cancelled_owned();
        tokio::spawn(serve(listener, Arc::clone(&world), clock, until));
        Self { at, hosts, world, _stop: stop.drop_guard() }
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }
}

/// A running server with a workspace.
pub struct Program {
    folder: tempfile::TempDir,
    process: Carillon,
    pub address: SocketAddr,
    pub workspace: String,
}

impl Program {
    /// With settings in its environment; all others are the product's own.
    pub async fn start(practice: Option<&Practice>, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_carillon"));
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.path().join("data"))
            .arg("--socket")
            .arg(folder.path().join("admin.sock"))
            .args(["--log-level", "warn,carillon::daemon=info,carillon::http::server=debug"])
            .envs(settings.iter().copied());
        if let Some(practice) = practice {
            command.env("CARILLON_OUTBOUND__ALLOW", practice.at.to_string());
        }
        let mut process = Carillon::start(&mut command);
        let is_ready = |line: &str| line.contains("\"message\":\"ready\"");
        let ready = process.wait_until("says ready", Duration::from_secs(30), is_ready);
        let ready: Value = serde_json::from_str(&ready).unwrap();
        let address = ready["address"].as_str().unwrap().parse().unwrap();
        let program = Self { folder, process, address, workspace: String::new() };
        let made = program.verb("workspace", "create", json!({ "name": "Acme" })).await;
        Self { workspace: made["id"].as_str().unwrap().to_owned(), ..program }
    }

    /// Runs a verb, in the workspace once there is one.
    pub async fn verb(&self, noun: &str, verb: &str, args: Value) -> Value {
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

    pub async fn key(&self, scopes: &[&str]) -> String {
        let made = self.verb("key", "create", json!({ "name": "k", "scope": scopes })).await;
        made["key"].as_str().unwrap().to_owned()
    }

    /// Adds a channel; its id.
    pub async fn channel(&self, args: Value) -> String {
        self.verb("channel", "add", args).await["id"].as_str().unwrap().to_owned()
    }

    /// The most memory that it ever held, in KiB.
    pub fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.pid()));
        let status = status.unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Asks on a connection of its own; status, text and how long it took. Status 0 for no answer.
    pub async fn get(&self, path: &str) -> (u16, String, Duration) {
        let began = std::time::Instant::now();
        let mut answer = Vec::new();
        let ask = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let asked = async {
            let mut socket = TcpStream::connect(self.address).await?;
            socket.write_all(ask.as_bytes()).await?;
            socket.read_to_end(&mut answer).await
        };
        // None, or not the whole, is as good as none.
        drop(tokio::time::timeout(Duration::from_secs(20), asked).await);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok());
        (status.unwrap_or(0), answer, began.elapsed())
    }

    /// What it says of connections that ended before their time.
    pub fn early_ends(&mut self) -> Vec<String> {
        let lines = self.process.stdout().iter().filter(|line| line.contains("ended early"));
        lines.take(5).cloned().collect()
    }

    /// The value of a metric, with its labels.
    pub async fn metric(&self, name: &str) -> u64 {
        let (_, text, _) = self.get("/metrics").await;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().unwrap())
    }
}
