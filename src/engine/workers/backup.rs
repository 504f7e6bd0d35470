//! Makes a backup whenever the last one is as old as the settings allow.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::rest;
use crate::base::Timestamp;
use crate::service::{MediaMode, Services};

/// After a start, and after one that failed.
const SOON: Duration = Duration::from_mins(1);
/// Somebody may change the folder by hand, so it is looked at now and then.
const ROUND: Duration = Duration::from_mins(10);

const NAME: &str = "backup";

pub(super) async fn run(services: Arc<Services>, stop: CancellationToken) {
    match services.last_backup().await {
        Ok(last) => services.metrics.backup(last.unwrap_or(Timestamp::from_millis(0))),
        Err(problem) => tracing::warn!(%problem, "the folder of backups cannot be read"),
    }
    let Some(every) = services.backups.settings().every else { return };
    let mut wait = SOON.min(every);
    while rest(&services, &stop, (NAME, wait)).await {
        wait = ROUND.min(every);
        let last = services.last_backup().await.ok().flatten();
        if last.is_some_and(|last| services.now().since(last) < every) {
            continue;
        }
        // It says itself how it went.
        if let Err(problem) = services.create_backup(MediaMode::Reference).await {
            services.jobs.failed(NAME, &problem);
            tracing::error!(%problem, "the backup that is due could not be made");
            wait = SOON;
        }
    }
}
