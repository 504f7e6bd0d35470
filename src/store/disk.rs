//! Where the database lives: a file, or memory with faults. A new file is made under another name
//! and renamed, because a crash inside its first writes leaves something that does not open.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use redb::{Builder, Database, DatabaseError};

use super::fault::FaultDisk;
use super::peek::Peek;
use super::source::io as io_error;
use super::upgrade::schema_of;
use super::{Error, Options};
use crate::domain::space::Space;

/// The place of the database; can be opened again after an I/O error.
#[derive(Clone)]
pub enum Disk {
    File(PathBuf),
    Memory(FaultDisk),
}

impl Disk {
    /// What is left of the disk; `None` when it does not say.
    pub fn space(&self) -> Option<Space> {
        match self {
            Self::File(path) => {
                let told = rustix::fs::statvfs(folder_of(path)).ok()?;
                let bytes = |blocks: u64| blocks.saturating_mul(told.f_frsize);
                Some(Space { free: bytes(told.f_bavail), size: bytes(told.f_blocks) })
            }
            Self::Memory(disk) => disk.space(),
        }
    }

    /// Opens the database. `prepare` runs on a new one before anybody can see it; `check` on the
    /// number of the layout of a file that is there, before it is written.
    pub(super) fn open(
        &self,
        options: Options,
        prepare: impl Fn(&Database) -> Result<(), Error>,
        check: impl Fn(u64) -> Result<(), Error>,
    ) -> Result<Database, Error> {
        let mut builder = Builder::new();
        builder.set_cache_size(options.cache_bytes);
        match self {
            Self::File(path) => {
                if path.try_exists().map_err(io_error)? {
                    look(path, &builder, check)?;
                } else {
                    create(path, &builder, &prepare)?;
                }
                builder.open(path).map_err(opened)
            }
            Self::Memory(disk) => {
                let database = builder.create_with_backend(disk.backend()).map_err(opened)?;
                if disk.begin() {
                    prepare(&database)?;
                }
                Ok(database)
            }
        }
    }
}

/// Opens what is there, whatever its layout, to be read: a file is not written.
pub(super) fn open_as_it_is(disk: &Disk, options: Options) -> Result<Database, Error> {
    let mut builder = Builder::new();
    builder.set_cache_size(options.cache_bytes);
    match disk {
        Disk::File(path) => builder.create_with_backend(Peek::at(path)?),
        Disk::Memory(memory) => builder.create_with_backend(memory.backend()),
    }
    .map_err(opened)
}

/// An empty database; the file is there and empty.
pub(super) fn create_anew(disk: &Disk, options: Options) -> Result<Database, Error> {
    let mut builder = Builder::new();
    builder.set_cache_size(options.cache_bytes);
    match disk {
        Disk::File(path) => builder.create(path),
        Disk::Memory(memory) => {
            memory.clear();
            builder.create_with_backend(memory.backend())
        }
    }
    .map_err(opened)
}

/// The number of its layout, without writing to a file; `None` when there is none yet.
pub(super) fn schema(disk: &Disk, options: Options) -> Result<Option<u64>, Error> {
    match disk {
        Disk::File(path) if !path.try_exists().map_err(io_error)? => Ok(None),
        Disk::File(path) => look_at(path).map(|look| Some(look.schema)),
        Disk::Memory(memory) if memory.is_new() => Ok(None),
        Disk::Memory(_) => schema_of(&open_as_it_is(disk, options)?).map(Some),
    }
}

/// Whether the file was closed well, and the number of its layout; an error when it is no database
/// of ours, or is in use. What a start would have to repair is repaired in memory.
pub(super) fn look_at(path: &Path) -> Result<Look, Error> {
    let mut schema = 0;
    let number = |found| {
        schema = found;
        Ok(())
    };
    let closed = look(path, &Builder::new(), number)?;
    Ok(Look { closed, schema })
}

/// A look at a file that was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Nothing must be repaired.
    pub closed: bool,
    /// The number of its layout.
    pub schema: u64,
}

/// Opening for writing writes at once, so the check of the layout's number comes before it. A file
/// that was not closed must be repaired to be read: that is done in memory here. Answers whether it
/// was closed.
fn look(
    path: &Path,
    builder: &Builder,
    check: impl FnOnce(u64) -> Result<(), Error>,
) -> Result<bool, Error> {
    match builder.open_read_only(path) {
        Ok(database) => {
            check(schema_of(&database)?)?;
            database.close().map_err(opened).map(|()| true)
        }
        Err(DatabaseError::RepairAborted) => {
            let peek = Peek::at(path)?;
            let database = Builder::new().create_with_backend(peek).map_err(opened)?;
            check(schema_of(&database)?)?;
            database.close().map_err(opened).map(|()| false)
        }
        Err(error) => Err(opened(error)),
    }
}

fn create(
    path: &Path,
    builder: &Builder,
    prepare: &impl Fn(&Database) -> Result<(), Error>,
) -> Result<(), Error> {
    let fresh = path.with_extension("new");
    match fs::remove_file(&fresh) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(io_error(e)),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh).map_err(io_error)?;
    let database = builder.create(&fresh).map_err(opened)?;
    prepare(&database)?;
    database.close().map_err(opened)?;
    fs::rename(&fresh, path).map_err(io_error)?;
    sync_folder_of(path).map_err(io_error)
}

/// Makes the names in it durable.
pub(super) fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path)).and_then(|folder| folder.sync_all())
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn opened(error: DatabaseError) -> Error {
    match error {
        DatabaseError::DatabaseAlreadyOpen => Error::InUse,
        other => io_error(other),
    }
}
