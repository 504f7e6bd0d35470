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
mod load;
mod process;
mod start;

use std::path::Path;

use create::Target;
use process::Process;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        match args[..] {
            ["serve-baseline", folder, bytes] => {
                baseline::serve(Path::new(folder), bytes.parse().unwrap()).await;
            }
            ["create"] => create_posts(&[1, 64, 256], 60_000, 3).await,
            ["create", clients] => create_posts(&[clients.parse().unwrap()], 60_000, 3).await,
            ["start", posts] => start::run(posts.parse().unwrap()).await,
            [] => create_posts(&[64], 500, 1).await,
            // The name of a test of another suite.
            _ => {}
        }
    });
}

/// Rounds of both, in turn, on their own fresh stores.
async fn create_posts(clients: &[usize], count: u64, rounds: usize) {
    let (ours, bare) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut target = Target::new(ours.path());
    let written = target.create(8, 200).await;
    let bytes = target.metric("carillon_store_written_bytes_total").await;
    let row = usize::try_from(bytes / written.load.answers).unwrap();
    println!("bytes in rows a post: {row}");
    let base = Process::baseline(bare.path(), row);
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
