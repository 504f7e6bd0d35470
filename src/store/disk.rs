//! Where the database lives: a file, or memory with faults. A new file is made under another name
//! and renamed, because a crash inside its first writes leaves something that does not open.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use redb::{Builder, Database, DatabaseError, ReadOnlyDatabase};

use super::fault::FaultDisk;
use super::source::io as io_error;
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

    /// Opens the database. `prepare` runs on a new one before anybody can see it; `check` on a file
    /// that is there, before it is written.
    pub(super) fn open(
        &self,
        options: Options,
        prepare: impl Fn(&Database) -> Result<(), Error>,
        check: impl Fn(&ReadOnlyDatabase) -> Result<(), Error>,
    ) -> Result<Database, Error> {
        let mut builder = Builder::new();
        builder.set_cache_size(options.cache_bytes);
        match self {
            Self::File(path) => {
                if path.try_exists().map_err(io_error)? {
                    look(path, &builder, &check)?;
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

/// Whether the file was closed well; an error when it is no database of ours, or is in use.
pub(super) fn is_closed(
    path: &Path,
    check: impl Fn(&ReadOnlyDatabase) -> Result<(), Error>,
) -> Result<bool, Error> {
    match Builder::new().open_read_only(path) {
        Ok(database) => {
            check(&database)?;
            database.close().map_err(opened).map(|()| true)
        }
        Err(DatabaseError::RepairAborted) => Ok(false),
        Err(error) => Err(opened(error)),
    }
}

/// Opening for writing writes at once, so the check comes before it. Not for a file that was not
/// closed: to read it, the engine must repair it first.
fn look(
    path: &Path,
    builder: &Builder,
    check: &impl Fn(&ReadOnlyDatabase) -> Result<(), Error>,
) -> Result<(), Error> {
    match builder.open_read_only(path) {
        Ok(database) => {
            check(&database)?;
            database.close().map_err(opened)
        }
        Err(DatabaseError::RepairAborted) => Ok(()),
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
