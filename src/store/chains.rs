//! The chains of events of a database or of its backup, checked from raw rows as they come. Must
//! not write to what it looks at.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::base::WorkspaceId;
use crate::domain::chain::{Check, Fault, Head, Link};

use super::disk::{self, Disk};
use super::key::Key as _;
use super::record;
use super::rows::{ChainedEvent, chain_start};
use super::schema::Table;
use super::source::Tables;
use super::{Error, Layout, Options, dump};

/// What became of each chain, in the order of workspaces.
pub type Verdicts = Vec<(WorkspaceId, Result<Head, Fault>)>;

/// Takes every row of a database in the order of its keys.
#[derive(Default)]
pub struct Chains {
    current: Option<(WorkspaceId, Check)>,
    done: Verdicts,
}

impl Chains {
    /// Looks at one row; those of other tables are passed over.
    pub fn push(&mut self, table: Table, key: &[u8], value: &[u8]) {
        if table != Table::Events {
            return;
        }
        let Some((id, rest)) = key.split_first_chunk::<16>() else { return };
        let workspace = WorkspaceId::from_bytes(*id);
        if self.current.as_ref().is_none_or(|(open, _)| *open != workspace) {
            self.close();
            self.current = Some((workspace, Check::after(chain_start(workspace), None)));
        }
        let Some((_, check)) = &mut self.current else { return };
        match (u64::from_bytes(rest), record::decode::<ChainedEvent>(value)) {
            (Some(sequence), Ok(row)) => {
                let (previous, hash) = (row.previous, Sha256::digest(value).into());
                check.push(&Link { sequence, previous, hash, sound: true });
            }
            _ => check.unreadable(),
        }
    }

    fn close(&mut self) {
        if let Some((workspace, check)) = self.current.take() {
            self.done.push((workspace, check.finish()));
        }
    }

    pub fn finish(mut self) -> Verdicts {
        self.close();
        self.done
    }
}

/// Checks every chain of the database at `path`, which nobody else may have open.
pub fn verify_database(path: &Path) -> Result<Verdicts, Error> {
    let options = Options::default();
    let database = Disk::File(path.to_owned());
    if let Some(found) = disk::schema(&database, options)? {
        Layout::CURRENT.check(found)?;
    }
    let opened = disk::open_as_it_is(&database, options)?;
    let mut chains = Chains::default();
    let tables = Tables::of(&opened)?;
    let rows = dump::rows(&tables, |table, key, value| {
        chains.push(table, key, value);
        Ok::<_, std::convert::Infallible>(())
    });
    match rows? {
        Ok(()) => Ok(chains.finish()),
        Err(never) => match never {},
    }
}
