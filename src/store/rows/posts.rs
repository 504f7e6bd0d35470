//! Posts, and the calendar over them.

use serde::{Deserialize, Serialize};

use crate::base::{PostId, Timestamp};
use crate::domain::post::Post;
use crate::store::record::{Row, Scoped};
use crate::store::schema::Table;

impl Row for Post {
    type Key = PostId;
    const TABLE: Table = Table::Posts;
    const VERSION: u8 = 1;
}

impl Scoped for Post {}

/// A post that has a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalendarEntry;

impl Row for CalendarEntry {
    type Key = (Timestamp, PostId);
    const TABLE: Table = Table::Calendar;
    const VERSION: u8 = 1;
}

impl Scoped for CalendarEntry {}
