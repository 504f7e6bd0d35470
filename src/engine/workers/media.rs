//! Removes objects that nothing needs any more.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::rest;
use crate::service::Services;

const ROUND: Duration = Duration::from_mins(10);
/// Between two lots of one round: uploads wait while a lot is looked at.
const LOT: Duration = Duration::from_millis(100);

const NAME: &str = "media";

pub(super) async fn run(services: Arc<Services>, stop: CancellationToken) {
    let mut wait = ROUND;
    while rest(&services, &stop, (NAME, wait)).await {
        if wait == ROUND
            && let Err(problem) = services.remove_stale_uploads().await
        {
            services.jobs.failed(NAME, &problem);
            tracing::error!(%problem, "uploads that are over could not be tidied up");
        }
        wait = match services.remove_orphans().await {
            Ok((0, false)) => ROUND,
            Ok((removed, more)) => {
                tracing::info!(removed, "media that nothing needs was removed");
                if more { LOT } else { ROUND }
            }
            Err(problem) => {
                services.jobs.failed(NAME, &problem);
                tracing::error!(%problem, "media could not be tidied up");
                ROUND
            }
        };
    }
}
