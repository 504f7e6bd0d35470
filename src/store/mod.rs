//! The store: one redb file, one writer that commits what waits, handles bound to one workspace.
//! Must not know what the data means. Nothing else names redb or postcard.

mod chains;
mod changed;
mod disk;
mod dump;
mod fault;
mod key;
mod layout;
mod peek;
mod record;
pub mod rows;
mod run;
mod schema;
mod scope;
mod sieve;
mod slots;
mod source;
mod stage;
mod tx;
mod upgrade;
mod writer;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::{broadcast, mpsc, oneshot};

use crate::base::limits;
use crate::domain::access::Lack;
use crate::domain::space::Space;
use rows::{Meta, TimerKey};

pub use chains::{Chains, Verdicts, verify_database};
pub use disk::{Disk, Look};
pub use dump::{Rebuild, put_in_place};
pub use fault::{FaultDisk, FaultKind, Replay};
pub use key::{Fixed, Key, KeyBytes};
pub use layout::{Layout, RawRow, Step};
pub use record::{DecodeError, Global, Row, Scoped, decode, encode};
pub use schema::{CATALOGUE, Class, Table, TableRow};
pub use scope::{Backlog, Holder, Operator, Scope, in_doubt};
pub use slots::{Slot, Slots};
pub use tx::{Span, Tx, View};
use writer::{Job, Lane, Pending, Shared};

/// Why the store could not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The disk or the file failed. The store reopens itself; the same call may work later.
    #[error("the database failed: {0}")]
    Io(String),
    #[error("the database is in use by another process")]
    InUse,
    #[error("the database has schema {found}; this program knows up to {known}. Use the newer one")]
    NewerSchema { found: u64, known: u64 },
    #[error(
        "the database has schema {found}; this program reads from \
         {oldest} on. Upgrade with an older release first"
    )]
    OlderSchema { found: u64, oldest: u64 },
    #[error("a row of table {table:?} cannot be read: {cause}")]
    Corrupt { table: Table, cause: DecodeError },
    #[error("a key or a row of table {table:?} would have {bytes} bytes")]
    TooLarge { table: Table, bytes: usize },
    /// A row of a channel that the holder of the scope may not write.
    #[error("the holder of the scope does not reach so far: {0:?}")]
    OutOfReach(Lack),
    #[error("the code that decides on a write has a fault; nothing of it was stored")]
    Panicked,
    #[error("the store is closed")]
    Closed,
}

/// Why a write did not happen: the closure refused, or the store could not.
#[derive(Debug, PartialEq, Eq)]
pub enum WriteError<E> {
    Refused(E),
    Store(Error),
}

impl<E> WriteError<E> {
    /// The refusal; or the store's error turned into one.
    pub fn into_refusal(self, store: impl FnOnce(Error) -> E) -> E {
        match self {
            Self::Refused(e) => e,
            Self::Store(e) => store(e),
        }
    }
}

/// How to run a store.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub cache_bytes: usize,
    /// Writes and reads happen inside the call, for runs in one thread.
    pub inline: bool,
    /// Changes that may wait for their tables.
    pub staged_rows: usize,
    pub layout: Layout,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes: 16 * 1024 * 1024,
            inline: false,
            staged_rows: limits::STAGED_ROWS,
            layout: Layout::CURRENT,
        }
    }
}

/// What a commit changed, for those who wait for it. A hint: the rows are the truth.
#[derive(Clone, Debug)]
pub struct Changes {
    /// Timers put (`true`) and deleted.
    pub timers: Vec<(TimerKey, bool)>,
    pub tables: BTreeSet<Table>,
    /// Workspaces with new events; `None` when it is not known which.
    pub eventful: Option<BTreeSet<Scope>>,
}

impl Default for Changes {
    fn default() -> Self {
        Self { timers: Vec::new(), tables: BTreeSet::new(), eventful: Some(BTreeSet::new()) }
    }
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub commits: u64,
    pub writes: u64,
    /// Bytes of the keys and rows that were put.
    pub written_bytes: u64,
    pub reopened: u64,
    /// Changes that wait for their tables now.
    pub staged: usize,
}

/// The open database; a cheap handle.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    rehearsal: bool,
}

impl Store {
    /// Opens or creates the database, and begins a new boot epoch.
    pub fn open(disk: Disk, options: Options) -> Result<Self, Error> {
        Ok(Self { shared: Shared::open(disk, options)?, rehearsal: false })
    }

