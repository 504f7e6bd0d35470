//! Posts that are all due at one instant, to a receiver on loopback: how late each arrives, and that
//! each arrives once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;

use crate::create::{Target, per};

/// What is asked of the server.
pub struct Plan {
    /// Posts for other times, in the same database.
    pub others: u64,
    /// Posts that are due together.
    pub due: u64,
    pub channels: usize,
    /// How long the receiver takes.
    pub delay: Duration,
    /// How many deliveries are worked on at a time, if not as many as by default.
    pub at_once: Option<usize>,
}

pub type Arrivals = Arc<Mutex<BTreeMap<String, Vec<SystemTime>>>>;

/// Takes posts until the program ends, and notes when each came.
pub async fn receiver(delay: Duration) -> (SocketAddr, Arrivals) {
    let arrivals = Arrivals::default();
    let take = move |State(arrivals): State<Arrivals>, headers: HeaderMap| async move {
        let id = headers["webhook-id"].to_str().unwrap().to_owned();
        arrivals.lock().unwrap().entry(id).or_default().push(SystemTime::now());
        tokio::time::sleep(delay).await;
        StatusCode::NO_CONTENT
    };
    let router = Router::new().route("/{channel}", post(take)).with_state(Arc::clone(&arrivals));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (address, arrivals)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub async fn run(plan: Plan) {
    let folder = tempfile::tempdir().unwrap();
    let (address, arrivals) = receiver(plan.delay).await;
    let mut target = start(folder.path(), address, &plan);
    target.create(64, plan.others).await;
    let url = |n: usize| format!("http://{address}/c{n}");
    target.channels = (0..plan.channels).map(|n| Target::webhook(folder.path(), &url(n))).collect();
    // Long enough to write them all, at a tenth of the usual rate.
    let due = SystemTime::now() + Duration::from_millis(10_000 + plan.due);
    target.create_at(64, plan.due, Some(due)).await;
    assert!(SystemTime::now() < due, "writing took too long");
    let before = target.process.used();
    let commits = target.metric("carillon_store_commits_total").await;
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let arrived = arrivals.lock().unwrap().len() as u64;
        if arrived >= plan.due {
            break;
        }
    }
    // A second copy would come within the next rounds.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let used = target.process.used().since(before);
    let commits = target.metric("carillon_store_commits_total").await - commits;
    let arrivals = arrivals.lock().unwrap();
    assert!(arrivals.values().all(|times| times.len() == 1), "something arrived twice");
    let mut late: Vec<Duration> =
        arrivals.values().map(|times| times[0].duration_since(due).unwrap()).collect();
    late.sort_unstable();
    let at = |percent: usize| late[(late.len() * percent / 100).min(late.len() - 1)].as_millis();
    println!(
        "{} posts due at once on {} channels, among {} others, {} at a time, receiver takes {:?}:",
        plan.due,
        plan.channels,
        plan.others,
        plan.at_once.map_or("as by default".to_owned(), |n| n.to_string()),
        plan.delay,
    );
    println!(
        "  late p50 {} ms  p99 {} ms  last {} ms; each once; {} us CPU and {:.2} commits a post, {} KiB resident",
        at(50),
        at(99),
        at(100),
        used.cpu.as_micros() / u128::from(plan.due),
        per(commits as f64, plan.due),
        target.process.resident(),
    );
    target.process.kill();
}

fn start(folder: &Path, receiver: SocketAddr, plan: &Plan) -> Target {
    let mut settings = vec![("CARILLON_OUTBOUND__ALLOW", receiver.to_string())];
    if let Some(n) = plan.at_once {
        settings.push(("CARILLON_PUBLISH__PER_NETWORK", n.min(256).to_string()));
        settings.push(("CARILLON_PUBLISH__TOTAL", n.to_string()));
    }
    Target::with(folder, &settings)
}
