//! Creating posts over HTTP, beside the baseline in the same run.

use std::path::Path;
use std::time::Duration;

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
    channel: String,
    key: String,
    /// Posts asked for up to now: makes idempotency keys unique.
    asked: u64,
}

impl Target {
    pub fn new(folder: &Path) -> Self {
        let process = Process::carillon(folder);
        let text = |value: &serde_json::Value, name: &str| value[name].as_str().unwrap().to_owned();
        let workspace = text(&verb(folder, &["workspace", "create", "Bench"]), "id");
        let add = ["channel", "add", "-w", "bench", "--network", "feed", "--name", "Feed"];
        let channel = text(&verb(folder, &add), "id");
        let create = ["key", "create", "bench", "-w", "bench", "--scope", "write"];
        let key = text(&verb(folder, &create), "key");
        Self { process, workspace, channel, key, asked: 0 }
    }

    /// `count` posts from `clients`, due at scattered minutes of the next year.
    pub async fn create(&mut self, clients: usize, count: u64) -> Round {
        let first = self.asked;
        self.asked += count;
        let (workspace, channel, key) =
            (self.workspace.clone(), self.channel.clone(), self.key.clone());
        let before = (self.process.used(), self.metric("carillon_store_commits_total").await);
        let load = load::run(self.process.address, clients, count, move |n| {
            let n = first + n;
            let dice = SeededRng::new(n).next_u64();
            let (month, day) = (1 + dice % 12, 1 + (dice >> 8) % 28);
            let (hour, minute) = ((dice >> 16) % 24, (dice >> 24) % 60);
            let at = format!("2027-{month:02}-{day:02}T{hour:02}:{minute:02}");
            let body = json!({
                "parts": [{ "text": format!("Post number {n}: fresh bread from seven, coffee from eight, and the cake of the day is a surprise. Come and see us! #bakery #fresh") }],
                "channels": [channel],
                "schedule": { "at": at, "zone": "Europe/Berlin" },
            })
            .to_string();
            format!(
                "POST /api/v1/workspaces/{workspace}/posts HTTP/1.1\r\nhost: localhost\r\n\
                 authorization: Bearer {key}\r\nidempotency-key: bench-{n}\r\n\
                 content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
            .into_bytes()
        })
        .await;
        let used = self.process.used().since(before.0);
        let commits = self.metric("carillon_store_commits_total").await - before.1;
        Round { load, used, commits }
    }

    pub async fn metric(&self, name: &str) -> u64 {
        let url = format!("http://{}/metrics", self.process.address);
        let text = reqwest::get(url).await.unwrap().text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
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
fn per(total: f64, count: u64) -> f64 {
    total / count as f64
}
