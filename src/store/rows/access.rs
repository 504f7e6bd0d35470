//! Keys of the API, without their secrets, and members; and how each is found.

use serde::{Deserialize, Serialize};

use crate::base::{KeyId, UserId, WorkspaceId};
use crate::domain::access::{Key, Member};
use crate::store::record::{Global, Row, Scoped};
use crate::store::schema::Table;

impl Row for Key {
    type Key = KeyId;
    const TABLE: Table = Table::Keys;
    const VERSION: u8 = 1;
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
