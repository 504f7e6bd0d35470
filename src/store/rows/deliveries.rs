//! Deliveries, and the indexes over them that stay small or grow in order of time.

use serde::{Deserialize, Serialize};

use crate::base::{ChannelId, DeliveryId, Timestamp};
use crate::domain::access::{ChannelGrant, Lack, Reach};
use crate::domain::delivery::Delivery;
use crate::domain::publish::{Part, Phase, State};
use crate::store::record::{DecodeError, Row, Scoped, decode_body};
use crate::store::schema::Table;

impl Row for Delivery {
    type Key = DeliveryId;
    const TABLE: Table = Table::Deliveries;
    const VERSION: u8 = 1;
}

impl Scoped for Delivery {
    const OF_CHANNELS: bool = true;

    fn within(self, reach: &Reach) -> Option<Self> {
        reach.sees(self.channel).then_some(self)
    }

    /// One of which nothing was tried is as its post is, which is written with it: whoever may write that
    /// may write this. What becomes of the others is for those who publish.
    fn lacks(&self, reach: &Reach) -> Option<Lack> {
        let waits = |part: &Part| {
            part.attempt == 0 && matches!(part.phase, Phase::Waiting(_) | Phase::Preparing { .. })
        };
        let untried = self.flow.hold.is_none() && self.flow.parts.iter().all(waits);
        let needs = if untried { ChannelGrant::Draft } else { ChannelGrant::Publish };
        reach.lacks(needs, std::iter::once(self.channel))
    }
}

/// A delivery that may be out, and that the program is at: it is armed or unknown, or a repeat under
/// its key waits. At most one of a channel is armed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inflight;

impl Row for Inflight {
    type Key = (ChannelId, DeliveryId);
    const TABLE: Table = Table::Inflight;
    const VERSION: u8 = 1;
}

impl Scoped for Inflight {}

/// A delivery that a person should see: held, partial or failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attention {
    pub state: State,
    /// Somebody saw it, and it waits for nobody any more.
    pub acknowledged: bool,
}

#[derive(Deserialize)]
struct AttentionV1 {
    state: State,
}

impl Row for Attention {
    type Key = DeliveryId;
    const TABLE: Table = Table::Attention;
    const VERSION: u8 = 2;

    fn upgrade(version: u8, body: &[u8]) -> Result<Self, DecodeError> {
        match version {
            1 => decode_body(body).map(|AttentionV1 { state }| Self { state, acknowledged: false }),
            other => Err(DecodeError::UnknownVersion(other)),
        }
    }
}

impl Scoped for Attention {}

/// A delivery whose root is out: what feeds and a channel's history list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedEntry;

impl Row for PublishedEntry {
    type Key = (ChannelId, Timestamp, DeliveryId);
    const TABLE: Table = Table::Published;
    const VERSION: u8 = 1;
}

impl Scoped for PublishedEntry {}
