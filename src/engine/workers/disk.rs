//! Watches the disk: tells when its room changes, and heals a store that failed, so that it is well
//! again before somebody needs it.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::rest;
use crate::domain::space::Room;
use crate::service::Services;

const ROUND: Duration = Duration::from_secs(30);
/// While something is wrong.
const SOON: Duration = Duration::from_secs(2);

const NAME: &str = "disk";

pub(super) async fn run(services: Arc<Services>, stop: CancellationToken) {
    let mut before = Room::Ample;
    loop {
        let room = services.room();
        if room != before {
            tell(&services, room);
            before = room;
        }
        if !services.store.is_healthy() && services.store.probe().await.is_ok() {
            tracing::info!("the database can be written again");
        }
        let well = room == Room::Ample && services.store.is_healthy();
        if !rest(&services, &stop, (NAME, if well { ROUND } else { SOON })).await {
            return;
        }
    }
}

fn tell(services: &Services, room: Room) {
    let free_mib = services.store.space().map(|space| space.free / (1024 * 1024));
    match room {
        Room::Ample => tracing::info!(free_mib, "there is room on the disk again"),
        Room::Low => tracing::warn!(free_mib, "the disk is filling up; make room"),
        Room::Scarce => {
            tracing::error!(free_mib, "the disk is nearly full: nothing more is taken in");
        }
        Room::Out => {
            tracing::error!(free_mib, "the disk is full: nothing is sent until there is room");
        }
    }
}
