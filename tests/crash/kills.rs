//! Fifty kills, and the account afterwards.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use carillon::base::{Rng, SeededRng};
use carillon::practice::{Act, Effect};
use serde_json::{Value, json};

use crate::client::{Client, Written};
use crate::server::{HANDLE, HOOK_SECRET, Practice, Server};

const CYCLES: u32 = 50;
const POSTS_PER_CYCLE: u32 = 12;
const WRITERS: usize = 3;

const HOSTS: [&str; 6] = ["keyed-a", "keyed-b", "listed-a", "front-a", "records-a", "hook-a"];

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
    let made = server.verb("workspace", "create", None, json!({ "name": "Acme" })).await;
    let workspace = made["id"].as_str().unwrap().to_owned();
    let key = server
        .verb("key", "create", Some("acme"), json!({ "name": "test", "scope": ["write"] }))
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

/// What networks do to a tenth of all writes each: per mille.
fn chaos() -> Vec<(Act, u16)> {
    vec![
        (Act::AcceptThenDrop, 100),
        (Act::ErrorAfter { status: 500 }, 50),
        (Act::ErrorBefore { status: 502 }, 50),
        (Act::DropBefore, 50),
        (Act::LandLate { after: Duration::from_millis(600) }, 50),
        (Act::SlowStart { delay: Duration::from_millis(200) }, 50),
    ]
}

fn posts(rng: &SeededRng, cycle: u32, channels: &[String]) -> Vec<Written> {
    let dice = |n: usize| usize::try_from(rng.next_u64() % 1_000).unwrap() % n;
    (0..POSTS_PER_CYCLE)
        .map(|n| {
            let parts = if dice(4) == 0 { 2 } else { 1 };
            let first = dice(channels.len());
            let second = (first + 1 + dice(channels.len() - 1)) % channels.len();
            let channels =
                [first, second].into_iter().take(1 + dice(2)).map(|i| channels[i].clone());
            Written {
                texts: (0..parts)
                    .map(|part| format!("cycle {cycle} post {n} part {part}"))
                    .collect(),
                channels: channels.collect(),
                key: format!("cycle-{cycle}-post-{n}"),
                acknowledged: None,
            }
        })
        .collect()
}

/// Several clients that write `posts` at once, one try each. What is not answered stays without
/// an id.
struct Writers(Vec<tokio::task::JoinHandle<Vec<Written>>>);

impl Writers {
    fn start(installation: &Installation, posts: &[Written]) -> Self {
        let per = posts.len().div_ceil(WRITERS).max(1);
        let writers = posts.chunks(per).map(<[Written]>::to_vec).map(|mut share| {
            let client = installation.client.clone();
            let (api, workspace) =
                (installation.server.api.clone(), installation.workspace.clone());
            tokio::spawn(async move {
                for post in share.iter_mut().filter(|p| p.acknowledged.is_none()) {
                    post.acknowledged = client.write(&api, &workspace, post).await;
                }
                share
            })
        });
        Self(writers.collect())
    }

