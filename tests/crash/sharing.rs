//! The real binary with real sockets: servers that hang or fail, and limits, in the product's own
//! times. What they do to one workspace is not felt by another.

use std::time::{Duration, Instant};

use carillon::practice::{Act, Fault, Matcher};
use serde_json::{Value, json};

use crate::client::{Client, Written};
use crate::server::{Practice, Server};

const SECOND: Duration = Duration::from_secs(1);

struct Stage {
    practice: Practice,
    server: Server,
}

impl Stage {
    async fn new(seed: u64, hosts: &[&str]) -> Self {
        let practice = Practice::start(seed, hosts).await;
        let server = Server::unhurried(&practice);
        Self { practice, server }
    }

    async fn workspace(&self, name: &str) -> Client {
        self.server.verb("workspace", "create", None, json!({ "name": name })).await;
        let args = json!({ "name": "test", "scope": ["publish"] });
        let key = self.server.verb("key", "create", Some(name), args).await;
        Client::new(key["key"].as_str().unwrap())
    }

    async fn channels(&self, workspace: &str, host: &str, count: usize) -> Vec<String> {
        let url = format!("http://{}/{host}", self.practice.at);
        let mut channels = Vec::new();
        for n in 0..count {
            let name = format!("{host} {n}");
            let args = json!({
                "network": "mastodon", "name": name, "instance": url, "token": format!("token-{host}"),
            });
            let channel = self.server.verb("channel", "add", Some(workspace), args).await;
            channels.push(channel["id"].as_str().unwrap().to_owned());
        }
        channels
    }

    /// Posts at once to `channels`; the id.
    async fn post(&self, by: (&Client, &str), channels: &[String], text: &str) -> String {
        let (client, name) = by;
        let shown = self.server.verb("workspace", "list", None, json!({})).await;
        let mut all = shown["items"].as_array().unwrap().iter();
        let workspace = all.find(|w| w["slug"] == name).unwrap()["id"].as_str().unwrap();
        let post = Written {
            texts: vec![text.to_owned()],
            channels: channels.to_vec(),
            key: format!("{name} {text}").replace(' ', "-"),
            at: None,
            picture: None,
            acknowledged: None,
        };
        client.write(&self.server.api, workspace, &post).await.unwrap()
    }

    async fn deliveries(&self, workspace: &str) -> Vec<Value> {
        let args = json!({ "limit": "200" });
        let page = self.server.verb("delivery", "list", Some(workspace), args).await;
        page["items"].as_array().unwrap().clone()
    }

    /// Every delivery of the workspace, once `is` it.
    async fn until(&self, workspace: &str, is: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let deliveries = self.deliveries(workspace).await;
            if is(&deliveries) {
                return deliveries;
            }
            assert!(begun.elapsed() < 60 * SECOND, "{deliveries:#?}");
            tokio::time::sleep(SECOND / 50).await;
        }
    }

    fn fault(&self, host: &str, on: Matcher, times: u32, act: Act) {
        self.practice.world().add_fault(Fault { on, host: Some(host.to_owned()), times, act });
    }

    fn writes(&self, host: &str) -> usize {
        let world = self.practice.world();
        let write = |path: &str| path.ends_with("/api/v1/statuses");
        world.requests().filter(|line| line.host == host && write(&line.path)).count()
    }
}

fn all(deliveries: &[Value], state: &str) -> bool {
    !deliveries.is_empty() && deliveries.iter().all(|delivery| delivery["state"] == state)
}

/// 5,000 deliveries of one workspace are due at a server that takes 30 s to answer nothing; one of
/// another workspace at a good server of the same network.
#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_on_a_hanging_server_delays_nobody_else() {
    let stage = Stage::new(1, &["keyed-hangs", "keyed-good"]).await;
    let (acme, bolt) = (stage.workspace("acme").await, stage.workspace("bolt").await);
    let hanging = stage.channels("acme", "keyed-hangs", 50).await;
    let good = stage.channels("bolt", "keyed-good", 1).await;
    stage.fault("keyed-hangs", Matcher::Write, u32::MAX, Act::SlowStart { delay: 60 * SECOND });
    let begun = Instant::now();
    for n in 0..100 {
        stage.post((&acme, "acme"), &hanging, &format!("post {n}")).await;
    }
    let writes = stage.writes("keyed-hangs");
    // A call is given up after 30 s, and others come in its place.
    let rounds = 1 + usize::try_from(begun.elapsed().as_secs() / 30).unwrap();
    assert!((8..=8 * rounds).contains(&writes), "{writes}, where a server may have 8 at once");
    let begun = Instant::now();
    stage.post((&bolt, "bolt"), &good, "on time").await;
    stage.until("bolt", |deliveries| all(deliveries, "published")).await;
    let took = begun.elapsed();
    println!("5,000 deliveries wait for a server that hangs; one elsewhere was out in {took:?}");
    // To wait for the other server costs 30 s or more.
    assert!(took < 20 * SECOND, "{took:?}");
}

