//! The figures of the README, each beside its baseline in the same run. Rates are printed and never
//! asserted; CI gates only what other work on the machine does not move.
//!
//! `cargo test --release --test bench -- create` measures; without a word it only shows that it works.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark may fail loudly and talk"
)]
#![expect(clippy::disallowed_methods, reason = "it measures real time and real processes")]

mod baseline;
mod create;
mod due;
mod load;
mod mix;
mod peers;
mod process;
mod start;

use std::path::Path;
use std::time::Duration;

use create::{Round, Target};
use due::Plan;
use process::Process;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        match args[..] {
            ["serve-baseline", folder, row, answer] => {
                let [row, answer] = [row, answer].map(|n| n.parse().unwrap());
                baseline::serve(Path::new(folder), row, answer).await;
            }
            ["create"] => create_posts(&[1, 64, 256], 60_000, 3).await,
            ["create", clients] => create_posts(&[clients.parse().unwrap()], 60_000, 3).await,
            ["burst", others] => due::run(burst(others.parse().unwrap())).await,
            ["steady"] => due::run(STEADY).await,
            ["growth", most] => growth(most.parse().unwrap()).await,
            ["mix", minutes] => mix::run(minutes.parse().unwrap()).await,
            ["peers", packages] => peers::run(Path::new(packages)).await,
            ["gate"] => gate().await,
            ["start", posts] => start::run(posts.parse().unwrap()).await,
            [] => create_posts(&[64], 500, 1).await,
            // The name of a test of another suite.
            _ => {}
        }
    });
}

/// What a post costs with ten times as many stored each time.
async fn growth(most: u64) {
    let folder = tempfile::tempdir().unwrap();
    let mut target = Target::new(folder.path());
    let (mut stored, mut next, mut before) = (0, 10_000, None);
    while next <= most {
        stored += target.create(64, next - stored).await.load.answers;
        let mut costs = Vec::new();
        for _ in 0..3 {
            let round = target.create(64, 20_000).await;
            stored += round.load.answers;
            println!("{}", round.line(&format!("at {next}"), 64));
            costs.push(round.cpu_us());
        }
        costs.sort_by(f64::total_cmp);
        let cost = costs[1];
        if let Some(before) = before.replace(cost) {
            println!("CPU a post, ten times the posts: {:.2} times", cost / before);
        }
        next *= 10;
    }
    println!("resident: {} KiB", target.process.resident());
    target.process.kill();
}

/// Fails when a post costs a quarter more than it may, in what other work does not move.
async fn gate() {
    const SLACK: f64 = 1.25;
    let bare = tempfile::tempdir().unwrap();
    let base = Process::baseline(bare.path(), 850, 1_700);
    let folder = tempfile::tempdir().unwrap();
    let mut target = Target::new(folder.path());
    let (mut rounds, mut ratio) = (Vec::new(), f64::INFINITY);
    for _ in 0..3 {
        // How fast this machine is right now, by the bare server: 850 bytes in rows, 1,700 of answer.
        let them = create::baseline(&base, 64, 20_000).await;
        let ours = target.create(64, 20_000).await;
        println!("{}\n{}", them.line("baseline", 64), ours.line("carillon", 64));
        ratio = ratio.min(ours.cpu_us() / them.cpu_us());
        rounds.push(ours);
    }
    base.kill();
    let best = |of: &dyn Fn(&Round) -> f64| rounds.iter().map(of).fold(f64::INFINITY, f64::min);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let resident = target.process.resident() as f64;
    for (name, is, may) in [
        ("CPU of a post, in bare writes", ratio, 4.5),
        ("B written a post", best(&Round::written), 12_000.0),
        ("commits a post", best(&|round| 1.0 / round.posts_per_commit()), 1.0 / 8.0),
        ("KiB resident after 60,000 posts", resident, 96.0 * 1024.0),
    ] {
        println!("{name}: {is:.3}, at most {may:.3} and a quarter");
        assert!(is <= may * SLACK, "{name}");
    }
    target.process.kill();
}

/// As much at a time as may be set.
const fn burst(others: u64) -> Plan {
    Plan { others, due: 10_000, channels: 1_000, delay: Duration::ZERO, at_once: Some(1_024) }
}

/// As it comes.
const STEADY: Plan =
    Plan { others: 0, due: 2_000, channels: 500, delay: Duration::from_millis(200), at_once: None };

/// Rounds of both, in turn, on their own fresh stores.
async fn create_posts(clients: &[usize], count: u64, rounds: usize) {
    let (ours, bare) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut target = Target::new(ours.path());
    let written = target.create(8, 200).await;
    let bytes = target.metric("carillon_store_written_bytes_total").await;
    let row = usize::try_from(bytes / written.load.answers).unwrap();
    let answer = written.load.answer_bytes;
    println!("bytes a post: {row} in rows, {answer} of answer");
    let base = Process::baseline(bare.path(), row, answer);
    for clients in clients {
        let count = if *clients == 1 { count / 20 } else { count };
        for _ in 0..rounds {
            let them = create::baseline(&base, *clients, count).await;
            let us = target.create(*clients, count).await;
            println!("{}", them.line("baseline", *clients));
            println!("{}", us.line("carillon", *clients));
            println!("ratio of rates: {:.2}", us.load.rate() / them.load.rate());
        }
    }
    println!("resident after it: {} KiB", target.process.resident());
    target.process.kill();
    base.kill();
}
