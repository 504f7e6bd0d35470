//! An installation on practice networks, and the account of what became of its posts.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use carillon::base::{Clock as _, SystemClock, Timestamp};
use carillon::practice::Effect;
use serde_json::{Value, json};

use crate::client::{Client, Written};
use crate::server::{HANDLE, HOOK_SECRET, Practice, Server};

pub struct Installation {
    pub server: Server,
    pub practice: Practice,
    pub workspace: String,
    pub client: Client,
    /// Id of a channel -> the host of its network.
    pub channels: BTreeMap<String, String>,
}

/// A server with a channel on a practice network at each of `hosts`.
pub async fn set_up(seed: u64, hosts: &[&str]) -> Installation {
    let practice = Practice::start(seed, hosts).await;
    let server = Server::new(&practice);
    with_server(server, practice, hosts).await
}

/// The same, on a server that runs already.
pub async fn with_server(server: Server, practice: Practice, hosts: &[&str]) -> Installation {
    let made = server.verb("workspace", "create", None, json!({ "name": "Acme" })).await;
    let workspace = made["id"].as_str().unwrap().to_owned();
    let key = server
        .verb("key", "create", Some("acme"), json!({ "name": "test", "scope": ["publish"] }))
        .await;
    let client = Client::new(key["key"].as_str().unwrap());
    let mut channels = BTreeMap::new();
    for host in hosts {
        let (url, token) = (format!("http://{}/{host}", practice.at), format!("token-{host}"));
        let args = match host.split('-').next() {
            Some("hook") => {
                json!({ "network": "webhook", "name": host, "url": url, "token": HOOK_SECRET })
            }
            Some("records") => json!({
                "network": "bluesky", "name": host, "instance": url, "token": token,
                "identifier": HANDLE,
            }),
            _ => json!({ "network": "mastodon", "name": host, "instance": url, "token": token }),
        };
        let channel = server.verb("channel", "add", Some(&workspace), args).await;
        assert_eq!(channel["state"], "connected");
        channels.insert(channel["id"].as_str().unwrap().to_owned(), (*host).to_owned());
    }
    Installation { server, practice, workspace, client, channels }
}

/// All deliveries, once none is on its way any more.
pub async fn settled(installation: &Installation) -> Vec<Value> {
    let mut deadline = Instant::now() + Duration::from_mins(2);
    loop {
        let deliveries = deliveries(installation).await;
        let open = |d: &&Value| {
            !matches!(d["state"].as_str(), Some("published" | "failed" | "partial" | "held"))
        };
        let left: Vec<_> = deliveries.iter().filter(open).collect();
        if left.is_empty() {
            return deliveries;
        }
        if let Some(over) = left.iter().filter_map(|d| limited_until(d)).max() {
            // Its server takes thirty uploads in half an hour, and says until when that holds.
            let left = over.since(SystemClock::new().now());
            deadline = deadline.max(Instant::now() + left + Duration::from_secs(30));
        }
        let late = Instant::now() >= deadline;
        assert!(!late, "{:#?}, such as {:#}", summary(installation, &left), left[0]);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// Until when its network takes no more of it, if that is what it waits for.
fn limited_until(delivery: &Value) -> Option<Timestamp> {
    let is_limited = delivery["reason"] == "rate_limit";
    is_limited.then(|| Timestamp::parse(delivery["next_look"].as_str()?)).flatten()
}

/// How many of each host are in which state, and why.
fn summary(installation: &Installation, left: &[&Value]) -> BTreeMap<String, usize> {
    let mut summary = BTreeMap::new();
    for delivery in left {
        let host = &installation.channels[delivery["channel"].as_str().unwrap()];
        let line = format!("{host} {} {}", delivery["state"], delivery["reason"]);
        *summary.entry(line).or_default() += 1;
    }
    summary
}

pub async fn deliveries(installation: &Installation) -> Vec<Value> {
    let base = format!(
        "{}/workspaces/{}/deliveries?limit=200",
        installation.server.api, installation.workspace
    );
    let mut all = Vec::new();
    let mut url = base.clone();
    loop {
        let answer = installation.client.try_get(&url).await;
        // Seen twice on a busy machine, and never explained: the next time it says where it waits.
        let what = |error| format!("{error:?}\n{}", installation.server.threads());
        let (status, page) = answer.map_err(what).unwrap();
        assert_eq!(status, 200, "{page}");
        all.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => url = format!("{base}&cursor={next}"),
            None => return all,
        }
    }
}

/// What the networks' journal and the server say of each other.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Acknowledged, or said to be published, and not there.
    pub lost: Vec<String>,
    /// There more often than once.
    pub doubled: Vec<String>,
    /// In another state than what is out there allows.
    pub wrong: Vec<String>,
    states: BTreeMap<String, usize>,
    read_back: usize,
}

/// Holds what the server says of `posts` against the journal of the networks.
pub fn judge(installation: &Installation, posts: &[Written], deliveries: &[Value]) -> Verdict {
    let mut verdict = Verdict::default();
    let mut copies: BTreeMap<(String, String), usize> = BTreeMap::new();
    for entry in installation.practice.world().journal() {
        if let Effect::StatusCreated { text, .. } = &entry.effect {
            *copies.entry((entry.host.clone(), text.clone())).or_default() += 1;
        }
    }
    let mut by_post: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for delivery in deliveries {
        let state = delivery["state"].as_str().unwrap().to_owned();
        *verdict.states.entry(state).or_default() += 1;
        by_post.entry(delivery["post"].as_str().unwrap()).or_default().push(delivery);
    }
    if by_post.len() > posts.len() {
        verdict.doubled.push(format!("{} posts of {} written", by_post.len(), posts.len()));
    }
    for post in posts {
        let of_post = post.acknowledged.as_deref().and_then(|id| by_post.get(id));
        let Some(of_post) = of_post.filter(|found| found.len() == post.channels.len()) else {
            verdict.lost.push(format!("{post:?}"));
            continue;
        };
        for delivery in of_post {
            let host = &installation.channels[delivery["channel"].as_str().unwrap()];
            for (part, text) in delivery["parts"].as_array().unwrap().iter().zip(&post.texts) {
                let count = copies.get(&(host.clone(), text.clone())).copied().unwrap_or(0);
                verdict.read_back += usize::from(part["source"] == "read_back");
                match (part["state"].as_str().unwrap(), delivery["state"].as_str().unwrap()) {
                    ("published", _) if count == 0 => {
                        verdict.lost.push(format!("{host} {text:?}: {delivery:#}"));
                    }
                    ("published", _) | (_, "held") => {}
                    _ if count > 0 => verdict.wrong.push(format!("{host} {text:?}: {delivery:#}")),
                    _ => {}
                }
            }
        }
    }
    for ((host, text), count) in copies {
        if count > 1 {
            verdict.doubled.push(format!("{host} {text:?} {count} times"));
        }
    }
    verdict
}

/// Every acknowledged post is there once, and every part is out as often as its state says.
pub fn account(installation: &Installation, posts: &[Written], deliveries: &[Value]) {
    let Verdict { lost, doubled, wrong, states, read_back } =
        judge(installation, posts, deliveries);
    let first = |all: &[String]| all.first().cloned().unwrap_or_default();
    for (what, found) in [("lost", &lost), ("doubled", &doubled), ("wrong", &wrong)] {
        assert!(found.is_empty(), "{} {what}, such as {}", found.len(), first(found));
    }
    println!("deliveries: {states:?}; lost 0, doubled 0; {read_back} parts found by reading back");
}