/// A server fails; what waits for it says why, the operator sees it, and others go on.
#[tokio::test(flavor = "multi_thread")]
async fn an_open_circuit_is_shown_everywhere() {
    let stage = Stage::new(2, &["keyed-fails", "keyed-good"]).await;
    let acme = stage.workspace("acme").await;
    let channels = stage.channels("acme", "keyed-fails", 30).await;
    let good = stage.channels("acme", "keyed-good", 1).await;
    stage.fault("keyed-fails", Matcher::Any, u32::MAX, Act::ErrorBefore { status: 503 });
    stage.post((&acme, "acme"), &channels, "to all").await;
    let waiting = |d: &Value| d["state"] == "scheduled" && d["reason"] == "circuit";
    let moved = |all: &[Value]| all.iter().all(|d| waiting(d) || d["state"] == "unknown");
    let deliveries = stage.until("acme", moved).await;
    let held: Vec<_> = deliveries.iter().filter(|d| waiting(d)).collect();
    assert!((3..=10).contains(&held.len()), "{}", held.len());
    for delivery in &held {
        assert_eq!(delivery["attempts"], json!([]), "it was not tried");
        let about = delivery["wait"]["about"].as_str().unwrap();
        let place = format!("mastodon/{}/keyed-fails", stage.practice.at);
        assert!(about.starts_with(&format!("the circuit of {place} is open until 2")), "{about}");
        assert!(about.ends_with(", 20 of 20 calls failed"), "{about}");
    }
    let status = stage.server.verb("status", "", None, json!({})).await;
    // The moment is told to the millisecond, from two readings of two clocks.
    for fact in ["place", "failed", "calls"] {
        assert_eq!(status["circuits"][0][fact], held[0]["wait"][fact], "{status}");
    }
    let base = stage.server.api.trim_end_matches("/api/v1");
    let wanted = [
        "carillon_circuits_open{network=\"mastodon\"} 1".to_owned(),
        format!("carillon_circuit_lanes_waiting{{network=\"mastodon\"}} {}", held.len()),
    ];
    let begun = Instant::now();
    loop {
        let metrics = reqwest::get(format!("{base}/metrics")).await.unwrap().text().await.unwrap();
        if wanted.iter().all(|line| metrics.lines().any(|found| found == line)) {
            break;
        }
        // They are counted at the scheduler's next turn.
        assert!(begun.elapsed() < 20 * SECOND, "no {wanted:?}: {metrics}");
        tokio::time::sleep(SECOND / 50).await;
    }
    let before = stage.writes("keyed-fails");
    stage.post((&acme, "acme"), &good, "elsewhere").await;
    stage.until("acme", |all| all.iter().any(|d| d["state"] == "published")).await;
    assert_eq!(stage.writes("keyed-fails"), before);
}

/// What a network said of its limit is kept through `kill -9`.
#[tokio::test(flavor = "multi_thread")]
async fn a_limit_outlives_the_process() {
    let mut stage = Stage::new(3, &["keyed-limit"]).await;
    let acme = stage.workspace("acme").await;
    let channel = stage.channels("acme", "keyed-limit", 1).await;
    let reset_after = 20 * SECOND;
    stage.fault("keyed-limit", Matcher::Write, 1, Act::RateLimited { reset_after });
    let begun = Instant::now();
    stage.post((&acme, "acme"), &channel, "first").await;
    let limited = |all: &[Value]| all.iter().all(|d| d["reason"] == "rate_limit");
    stage.until("acme", limited).await;
    stage.server.kill();
    stage.server.start();
    stage.post((&acme, "acme"), &channel, "second").await;
    stage.until("acme", |all| all.len() == 2 && limited(all)).await;
    let shown =
        stage.server.verb("channel", "show", Some("acme"), json!({ "id": channel[0] })).await;
    let limit = &shown["rate_limits"][0];
    assert_eq!((&limit["calls"], &limit["counts"]), (&json!("post"), &json!("channel")));
    assert_eq!(stage.writes("keyed-limit"), 1, "the one that was refused");
    stage.until("acme", |all| all.iter().any(|d| d["state"] == "published")).await;
    assert!(begun.elapsed() + SECOND >= reset_after, "{:?}", begun.elapsed());
    println!(
        "killed and started within a limit of {reset_after:?}; nothing was sent before its end"
    );
}
