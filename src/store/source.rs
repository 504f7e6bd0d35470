//! redb as ordered bytes: the tables of a read transaction, and those of a write transaction.
//! Must not decide anything; it only carries errors outward.

use std::cell::RefCell;
use std::sync::OnceLock;

use redb::{
    ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable, TableError, WriteTransaction,
};

use super::Error;
use super::schema::{CATALOGUE, Table};
use super::tx::{Range, Read, Source, Visit};

pub(super) fn io(error: impl std::fmt::Display) -> Error {
    Error::Io(error.to_string())
}

/// A read transaction. It pins pages: keep it short. The tables alone, without what is staged.
pub(super) struct Tables {
    txn: ReadTransaction,
    /// By number, each opened when it is first needed: that costs more than a row does.
    open: Vec<OnceLock<Opened>>,
}

/// `None`: a file of an older layout, which does not have it yet.
type Opened = Option<ReadOnlyTable<Bytes, Bytes>>;

impl Tables {
    pub(super) fn of(database: &impl ReadableDatabase) -> Result<Self, Error> {
        let txn = database.begin_read().map_err(io)?;
        Ok(Self { txn, open: CATALOGUE.iter().map(|_| OnceLock::new()).collect() })
    }

    fn with<T: Default>(
        &self,
        table: Table,
        f: impl FnOnce(&ReadOnlyTable<Bytes, Bytes>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let no = || Error::Io(format!("there is no table {table:?}"));
        let place = self.open.get(usize::from(table.number())).ok_or_else(no)?;
        if place.get().is_none() {
            let opened = match self.txn.open_table(table.definition()) {
                Ok(opened) => Some(opened),
                Err(TableError::TableDoesNotExist(_)) => None,
                Err(error) => return Err(io(error)),
            };
            // Whoever was faster opened the same.
            drop(place.set(opened));
        }
        place.get().and_then(Option::as_ref).map_or_else(|| Ok(T::default()), f)
    }
}

impl Source for Tables {
    fn get(&self, table: Table, key: &[u8], read: Read<'_>) -> Result<(), Error> {
        self.with(table, |table| get(table, key, read))
    }

    fn scan(&self, table: Table, range: &Range, visit: Visit<'_>) -> Result<(), Error> {
        self.with(table, |table| scan(table, range, visit))
    }
}

type OpenTable<'txn> = redb::Table<'txn, &'static [u8], &'static [u8]>;

/// The tables of one write transaction, opened when they are first needed.
pub(super) struct OpenTables<'txn> {
    txn: &'txn WriteTransaction,
    /// By number.
    open: RefCell<Vec<Option<OpenTable<'txn>>>>,
}

impl<'txn> OpenTables<'txn> {
    pub(super) fn of(txn: &'txn WriteTransaction) -> Self {
        Self { txn, open: RefCell::new(CATALOGUE.iter().map(|_| None).collect()) }
    }

    fn with<T>(
        &self,
        table: Table,
        f: impl FnOnce(&mut OpenTable<'txn>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let no = || Error::Io(format!("there is no table {table:?}"));
        let mut open = self.open.borrow_mut();
        let place = open.get_mut(usize::from(table.number())).ok_or_else(no)?;
        let opened = match place {
            Some(opened) => opened,
            None => place.insert(self.txn.open_table(table.definition()).map_err(io)?),
        };
        f(opened)
    }

    pub(super) fn touch(&self, table: Table) -> Result<(), Error> {
        self.with(table, |_| Ok(()))
    }

    /// Writes a row, or deletes it.
    pub(super) fn put(&self, table: Table, key: &[u8], put: Option<&[u8]>) -> Result<(), Error> {
        self.with(table, |table| {
            match put {
                Some(value) => drop(table.insert(key, value).map_err(io)?),
                None => drop(table.remove(key).map_err(io)?),
            }
            Ok(())
        })
    }
}

impl Source for OpenTables<'_> {
    fn get(&self, table: Table, key: &[u8], read: Read<'_>) -> Result<(), Error> {
        self.with(table, |table| get(table, key, read))
    }

    fn scan(&self, table: Table, range: &Range, visit: Visit<'_>) -> Result<(), Error> {
        self.with(table, |table| scan(table, range, visit))
    }
}

type Bytes = &'static [u8];

fn get(table: &impl ReadableTable<Bytes, Bytes>, key: &[u8], read: Read<'_>) -> Result<(), Error> {
    if let Some(value) = table.get(key).map_err(io)? {
        read(value.value());
    }
    Ok(())
}

fn scan(
    table: &impl ReadableTable<Bytes, Bytes>,
    range: &Range,
    visit: Visit<'_>,
) -> Result<(), Error> {
    if range.is_empty() {
        return Ok(());
    }
    let mut rows = table.range::<&[u8]>(range.bounds()).map_err(io)?;
    while let Some(row) = if range.backwards { rows.next_back() } else { rows.next() } {
        let (key, value) = row.map_err(io)?;
        if visit(key.value(), value.value()).is_break() {
            break;
        }
    }
    Ok(())
}
