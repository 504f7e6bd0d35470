//! A file that can be opened without being written: what the engine writes to repair it stays in
//! memory. For a look at a file that was not closed. Must not be kept open.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

use super::Error;
use super::source::io as failed;

const PAGE: u64 = 4_096;
const PAGE_BYTES: usize = 4_096;

pub(super) struct Peek {
    file: File,
    state: Mutex<State>,
}

struct State {
    length: u64,
    /// Pages that were written, by number.
    written: BTreeMap<u64, Vec<u8>>,
}

impl std::fmt::Debug for Peek {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Peek")
    }
}

impl Peek {
    /// Nobody else may have it open, as if it were opened to be written.
    pub fn at(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(failed)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => Error::InUse,
            TryLockError::Error(error) => failed(error),
        })?;
        let length = file.metadata().map_err(failed)?.len();
        Ok(Self { file, state: Mutex::new(State { length, written: BTreeMap::new() }) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Zeroes behind the end of the file.
    fn page(&self, state: &State, number: u64) -> io::Result<Vec<u8>> {
        if let Some(page) = state.written.get(&number) {
            return Ok(page.clone());
        }
        let mut page = vec![0; PAGE_BYTES];
        let mut filled = 0;
        while let Some(rest) = page.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let at = number * PAGE + u64::try_from(filled).unwrap_or(u64::MAX);
            match self.file.read_at(rest, at)? {
                0 => break,
                read => filled += read,
            }
        }
        Ok(page)
    }

    /// The pages of a stretch: number, offset within it, how much of it.
    fn stretches(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, usize)> {
        let mut done = 0;
        std::iter::from_fn(move || {
            let at = offset + u64::try_from(done).unwrap_or(u64::MAX);
            let within = usize::try_from(at % PAGE).unwrap_or(0);
            let take = (PAGE_BYTES - within).min(length - done);
            done += take;
            (take > 0).then_some((at / PAGE, within, take))
        })
    }
}

impl StorageBackend for Peek {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        if offset + u64::try_from(out.len()).unwrap_or(u64::MAX) > state.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut out = out;
        for (number, within, take) in Self::stretches(offset, out.len()) {
            let page = self.page(&state, number)?;
            let (to, rest) = std::mem::take(&mut out).split_at_mut(take);
            to.copy_from_slice(page.get(within..within + take).unwrap_or_default());
            out = rest;
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.state().length = length;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let mut data = data;
        for (number, within, take) in Self::stretches(offset, data.len()) {
            let mut page = self.page(&state, number)?;
            let (from, rest) = data.split_at(take);
            if let Some(to) = page.get_mut(within..within + take) {
                to.copy_from_slice(from);
            }
            state.written.insert(number, page);
            data = rest;
            let end = number * PAGE + u64::try_from(within + take).unwrap_or(u64::MAX);
            state.length = state.length.max(end);
        }
        Ok(())
    }
}
