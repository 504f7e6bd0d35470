//! The one writer: takes all that waits, runs each closure on the batch's view, commits once.
//! Must not linger for more work: the sync under way is the batching window.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use redb::{Database, ReadableDatabase};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::base::limits;

use super::key::Key;
use super::rows::timers::StoredTimer;
use super::rows::{Meta, TimerKey};
use super::schema::{CATALOGUE, Table};
use super::source::{OpenTables, Snapshot, io};
use super::tx::{Puts, Tx, View};
use super::{Changes, Disk, Error, Options, WriteError};

/// The newest layout that this program can read and write.
const SCHEMA: u64 = 1;
const QUEUE: usize = 4_096;
const FEED: usize = 1_024;

/// A write that waits for its turn.
pub(super) trait Job: Send {
    /// Decides on `tx`; `Ok(false)` when nothing of it is to be kept. An error means that the disk failed.
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<bool, Error>;
    /// Tells the caller, once the batch's fate is known.
    fn finish(self: Box<Self>, batch: Result<(), Error>);
}

pub(super) struct Pending<F, T, E> {
    f: F,
    /// `false`: decide on the view, and write nothing.
    keep: bool,
    result: Option<Result<T, WriteError<E>>>,
    reply: oneshot::Sender<Result<T, WriteError<E>>>,
}

impl<F, T, E> Pending<F, T, E> {
    pub(super) fn new(f: F, keep: bool, reply: oneshot::Sender<Result<T, WriteError<E>>>) -> Self {
        Self { f, keep, result: None, reply }
    }
}

impl<F, T, E> Job for Pending<F, T, E>
where
    T: Send,
    E: Send,
    F: Fn(&mut Tx<'_>) -> Result<T, WriteError<E>> + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<bool, Error> {
        match (self.f)(tx) {
            Err(WriteError::Store(error @ Error::Io(_))) => Err(error),
            result => {
                let wrote = result.is_ok() && self.keep;
                self.result = Some(result);
                Ok(wrote)
            }
        }
    }

    fn finish(self: Box<Self>, batch: Result<(), Error>) {
        let result = match (batch, self.result) {
            // A refusal stands whatever became of the others' writes.
            (_, Some(Err(refused))) => Err(refused),
            (Ok(()), Some(done)) => done,
            (Err(error), _) => Err(WriteError::Store(error)),
            (Ok(()), None) => Err(WriteError::Store(Error::Closed)),
        };
        // The caller may have gone away; its write stands all the same.
        drop(self.reply.send(result));
    }
}

/// How jobs get to the writer.
pub(super) enum Lane {
    Thread(mpsc::Sender<Box<dyn Job>>),
    Inline(Mutex<()>),
}

pub(super) struct Shared {
    /// `None` after a failure, until it could be opened again; or when closed.
    database: RwLock<Option<Database>>,
    closed: AtomicBool,
    disk: Disk,
    options: Options,
    pub(super) lane: Lane,
    pub(super) epoch: u64,
    /// Number of the last durable batch: tells after a failed commit whether it was durable.
    batch: AtomicU64,
    pub(super) changes: broadcast::Sender<Arc<Changes>>,
    pub(super) commits: AtomicU64,
    pub(super) writes: AtomicU64,
    pub(super) written_bytes: AtomicU64,
    pub(super) reopened: AtomicU64,
    pub(super) healthy: AtomicBool,
}

impl Shared {
    pub(super) fn open(disk: Disk, options: Options) -> Result<Arc<Self>, Error> {
        let database = disk.open(options, prepare, check_schema)?;
        let (epoch, batch) = begin_epoch(&database)?;
        let (queue, jobs) = mpsc::channel(QUEUE);
        let lane = if options.inline { Lane::Inline(Mutex::new(())) } else { Lane::Thread(queue) };
        let shared = Arc::new(Self {
            database: RwLock::new(Some(database)),
            closed: AtomicBool::new(false),
            disk,
            options,
            lane,
            epoch,
            batch: AtomicU64::new(batch),
            changes: broadcast::channel(FEED).0,
            commits: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            written_bytes: AtomicU64::new(0),
            reopened: AtomicU64::new(0),
            healthy: AtomicBool::new(true),
        });
        if !options.inline {
            // A weak handle: the thread ends when the last store is dropped.
            let writer = Arc::downgrade(&shared);
            std::thread::Builder::new()
                .name("store-writer".to_owned())
                .spawn(move || run(&writer, jobs))
                .map_err(io)?;
        }
        Ok(shared)
    }

