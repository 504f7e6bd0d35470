//! How long from exec to the first answer, and what memory it takes: empty, and after a kill with
//! many posts.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::create::Target;
use crate::process::Process;

const STARTS: usize = 5;

/// Starts a server on `folder` several times, each killed; the slowest first 200 and its memory.
async fn starts(folder: &Path) -> (Duration, u64) {
    let (mut slowest, mut resident) = (Duration::ZERO, 0);
    for _ in 0..STARTS {
        let began = Instant::now();
        let process = Process::carillon(folder);
        let url = format!("http://{}/health/ready", process.address);
        assert_eq!(reqwest::get(url).await.unwrap().status().as_u16(), 200);
        slowest = slowest.max(began.elapsed());
        resident = resident.max(process.resident());
        process.kill();
    }
    (slowest, resident)
}

pub async fn run(posts: u64) {
    let folder = tempfile::tempdir().unwrap();
    let empty = starts(folder.path()).await;
    let mut target = Target::new(folder.path());
    let round = target.create(64, posts).await;
    target.process.kill();
    let full = starts(folder.path()).await;
    let file = std::fs::metadata(folder.path().join("carillon.redb")).unwrap().len();
    let show = |name: &str, (took, resident): (Duration, u64)| {
        println!("{name}: first 200 after {took:.1?} at the slowest of {STARTS}, {resident} KiB");
    };
    show("empty", empty);
    show(&format!("{} posts, killed", round.load.answers), full);
    println!("database: {} B a post", file / posts);
}
