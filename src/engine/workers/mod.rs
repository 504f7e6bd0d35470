//! Work that is done now and then, apart from publishing.

mod backup;
mod disk;
mod media;
mod sessions;
mod stage;

use std::sync::Arc;

use futures_util::future::{Either, select};
use tokio_util::sync::CancellationToken;

use crate::base::Spawner;
use crate::service::Services;

/// Starts every worker; each ends at `stop`, between two rounds.
pub(super) fn start(services: &Arc<Services>, spawner: &Spawner, stop: &CancellationToken) {
    if services.backups.settings().is_set() {
        spawner(Box::pin(backup::run(Arc::clone(services), stop.clone())));
    }
    spawner(Box::pin(disk::run(Arc::clone(services), stop.clone())));
    spawner(Box::pin(media::run(Arc::clone(services), stop.clone())));
    spawner(Box::pin(sessions::run(Arc::clone(services), stop.clone())));
    spawner(Box::pin(stage::run(Arc::clone(services), stop.clone())));
}

/// Waits; `false` when it is time to stop.
async fn rest(services: &Services, stop: &CancellationToken, wait: std::time::Duration) -> bool {
    let stopped = std::pin::pin!(stop.cancelled());
    matches!(select(stopped, services.clock.sleep(wait)).await, Either::Right(_))
}
