//! What happens by itself: the wheel, the scheduler, the publisher, the workers. Must not talk to
//! people.

mod catch_up;
mod fair;
mod lanes;
mod publisher;
mod scheduler;
mod watch;
pub mod wheel;
mod workers;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::base::{Live, Spawner};
use crate::service::Services;

use scheduler::Scheduler;

/// How much is done at once, and how long a stop may take.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Deliveries being worked on, per server of a network and in all.
    pub per_network: usize,
    pub total: usize,
    /// How long a stop waits for what is being sent.
    pub stop_wait: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { per_network: 8, total: 64, stop_wait: Duration::from_secs(25) }
    }
}

/// Runs until `stop`; then finishes what is being sent, for at most `stop_wait`. What is still
/// being sent after that stays armed, and is found by the next start.
pub async fn run(
    services: Services,
    settings: Live<Settings>,
    spawner: Spawner,
    stop: CancellationToken,
) {
    let services = Arc::new(services);
    workers::start(&services, &spawner, &stop);
    // Before anybody sees that what was armed is unknown now.
    publisher::replay(&services, &stop).await;
    Scheduler::new(services, settings, spawner, stop).run().await;
}