    async fn finish(self) -> Vec<Written> {
        let mut written = Vec::new();
        for writer in self.0 {
            written.extend(writer.await.unwrap());
        }
        written
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_kills_lose_and_double_nothing() {
    let seed = 7;
    let mut installation = set_up(seed, &HOSTS).await;
    let rng = SeededRng::new(seed);
    installation.practice.world().chaos(seed, chaos());
    let channels: Vec<String> = installation.channels.keys().cloned().collect();
    let mut all: Vec<Written> = Vec::new();
    let mut unanswered = 0;
    for cycle in 0..CYCLES {
        let mut mine = posts(&rng, cycle, &channels);
        // What was not answered before the last kill is asked for again, with its key.
        mine.extend(all.extract_if(.., |p: &mut Written| p.acknowledged.is_none()));
        // The kill comes while the clients write, or a little after, while networks answer.
        let writers = Writers::start(&installation, &mine);
        tokio::time::sleep(Duration::from_millis(rng.next_u64() % 250)).await;
        installation.server.kill();
        let mine = writers.finish().await;
        unanswered += mine.iter().filter(|p| p.acknowledged.is_none()).count();
        all.extend(mine);
        installation.server.start();
    }
    installation.practice.world().chaos(seed, Vec::new());
    let all = Writers::start(&installation, &all).finish().await;
    let deliveries = settled(&installation).await;
    account(&installation, &all, &deliveries);
    let published = deliveries.iter().filter(|d| d["state"] == "published").count();
    assert!(published * 100 >= deliveries.len() * 95, "most are published");
    println!("{CYCLES} kills, {} posts; {unanswered} times no answer before a kill", all.len());
    assert!(unanswered > 0, "some kills must come while clients write");
    assert!(installation.server.stop().success());
}

/// All deliveries, once none is on its way any more.
pub async fn settled(installation: &Installation) -> Vec<Value> {
    let deadline = Instant::now() + Duration::from_mins(2);
    loop {
        let deliveries = deliveries(installation).await;
        let open = |d: &&Value| {
            !matches!(d["state"].as_str(), Some("published" | "failed" | "partial" | "held"))
        };
        let left: Vec<_> = deliveries.iter().filter(open).collect();
        if left.is_empty() {
            return deliveries;
        }
        assert!(Instant::now() < deadline, "{} left, such as {:#}", left.len(), left[0]);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

async fn deliveries(installation: &Installation) -> Vec<Value> {
    let base = format!(
        "{}/workspaces/{}/deliveries?limit=200",
        installation.server.api, installation.workspace
    );
    let mut all = Vec::new();
    let mut url = base.clone();
    loop {
        let (status, page) = installation.client.get(&url).await;
        assert_eq!(status, 200, "{page}");
        all.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => url = format!("{base}&cursor={next}"),
            None => return all,
        }
    }
}

/// Every acknowledged post is there once, and every part is out as often as its state says.
pub fn account(installation: &Installation, posts: &[Written], deliveries: &[Value]) {
    let mut copies: BTreeMap<(String, String), usize> = BTreeMap::new();
    for entry in installation.practice.world().journal() {
        if let Effect::StatusCreated { text, .. } = &entry.effect {
            *copies.entry((entry.host.clone(), text.clone())).or_default() += 1;
        }
    }
    let mut states: BTreeMap<String, usize> = BTreeMap::new();
    let mut by_post: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for delivery in deliveries {
        *states.entry(delivery["state"].as_str().unwrap().to_owned()).or_default() += 1;
        by_post.entry(delivery["post"].as_str().unwrap()).or_default().push(delivery);
    }
    assert_eq!(by_post.len(), posts.len(), "each post once, whatever was repeated");
    let mut read_back = 0;
    for post in posts {
        let id = post.acknowledged.as_deref().unwrap();
        let of_post = by_post.get(id).unwrap_or_else(|| panic!("{post:?} was acknowledged"));
        assert_eq!(of_post.len(), post.channels.len());
        for delivery in of_post {
            let host = &installation.channels[delivery["channel"].as_str().unwrap()];
            for (part, text) in delivery["parts"].as_array().unwrap().iter().zip(&post.texts) {
                let key = (host.clone(), text.clone());
                let count = copies.get(&key).copied().unwrap_or(0);
                let state = (part["state"].as_str().unwrap(), delivery["state"].as_str().unwrap());
                let allowed = match state {
                    ("published", _) => 1..=1,
                    (_, "held") => 0..=1,
                    _ => 0..=0,
                };
                assert!(allowed.contains(&count), "{host} {text:?} {count} times: {delivery:#}");
                read_back += usize::from(part["source"] == "read_back");
            }
        }
    }
    assert!(copies.values().all(|count| *count == 1), "{copies:?}");
    println!("deliveries: {states:?}; {read_back} parts found by reading back");
}
