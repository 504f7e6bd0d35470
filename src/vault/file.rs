//! Small private files that exist whole or not at all. Must never replace a file: one that is
//! overwritten here cannot be made again.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use super::VaultError;

/// Makes `path` with `bytes`, mode 0600, durable when this returns; an error if it exists.
pub(super) fn create(path: &Path, bytes: &[u8]) -> Result<(), VaultError> {
    let dir = match path.parent() {
        Some(dir) if dir != Path::new("") => dir,
        _ => Path::new("."),
    };
    let write = || {
        // Made with mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path)?;
        File::open(dir)?.sync_all()
    };
    write().map_err(|source| io_error(path, source))
}

/// `None` when there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, VaultError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(io_error(path, source)),
    }
}

pub(super) fn io_error(path: &Path, source: io::Error) -> VaultError {
    VaultError::Io { path: path.to_owned(), source }
}
