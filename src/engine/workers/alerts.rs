//! Notes since when alerts are open, and forgets what operators said of them once they are over or
//! worse, so that the next one is news.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::rest;
use crate::service::{Followed, Services};

const ROUND: Duration = Duration::from_secs(30);
/// The longest without a look where nothing was stored: what is wrong by time alone, such as a full disk, is noted
/// a little later then.
const IDLE: Duration = Duration::from_mins(5);

const NAME: &str = "alerts";

pub(super) async fn run(services: Arc<Services>, stop: CancellationToken) {
    // How much was stored at the last look, and when that was.
    let mut looked = None;
    while rest(&services, &stop, (NAME, ROUND)).await {
        let (now, commits) = (services.clock.monotonic(), services.store.stats().commits);
        let is_same = looked.is_some_and(|(then, at)| {
            then == commits && now.saturating_sub(at) < IDLE && !services.jobs.is_asked(NAME)
        });
        if is_same {
            continue;
        }
        match services.follow_alerts().await {
            Ok(Followed { began: 0, over: 0, lapsed: 0 }) => {}
            Ok(Followed { began, over, lapsed }) => {
                tracing::info!(began, over, lapsed, "alerts began, are over, or are open again");
            }
            Err(problem) => services.jobs.failed(NAME, &problem),
        }
        looked = Some((services.store.stats().commits, now));
    }
}
