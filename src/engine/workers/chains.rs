//! Checks every chain of events each day, so that what was changed is told by more than the next backup.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::rest;
use crate::service::Services;

/// After a start, which has other work.
const FIRST: Duration = Duration::from_mins(10);
const ROUND: Duration = Duration::from_hours(24);

const NAME: &str = "chains";

pub(super) async fn run(services: Arc<Services>, stop: CancellationToken) {
    let mut wait = FIRST;
    while rest(&services, &stop, (NAME, wait)).await {
        wait = ROUND;
        if let Err(problem) = services.check_chains().await {
            services.jobs.failed(NAME, &problem);
            tracing::error!(%problem, "the chains of events could not be checked");
        }
    }
}
