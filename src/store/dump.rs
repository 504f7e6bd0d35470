//! The database as rows, and a database made of rows: what backup, restore and upgrade share. Must
//! not know what rows mean, nor hold more than a few megabytes of them.

use std::fs::{self, OpenOptions};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use redb::Database;

use crate::base::limits;

use super::disk::{self, Disk, sync_folder_of};
use super::layout::{Layout, RawRow};
use super::record::DecodeError;
use super::schema::{CATALOGUE, Table};
use super::source::{OpenTables, Tables, io as failed};
use super::tx::{Range, Source};
use super::writer::{commit, prepare, put_meta, read_meta};
use super::{Error, Options, Store};

/// More starts than an installation can have had between a backup and its restore, so that no
/// epoch of the restored one was ever used.
const EPOCHS_SKIPPED: u64 = 1_000_000;

impl Store {
    /// Every row of every table, as they are at one moment, in the order of tables and keys. What
    /// is staged comes as the rows that it will be. Blocks, and pins pages while it lasts.
    pub fn dump<E>(
        &self,
        row: impl FnMut(Table, &[u8], &[u8]) -> Result<(), E>,
    ) -> Result<Result<(), E>, Error> {
        rows(&*self.snapshot()?, row)
    }
}

/// Stops at the first error of `row`.
pub(super) fn rows<E>(
    source: &dyn Source,
    mut row: impl FnMut(Table, &[u8], &[u8]) -> Result<(), E>,
) -> Result<Result<(), E>, Error> {
    for known in CATALOGUE.iter().filter(|known| known.table != Table::Staged) {
        let mut stopped = Ok(());
        source.scan(known.table, &Range::all(), &mut |key, value| match row(
            known.table,
            key,
            value,
        ) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                stopped = Err(error);
                ControlFlow::Break(())
            }
        })?;
        if stopped.is_err() {
            return Ok(stopped);
        }
    }
    Ok(Ok(()))
}

/// A new database that is being filled. Nobody looks for it under its name, so that a crash leaves
/// nothing that counts.
pub struct Rebuild {
    database: Database,
    layout: Layout,
    from: u64,
    rows: Vec<RawRow>,
    bytes: usize,
    skip: u64,
}

impl Rebuild {
    /// Of the rows of a backup, which was made with layout `from`; what is at `disk` is made anew.
    pub fn restore(disk: &Disk, options: Options, from: u64) -> Result<Self, Error> {
        let made = Self::create(disk, options, from)?;
        Ok(Self { skip: EPOCHS_SKIPPED, ..made })
    }

    pub(super) fn create(disk: &Disk, options: Options, from: u64) -> Result<Self, Error> {
        let layout = options.layout;
        layout.check(from)?;
        if let Disk::File(path) = disk {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
                _ => {}
            }
            let mut file = OpenOptions::new();
            file.write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        }
        let database = disk::create_anew(disk, options)?;
        prepare(&database, layout)?;
        Ok(Self { database, layout, from, rows: Vec::new(), bytes: 0, skip: 0 })
    }

    /// Adds a row of layout `from`.
    pub fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), Error> {
        // The new file says itself what it is, and has nothing staged.
        if table == Table::Staged || (table == Table::Meta && key == b"schema") {
            return Ok(());
        }
        let row = RawRow { table, key: key.to_vec(), value: value.to_vec() };
        let lifted = self.layout.lift(self.from, row);
        for row in lifted.map_err(|cause| Error::Corrupt { table, cause })? {
            self.bytes += row.key.len() + row.value.len();
            self.rows.push(row);
        }
        if self.bytes >= limits::BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Error> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let put = |tables: &OpenTables<'_>, row: &RawRow| {
            tables.put(row.table, &row.key, Some(&row.value))
        };
        commit(&self.database, |tables| rows.iter().try_for_each(|row| put(tables, row)))
    }

    /// Durable and closed when this returns; still under its own name.
    pub fn finish(mut self) -> Result<(), Error> {
        self.flush()?;
        let epoch = read_meta(&Tables::of(&self.database)?, "epoch")?;
        if self.skip > 0 {
            // Only who makes a file by hand gets there.
            let cause = DecodeError::Malformed;
            let epoch = epoch.checked_add(self.skip);
            let epoch = epoch.ok_or(Error::Corrupt { table: Table::Meta, cause })?;
            commit(&self.database, |tables| put_meta(tables, "epoch", epoch))?;
        }
        self.database.close().map_err(failed)
    }
}

/// Puts the finished file `fresh` in the place of `path`; what was there stays as `old`. At every
/// instant one of the two is at `path`.
pub fn put_in_place(fresh: &Path, path: &Path, old: &Path) -> Result<(), Error> {
    let file = OpenOptions::new().read(true).open(fresh).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    match fs::remove_file(old) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    match fs::hard_link(path, old) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    sync_folder_of(path).map_err(failed)?;
    fs::rename(fresh, path).map_err(failed)?;
    sync_folder_of(path).map_err(failed)
}
