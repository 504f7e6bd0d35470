//! How far people were written to: those of a workspace, and those who run the installation.

use serde::{Deserialize, Serialize};

use crate::base::{Timestamp, UserId};
use crate::store::record::{Global, Row, Scoped};
use crate::store::schema::Table;

/// The letters about a workspace, as far as they were written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The last event that everybody was written to about, but those below.
    pub sequence: u64,
    /// When that was.
    pub at: Timestamp,
    /// When somebody was last tried.
    pub tried_at: Timestamp,
    pub left: Vec<Owed>,
}

/// Whom the mail server put off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    pub user: UserId,
    /// The last event that they were written to about.
    pub from: u64,
    /// When they were first put off.
    pub since: Timestamp,
}

impl Default for Told {
    /// Nobody was told of anything.
    fn default() -> Self {
        let never = Timestamp::from_millis(0);
        Self { sequence: 0, at: never, tried_at: never, left: Vec::new() }
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
