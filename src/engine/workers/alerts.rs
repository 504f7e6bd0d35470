//! Notes since when alerts are open, and forgets what operators said of them once they are over or
//! worse, so that the next one is news.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::rest;
use crate::service::{Followed, Services};

const ROUND: Duration = Duration::from_secs(30);

const NAME: &str = "alerts";

pub(super) async fn run(services: Arc<Services>, stop: CancellationToken) {
    while rest(&services, &stop, (NAME, ROUND)).await {
        match services.follow_alerts().await {
            Ok(Followed { began: 0, over: 0, lapsed: 0 }) => {}
            Ok(Followed { began, over, lapsed }) => {
                tracing::info!(began, over, lapsed, "alerts began, are over, or are open again");
            }
            Err(problem) => services.jobs.failed(NAME, &problem),
        }
    }
}
