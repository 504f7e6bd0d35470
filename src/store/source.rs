//! redb as ordered bytes: a snapshot for reading, the open tables of a write transaction.
//! Must not decide anything; it only carries errors outward.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Bound;

use redb::{ReadTransaction, ReadableDatabase, ReadableTable, WriteTransaction};

use super::Error;
use super::schema::Table;
use super::tx::{Puts, Range, Source, Visit};

pub(super) fn io(error: impl std::fmt::Display) -> Error {
    Error::Io(error.to_string())
}

/// A read transaction. It pins pages: keep it short.
pub(super) struct Snapshot(ReadTransaction);

impl Snapshot {
    pub(super) fn of(database: &impl ReadableDatabase) -> Result<Self, Error> {
        database.begin_read().map(Self).map_err(io)
    }
}

impl Source for Snapshot {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let table = self.0.open_table(table.definition()).map_err(io)?;
        get(&table, key)
    }

    fn scan(&self, table: Table, range: &Range, visit: Visit<'_>) -> Result<(), Error> {
        let table = self.0.open_table(table.definition()).map_err(io)?;
        scan(&table, range, visit)
    }
}

type OpenTable<'txn> = redb::Table<'txn, &'static [u8], &'static [u8]>;

/// The tables of one write transaction, opened when they are first needed.
pub(super) struct OpenTables<'txn> {
    txn: &'txn WriteTransaction,
    open: RefCell<BTreeMap<Table, OpenTable<'txn>>>,
}

impl<'txn> OpenTables<'txn> {
    pub(super) fn of(txn: &'txn WriteTransaction) -> Self {
        Self { txn, open: RefCell::new(BTreeMap::new()) }
    }

    fn with<T>(
        &self,
        table: Table,
        f: impl FnOnce(&mut OpenTable<'txn>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut open = self.open.borrow_mut();
        match open.entry(table) {
            std::collections::btree_map::Entry::Occupied(mut entry) => f(entry.get_mut()),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let opened = self.txn.open_table(table.definition()).map_err(io)?;
                f(entry.insert(opened))
            }
        }
    }

    pub(super) fn touch(&self, table: Table) -> Result<(), Error> {
        self.with(table, |_| Ok(()))
    }

    pub(super) fn apply(&self, puts: &Puts) -> Result<(), Error> {
        for ((table, key), put) in puts {
            self.with(*table, |table| {
                match put {
                    Some(value) => {
                        drop(table.insert(key.as_slice(), value.as_slice()).map_err(io)?);
                    }
                    None => drop(table.remove(key.as_slice()).map_err(io)?),
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

impl Source for OpenTables<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.with(table, |table| get(table, key))
    }

    fn scan(&self, table: Table, range: &Range, visit: Visit<'_>) -> Result<(), Error> {
        self.with(table, |table| scan(table, range, visit))
    }
}

type Bytes = &'static [u8];

fn get(table: &impl ReadableTable<Bytes, Bytes>, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    Ok(table.get(key).map_err(io)?.map(|guard| guard.value().to_vec()))
}

fn scan(
    table: &impl ReadableTable<Bytes, Bytes>,
    range: &Range,
    visit: Visit<'_>,
) -> Result<(), Error> {
    fn slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
        bound.as_ref().map(Vec::as_slice)
    }
    let bounds = (slice(&range.from), slice(&range.to));
    if let (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) =
        bounds
        && a >= b
    {
        // redb, like BTreeMap, takes no range that ends before it begins.
        return Ok(());
    }
    let mut rows = table.range::<&[u8]>(bounds).map_err(io)?;
    while let Some(row) = if range.backwards { rows.next_back() } else { rows.next() } {
        let (key, value) = row.map_err(io)?;
        if visit(key.value(), value.value()).is_break() {
            break;
        }
    }
    Ok(())
}
