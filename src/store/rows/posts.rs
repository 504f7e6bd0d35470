//! Posts, and the calendar over them.

use serde::{Deserialize, Serialize};

use crate::base::{PostId, Timestamp};
use crate::domain::access::{Lack, Reach};
use crate::domain::approval::Approval;
use crate::domain::post::Post;
use crate::store::record::{DecodeError, Row, Scoped, decode_body};
use crate::store::schema::Table;

impl Row for Post {
    type Key = PostId;
    const TABLE: Table = Table::Posts;
    const VERSION: u8 = 2;

    fn upgrade(version: u8, body: &[u8]) -> Result<Self, DecodeError> {
        if version != 1 {
            return Err(DecodeError::UnknownVersion(version));
        }
        // Version 1 ended before the approval, of which none was needed: its first word.
        match decode_body::<Self>(&[body, &[0]].concat())? {
            post if post.approval == Approval::Unneeded => Ok(post),
            _ => Err(DecodeError::Malformed),
        }
    }
}

impl Scoped for Post {
    const OF_CHANNELS: bool = true;

    fn within(self, reach: &Reach) -> Option<Self> {
        Self::within(self, reach)
    }

    fn lacks(&self, reach: &Reach) -> Option<Lack> {
        Self::lacks(self, reach)
    }
}

/// A post that has a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalendarEntry;

impl Row for CalendarEntry {
    type Key = (Timestamp, PostId);
    const TABLE: Table = Table::Calendar;
    const VERSION: u8 = 1;
}

impl Scoped for CalendarEntry {}
