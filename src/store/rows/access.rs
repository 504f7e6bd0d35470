//! Keys of the API: the key itself without its secret, and the secret's hash.

use serde::{Deserialize, Serialize};

use crate::base::{KeyId, WorkspaceId};
use crate::domain::access::Key;
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