    pub(super) fn snapshot(&self) -> Result<Snapshot, Error> {
        // Not only the writer: a store that nobody writes to must heal, too.
        self.ensure_open()?;
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        match database.as_ref() {
            Some(database) => Snapshot::of(database),
            None if self.closed.load(Ordering::Relaxed) => Err(Error::Closed),
            None => Err(Error::Io("it is being reopened".to_owned())),
        }
    }

    /// Runs `jobs` in as many commits as their size asks for; usually one.
    pub(super) fn run_batch(&self, mut jobs: Vec<Box<dyn Job>>) {
        while !jobs.is_empty() {
            let mut taken = jobs.len();
            let outcome = self.settle(&mut jobs, &mut taken);
            self.healthy.store(outcome.is_ok(), Ordering::Relaxed);
            let (batch, changes) = match outcome {
                Ok(changes) => (Ok(()), Some(changes)),
                Err(error) => (Err(error), None),
            };
            for job in jobs.drain(..taken) {
                job.finish(batch.clone());
            }
            if let Some(changes) = changes.filter(|c| !c.tables.is_empty()) {
                // Nobody listening is fine.
                drop(self.changes.send(Arc::new(changes)));
            }
        }
    }

    /// Commits a batch, or finds out what became of it. redb latches on the first error, and a
    /// commit that failed may be durable all the same: so close, reopen, reread the number of the
    /// last batch, and only then decide; once more when it is not there.
    fn settle(&self, jobs: &mut [Box<dyn Job>], taken: &mut usize) -> Result<Changes, Error> {
        self.ensure_open()?;
        // In step with the open file: opening it rereads the number.
        let before = self.batch.load(Ordering::Relaxed);
        let mut attempts = 2;
        loop {
            attempts -= 1;
            let outcome = self.attempt(jobs, taken);
            let Err(Error::Io(cause)) = &outcome else {
                return outcome;
            };
            tracing::error!(cause, "the database failed; reopening it");
            drop(self.database.write().unwrap_or_else(PoisonError::into_inner).take());
            // Also after the last attempt, so that readers have a file that works.
            self.ensure_open()?;
            if self.batch.load(Ordering::Relaxed) > before {
                // What it changed is not known any more: everybody must look for themselves.
                let tables = CATALOGUE.iter().map(|row| row.table).collect();
                return Ok(Changes { timers: Vec::new(), tables });
            }
            if attempts == 0 {
                return outcome;
            }
        }
    }

    /// Runs and commits the first `taken` jobs, which it lowers to what one batch may hold. An I/O
    /// error leaves the handle useless.
    fn attempt(&self, jobs: &mut [Box<dyn Job>], taken: &mut usize) -> Result<Changes, Error> {
        let guard = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = guard.as_ref().ok_or(Error::Closed)?;
        let mut txn = database.begin_write().map_err(io)?;
        txn.set_two_phase_commit(true);
        txn.set_quick_repair(true);
        let mut changes = Changes::default();
        let (mut wrote, mut bytes) = (0, 0);
        {
            let tables = OpenTables::of(&txn);
            for (i, job) in jobs.iter_mut().take(*taken).enumerate() {
                let mut tx = Tx::new(&tables);
                if job.run(&mut tx)? {
                    let puts = tx.into_puts();
                    tables.apply(&puts)?;
                    bytes += note(&mut changes, &puts);
                    wrote += u64::from(!puts.is_empty());
                }
                if bytes >= limits::BATCH_BYTES {
                    *taken = i + 1;
                    break;
                }
            }
            if wrote > 0 {
                let number = self.batch.load(Ordering::Relaxed) + 1;
                put_meta(&tables, "batch", number)?;
            }
        }
        if wrote == 0 {
            return txn.abort().map(|()| changes).map_err(io);
        }
        txn.commit().map_err(io)?;
        self.batch.fetch_add(1, Ordering::Relaxed);
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.writes.fetch_add(wrote, Ordering::Relaxed);
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.written_bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(changes)
    }

