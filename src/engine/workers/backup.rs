//! Makes a backup whenever the last one is as old as the settings allow, and keeps the metrics of
//! backups true when somebody changes the folder.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::rest;
use crate::base::Timestamp;
use crate::service::Services;

/// After a start, and after one that failed.
const SOON: Duration = Duration::from_mins(1);
/// Somebody may change the folder by hand, so it is looked at now and then.
const ROUND: Duration = Duration::from_mins(10);

const NAME: &str = "backup";

pub(super) async fn run(services: Arc<Services>, stop: CancellationToken) {
    let every = services.backups.settings().every;
    services.metrics.backup_every(every.unwrap_or_default());
    look(&services).await;
    let mut wait = every.map_or(ROUND, |every| SOON.min(every));
    while rest(&services, &stop, (NAME, wait)).await {
        wait = every.map_or(ROUND, |every| ROUND.min(every));
        let last = look(&services).await;
        let old = |last| every.is_some_and(|every| services.now().since(last) >= every);
        let due = every.is_some() && last.is_none_or(old);
        if !due && !services.jobs.is_asked(NAME) {
            continue;
        }
        // It says itself how it went.
        match services.make_due_backup(NAME).await {
            Ok(Some(_)) => {}
            Ok(None) => tracing::info!("somebody stopped the backup that was being made"),
            Err(problem) => {
                services.jobs.failed(NAME, &problem);
                tracing::error!(%problem, "the backup that is due could not be made");
                wait = SOON;
            }
        }
    }
}

/// When the last was made, by the folder; in the metrics, too.
async fn look(services: &Services) -> Option<Timestamp> {
    match services.last_backup().await {
        Ok(last) => {
            services.metrics.backup(last.unwrap_or(Timestamp::from_millis(0)));
            last
        }
        Err(problem) => {
            tracing::warn!(%problem, "the folder of backups cannot be read");
            None
        }
    }
}
