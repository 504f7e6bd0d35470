//! Work that is done now and then, apart from publishing.

mod alerts;
mod backup;
mod chains;
mod disk;
mod erasure;
mod hooks;
mod mail;
mod media;
mod sessions;
mod stage;
mod suspicion;

use std::sync::Arc;

use futures_util::future::{Either, select};
use tokio_util::sync::CancellationToken;

use crate::base::Spawner;
use crate::service::Services;

/// Starts every worker; each ends at `stop`, between two rounds.
pub(super) fn start(services: &Arc<Services>, spawner: &Spawner, stop: &CancellationToken) {
    spawner(Box::pin(alerts::run(Arc::clone(services), stop.clone())));
    if services.backups.settings().is_set() {
        spawner(Box::pin(backup::run(Arc::clone(services), stop.clone())));
    }
    spawner(Box::pin(chains::run(Arc::clone(services), stop.clone())));
    spawner(Box::pin(disk::run(Arc::clone(services), stop.clone())));
    spawner(Box::pin(erasure::run(Arc::clone(services), stop.clone())));
    spawner(Box::pin(hooks::run(Arc::clone(services), stop.clone())));
    if services.writes_mail() {
        spawner(Box::pin(mail::run(Arc::clone(services), stop.clone())));
    }
    spawner(Box::pin(media::run(Arc::clone(services), stop.clone())));
    spawner(Box::pin(sessions::run(Arc::clone(services), stop.clone())));
    spawner(Box::pin(stage::run(Arc::clone(services), stop.clone())));
    spawner(Box::pin(suspicion::run(Arc::clone(services), stop.clone())));
}

/// Waits between two rounds of the worker with this name; `false` when it is time to stop.
async fn rest(
    services: &Services,
    stop: &CancellationToken,
    (name, wait): (&'static str, std::time::Duration),
) -> bool {
    let stopped = std::pin::pin!(stop.cancelled());
    let rest = std::pin::pin!(services.jobs.rest(name, services.clock.as_ref(), wait));
    matches!(select(stopped, rest).await, Either::Right(_))
}
