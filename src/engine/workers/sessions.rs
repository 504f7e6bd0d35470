//! Renews sessions that nobody uses, before they end for want of use.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::rest;
use crate::service::Services;

/// After a start: the program may have been down for long.
const FIRST: Duration = Duration::from_mins(5);
const ROUND: Duration = Duration::from_hours(6);

const NAME: &str = "sessions";

pub(super) async fn run(services: Arc<Services>, stop: CancellationToken) {
    let mut wait = FIRST;
    while rest(&services, &stop, (NAME, wait)).await {
        wait = ROUND;
        match services.renew_idle().await {
            Ok((0, _)) => {}
            Ok((found, renewed)) => tracing::info!(found, renewed, "idle sessions were renewed"),
            Err(problem) => {
                services.jobs.failed(NAME, &problem);
                tracing::error!(%problem, "idle sessions could not be renewed");
            }
        }
    }
}
