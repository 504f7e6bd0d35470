//! Facts of the installation as a whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::Timestamp;
use crate::domain::event::Actor;
use crate::store::record::{DecodeError, Global, Row, decode_body};
use crate::store::schema::Table;

/// A number under a name: `schema`, `epoch`, `batch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    pub value: u64,
}

impl Row for Meta {
    type Key = String;
    const TABLE: Table = Table::Meta;
    const VERSION: u8 = 1;
}

impl Global for Meta {}

/// A pause of everything (key empty) or of one network (its word).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    pub since: Timestamp,
    pub by: Actor,
    /// A stable word, where the program did it itself.
    pub why: Option<String>,
}

#[derive(Deserialize)]
struct PauseV1 {
    since: Timestamp,
    by: Actor,
}

impl Row for Pause {
    type Key = String;
    const TABLE: Table = Table::Pauses;
    const VERSION: u8 = 2;

    fn upgrade(version: u8, body: &[u8]) -> Result<Self, DecodeError> {
        match version {
            1 => decode_body(body).map(|PauseV1 { since, by }| Self { since, by, why: None }),
            other => Err(DecodeError::UnknownVersion(other)),
        }
    }
}

impl Global for Pause {}

/// What an operator said of an alert. It holds until the alert is over, or worse than it was then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertMark {
    pub by: Actor,
    pub at: Timestamp,
    /// How many of it there were.
    pub count: u64,
    /// Silenced, and until when; `None` when it was acknowledged.
    pub until: Option<Timestamp>,
}

impl Row for AlertMark {
    /// What the alert is called.
    type Key = String;
    const TABLE: Table = Table::AlertMarks;
    const VERSION: u8 = 1;
}

impl Global for AlertMark {}

/// An alert that is open. It goes when the alert is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenAlert {
    pub since: Timestamp,
    /// What operators said of it, the newest last.
    pub comments: Vec<AlertComment>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertComment {
    pub by: Actor,
    pub at: Timestamp,
    pub text: String,
}

impl Row for OpenAlert {
    /// What the alert is called.
    type Key = String;
    const TABLE: Table = Table::OpenAlerts;
    const VERSION: u8 = 1;
}

impl Global for OpenAlert {}

/// Something wrong that was noticed once and does not show by itself later on. It goes when it is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    pub at: Timestamp,
    pub data: BTreeMap<String, String>,
}

impl Row for Incident {
    /// What it is, and of what.
    type Key = String;
    const TABLE: Table = Table::Incidents;
    const VERSION: u8 = 1;
}

impl Global for Incident {}

/// What came of restoring a backup for trial. It goes when the backup is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupTest {
    pub by: Actor,
    pub at: Timestamp,
    /// A stable word, where it could not be restored.
    pub failed: Option<String>,
}

impl Row for BackupTest {
    /// The name of the backup.
    type Key = String;
    const TABLE: Table = Table::BackupTests;
    const VERSION: u8 = 1;
}

impl Global for BackupTest {}
