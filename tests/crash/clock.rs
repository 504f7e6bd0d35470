//! The real binary with a clock that jumps while it runs, and after hours of downtime. Its wall
//! clock is libfaketime's; its monotonic clock and the networks are real.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use carillon::base::Timestamp;
use carillon::practice::{Act, Effect, Fault, Matcher};
use serde_json::{Value, json};

use crate::client::Written;
use crate::kills::{Installation, deliveries, set_up, settled};

/// The build for threads: the other one reads its file without a lock, and now and then answers a
/// thread with the real time (531 of 800,000 readings of four threads, November 2026).
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// Where Debian puts the library, by architecture.
fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?;
    let found = folders.flatten().map(|folder| folder.path().join(LIBRARY));
    found.into_iter().find(|path| path.is_file())
}

/// A clock that a file sets, as so many seconds off the real one.
struct FakeClock {
    folder: tempfile::TempDir,
    library: PathBuf,
}

impl FakeClock {
    fn new() -> Option<Self> {
        let Some(library) = library() else {
            support::skip("libfaketime is not on this machine (Debian package faketime)");
            return None;
        };
        let clock = Self { folder: tempfile::tempdir().unwrap(), library };
        clock.set(0);
        Some(clock)
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("clock")
    }

    fn set(&self, off: i64) {
        let fresh = self.folder.path().join("fresh");
        std::fs::write(&fresh, format!("{off:+}\n")).unwrap();
        std::fs::rename(fresh, self.file()).unwrap();
    }

