//! The real binary whose disk fails under it: libfiu lets writes answer "no space" and syncs "I/O
//! error", now and then or for a while, as the calls that redb and the result slots make of libc.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use carillon::base::SeededRng;
use support::runs;

use crate::client::Written;
use crate::kills::{Installation, account, set_up, settled};
use crate::server::turning;
use crate::storm::{Clients, Dice, chaos};

const FIU: &str = "/usr/lib/fiu";
const ROUNDS: u64 = 12;
/// Linux's numbers.
const EIO: u32 = 5;
const ENOSPC: u32 = 28;

/// Failures that can be turned on and off in a running program.
struct Faults {
    folder: tempfile::TempDir,
}

impl Faults {
    fn new() -> Option<Self> {
        let there = ["fiu_run_preload.so", "fiu_posix_preload.so"]
            .iter()
            .all(|name| PathBuf::from(FIU).join(name).is_file());
        if !there || !support::Tool::Program("fiu-ctrl").available() {
            support::skip("libfiu is not on this machine (Debian packages fiu-utils and libfiu0)");
            return None;
        }
        Some(Self { folder: tempfile::tempdir().unwrap() })
    }

    fn pipe(&self) -> String {
        self.folder.path().join("fiu").display().to_string()
    }

    fn env(&self) -> Vec<(String, String)> {
        let preload = format!("{FIU}/fiu_run_preload.so {FIU}/fiu_posix_preload.so");
        vec![
            ("LD_PRELOAD".to_owned(), preload),
            ("FIU_CTRL_FIFO".to_owned(), self.pipe()),
            ("FIU_ENABLE".to_owned(), String::new()),
        ]
    }

    fn tell(&self, installation: &mut Installation, command: &str) {
        let pid = installation.server.process().pid().to_string();
        let told = Command::new("fiu-ctrl")
            .args(["-f", &self.pipe(), "-c", command, &pid])
            .status()
            .unwrap();
        assert!(told.success(), "{command}");
    }
}

const POINTS: [(&str, u32); 4] = [
    ("posix/io/rw/pwrite", ENOSPC),
    ("posix/io/sync/fdatasync", EIO),
    ("posix/io/rw/pwrite", EIO),
    ("posix/io/sync/fdatasync", ENOSPC),
];

#[tokio::test(flavor = "multi_thread")]
async fn failing_writes_and_syncs_lose_and_double_nothing() {
    let Some(faults) = Faults::new() else { return };
    let seed = runs::seed(10);
    let hosts = ["keyed-a", "listed-a", "records-a", "hook-a"];
    let mut installation = set_up(seed, &hosts).await;
    installation.server.kill();
    installation.server.env = faults.env();
    installation.server.env.push(turning());
    installation.server.start();
    let dice = Dice(SeededRng::new(seed));
    installation.practice.world().chaos(seed, chaos());
    let mut posts: Vec<Written> = Vec::new();
    let (mut refused, mut failed, mut kills) = (0, 0, 0);
    for (round, (point, errno)) in (0..ROUNDS).zip(POINTS.iter().cycle()) {
        let open: Vec<Written> = posts.extract_if(.., |p| p.acknowledged.is_none()).collect();
        let mine = [dice.posts(round, &installation.channels, &[]), open].concat();
        let command = if dice.below(2) == 0 {
            format!("enable name={point},failnum=1,failinfo={errno}")
        } else {
            let share = 1 + dice.below(30);
            format!(
                "enable_random name={point},failnum=1,failinfo={errno},probability=0.{share:02}"
            )
        };
        let clients = Clients::start(&installation, &mine, &[]);
        tokio::time::sleep(Duration::from_millis(dice.below(60))).await;
        faults.tell(&mut installation, &command);
        tokio::time::sleep(Duration::from_millis(200 + dice.below(600))).await;
        let mine = if dice.below(3) == 0 {
            failed += failures(&mut installation);
            installation.server.kill();
            kills += 1;
            let mine = clients.finish().await.0;
            installation.server.start();
            mine
        } else {
            let mine = clients.finish().await.0;
            faults.tell(&mut installation, &format!("disable name={point}"));
            failed += failures(&mut installation);
            mine
        };
        refused += mine.iter().filter(|p| p.acknowledged.is_none()).count();
        posts.extend(mine);
    }
    installation.practice.world().chaos(seed, Vec::new());
    let (posts, _) = Clients::start(&installation, &posts, &[]).finish().await;
    let done = settled(&installation).await;
    println!(
        "seed {seed}: {ROUNDS} rounds, {kills} kills, {failed} times the database failed, \
         {refused} posts refused meanwhile"
    );
    account(&installation, &posts, &done);
    assert!(failed > 0 && refused > 0, "the faults must be felt");
    let published = done.iter().filter(|d| d["state"] == "published").count();
    assert!(published * 100 >= done.len() * 95, "most are published");
    assert!(installation.server.stop().success());
}

/// How often this process said so far that the database failed.
fn failures(installation: &mut Installation) -> usize {
    let lines = installation.server.process().stdout();
    let told = lines.iter().filter(|line| line.contains("the database failed; reopening")).count();
    // Counted once per process: the caller asks at its end or after each round.
    told.min(1)
}
