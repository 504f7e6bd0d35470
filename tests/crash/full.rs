//! The real binary on a real disk that fills up: a small tmpfs in a mount namespace of its own.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use carillon::practice::{Act, Fault, Matcher};
use serde_json::{Value, json};
use support::Carillon;

use crate::client::Written;
use crate::kills::{Installation, account, deliveries, settled, with_server};
use crate::server::{Practice, Server};

const MIB: u64 = 1024 * 1024;

/// A tmpfs that lives as long as the process that holds its namespace.
pub struct SmallDisk {
    _holder: Carillon,
    pid: u32,
    mount: tempfile::TempDir,
}

impl SmallDisk {
    fn new(mib: u64) -> Option<Self> {
        let mount = tempfile::tempdir().unwrap();
        let at = mount.path().display();
        let script = format!(
            "mount -t tmpfs -o size={mib}m,mode=700 tmpfs {at} && echo up && exec sleep 600"
        );
        let mut trial = Command::new("unshare");
        let trial = trial.args(["-rm", "true"]).stderr(Stdio::null()).status();
        if !trial.is_ok_and(|ended| ended.success()) {
            support::skip("this machine lets nobody make a mount namespace (unshare -rm)");
            return None;
        }
        let mut holder =
            Carillon::start(Command::new("unshare").args(["-rm", "sh", "-c", &script]));
        holder.wait_for("up", Duration::from_secs(10));
        let pid = holder.pid();
        Some(Self { _holder: holder, pid, mount })
    }

    /// What a command is run with to see the disk.
    fn enter(&self) -> Vec<String> {
        let pid = self.pid.to_string();
        ["nsenter", "-t", &pid, "-U", "-m", "--preserve-credentials"].map(str::to_owned).to_vec()
    }

    fn data(&self) -> PathBuf {
        self.mount.path().join("data")
    }

    /// The same folder as it is seen from here.
    fn outside(&self, name: &str) -> PathBuf {
        let inside = self.mount.path().strip_prefix("/").unwrap();
        PathBuf::from(format!("/proc/{}/root", self.pid)).join(inside).join(name)
    }

    /// Fills the disk up to `left` bytes.
    fn fill(&self, left: u64) {
        let room = self.free().saturating_sub(left);
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.outside("filler"))
            .unwrap();
        let block = vec![7; 4_096];
        for _ in 0..room / 4_096 {
            if file.write_all(&block).is_err() {
                return;
            }
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.outside("filler")).unwrap();
    }

    fn free(&self) -> u64 {
        let told = Command::new("stat")
            .args(["-f", "-c", "%a %S"])
            .arg(self.outside(""))
            .output()
            .unwrap();
        let text = String::from_utf8(told.stdout).unwrap();
        text.split_whitespace().map(|n| n.parse::<u64>().unwrap()).product()
    }
}

const HOSTS: [&str; 8] =
    ["keyed-a", "keyed-b", "listed-a", "listed-b", "listed-c", "records-a", "records-b", "hook-a"];

fn post(channel: &str, text: &str) -> Written {
    Written {
        texts: vec![text.to_owned()],
        channels: vec![channel.to_owned()],
        key: format!("{channel}-{text}"),
        at: None,
        picture: None,
        acknowledged: None,
    }
}

async fn write(installation: &Installation, mut posts: Vec<Written>) -> Vec<Written> {
    for post in &mut posts {
        let (api, workspace) = (&installation.server.api, &installation.workspace);
        post.acknowledged = installation.client.write(api, workspace, post).await;
        assert!(post.acknowledged.is_some(), "{post:?}");
    }
    posts
}

/// Status and code of one more post.
async fn one_more(installation: &Installation, channel: &str, text: &str) -> (u16, Value) {
    let url = format!("{}/workspaces/{}/posts", installation.server.api, installation.workspace);
    let body = post(channel, text).body();
    installation.client.post(&url, &body).await
}

