//! Changes of scattered tables that a batch made, until they are in their tables.

use serde::{Deserialize, Serialize};

use crate::store::record::{Global, Row};
use crate::store::schema::Table;

/// Under (batch, part). Its rows are seen in their own tables already.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staged {
    changes: Vec<(u8, Vec<u8>, Option<Vec<u8>>)>,
}

/// A change as it is noted: the table, the key, and the row unless it is deleted.
type Noted<'a> = (Table, &'a [u8], Option<&'a [u8]>);

impl Staged {
    pub fn push(&mut self, table: Table, key: &[u8], value: Option<&[u8]>) {
        self.changes.push((table.number(), key.to_vec(), value.map(<[u8]>::to_vec)));
    }

    /// In the order in which they were made; `None` when a table is not known.
    pub(in crate::store) fn changes(&self) -> Option<Vec<Noted<'_>>> {
        let changes = self.changes.iter();
        changes
            .map(|(number, key, value)| {
                Some((Table::of_number(*number)?, key.as_slice(), value.as_deref()))
            })
            .collect()
    }
}

impl Row for Staged {
    type Key = (u64, u64);
    const TABLE: Table = Table::Staged;
    const VERSION: u8 = 1;
}

impl Global for Staged {}
