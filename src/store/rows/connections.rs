//! Applications of networks, connections that are being made, and what was granted.

use serde::Deserialize;

use crate::base::{ChannelId, ConnectionId, Timestamp};
use crate::domain::access::Reach;
use crate::domain::connection::{App, Connection, Grant, Heard};
use crate::store::record::{DecodeError, Global, Row, Scoped, decode_body};
use crate::store::schema::Table;

impl Row for App {
    /// The network's word.
    type Key = String;
    const TABLE: Table = Table::Apps;
    const VERSION: u8 = 3;

    fn upgrade(version: u8, body: &[u8]) -> Result<Self, DecodeError> {
        match version {
            1 => decode_body(body).map(|old: AppV1| Self {
                revision: old.revision,
                client_id: old.client_id,
                secret: old.secret,
                without: old.without,
                set_at: old.set_at,
                rotated_at: None,
                heard: None,
                webhook_secret: None,
            }),
            2 => decode_body(body).map(|old: AppV2| Self {
                revision: old.revision,
                client_id: old.client_id,
                secret: old.secret,
                without: old.without,
                set_at: old.set_at,
                rotated_at: old.rotated_at,
                heard: old.heard,
                webhook_secret: None,
            }),
            other => Err(DecodeError::UnknownVersion(other)),
        }
    }
}

#[derive(Deserialize)]
struct AppV1 {
    revision: u64,
    client_id: String,
    secret: Vec<u8>,
    without: Vec<String>,
    set_at: Timestamp,
}

#[derive(Deserialize)]
struct AppV2 {
    revision: u64,
    client_id: String,
    secret: Vec<u8>,
    without: Vec<String>,
    set_at: Timestamp,
    rotated_at: Option<Timestamp>,
    heard: Option<Heard>,
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
