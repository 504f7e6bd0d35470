//! A restore that is killed at any moment: the old database or the new one is there and whole, a
//! server starts on it, and the restore can be done again.

use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use carillon::base::{Rng as _, SeededRng};
use carillon::vault::Identity;
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use support::runs;

use crate::server::{Practice, Server};

/// What the data folder is when each round begins.
struct Before {
    data: PathBuf,
    file: PathBuf,
    identity: PathBuf,
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

/// How many workspaces there are: the backup has fewer.
async fn workspaces(server: &Server) -> usize {
    let listed = server.verb("workspace", "list", None, json!({})).await;
    listed["items"].as_array().unwrap().len()
}

impl Before {
    /// A backup of one workspace, and a database that has three.
    async fn make(server: &mut Server, away: &Path) -> Self {
        let identity = away.join("offline.txt");
        Identity::load_or_create(&identity).unwrap();
        let text = std::fs::read_to_string(&identity).unwrap();
        let recipient = text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
        server.add_settings(&format!("[backup]\nrecipients = [\"{recipient}\"]\n"));
        assert!(server.stop().success());
        server.start();
        server.verb("workspace", "create", None, json!({ "name": "In both" })).await;
        let made = server.verb("backup", "create", None, json!({})).await;
        for name in ["Later", "Latest"] {
            server.verb("workspace", "create", None, json!({ "name": name })).await;
        }
        // As after a crash: it has to be repaired, too.
        server.kill();
        let data = away.join("data");
        copy(server.data(), &data);
        Self { data, file: made["path"].as_str().unwrap().into(), identity }
    }

    fn put_back(&self, server: &Server) {
        std::fs::remove_dir_all(server.data()).unwrap();
        copy(&self.data, server.data());
    }

    /// The restore as a process of its own.
    fn begin(&self, server: &Server) -> std::process::Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_carillon"));
        command.args(["backup", "restore", "--replace"]).arg(&self.file);
        command.arg("--identity").arg(&self.identity).arg("--data").arg(server.data());
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }
}

/// What a restore left, as a server that starts on it says.
#[derive(Debug, PartialEq, Eq)]
enum Left {
    Old,
    New,
    /// Neither, or no server starts on it.
    Neither,
}

async fn left(server: &mut Server) -> Left {
    let look = async {
        server.start();
        let status: Value = server.verb("status", "", None, json!({})).await;
        match (workspaces(server).await, status["publishing"].as_str()) {
            (3, Some("running")) => Left::Old,
            (1, Some("paused")) => Left::New,
            _ => Left::Neither,
        }
    };
    AssertUnwindSafe(look).catch_unwind().await.unwrap_or(Left::Neither)
}

fn leftovers(server: &Server) -> Vec<String> {
    let entries = std::fs::read_dir(server.data()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains("restoring")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_is_killed_leaves_the_old_database_or_the_new_one() {
    let seed = runs::seed(11);
    let rounds = runs::number(runs::KILLS, 24);
    let rng = SeededRng::new(seed);
    let away = tempfile::tempdir().unwrap();
    let practice = Practice::start(seed, &[]).await;
    let mut server = Server::new(&practice);
    let before = Before::make(&mut server, away.path()).await;
    // How long one takes here and now.
    let began = Instant::now();
    assert!(before.begin(&server).wait().unwrap().success());
    let whole = began.elapsed();
    let (mut old, mut new, mut torn) = (0, 0, 0);
    for round in 0..rounds {
        before.put_back(&server);
        let mut restore = before.begin(&server);
        let share = rng.next_u64() % 1_100;
        let moment = whole.mul_f64(f64::from(u32::try_from(share).unwrap()) / 1_000.0);
        std::thread::sleep(moment);
        restore.kill().unwrap();
        let ended = restore.wait().unwrap();
        torn += usize::from(!leftovers(&server).is_empty());
        match left(&mut server).await {
            Left::Old => {
                old += 1;
                assert!(!ended.success(), "round {round}: it said that it was done");
            }
            Left::New => new += 1,
            Left::Neither => panic!("seed {seed}, round {round}, killed after {moment:?}"),
        }
        assert_eq!(leftovers(&server), Vec::<String>::new(), "a start takes them away");
        assert!(server.stop().success());
        // Whatever it left, doing it again does it.
        assert!(before.begin(&server).wait().unwrap().success(), "round {round}");
        server.start();
        assert_eq!(workspaces(&server).await, 1);
        assert!(server.stop().success());
    }
    println!(
        "seed {seed}: {rounds} restores of {whole:?} killed, {torn} of them with half a database; \
         {old} left the old one, {new} the new one"
    );
    assert!(old > 0, "seed {seed}: all were done before they were killed");
}

/// Broken on purpose: a restore that writes over the database as it goes, and is killed after so much
/// of it. What it leaves is neither the one nor the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_restore_in_place_that_is_killed_is_seen() {
    let away = tempfile::tempdir().unwrap();
    let practice = Practice::start(12, &[]).await;
    let mut server = Server::new(&practice);
    let before = Before::make(&mut server, away.path()).await;
    assert!(before.begin(&server).wait().unwrap().success());
    let new = std::fs::read(server.database()).unwrap();
    let mut torn = 0;
    for sixteenths in [1, 2, 4] {
        before.put_back(&server);
        let mut file = std::fs::OpenOptions::new().write(true).open(server.database()).unwrap();
        file.write_all(&new[..new.len() * sixteenths / 16]).unwrap();
        torn += usize::from(left(&mut server).await == Left::Neither);
        server.kill();
    }
    println!("{torn} of 3 restores in place left neither database");
    assert!(torn > 0);
}

/// Where there was no database, a server must not begin with an empty one in silence.
#[tokio::test(flavor = "multi_thread")]
async fn half_a_restore_is_no_reason_to_begin_anew() {
    let practice = Practice::start(1, &[]).await;
    let mut server = Server::new(&practice);
    assert!(server.stop().success());
    for name in ["carillon.redb", "carillon.slots"] {
        std::fs::remove_file(server.data().join(name)).unwrap();
    }
    let half = server.data().join("carillon.redb.restoring");
    std::fs::write(&half, "half a database").unwrap();
    for (verb, code) in [("serve", 1), ("doctor", 2)] {
        let output = server.run(&[verb, "--listen", "127.0.0.1:0"]);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains("carillon backup restore"), "{said}");
    }
    assert!(half.exists() && !server.database().exists());
}

/// While a restore runs, no server starts on the database that it is about to replace.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_being_replaced_is_in_use() {
    let practice = Practice::start(1, &[]).await;
    let mut server = Server::new(&practice);
    assert!(server.stop().success());
    let held = std::fs::File::open(server.database()).unwrap();
    held.try_lock().unwrap();
    let output = server.run(&["serve", "--listen", "127.0.0.1:0"]);
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(!output.status.success() && said.contains("in use by another process"), "{said}");
    drop(held);
    server.start();
    assert!(server.stop().success());
}
