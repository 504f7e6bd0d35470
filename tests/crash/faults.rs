//! Every fault over real connections: the real binary against networks that each do one thing
//! wrong: with keys, with only a listing, and as a webhook.

use std::collections::BTreeMap;
use std::time::Duration;

use carillon::practice::{Act, Fault, Matcher};

use crate::client::Written;
use crate::kills::{account, set_up, settled};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// What the network does to one write, and where the delivery must end.
fn faults() -> Vec<(&'static str, Act, &'static str)> {
    vec![
        ("500-before", Act::ErrorBefore { status: 500 }, "published"),
        ("503-before", Act::ErrorBefore { status: 503 }, "published"),
        ("408-before", Act::ErrorBefore { status: 408 }, "published"),
        ("422-refused", Act::ErrorBefore { status: 422 }, "failed"),
        ("500-after", Act::ErrorAfter { status: 500 }, "published"),
        ("502-after", Act::ErrorAfter { status: 502 }, "published"),
        ("accept-then-drop", Act::AcceptThenDrop, "published"),
        ("drop-before", Act::DropBefore, "published"),
        ("land-late", Act::LandLate { after: MS(600) }, "published"),
        ("rate-limited", Act::RateLimited { reset_after: MS(1_500) }, "published"),
        ("false-401", Act::False401, "published"),
        ("revoked", Act::RevokeToken, "held"),
        ("html-502", Act::Html502, "published"),
        ("cut-body", Act::CutBody { after: 10 }, "published"),
        ("slow-body", Act::SlowBody { every: MS(30) }, "published"),
        ("slow-start", Act::SlowStart { delay: MS(200) }, "published"),
        ("slower-than-we-wait", Act::SlowStart { delay: MS(3_000) }, "published"),
        ("garbage", Act::GarbageJson, "published"),
        ("wrong-shape", Act::WrongShape, "published"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_over_real_connections_ends_as_specified() {
    let mut hosts = Vec::new();
    let mut ends = BTreeMap::new();
    for (name, act, end) in faults() {
        for kind in ["keyed", "listed", "front", "records", "hook"] {
            let host = format!("{kind}-{name}");
            ends.insert(host.clone(), end);
            hosts.push((host, act.clone()));
        }
    }
    let names: Vec<_> = hosts.iter().map(|(host, _)| host.as_str()).collect();
    let mut installation = set_up(7, &names).await;
    // Below what the slowest of them takes, and more than a busy machine needs for the others.
    installation.server.deadline("2500ms");
    installation.server.kill();
    installation.server.start();
    for (host, act) in hosts {
        let fault = Fault { on: Matcher::Write, host: Some(host), times: 1, act };
        installation.practice.world().add_fault(fault);
    }
    let mut posts = Vec::new();
    for (channel, host) in &installation.channels {
        let mut post = Written {
            texts: vec![format!("{host} root"), format!("{host} reply")],
            channels: vec![channel.clone()],
            key: host.clone(),
            at: None,
            picture: None,
            acknowledged: None,
        };
        let at = (installation.server.api.as_str(), installation.workspace.as_str());
        post.acknowledged = installation.client.write(at.0, at.1, &post).await;
        posts.push(post);
    }
    let deliveries = settled(&installation).await;
    account(&installation, &posts, &deliveries);
    for delivery in &deliveries {
        let host = &installation.channels[delivery["channel"].as_str().unwrap()];
        assert_eq!(delivery["state"], ends[host], "{host}: {delivery:#}");
        if delivery["state"] == "held" {
            assert_eq!(delivery["reason"], "reconnect_needed", "{host}: {delivery:#}");
        }
    }
    println!("{} networks, each with one fault of its own", deliveries.len());
    assert!(installation.server.stop().success());
}
