//! What a request with an `Idempotency-Key` made, so that its repeat is answered and not done.

use serde::{Deserialize, Serialize};

use crate::base::Timestamp;
use crate::store::record::{Row, Scoped};
use crate::store::schema::Table;

/// Under the start of its UTC day, so that old ones lie together, and half the SHA-256 of the caller
/// and its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// Half the SHA-256 of method, path and body.
    pub request: [u8; 16],
    /// The id of what was made or changed; its present form is the answer.
    pub object: String,
    pub at: Timestamp,
}

impl Row for Remembered {
    type Key = (Timestamp, [u8; 16]);
    const TABLE: Table = Table::Idempotency;
    const VERSION: u8 = 1;
}

impl Scoped for Remembered {}
