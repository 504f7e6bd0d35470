//! Keys of the API, without their secrets, and members; and how each is found.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::base::{KeyId, Timestamp, UserId, WorkspaceId};
use crate::domain::access::{Grants, Key, Member, Scope as KeyScope};
use crate::store::record::{DecodeError, Global, Row, Scoped, decode_body};
use crate::store::schema::Table;

impl Row for Key {
    type Key = KeyId;
    const TABLE: Table = Table::Keys;
    const VERSION: u8 = 3;

    fn upgrade(version: u8, body: &[u8]) -> Result<Self, DecodeError> {
        match version {
            1 => decode_body::<KeyV1>(body).map(|key| key.lifted(Grants::All)),
            // Before keys could be limited to addresses.
            2 => {
                let (key, channels) = decode_body::<(KeyV1, Grants)>(body)?;
                Ok(key.lifted(channels))
            }
            other => Err(DecodeError::UnknownVersion(other)),
        }
    }
}

/// Before keys could be limited to channels.
#[derive(Deserialize)]
struct KeyV1 {
    id: KeyId,
    name: String,
    scopes: BTreeSet<KeyScope>,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
}

impl KeyV1 {
    fn lifted(self, channels: Grants) -> Key {
        let Self { id, name, scopes, created_at, expires_at, revoked_at } = self;
        let addresses = Vec::new();
        Key { id, name, scopes, created_at, expires_at, revoked_at, channels, addresses }
    }
}

impl Scoped for Key {}

/// Where the key with this secret's SHA-256 is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyHash {
    pub workspace: WorkspaceId,
    pub key: KeyId,
}

impl Row for KeyHash {
    type Key = [u8; 32];
    const TABLE: Table = Table::KeyHashes;
    const VERSION: u8 = 1;
}

impl Global for KeyHash {}

/// A key was used. Apart from the key, which does not change with that; it goes when the key goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyUse {
    pub at: Timestamp,
}

impl Row for KeyUse {
    type Key = KeyId;
    const TABLE: Table = Table::KeyUses;
    const VERSION: u8 = 1;
}

impl Scoped for KeyUse {}

impl Row for Member {
    type Key = UserId;
    const TABLE: Table = Table::Members;
    const VERSION: u8 = 1;
}

impl Scoped for Member {}

/// There is a member's row in the workspace; written and removed together with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership;

impl Row for Membership {
    type Key = (UserId, WorkspaceId);
    const TABLE: Table = Table::Memberships;
    const VERSION: u8 = 1;
}

impl Global for Membership {}
