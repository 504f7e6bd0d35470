//! Erases workspaces that were deleted, when their grace is over.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::rest;
use crate::service::Services;

/// After a start: the program may have been down for long.
const FIRST: Duration = Duration::from_mins(5);
const ROUND: Duration = Duration::from_hours(1);

const NAME: &str = "erasure";

pub(super) async fn run(services: Arc<Services>, stop: CancellationToken) {
    let mut wait = FIRST;
    while rest(&services, &stop, (NAME, wait)).await {
        wait = ROUND;
        match services.erase_deleted().await {
            Ok(0) => {}
            Ok(erased) => tracing::info!(erased, "workspaces that were deleted are erased"),
            Err(problem) => {
                services.jobs.failed(NAME, &problem);
                tracing::error!(%problem, "a workspace could not be erased");
            }
        }
    }
}
