//! Ten minutes of what a busy installation does at once: posts are written, read in lists, changed
//! and published; what memory it takes.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use crate::create::Target;
use crate::due;
use crate::process::Process;

pub async fn run(minutes: u64) {
    let folder = tempfile::tempdir().unwrap();
    let idle = idle(folder.path()).await;
    let (address, arrivals) = due::receiver(Duration::from_millis(20)).await;
    let mut target =
        Target::with(folder.path(), &[("CARILLON_OUTBOUND__ALLOW", address.to_string())]);
    let feed = target.channels.clone();
    let hooks: Vec<String> = (0..20)
        .map(|n| Target::webhook(folder.path(), &format!("http://{address}/c{n}")))
        .collect();
    let (began, mut most, mut written, mut due_now) = (Instant::now(), 0, 0, 0);
    while began.elapsed() < Duration::from_mins(minutes) {
        target.channels.clone_from(&feed);
        written += target.create(16, 2_000).await.load.answers;
        target.channels.clone_from(&hooks);
        let soon = SystemTime::now() + Duration::from_secs(2);
        due_now += target.create_at(4, 40, Some(soon)).await.load.answers;
        for _ in 0..20 {
            target.read("posts?limit=200").await;
            target.read("deliveries?limit=200").await;
            target.read("channels").await;
        }
        most = most.max(target.process.resident());
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
    let arrived = arrivals.lock().unwrap().len() as u64;
    println!(
        "idle {idle} KiB; {minutes} min of {written} posts written, {due_now} due and {arrived} published, lists read: at most {most} KiB, {} KiB at rest",
        target.process.resident()
    );
    target.process.kill();
}

/// After a start on an empty folder, and a little rest.
async fn idle(folder: &Path) -> u64 {
    let process = Process::carillon(folder, &[]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let resident = process.resident();
    process.kill();
    resident
}