async fn wait_for<T>(what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) => assert!(Instant::now() < deadline, "{what}: {seen}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn disk_is(installation: &Installation, state: &str) {
    wait_for("the state of the disk", async || {
        let status = installation.server.verb("status", "", None, json!({})).await;
        let seen = status["disk"]["state"].as_str().unwrap();
        if seen == state { Ok(()) } else { Err(status["disk"].to_string()) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn below_the_marks_of_a_real_disk_posts_wait_and_go_on_by_themselves() {
    let Some(disk) = SmallDisk::new(64) else { return };
    let practice = Practice::start(21, &HOSTS).await;
    let server = Server::within(&practice, disk.enter(), disk.data());
    let mut installation = with_server(server, practice, &HOSTS).await;
    let channels: Vec<String> = installation.channels.keys().cloned().collect();
    let all = |text: &str| channels.iter().map(|c| post(c, text)).collect::<Vec<_>>();
    let before = write(&installation, all("before")).await;
    settled(&installation).await;
    // Due while there is no room.
    let pause = |on: bool| {
        let verb = if on { "pause" } else { "resume" };
        installation.server.verb("publishing", verb, None, json!({}))
    };
    pause(true).await;
    let during = write(&installation, all("during")).await;
    disk.fill(MIB);
    disk_is(&installation, "out").await;
    let (status, problem) = one_more(&installation, &channels[0], "refused").await;
    assert_eq!((status, problem["code"].as_str()), (507, Some("disk_full")), "{problem:#}");
    println!("{}: {} {}", problem["title"], problem["detail"], problem["remedy"]);
    let ready = installation.server.api.replace("/api/v1", "/health/ready");
    assert_eq!(installation.client.get(&ready).await, (503, json!({ "status": "disk_full" })));
    pause(false).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let waiting = deliveries(&installation).await;
    let waiting: Vec<_> = waiting.iter().filter(|d| d["state"] == "scheduled").collect();
    assert_eq!(waiting.len(), HOSTS.len(), "nothing was sent");
    assert!(waiting.iter().all(|d| d["reason"] == "disk_full"), "{:#}", waiting[0]);
    disk.make_room();
    let done = settled(&installation).await;
    disk_is(&installation, "ample").await;
    assert!(done.iter().all(|d| d["state"] == "published"));
    account(&installation, &[before, during].concat(), &done);
    assert_eq!(installation.client.get(&ready).await.0, 200);
    assert!(installation.server.stop().success());
}

/// How a full disk ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    GoesOn,
    Killed,
    /// Broken on purpose: the slots are emptied before the next start.
    SlotsEmptied,
}

/// Without marks, as if something else filled the disk in an instant: all is armed, and no answer
/// can be written.
#[tokio::test(flavor = "multi_thread")]
async fn answers_that_come_to_a_full_disk_are_not_lost() {
    for ending in [Ending::GoesOn, Ending::Killed, Ending::SlotsEmptied] {
        let mut rounds = 0;
        while answers_on_a_full_disk(ending).await == Some(0) {
            // The file may have pages for an answer that it has none of for a post.
            rounds += 1;
            assert!(rounds < 10, "every answer finds room");
        }
    }
}

/// How many answers were kept in slots; `None` when there can be no small disk here.
async fn answers_on_a_full_disk(ending: Ending) -> Option<usize> {
    let disk = SmallDisk::new(24)?;
    let practice = Practice::start(22, &HOSTS).await;
    let mut server = Server::within(&practice, disk.enter(), disk.data());
    server.deadline("2s");
    server.without_marks();
    let mut installation = with_server(server, practice, &HOSTS).await;
    let channels: Vec<String> = installation.channels.keys().cloned().collect();
    for host in HOSTS {
        let act = Act::SlowStart { delay: Duration::from_secs(1) };
        let fault = Fault { on: Matcher::Write, host: Some(host.to_owned()), times: 1, act };
        installation.practice.world().add_fault(fault);
    }
    let posts = write(&installation, channels.iter().map(|c| post(c, "once")).collect()).await;
    let ours: BTreeSet<String> = wait_for("all are armed", async || {
        let found = deliveries(&installation).await;
        let armed = found.iter().filter(|d| d["state"] != "scheduled");
        let armed: BTreeSet<_> = armed.map(|d| d["id"].to_string()).collect();
        if armed.len() == HOSTS.len() { Ok(armed) } else { Err(format!("{armed:?}")) }
    })
    .await;
    fill_up(&installation, &disk, &channels[0]).await;
    let kept = answers_in_slots(&mut installation, &disk, &ours).await;
    println!("{ending:?}; {kept} of {} answers were kept in slots", HOSTS.len());
    if ending == Ending::GoesOn {
        disk.make_room();
    } else {
        installation.server.kill();
        if ending == Ending::SlotsEmptied {
            let slots = disk.outside("data/carillon.slots");
            let length = std::fs::metadata(&slots).unwrap().len();
            let mut file = std::fs::OpenOptions::new().write(true).open(&slots).unwrap();
            file.write_all(&vec![0; usize::try_from(length).unwrap()]).unwrap();
        }
        start_on_a_full_disk(&mut installation, &disk).await;
    }
    let done = settled(&installation).await;
    let of_posts: Vec<Value> = done
        .into_iter()
        .filter(|d| posts.iter().any(|p| p.acknowledged.as_deref() == d["post"].as_str()))
        .collect();
    account(&installation, &posts, &of_posts);
    assert!(of_posts.iter().all(|d| d["state"] == "published"));
    // What a slot kept is known at once; what is lost with it must be asked for again.
    let again = asked_again(&of_posts);
    println!("{ending:?}: {again} of {} were asked for again", HOSTS.len());
    if ending == Ending::SlotsEmptied {
        assert!(again > 0 || kept == 0, "{again}, and {kept} were kept");
    } else {
        assert!(again <= HOSTS.len() - kept, "{again}, and {kept} were kept");
    }
    assert!(installation.server.stop().success());
    Some(kept)
}

/// Fills the disk, and the room in the database's file. When the file is opened anew it may become
/// shorter, so one refusal does not say that there is no room any more.
async fn fill_up(installation: &Installation, disk: &SmallDisk, channel: &str) {
    disk.fill(0);
    let words = "x".repeat(400);
    let mut refused = 0;
    for n in 0.. {
        assert!(n < 3_000, "a full disk takes no end of posts");
        let (status, problem) = one_more(installation, channel, &format!("{n} {words}")).await;
        if status == 201 {
            refused = 0;
            continue;
        }
        assert_eq!((status, problem["code"].as_str()), (503, Some("store_unavailable")));
        refused += 1;
        disk.fill(0);
        if refused == 8 {
            return;
        }
    }
}

/// The epoch needs a page, and there may be one free in the file. If not, it says so and ends, and is
/// started again as a supervisor would, when there is room.
async fn start_on_a_full_disk(installation: &mut Installation, disk: &SmallDisk) {
    installation.server.begin();
    let given_up = Instant::now() + Duration::from_secs(5);
    let process = installation.server.process();
    while !process.has_ended() && process.stdout().is_empty() && Instant::now() < given_up {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    disk.make_room();
    if installation.server.process().has_ended() {
        println!("it could not start on the full disk");
        installation.server.begin();
    }
    installation.server.ready();
}

/// How many of the answers to our posts came to a full disk, once all have come: the rest is in the database.
async fn answers_in_slots(
    installation: &mut Installation,
    disk: &SmallDisk,
    ours: &BTreeSet<String>,
) -> usize {
    let url = format!(
        "{}/workspaces/{}/deliveries?limit=200",
        installation.server.api, installation.workspace
    );
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        disk.fill(0);
        let log = installation.server.process().stdout().iter();
        let kept: BTreeSet<String> = log
            .filter(|line| line.contains("kept in a result slot"))
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["delivery"].to_string())
            .collect();
        // While it reopens the database it answers 503.
        let (status, page) = installation.client.get(&url).await;
        let items = page["items"].as_array().filter(|_| status == 200).into_iter().flatten();
        let stored = items.filter(|d| d["state"] == "published").map(|d| d["id"].to_string());
        // What is kept goes over as soon as there is room.
        let known: BTreeSet<String> = kept.iter().cloned().chain(stored).collect();
        if known.is_superset(ours) {
            return kept.len();
        }
        assert!(Instant::now() < deadline, "kept: {kept:?}; {page:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How many parts are known by more than the one answer to the one call.
fn asked_again(deliveries: &[Value]) -> usize {
    let part = |d: &Value| d["parts"][0].clone();
    let again = |d: &&Value| part(d)["source"] != "answer" || part(d)["attempts"] != 1;
    deliveries.iter().filter(again).count()
}
