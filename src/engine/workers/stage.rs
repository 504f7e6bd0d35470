//! Moves staged rows to their tables while little else is written, so that a burst of writes does
//! not keep its memory for ever.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::rest;
use crate::service::Services;
use crate::store::{Error, Store, WriteError};

const ROUND: Duration = Duration::from_secs(5);
/// Between two lots, so that a write that comes waits for one of them at most.
const LOT: Duration = Duration::from_millis(20);
/// Rows of one lot.
const ROWS: usize = 2_048;
/// So many may stay: under a megabyte, and the more there are, the cheaper each becomes. When there
/// are more, all go, because only then their log goes, too.
const KEPT: usize = 4_096;
/// More writes than this in a round are a load; it moves rows on by itself.
const QUIET: u64 = 100;

const NAME: &str = "stage";

pub(super) async fn run(services: Arc<Services>, stop: CancellationToken) {
    let (mut wait, mut writes) = (ROUND, services.store.stats().writes);
    while rest(&services, &stop, (NAME, wait)).await {
        let stats = services.store.stats();
        let quiet = stats.writes.saturating_sub(writes) <= QUIET;
        writes = stats.writes;
        let many = if wait == LOT { 0 } else { KEPT };
        wait = if quiet && stats.staged > many { LOT } else { ROUND };
        if wait == LOT
            && let Err(error) = settle(&services.store, stats.staged).await
        {
            services.jobs.failed(NAME, &error);
            // The writer has said why, and tries to open the file again with the next write.
            tracing::warn!(%error, "staged rows could not be moved");
            wait = ROUND;
        }
    }
}

async fn settle(store: &Store, staged: usize) -> Result<(), Error> {
    let keep = staged.saturating_sub(ROWS);
    let settled = store.write(move |tx| {
        tx.settle(keep);
        Ok::<(), WriteError<Error>>(())
    });
    settled.await.map_err(|error| error.into_refusal(|error| error))
}
