//! Applications of networks, connections that are being made, and what was granted.

use crate::base::{ChannelId, ConnectionId};
use crate::domain::access::Reach;
use crate::domain::connection::{App, Connection, Grant};
use crate::store::record::{Global, Row, Scoped};
use crate::store::schema::Table;

impl Row for App {
    /// The network's word.
    type Key = String;
    const TABLE: Table = Table::Apps;
    const VERSION: u8 = 1;
}

impl Global for App {}

impl Row for Connection {
    type Key = ConnectionId;
    const TABLE: Table = Table::Connections;
    const VERSION: u8 = 1;
}

impl Scoped for Connection {
    const OF_CHANNELS: bool = true;

    fn within(self, reach: &Reach) -> Option<Self> {
        self.channel.is_none_or(|channel| reach.sees(channel)).then_some(self)
    }
}

impl Row for Grant {
    type Key = ChannelId;
    const TABLE: Table = Table::Grants;
    const VERSION: u8 = 1;
}

impl Scoped for Grant {}
