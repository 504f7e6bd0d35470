//! SIGTERM under load: what is being sent is finished, readiness says 503 meanwhile, the end is a
//! good one, and the account holds; a second one does not wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use carillon::base::SeededRng;
use carillon::practice::{Act, Fault, Matcher};
use support::runs;

use crate::client::Written;
use crate::kills::{Installation, account, deliveries, set_up, settled, with_server};
use crate::server::{Practice, Server};
use crate::storm::{Clients, Dice};

const MS: fn(u64) -> Duration = Duration::from_millis;
const STOPS: u64 = 8;

/// Readiness while it stops: every answer until nobody answers any more.
async fn watched(url: String, stop: Arc<AtomicBool>) -> Vec<(u16, String)> {
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
    let mut seen: Vec<(u16, String)> = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let Ok(answer) = client.get(&url).send().await else { break };
        let answer = (answer.status().as_u16(), answer.text().await.unwrap_or_default());
        if seen.last() != Some(&answer) {
            seen.push(answer);
        }
        tokio::time::sleep(MS(5)).await;
    }
    seen
}

async fn until_armed(installation: &Installation, count: usize) {
    let begun = Instant::now();
    loop {
        let all = deliveries(installation).await;
        if all.iter().filter(|d| d["state"] == "armed").count() >= count {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{all:#?}");
        tokio::time::sleep(MS(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_finishes_what_is_being_sent() {
    let seed = runs::seed(8);
    let hosts = ["keyed-a", "keyed-b", "listed-a", "records-a", "hook-a"];
    let mut installation = set_up(seed, &hosts).await;
    // No answer is too late on a slow machine.
    installation.server.deadline("5s");
    installation.server.kill();
    installation.server.start();
    let dice = Dice(SeededRng::new(seed));
    // Every write takes a while, so that each stop finds some under way.
    let slow = Fault {
        on: Matcher::Write,
        host: None,
        times: u32::MAX,
        act: Act::SlowStart { delay: MS(250) },
    };
    installation.practice.world().add_fault(slow);
    let mut all: Vec<Written> = Vec::new();
    let mut stopping = 0;
    for cycle in 0..STOPS {
        let open: Vec<Written> = all.extract_if(.., |p| p.acknowledged.is_none()).collect();
        let mine = [dice.posts(cycle, &installation.channels, &[]), open].concat();
        let clients = Clients::start(&installation, &mine, &[]);
        until_armed(&installation, 1).await;
        let ready = installation.server.api.replace("/api/v1", "/health/ready");
        let over = Arc::new(AtomicBool::new(false));
        let watch = tokio::spawn(watched(ready, Arc::clone(&over)));
        let begun = Instant::now();
        let process = installation.server.process();
        process.terminate();
        process.wait_until("says stopped", Duration::from_secs(10), |line| {
            line.contains("\"message\":\"stopped\"")
        });
        assert!(process.wait(Duration::from_secs(5)).success());
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
        let cut = process.stdout().iter().any(|line| line.contains("still being sent"));
        assert!(!cut, "it waits for what is being sent");
        over.store(true, Ordering::Relaxed);
        let seen = watch.await.unwrap();
        stopping += usize::from(
            seen.iter().any(|(status, body)| *status == 503 && body.contains("stopping")),
        );
        all.extend(clients.finish().await.0);
        installation.server.start();
        // Nothing was cut off: what was sent before the stop has its answer.
        for delivery in deliveries(&installation).await {
            let unknown = delivery["state"] == "unknown" || delivery["evidence"] != no_evidence();
            assert!(!unknown, "{delivery:#}");
        }
    }
    println!("seed {seed}: {STOPS} stops under load; {stopping} times readiness was seen to end");
    assert!(stopping > 0);
    let (all, _) = Clients::start(&installation, &all, &[]).finish().await;
    let done = settled(&installation).await;
    account(&installation, &all, &done);
    assert!(done.iter().all(|d| d["state"] == "published"));
    assert!(installation.server.stop().success());
}

fn no_evidence() -> serde_json::Value {
    serde_json::json!([])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_does_not_wait() {
    let hosts = ["keyed-a", "listed-a"];
    let practice = Practice::start(9, &hosts).await;
    let patient = [("deadline = \"700ms\"", "deadline = \"10s\""), ("\"3s\"", "\"10s\"")];
    let server = Server::changed(&practice, &patient);
    let mut installation = with_server(server, practice, &hosts).await;
    let slow = Fault {
        on: Matcher::Write,
        host: None,
        times: 2,
        act: Act::SlowStart { delay: Duration::from_secs(8) },
    };
    installation.practice.world().add_fault(slow);
    let mut posts = Vec::new();
    for channel in installation.channels.keys() {
        let mut post = Written::now(&["once"], std::slice::from_ref(channel), channel);
        let (api, workspace) = (&installation.server.api, &installation.workspace);
        post.acknowledged = installation.client.write(api, workspace, &post).await;
        posts.push(post);
    }
    until_armed(&installation, 2).await;
    let process = installation.server.process();
    process.terminate();
    process.wait_until("is stopping", Duration::from_secs(5), |line| line.contains("stopping;"));
    let begun = Instant::now();
    process.terminate();
    assert!(process.wait(Duration::from_secs(5)).success());
    let took = begun.elapsed();
    // Waiting would take 8 s.
    assert!(took < Duration::from_secs(4), "{took:?}");
    println!("a second SIGTERM ended it in {took:?}");
    installation.server.start();
    let found = deliveries(&installation).await;
    assert!(found.iter().all(|d| d["state"] != "published"), "what was cut off is in doubt");
    let done = settled(&installation).await;
    account(&installation, &posts, &done);
    assert!(done.iter().all(|d| d["state"] == "published"), "{done:#?}");
    assert!(installation.server.stop().success());
}
