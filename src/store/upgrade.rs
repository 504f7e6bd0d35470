//! From an older layout to the present one: into a new file, which takes the place of the old one
//! when it is whole. Must not change a file that it cannot read to the end.

use std::path::{Path, PathBuf};

use super::disk::{self, Disk};
use super::dump::{Rebuild, put_in_place, rows};
use super::source::{Tables, io};
use super::stage::{Over, Stage};
use super::writer::read_meta;
use super::{Error, Options};

/// Brings the database to the present layout, if it has an older one.
pub(super) fn upgrade(disk: &Disk, options: Options) -> Result<(), Error> {
    // Nothing older was ever released; what is newer is refused where the file is opened.
    if options.layout.oldest() == options.layout.schema() {
        return Ok(());
    }
    let Some(found) = disk::schema(disk, options)? else { return Ok(()) };
    options.layout.check(found)?;
    if found == options.layout.schema() {
        return Ok(());
    }
    tracing::info!(from = found, to = options.layout.schema(), "the database is being upgraded");
    let fresh = match disk {
        Disk::File(path) => Disk::File(fresh_name(path)),
        Disk::Memory(memory) => Disk::Memory(memory.beside()),
    };
    copy(disk, &fresh, options, found)?;
    match (disk, &fresh) {
        (Disk::File(path), Disk::File(fresh)) => put_in_place(fresh, path, &old_name(path, found))?,
        (Disk::Memory(memory), _) => memory.adopt().map_err(io)?,
        _ => {}
    }
    tracing::info!("the database is upgraded; the old file is kept beside it");
    Ok(())
}

fn copy(old: &Disk, fresh: &Disk, options: Options, found: u64) -> Result<(), Error> {
    let old = disk::open_as_it_is(old, options)?;
    let mut rebuild = Rebuild::create(fresh, options, found)?;
    {
        let tables = Tables::of(&old)?;
        let stage = Stage::load(&tables)?;
        let source = Over { base: &tables, waiting: &stage.waiting };
        rows(&source, |table, key, value| rebuild.put(table, key, value))??;
    }
    rebuild.finish()?;
    old.close().map_err(io)
}

/// The number of the layout of an open database.
pub(super) fn schema_of(database: &impl redb::ReadableDatabase) -> Result<u64, Error> {
    read_meta(&Tables::of(database)?, "schema")
}

fn fresh_name(path: &Path) -> PathBuf {
    beside(path, "upgrading")
}

/// Where the file of an older layout stays after an upgrade.
fn old_name(path: &Path, schema: u64) -> PathBuf {
    beside(path, &format!("schema-{schema}"))
}

/// `path` with more behind its name.
pub(super) fn beside(path: &Path, more: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(more);
    PathBuf::from(name)
}
