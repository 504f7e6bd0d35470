//! How far people were written to: those of a workspace, and those who run the installation.

use serde::{Deserialize, Serialize};

use crate::base::{Timestamp, UserId};
use crate::store::record::{Global, Row, Scoped};
use crate::store::schema::Table;

/// The last letter about a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// It is about what came after this event,
    pub from: u64,
    /// up to this one.
    pub sequence: u64,
    /// When it was last sent.
    pub at: Timestamp,
    /// How often.
    pub tries: u32,
    /// To whom it is still owed.
    pub left: Vec<UserId>,
}

impl Default for Told {
    /// Nobody was told of anything.
    fn default() -> Self {
        Self { from: 0, sequence: 0, at: Timestamp::from_millis(0), tries: 0, left: Vec::new() }
    }
}

impl Row for Told {
    type Key = ();
    const TABLE: Table = Table::Told;
    const VERSION: u8 = 1;
}

impl Scoped for Told {}

/// The administrators were written to about an alert. The row goes some time after the alert is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldAlert {
    pub at: Timestamp,
}

impl Row for ToldAlert {
    /// What the alert is called.
    type Key = String;
    const TABLE: Table = Table::ToldAlerts;
    const VERSION: u8 = 1;
}

impl Global for ToldAlert {}