    fn ensure_open(&self) -> Result<(), Error> {
        if self.database.read().unwrap_or_else(PoisonError::into_inner).is_some() {
            return Ok(());
        }
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // Under the lock: a close takes the file only after it has said so.
        if self.closed.load(Ordering::Relaxed) {
            return Err(Error::Closed);
        }
        if database.is_none() {
            let opened = self.disk.open(self.options, prepare, check_schema)?;
            // A commit that answered an error before may be in the file: its number must not be
            // taken for that of the batch that comes next.
            let durable = read_meta(&Snapshot::of(&opened)?, "batch")?;
            self.batch.store(durable, Ordering::Relaxed);
            *database = Some(opened);
            self.reopened.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    pub(super) fn close(&self) -> Result<(), Error> {
        self.closed.store(true, Ordering::Relaxed);
        let database = self.database.write().unwrap_or_else(PoisonError::into_inner).take();
        database.map_or(Ok(()), |database| database.close().map_err(io))
    }
}

/// The writer's thread.
fn run(shared: &std::sync::Weak<Shared>, mut jobs: mpsc::Receiver<Box<dyn Job>>) {
    while let Some(first) = jobs.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < limits::BATCH_JOBS
            && let Ok(job) = jobs.try_recv()
        {
            batch.push(job);
        }
        match shared.upgrade() {
            Some(shared) => shared.run_batch(batch),
            None => break,
        }
    }
}

/// Adds what `puts` change to `changes`, and says how many bytes they are.
fn note(changes: &mut Changes, puts: &Puts) -> usize {
    let mut bytes = 0;
    for ((table, key), put) in puts {
        bytes += key.len() + put.as_ref().map_or(0, Vec::len);
        changes.tables.insert(*table);
        if *table == Table::Timers
            && let Some(timer) = StoredTimer::from_bytes(key).map(TimerKey::of_stored)
        {
            changes.timers.push((timer, put.is_some()));
        }
    }
    bytes
}

/// Lays out a new database: every table, and the schema's number.
fn prepare(database: &Database) -> Result<(), Error> {
    commit(database, |tables| {
        for row in CATALOGUE {
            tables.touch(row.table)?;
        }
        put_meta(tables, "schema", SCHEMA)
    })
}

/// Refuses a newer layout.
pub(super) fn check_schema(database: &impl ReadableDatabase) -> Result<(), Error> {
    let found = read_meta(&Snapshot::of(database)?, "schema")?;
    if found > SCHEMA {
        return Err(Error::NewerSchema { found, known: SCHEMA });
    }
    Ok(())
}

/// Counts the epoch up. Returns it and the number of the last batch.
fn begin_epoch(database: &Database) -> Result<(u64, u64), Error> {
    check_schema(database)?;
    let snapshot = Snapshot::of(database)?;
    let epoch = read_meta(&snapshot, "epoch")? + 1;
    let batch = read_meta(&snapshot, "batch")?;
    drop(snapshot);
    commit(database, |tables| put_meta(tables, "epoch", epoch))?;
    Ok((epoch, batch))
}

fn commit(
    database: &Database,
    f: impl Fn(&OpenTables<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut txn = database.begin_write().map_err(io)?;
    txn.set_two_phase_commit(true);
    txn.set_quick_repair(true);
    f(&OpenTables::of(&txn))?;
    txn.commit().map_err(io)
}

fn read_meta(snapshot: &Snapshot, name: &str) -> Result<u64, Error> {
    let found = View::new(snapshot).get_global::<Meta>(&name.to_owned())?;
    Ok(found.map_or(0, |meta| meta.value))
}

fn put_meta(tables: &OpenTables<'_>, name: &str, value: u64) -> Result<(), Error> {
    let mut tx = Tx::new(tables);
    tx.put_global(&name.to_owned(), &Meta { value })?;
    tables.apply(&tx.into_puts())
}
