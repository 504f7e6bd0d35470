//! Handles what networks send by webhook, as soon as it came; writes down what was refused; and removes
//! what was handled long ago.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio_util::sync::CancellationToken;

use super::rest;
use crate::base::Problem;
use crate::service::Services;

/// What a network did not answer is asked again.
const ROUND: Duration = Duration::from_mins(5);
/// However many are refused, they are written down so often at most.
const REFUSED: Duration = Duration::from_secs(5);

const NAME: &str = "hooks";

pub(super) async fn run(services: Arc<Services>, stop: CancellationToken) {
    // What came before the start waits for nobody.
    services.jobs.begins(NAME, services.clock.now());
    loop {
        match round(&services).await {
            Ok(true) => {
                let pause = pin!(services.clock.sleep(REFUSED));
                if let Either::Right(_) = select(pause, pin!(stop.cancelled())).await {
                    return;
                }
            }
            Ok(false) => {}
            Err(problem) => {
                services.jobs.failed(NAME, &problem);
                tracing::error!(%problem, "webhooks could not be handled");
            }
        }
        if !next(&services, &stop).await {
            return;
        }
    }
}

/// Whether some were refused.
async fn round(services: &Services) -> Result<bool, Problem> {
    let refused = services.note_refused_hooks().await?;
    services.handle_hooks().await?;
    let removed = services.expire_hooks().await?;
    if removed > 0 {
        tracing::info!(removed, "old webhooks were removed");
    }
    Ok(refused)
}

/// Waits for the next round, or until something comes; `false` when it is time to stop.
async fn next(services: &Services, stop: &CancellationToken) -> bool {
    let mut rest = pin!(rest(services, stop, (NAME, ROUND)));
    match select(rest.as_mut(), pin!(services.hooks.came())).await {
        Either::Left((goes_on, _)) => goes_on,
        Either::Right(_) => {
            services.jobs.hurry(NAME);
            rest.await
        }
    }
}
