//! Forgets what operators said of alerts once those are over or worse, so that the next one is news.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::rest;
use crate::service::Services;

const ROUND: Duration = Duration::from_secs(30);

const NAME: &str = "alerts";

pub(super) async fn run(services: Arc<Services>, stop: CancellationToken) {
    while rest(&services, &stop, (NAME, ROUND)).await {
        match services.lapse_alerts().await {
            Ok(0) => {}
            Ok(lapsed) => tracing::info!(lapsed, "what was said of alerts counts no more"),
            Err(problem) => services.jobs.failed(NAME, &problem),
        }
    }
}
