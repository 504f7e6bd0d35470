//! How long from exec to the first answer, and what memory it takes: empty, and after a kill with
//! many posts.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use crate::create::Target;
use crate::due;
use crate::process::Process;

const STARTS: usize = 5;

/// Starts a server on `folder` several times, each killed; the slowest first 200 and its memory.
async fn starts(folder: &Path) -> (Duration, u64) {
    let (mut slowest, mut resident) = (Duration::ZERO, 0);
    for _ in 0..STARTS {
        let began = Instant::now();
        let process = Process::carillon(folder, &[]);
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
    let rested = rested(folder.path()).await;
    let settled = starts(folder.path()).await;
    let overdue = overdue(folder.path()).await;
    let file = std::fs::metadata(folder.path().join("carillon.redb")).unwrap().len();
    let show = |name: &str, (took, resident): (Duration, u64)| {
        println!("{name}: first 200 after {took:.1?} at the slowest of {STARTS}, {resident} KiB");
    };
    show("empty", empty);
    show(&format!("{} posts, killed", round.load.answers), full);
    println!("at rest after it, its staged rows moved: {rested} KiB");
    show("killed at rest", settled);
    println!("a post that came due meanwhile: sent {overdue:.1?} after exec");
    println!("database: {} B a post", file / posts);
}

/// Memory once what waited has moved to its tables and a little time has passed.
async fn rested(folder: &Path) -> u64 {
    let target = Target::again(folder, &[]);
    while target.metric("carillon_store_staged_rows").await > 4_096 {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let resident = target.process.resident();
    target.process.kill();
    resident
}

/// How long after exec a post is sent that came due while nothing ran.
async fn overdue(folder: &Path) -> Duration {
    let (address, arrivals) = due::receiver(Duration::ZERO).await;
    let settings = [("CARILLON_OUTBOUND__ALLOW", address.to_string())];
    let mut target = Target::again(folder, &settings);
    target.channels = vec![Target::webhook(folder, &format!("http://{address}/hook"))];
    let due = SystemTime::now() + Duration::from_secs(2);
    target.create_at(1, 1, Some(due)).await;
    target.process.kill();
    while SystemTime::now() < due {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let began = SystemTime::now();
    let process = Process::carillon(folder, &settings);
    loop {
        if let Some(times) = arrivals.lock().unwrap().values().next() {
            process.kill();
            return times[0].duration_since(began).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
