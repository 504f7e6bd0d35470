//! What is counted of a workspace, and how far its events were read for that. Rows by who did it:
//! they do not grow with how often.

use serde::{Deserialize, Serialize};

use crate::base::ChannelId;
use crate::domain::pace::Pace;
use crate::domain::tally::Tally;
use crate::store::record::{Row, Scoped};
use crate::store::schema::Table;

impl Row for Tally {
    /// What is counted, and whom it is counted for.
    type Key = String;
    const TABLE: Table = Table::Tallies;
    const VERSION: u8 = 1;
}

impl Scoped for Tally {}

impl Row for Pace {
    /// What it is given to.
    type Key = ChannelId;
    const TABLE: Table = Table::Paces;
    const VERSION: u8 = 1;
}

impl Scoped for Pace {}

/// The last event that the rules of suspicion have seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    pub sequence: u64,
}

impl Row for Judged {
    type Key = ();
    const TABLE: Table = Table::Judged;
    const VERSION: u8 = 1;
}

impl Scoped for Judged {}
