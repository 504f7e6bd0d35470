//! Creating posts over HTTP, beside the baseline in the same run.

use std::path::Path;
use std::time::{Duration, SystemTime};

use carillon::base::{Rng as _, SeededRng};
use serde_json::json;

use crate::load::{self, Load};
use crate::process::{Process, Used, verb};

/// What one round came to.
pub struct Round {
    pub load: Load,
    pub used: Used,
    pub commits: u64,
}

/// A server with a workspace and a feed to write to.
pub struct Target {
    pub process: Process,
    workspace: String,
    /// Where posts go, in turn.
    pub channels: Vec<String>,
    key: String,
    /// Posts asked for up to now: makes idempotency keys unique.
    asked: u64,
}

impl Target {
    pub fn new(folder: &Path) -> Self {
        Self::with(folder, &[])
    }

    /// With settings in its environment.
    pub fn with(folder: &Path, settings: &[(&str, String)]) -> Self {
        let process = Process::carillon(folder, settings);
        verb(folder, &["workspace", "create", "Bench"]);
        Self::of(process, folder)
    }

    /// The same after a restart, with a new channel and key.
    pub fn again(folder: &Path, settings: &[(&str, String)]) -> Self {
        Self::of(Process::carillon(folder, settings), folder)
    }

    fn of(process: Process, folder: &Path) -> Self {
        let text = |value: &serde_json::Value, name: &str| value[name].as_str().unwrap().to_owned();
        let workspace = text(&verb(folder, &["workspace", "list"])["items"][0], "id");
        let add = ["channel", "add", "-w", "bench", "--network", "feed", "--name", "Feed"];
        let channel = text(&verb(folder, &add), "id");
        let create = ["key", "create", "bench", "-w", "bench", "--scope", "publish"];
        let key = text(&verb(folder, &create), "key");
        Self { process, workspace, channels: vec![channel], key, asked: 0 }
    }

    /// Adds a channel to the server on `folder`; its id.
    pub fn webhook(folder: &Path, url: &str) -> String {
        let add = ["channel", "add", "-w", "bench", "--network", "webhook", "--name", "Hook"];
        let added = verb(folder, &[&add[..], &["--url", url]].concat());
        added["id"].as_str().unwrap().to_owned()
    }

    /// `count` posts from `clients`, due at scattered minutes of the next year.
    pub async fn create(&mut self, clients: usize, count: u64) -> Round {
        self.create_at(clients, count, None).await
    }

    /// The same, all due at one moment.
    pub async fn create_at(
        &mut self,
        clients: usize,
        count: u64,
        due: Option<SystemTime>,
    ) -> Round {
        let due = due.map(|due| {
            jiff::Timestamp::try_from(due).unwrap().strftime("%Y-%m-%dT%H:%M:%S%.3f").to_string()
        });
        let first = self.asked;
        self.asked += count;
        let before = (self.process.used(), self.metric("carillon_store_commits_total").await);
        let request = request(first, &self.workspace, &self.key, &self.channels, due);
        let load = load::run(self.process.address, clients, count, request).await;
        let used = self.process.used().since(before.0);
        let commits = self.metric("carillon_store_commits_total").await - before.1;
        Round { load, used, commits }
    }

    /// Reads a list of the workspace.
    pub async fn read(&self, list: &str) {
        let (at, workspace) = (self.process.address, &self.workspace);
        let url = format!("http://{at}/api/v1/workspaces/{workspace}/{list}");
        let request = reqwest::Client::new().get(url).bearer_auth(&self.key);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{list}");
        answer.bytes().await.unwrap();
    }

    pub async fn metric(&self, name: &str) -> u64 {
        let url = format!("http://{}/metrics", self.process.address);
        let text = reqwest::get(url).await.unwrap().text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
    }
}

/// The request that makes post number `first` + n, due at `due` or at a scattered minute of the next
/// year.
pub fn request(
    first: u64,
    workspace: &str,
    key: &str,
    channels: &[String],
    due: Option<String>,
) -> impl Fn(u64) -> Vec<u8> + Send + Sync + 'static {
    let (workspace, key, channels) = (workspace.to_owned(), key.to_owned(), channels.to_vec());
    move |n| {
        let n = first + n;
        let dice = SeededRng::new(n).next_u64();
        let (month, day) = (1 + dice % 12, 1 + (dice >> 8) % 28);
        let (hour, minute) = ((dice >> 16) % 24, (dice >> 24) % 60);
        let scattered = format!("2027-{month:02}-{day:02}T{hour:02}:{minute:02}");
        let at = due.as_ref().unwrap_or(&scattered);
        let zone = if due.is_some() { "UTC" } else { "Europe/Berlin" };
        let channel = &channels[usize::try_from(n).unwrap() % channels.len()];
        let body = json!({
            "parts": [{ "text": format!("Post number {n}: fresh bread from seven, coffee from eight, and the cake of the day is a surprise. Come and see us! #bakery #fresh") }],
            "channels": [channel],
            "schedule": { "at": at, "zone": zone },
        })
        .to_string();
        format!(
            "POST /api/v1/workspaces/{workspace}/posts HTTP/1.1\r\nhost: localhost\r\n\
             authorization: Bearer {key}\r\nidempotency-key: bench-{n}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}

/// As many rows as posts, into the baseline.
pub async fn baseline(process: &Process, clients: usize, count: u64) -> Round {
    let before = process.used();
    let load = load::run(process.address, clients, count, |_| {
        let body = "x".repeat(330);
        format!(
            "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    })
    .await;
    Round { load, used: process.used().since(before), commits: 0 }
}

impl Round {
    pub fn cpu_us(&self) -> f64 {
        per(self.used.cpu.as_secs_f64() * 1e6, self.load.answers)
    }

    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub fn written(&self) -> f64 {
        per(self.used.written as f64, self.load.answers)
    }

    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub fn posts_per_commit(&self) -> f64 {
        self.load.answers as f64 / self.commits.max(1) as f64
    }

    pub fn line(&self, name: &str, clients: usize) -> String {
        let ms = |d: Duration| d.as_secs_f64() * 1e3;
        let (load, commits) = (&self.load, self.posts_per_commit());
        format!(
            "{name:<9} {clients:>3} clients: {:>6.0}/s  p50 {:>5.1} ms  p99 {:>6.1} ms  {:>5.1} us CPU  \
             {:>6.0} B written  {}",
            load.rate(),
            ms(load.percentile(50)),
            ms(load.percentile(99)),
            self.cpu_us(),
            self.written(),
            if self.commits > 0 { format!("{commits:.1} posts/commit") } else { String::new() },
        )
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub fn per(total: f64, count: u64) -> f64 {
    total / count as f64
}