    /// The same database, through which every write decides and answers and nothing is kept.
    #[must_use]
    pub fn rehearsal(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), rehearsal: true }
    }

    pub fn is_rehearsal(&self) -> bool {
        self.rehearsal
    }

    /// Looks at a file without writing to it. An error when it is no database, or is in use; its
    /// layout may be one that this program cannot open.
    pub fn look(path: &std::path::Path) -> Result<Look, Error> {
        disk::look_at(path)
    }

    /// Grows by one with each start; whatever an older epoch armed is unknown.
    pub fn epoch(&self) -> u64 {
        self.shared.epoch
    }

    /// Runs `f` on the writer's view; its changes are durable when this returns `Ok`. `f` may be
    /// run more than once and must not do anything but decide.
    pub async fn write<T, E, F>(&self, f: F) -> Result<T, WriteError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T, WriteError<E>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Box<dyn Job> = Box::new(Pending::new(f, !self.rehearsal, reply));
        match &self.shared.lane {
            Lane::Thread(queue) => {
                let closed = |_: mpsc::error::SendError<_>| WriteError::Store(Error::Closed);
                queue.send(job).await.map_err(closed)?;
            }
            Lane::Inline(turn) => {
                let _turn = turn.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                self.shared.run_batch(vec![job]);
            }
        }
        answer.await.map_or(Err(WriteError::Store(Error::Closed)), |(result, _)| result)
    }

    /// Runs `f` on a view of this moment.
    pub async fn read<T, F>(&self, f: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&View<'_>) -> Result<T, Error> + Send + 'static,
    {
        if matches!(self.shared.lane, Lane::Inline(_)) {
            return self.read_now(f);
        }
        let store = self.clone();
        let read = tokio::task::spawn_blocking(move || store.read_now(f));
        read.await.unwrap_or(Err(Error::Closed))
    }

    /// Like [`Store::read`], on the calling thread: for a handful of rows that are likely in the
    /// cache, where moving to another thread costs more than the reading.
    pub fn read_now<T>(&self, f: impl FnOnce(&View<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let snapshot = self.shared.snapshot()?;
        f(&View::new(&*snapshot))
    }

    fn snapshot(&self) -> Result<Arc<writer::Snapshot>, Error> {
        self.shared.snapshot()
    }

    /// Commits from now on.
    pub fn changes(&self) -> broadcast::Receiver<Arc<Changes>> {
        self.shared.changes.subscribe()
    }

    pub fn stats(&self) -> Stats {
        Stats {
            commits: self.shared.commits.load(Ordering::Relaxed),
            writes: self.shared.writes.load(Ordering::Relaxed),
            written_bytes: self.shared.written_bytes.load(Ordering::Relaxed),
            reopened: self.shared.reopened.load(Ordering::Relaxed),
            staged: self.shared.staged(),
        }
    }

    /// What is left of the disk; `None` when it does not say.
    pub fn space(&self) -> Option<Space> {
        self.shared.disk.space()
    }

    /// Finds out whether it can be written, by writing. Heals what can be healed.
    pub async fn probe(&self) -> Result<(), Error> {
        let probed = self.write::<(), std::convert::Infallible, _>(|tx| {
            Ok(tx.put_global(&"probe".to_owned(), &Meta { value: 0 })?)
        });
        probed.await.map_err(|error| match error {
            WriteError::Refused(never) => match never {},
            WriteError::Store(error) => error,
        })
    }

    /// Where an answer is kept while the database cannot take it.
    pub fn slots(&self) -> &Slots {
        &self.shared.slots
    }

    /// Whether the last batch with changes could be written, and there is a writer for the next.
    pub fn is_healthy(&self) -> bool {
        let gone = matches!(&self.shared.lane, Lane::Thread(queue) if queue.is_closed());
        !gone && self.shared.healthy.load(Ordering::Relaxed)
    }

    /// Writes what waits and closes the file. Later calls answer [`Error::Closed`].
    pub async fn close(&self) -> Result<(), Error> {
        // Joins the queue behind every write that waits.
        let last = self.write::<(), (), _>(|_| Ok(())).await;
        self.shared.close()?;
        match last {
            Err(WriteError::Store(error)) => Err(error),
            _ => Ok(()),
        }
    }
}
