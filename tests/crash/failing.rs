//! The real binary whose disk fails under it: libfiu lets writes answer "no space" and syncs "I/O
//! error", now and then or for a while, as the calls that redb and the result slots make of libc.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use carillon::base::SeededRng;
use support::runs;

use crate::client::Written;
use crate::kills::{Installation, account, judge, set_up, settled};
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

/// Writes nothing while the file that `LIE` names is there, and says that it did.
const LIAR: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>
ssize_t pwrite64(int fd, const void *from, size_t count, off64_t at) {
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (!real) real = (ssize_t (*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
    return access(getenv("LIE"), F_OK) == 0 ? (ssize_t)count : real(fd, from, count, at);
}
"#;

/// Broken on purpose: writes that fail in silence, which is what a program that ignores their errors
/// would make of them. The account sees that what was acknowledged is gone.
#[tokio::test(flavor = "multi_thread")]
async fn writes_that_fail_in_silence_are_seen() {
    if !support::Tool::Program("cc").available_or_skip() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let [source, liar, lie] = ["liar.c", "liar.so", "lie"].map(|name| folder.path().join(name));
    std::fs::write(&source, LIAR).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&liar).arg(&source).arg("-ldl");
    assert!(compiler.status().unwrap().success());
    let mut installation = set_up(13, &["keyed-a", "listed-a"]).await;
    installation.server.kill();
    installation.server.env = [("LD_PRELOAD", &liar), ("LIE", &lie)]
        .map(|(name, path)| (name.to_owned(), path.display().to_string()))
        .into();
    installation.server.start();
    let dice = Dice(SeededRng::new(13));
    let mine = dice.posts(0, &installation.channels, &[]);
    let (kept, _) = Clients::start(&installation, &mine, &[]).finish().await;
    settled(&installation).await;
    std::fs::write(&lie, "").unwrap();
    let mine = dice.posts(1, &installation.channels, &[]);
    let (gone, _) = Clients::start(&installation, &mine, &[]).finish().await;
    assert!(gone.iter().all(|post| post.acknowledged.is_some()), "it noticed nothing");
    installation.server.kill();
    std::fs::remove_file(&lie).unwrap();
    installation.server.start();
    let done = settled(&installation).await;
    let verdict = judge(&installation, &kept, &done);
    assert_eq!(verdict.lost, Vec::<String>::new());
    let verdict = judge(&installation, &[kept, gone.clone()].concat(), &done);
    assert_eq!(verdict.lost.len(), gone.len(), "{verdict:#?}");
    installation.server.kill();
}

/// How often this process said so far that the database failed.
fn failures(installation: &mut Installation) -> usize {
    let lines = installation.server.process().stdout();
    let told = lines.iter().filter(|line| line.contains("the database failed; reopening")).count();
    // Counted once per process: the caller asks at its end or after each round.
    told.min(1)
}
