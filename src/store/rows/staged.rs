//! Changes of scattered tables that a batch made, until they are in their tables.

use serde::{Deserialize, Serialize};

use crate::store::record::{Global, Row};
use crate::store::schema::Table;

/// Under (batch, part). Its rows are seen in their own tables already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staged {
    /// A packed run.
    pub run: Vec<u8>,
}

impl Row for Staged {
    type Key = (u64, u64);
    const TABLE: Table = Table::Staged;
    const VERSION: u8 = 1;
}

impl Global for Staged {}
