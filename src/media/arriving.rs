//! Files that come in stretches, over as many requests and restarts as it takes. How much of one is
//! there is the length of its file: nothing else can disagree with it. Must not know who sends.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use super::{Error, Staged, blocking};
use crate::base::AssetId;

/// The folder of such files, and which of them are being written.
#[derive(Clone, Default)]
pub(super) struct Arriving {
    /// Runs in memory have none, and take no stretches.
    folder: Option<PathBuf>,
    writing: Arc<Mutex<BTreeSet<AssetId>>>,
}

/// Whoever has it writes the file alone.
struct Held {
    writing: Arc<Mutex<BTreeSet<AssetId>>>,
    id: AssetId,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// A file that a stretch is being added to. Dropped, it loses no more than its buffer.
pub struct Stretch {
    file: Arc<File>,
    held: Arc<Held>,
    buffer: Vec<u8>,
    at: u64,
    synced: u64,
}

/// In memory before it is written; what a request that breaks off loses.
const BUFFER: usize = 128 * 1024;
/// Between two syncs: what a loss of power can cost.
const SYNC: u64 = 16 * 1024 * 1024;

impl Arriving {
    pub fn below(folder: PathBuf) -> Self {
        Self { folder: Some(folder), ..Self::default() }
    }

    fn path(&self, id: AssetId) -> io::Result<PathBuf> {
        let folder = self.folder.as_deref().ok_or(io::ErrorKind::Unsupported)?;
        Ok(folder.join(id.to_string()))
    }

    /// How many bytes of it are there.
    pub async fn arrived(&self, id: AssetId) -> Result<u64, Error> {
        let Ok(path) = self.path(id) else { return Ok(0) };
        Ok(blocking(move || length(&path)).await??)
    }

    /// Opens it for what comes behind what is there; `None` while somebody else has it open.
    pub async fn open(&self, id: AssetId) -> Result<Option<Stretch>, Error> {
        let path = self.path(id)?;
        if !self.writing.lock().unwrap_or_else(PoisonError::into_inner).insert(id) {
            return Ok(None);
        }
        let held = Arc::new(Held { writing: Arc::clone(&self.writing), id });
        let opened = blocking(move || {
            let mut options = OpenOptions::new();
            let file = options.read(true).write(true).create(true).truncate(false).mode(0o600);
            let file = file.open(path)?;
            let at = file.metadata()?.len();
            Ok::<_, io::Error>((file, at))
        });
        let (file, at) = opened.await??;
        Ok(Some(Stretch { file: Arc::new(file), held, buffer: Vec::new(), at, synced: at }))
    }

    /// Removes it; one that is gone already is no error.
    pub async fn remove(&self, id: AssetId) -> Result<(), Error> {
        let Ok(path) = self.path(id) else { return Ok(()) };
        let removed = blocking(move || match std::fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        });
        Ok(removed.await??)
    }

    /// All that are there.
    pub async fn all(&self) -> Result<Vec<AssetId>, Error> {
        let Some(folder) = self.folder.clone() else { return Ok(Vec::new()) };
        let found = blocking(move || {
            let names = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name()));
            names.collect::<io::Result<Vec<_>>>()
        });
        let names = found.await??;
        Ok(names.iter().filter_map(|name| name.to_str()?.parse().ok()).collect())
    }
}

fn length(path: &Path) -> io::Result<u64> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

impl Stretch {
    /// Where the next byte goes.
    pub fn at(&self) -> u64 {
        self.at.saturating_add(u64::try_from(self.buffer.len()).unwrap_or(u64::MAX))
    }

    /// Drops what is behind `at`.
    pub async fn back_to(&mut self, at: u64) -> Result<(), Error> {
        if at < self.at {
            let file = Arc::clone(&self.file);
            self.buffer.clear();
            blocking(move || file.set_len(at)).await??;
            (self.at, self.synced) = (at, at);
        } else {
            self.buffer.truncate(usize::try_from(at - self.at).unwrap_or(usize::MAX));
        }
        Ok(())
    }

    pub async fn push(&mut self, piece: &[u8]) -> Result<(), Error> {
        self.buffer.extend_from_slice(piece);
        if self.buffer.len() >= BUFFER {
            self.flush().await?;
        }
        if self.at - self.synced >= SYNC {
            self.sync().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Error> {
        let (buffer, at) = (std::mem::take(&mut self.buffer), self.at);
        self.at = at.saturating_add(u64::try_from(buffer.len()).unwrap_or(u64::MAX));
        // The hold goes along: a request that is dropped meanwhile still writes alone.
        let (file, held) = (Arc::clone(&self.file), Arc::clone(&self.held));
        let written = blocking(move || {
            let written = file.write_all_at(&buffer, at);
            drop(held);
            written
        });
        Ok(written.await??)
    }

    /// All that came is durable when this returns.
    pub async fn sync(&mut self) -> Result<(), Error> {
        self.flush().await?;
        let file = Arc::clone(&self.file);
        blocking(move || file.sync_data()).await??;
        self.synced = self.at;
        Ok(())
    }

    /// The whole file, to be examined.
    pub async fn staged(&self) -> Result<Staged, Error> {
        let (file, bytes) = (Arc::clone(&self.file), self.at);
        let staged = blocking(move || {
            let (mut hash, mut at, mut buffer) = (Sha256::new(), 0, vec![0; BUFFER]);
            loop {
                let n = file.read_at(&mut buffer, at)?;
                if n == 0 {
                    let sha256 = hash.finalize().into();
                    return Ok::<_, io::Error>(Staged::of(file, bytes, sha256));
                }
                hash.update(buffer.get(..n).unwrap_or_default());
                at = at.saturating_add(u64::try_from(n).unwrap_or(u64::MAX));
            }
        });
        Ok(staged.await??)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{SeededRng, Timestamp};

    /// Whatever of it was written already, and whatever only waits to be.
    #[tokio::test]
    async fn nothing_of_what_was_dropped_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let arriving = Arriving::below(folder.path().to_owned());
        for (n, (first, more)) in
            [(10, 0), (10, 7), (0, 7), (10, BUFFER), (10, BUFFER + 7)].into_iter().enumerate()
        {
            let rng = SeededRng::new(u64::try_from(n).unwrap());
            let id = AssetId::new(Timestamp::from_millis(1), &rng);
            let mut stretch = arriving.open(id).await.unwrap().unwrap();
            stretch.push(&vec![1; first]).await.unwrap();
            stretch.sync().await.unwrap();
            for piece in vec![2; more].chunks(BUFFER) {
                stretch.push(piece).await.unwrap();
            }
            let kept = u64::try_from(first).unwrap();
            stretch.back_to(kept).await.unwrap();
            assert_eq!(stretch.at(), kept, "{first} and {more}");
            stretch.push(&[3; 3]).await.unwrap();
            stretch.sync().await.unwrap();
            let path = arriving.path(id).unwrap();
            let expected = [vec![1; first], vec![3; 3]].concat();
            assert_eq!(std::fs::read(path).unwrap(), expected, "{first} and {more}");
        }
    }
}
