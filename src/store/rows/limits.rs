//! Rate limits that networks have told of; they outlive the process, so that a restart does not
//! hammer.

use serde::{Deserialize, Serialize};

use crate::base::ChannelId;
use crate::domain::rate::RateLimits;
use crate::store::record::{Global, Row, Scoped};
use crate::store::schema::Table;

/// Of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelLimits(pub RateLimits);

impl Row for ChannelLimits {
    type Key = ChannelId;
    const TABLE: Table = Table::ChannelLimits;
    const VERSION: u8 = 1;
}

impl Scoped for ChannelLimits {}

/// Of a server, for all accounts of this installation together; the key is `network/server`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerLimits(pub RateLimits);

impl Row for ServerLimits {
    type Key = String;
    const TABLE: Table = Table::ServerLimits;
    const VERSION: u8 = 1;
}

impl Global for ServerLimits {}