    fn env(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        [
            ("LD_PRELOAD", text(&self.library)),
            ("FAKETIME_TIMESTAMP_FILE", text(&self.file())),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap())
}

async fn schedule(installation: &Installation, channel: &str, text: &str, at: Timestamp) -> String {
    let local = at.to_string();
    let post = Written {
        texts: vec![text.to_owned()],
        channels: vec![channel.to_owned()],
        key: format!("{channel} {text}").replace(' ', "-"),
        at: Some(local.trim_end_matches('Z').to_owned()),
        picture: None,
        acknowledged: None,
    };
    let (api, workspace) = (&installation.server.api, &installation.workspace);
    installation.client.write(api, workspace, &post).await.unwrap()
}

/// The delivery of a post, once `is` is so.
async fn until(installation: &Installation, post: &str, is: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let all = deliveries(installation).await;
        let found = all.into_iter().find(|d| d["post"] == post).unwrap();
        if is(&found) {
            return found;
        }
        assert!(Instant::now() < deadline, "{found:#}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn copies(installation: &Installation) -> BTreeMap<String, usize> {
    let mut copies = BTreeMap::new();
    for entry in installation.practice.world().journal() {
        if let Effect::StatusCreated { text, .. } = &entry.effect {
            *copies.entry(text.clone()).or_default() += 1;
        }
    }
    copies
}

#[tokio::test(flavor = "multi_thread")]
async fn jumps_of_an_hour_back_and_five_ahead_lose_and_double_nothing() {
    let Some(clock) = FakeClock::new() else { return };
    let hosts = ["keyed-a", "listed-a", "records-a"];
    let mut installation = set_up(11, &hosts).await;
    installation.server.kill();
    installation.server.env = clock.env();
    installation.server.start();
    let channels: Vec<String> = installation.channels.keys().cloned().collect();
    let minutes = |n: u64| Duration::from_mins(n);
    // Each network loses an answer while the clock jumps, and another one when it is wrong.
    for host in hosts {
        let act = Act::AcceptThenDrop;
        let fault = Fault { on: Matcher::Write, host: Some(host.to_owned()), times: 1, act };
        installation.practice.world().add_fault(fault);
    }
    let mut all = Vec::new();
    for channel in &channels {
        for (text, after) in [("now", minutes(0)), ("soon", minutes(30)), ("later", minutes(290))] {
            all.push((
                text,
                schedule(&installation, channel, text, now().plus(after + secs(2))).await,
            ));
        }
        all.push(("far", schedule(&installation, channel, "far", now().plus(minutes(600))).await));
    }
    let of = |text: &str| -> Vec<String> {
        all.iter().filter(|(t, _)| *t == text).map(|(_, id)| id.clone()).collect()
    };
    for id in of("now") {
        until(&installation, &id, |d| d["state"] != "scheduled" && d["state"] != "armed").await;
    }
    clock.set(-3_600);
    jumped(&mut installation, "back");
    for id in of("now") {
        until(&installation, &id, |d| d["state"] == "published").await;
    }
    assert_eq!(copies(&installation), [("now".to_owned(), 3)].into(), "each once");
    for host in hosts {
        let act = Act::AcceptThenDrop;
        let fault = Fault { on: Matcher::Write, host: Some(host.to_owned()), times: 1, act };
        installation.practice.world().add_fault(fault);
    }
    clock.set(5 * 3_600);
    jumped(&mut installation, "ahead");
    // Half an hour and almost five hours from the start: one is too late now, the other not.
    for id in of("later") {
        let out = until(&installation, &id, |d| d["state"] == "published").await;
        println!("{} {}", out["network"], out["parts"][0]["source"]);
    }
    for id in of("soon") {
        let held = until(&installation, &id, |d| d["state"] == "held").await;
        assert_eq!(held["reason"], "missed");
    }
    for id in of("far") {
        until(&installation, &id, |d| d["state"] == "scheduled").await;
    }
    assert_eq!(copies(&installation), [("later".to_owned(), 3), ("now".to_owned(), 3)].into());
    let metrics = metrics(&installation).await;
    assert!(metrics.contains("carillon_clock_jumps_total 2\n"), "{metrics}");
    let alerts = installation.server.verb("alert", "list", None, json!({})).await;
    let alert = alerts["items"].as_array().unwrap().iter().find(|alert| alert["id"] == "clock");
    let alert = alert.unwrap_or_else(|| panic!("{alerts:#}"));
    assert_eq!((&alert["count"], &alert["level"]), (&json!(2), &json!("soon")));
    // From an hour behind to five ahead.
    let what = alert["what"].as_str().unwrap();
    assert!(what.starts_with("the clock jumped ahead by 6 h, at "), "{what}");
    assert!(installation.server.stop().success());
}

/// A clock that was an hour ahead when a post was sent is set right while nobody runs. The post is in
/// doubt, the server dates it by its own clock, and its listing is all the evidence there is.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_while_nobody_runs_hides_nothing() {
    let Some(clock) = FakeClock::new() else { return };
    let mut installation = set_up(13, &["listed-a"]).await;
    installation.server.kill();
    clock.set(3_600);
    installation.server.env = clock.env();
    installation.server.start();
    let act = Act::AcceptThenDrop;
    let fault = Fault { on: Matcher::Write, host: None, times: 1, act };
    installation.practice.world().add_fault(fault);
    let channel = installation.channels.keys().next().unwrap().clone();
    let soon = now().plus(secs(3_601));
    let post = schedule(&installation, &channel, "once", soon).await;
    let deadline = Instant::now() + secs(30);
    while copies(&installation).is_empty() {
        assert!(Instant::now() < deadline, "it did not go out");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    installation.server.kill();
    clock.set(0);
    installation.server.start();
    // Before it is ready or after.
    installation
        .server
        .process()
        .wait_for_any("tells of the jump", secs(40), |line| line.contains("the wall clock jumped"));
    let found = until(&installation, &post, |d| d["state"] == "published").await;
    assert_eq!(found["parts"][0]["source"], "read_back", "{found:#}");
    assert_eq!(copies(&installation), [("once".to_owned(), 1)].into());
    assert!(installation.server.stop().success());
}

/// The operator is told, and not later than the longest sleep.
fn jumped(installation: &mut Installation, direction: &str) {
    let told = installation.server.process().wait_until("tells of the jump", secs(40), |line| {
        line.contains("the wall clock jumped") && line.contains(direction)
    });
    println!("{told}");
}

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

async fn metrics(installation: &Installation) -> String {
    let url = installation.server.api.replace("/api/v1", "/metrics");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(url).send().await.unwrap().text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn hours_of_downtime_are_caught_up_in_order_and_by_the_rules() {
    const CHANNELS: usize = 10;
    const EACH: u64 = 40;
    let Some(clock) = FakeClock::new() else { return };
    let hosts: Vec<String> = (0..CHANNELS).map(|n| format!("keyed-{n}")).collect();
    let names: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let mut installation = set_up(12, &names).await;
    let channels: Vec<String> = installation.channels.keys().cloned().collect();
    // Every three minutes from ten minutes on, so that they span two hours.
    let begin = now().plus(Duration::from_mins(10));
    let mut posts = Vec::new();
    for n in 0..EACH {
        for channel in &channels {
            let at = begin.plus(Duration::from_mins(3 * n));
            posts.push(schedule(&installation, channel, &format!("post {n}"), at).await);
        }
    }
    installation.server.kill();
    clock.set(3 * 3_600 - 50 * 60);
    installation.server.env = clock.env();
    installation.server.spacing("100ms");
    let began = Instant::now();
    installation.server.start();
    let ready = began.elapsed();
    let mut seen = Vec::new();
    let all = loop {
        let status = installation.server.verb("status", "", None, json!({})).await;
        if let Some(behind) = status["catching_up"].as_str() {
            seen.push(behind.to_owned());
        } else if !seen.is_empty() {
            break settled(&installation).await;
        }
        assert!(began.elapsed() < secs(120), "{status:#}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let took = began.elapsed();
    let held = all.iter().filter(|d| d["state"] == "held").count();
    let published = all.iter().filter(|d| d["state"] == "published").count();
    println!(
        "{} overdue posts on {CHANNELS} channels: ready in {ready:.1?}, caught up in {took:.1?}, \
         {published} published, {held} held; seen: {}",
        posts.len(),
        seen.join(", ")
    );
    assert_eq!(held + published, posts.len());
    assert!(held > 100 && published > 100);
    assert!(seen.len() > 2, "the operator sees it go on");
    // Exactly those are held that were more than an hour late, give or take the catching up.
    let started = now().plus(secs(3 * 3_600 - 50 * 60));
    for delivery in &all {
        let due = Timestamp::parse(delivery["due"].as_str().unwrap()).unwrap();
        let late = started.since(due);
        if late > Duration::from_mins(63) {
            assert_eq!(delivery["state"], "held", "{delivery:#}");
            assert_eq!(delivery["reason"], "missed");
        } else if late < Duration::from_mins(58) {
            assert_eq!(delivery["state"], "published", "{delivery:#}");
        }
    }
    in_order(&installation);
    assert!(installation.server.stop().success());
}

/// Each channel's posts came once, in due order, and not in a burst.
fn in_order(installation: &Installation) {
    let mut by_host: BTreeMap<String, Vec<(u64, Timestamp)>> = BTreeMap::new();
    for entry in installation.practice.world().journal() {
        if let Effect::StatusCreated { text, .. } = &entry.effect {
            let n = text.trim_start_matches("post ").parse().unwrap();
            by_host.entry(entry.host.clone()).or_default().push((n, entry.at));
        }
    }
    for (host, out) in by_host {
        let steps = out.windows(2);
        for pair in steps {
            assert_eq!(pair[1].0, pair[0].0 + 1, "{host}: {out:?}");
            let apart = pair[1].1.since(pair[0].1);
            // Its own clock ends a part when the answer is there, ours when it comes.
            assert!(apart >= Duration::from_millis(90), "{host}: {apart:?}");
        }
    }
}
