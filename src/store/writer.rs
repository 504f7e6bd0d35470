//! The one writer: takes all that waits, runs each closure on the batch's view, commits once.
//! Must not linger for more work: the sync under way is the batching window.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use redb::Database;
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::base::{WorkspaceId, limits};

use super::changed::Changed;
use super::key::Key;
use super::layout::Layout;
use super::record::DecodeError;
use super::rows::timers::StoredTimer;
use super::rows::{Meta, TimerKey};
use super::run::Run;
use super::schema::{CATALOGUE, Table};
use super::slots::Slots;
use super::source::{OpenTables, Tables, io};
use super::stage::{Over, Stage, Waiting};
use super::tx::{Range, Read, Source, Tx, View, Visit};
use super::upgrade::{schema_of, upgrade};
use super::{Changes, Disk, Error, Options, Scope, WriteError};

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
    reply: oneshot::Sender<Reply<F, T, E>>,
}

/// What became of a write; and its closure, for the caller to drop. Memory is freed best where it
/// came from, and the one writer has the least time.
pub(super) type Reply<F, T, E> = (Result<T, WriteError<E>>, F);

impl<F, T, E> Pending<F, T, E> {
    pub(super) fn new(f: F, keep: bool, reply: oneshot::Sender<Reply<F, T, E>>) -> Self {
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
            (Ok(()), None) => Err(WriteError::Store(Error::Panicked)),
        };
        // The caller may have gone away; its write stands all the same.
        drop(self.reply.send((result, self.f)));
    }
}

/// How jobs get to the writer.
pub(super) enum Lane {
    Thread(mpsc::Sender<Box<dyn Job>>),
    Inline(Mutex<()>),
}

/// What waits for its table, as readers see it.
#[derive(Default)]
struct Seen {
    durable: Waiting,
    /// Of the batch under way, which a reader may find committed before the writer hears of it.
    next: Option<(u64, Waiting)>,
    /// Taken by the first who read since: to begin a read costs more than to read a row. It is never
    /// older than the last write that somebody was told of.
    shared: OnceLock<Arc<Snapshot>>,
}

/// The tables at one moment, with what was staged then.
pub(super) struct Snapshot {
    tables: Tables,
    waiting: Waiting,
}

impl Source for Snapshot {
    fn get(&self, table: Table, key: &[u8], read: Read<'_>) -> Result<(), Error> {
        Over { base: &self.tables, waiting: &self.waiting }.get(table, key, read)
    }

    fn scan(&self, table: Table, range: &Range, visit: Visit<'_>) -> Result<(), Error> {
        Over { base: &self.tables, waiting: &self.waiting }.scan(table, range, visit)
    }
}

pub(super) struct Shared {
    /// Before the database, so that no read outlives it here.
    seen: RwLock<Seen>,
    /// `None` after a failure, until it could be opened again; or when closed.
    database: RwLock<Option<Database>>,
    closed: AtomicBool,
    pub(super) disk: Disk,
    pub(super) slots: Slots,
    options: Options,
    pub(super) lane: Lane,
    pub(super) epoch: u64,
    /// Number of the last durable batch: tells after a failed commit whether it was durable.
    batch: AtomicU64,
    /// As of the last durable batch.
    stage: Mutex<Stage>,
    pub(super) changes: broadcast::Sender<Arc<Changes>>,
    pub(super) commits: AtomicU64,
    pub(super) writes: AtomicU64,
    pub(super) written_bytes: AtomicU64,
    pub(super) reopened: AtomicU64,
    pub(super) healthy: AtomicBool,
    /// A batch failed whose changes may be durable, and nobody was told of them.
    untold: AtomicBool,
}

impl Shared {
    pub(super) fn open(disk: Disk, options: Options) -> Result<Arc<Self>, Error> {
        upgrade(&disk, options)?;
        let database = open_on(&disk, options)?;
        let slots = Slots::open(&disk);
        let (epoch, batch) = begin_epoch(&database, options.layout)?;
        let stage = Stage::load(&Tables::of(&database)?)?;
        let seen = Seen { durable: stage.waiting.clone(), ..Seen::default() };
        let (queue, jobs) = mpsc::channel(QUEUE);
        let lane = if options.inline { Lane::Inline(Mutex::new(())) } else { Lane::Thread(queue) };
        let shared = Arc::new(Self {
            seen: RwLock::new(seen),
            database: RwLock::new(Some(database)),
            closed: AtomicBool::new(false),
            disk,
            slots,
            options,
            lane,
            epoch,
            batch: AtomicU64::new(batch),
            stage: Mutex::new(stage),
            changes: broadcast::channel(FEED).0,
            commits: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            written_bytes: AtomicU64::new(0),
            reopened: AtomicU64::new(0),
            healthy: AtomicBool::new(true),
            untold: AtomicBool::new(false),
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

    pub(super) fn snapshot(&self) -> Result<Arc<Snapshot>, Error> {
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = seen.shared.get() {
            return Ok(Arc::clone(shared));
        }
        drop(seen);
        // Not only the writer: a store that nobody writes to must heal, too.
        self.ensure_open()?;
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        match database.as_ref() {
            Some(database) => self.snapshot_of(database),
            None if self.closed.load(Ordering::Relaxed) => Err(Error::Closed),
            None => Err(Error::Io("it is being reopened".to_owned())),
        }
    }

    fn snapshot_of(&self, database: &Database) -> Result<Arc<Snapshot>, Error> {
        // Held while the read begins: no commit begins meanwhile, and one that is under way is told
        // by its number.
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = seen.shared.get() {
            return Ok(Arc::clone(shared));
        }
        let tables = Tables::of(database)?;
        let waiting = match &seen.next {
            Some((batch, next)) if read_meta(&tables, "batch")? >= *batch => next.clone(),
            _ => seen.durable.clone(),
        };
        Ok(Arc::clone(seen.shared.get_or_init(|| Arc::new(Snapshot { tables, waiting }))))
    }

    /// How many rows wait for their tables.
    pub(super) fn staged(&self) -> usize {
        self.seen.read().unwrap_or_else(PoisonError::into_inner).durable.len()
    }

    /// A batch is about to be committed. Nobody is told of it yet, so the shared read stays.
    fn announce(&self, batch: u64, waiting: Waiting) {
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        seen.next = Some((batch, waiting));
    }

    /// What readers see from now on.
    fn show(&self, durable: Waiting) {
        let new = Seen { durable, ..Seen::default() };
        let old =
            std::mem::replace(&mut *self.seen.write().unwrap_or_else(PoisonError::into_inner), new);
        // Its read ends outside the lock, unless somebody still reads.
        drop(old);
    }

    /// Takes the database away, for it to be closed. Nobody begins to read it any more.
    fn take(&self) -> Option<Database> {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        self.seen.write().unwrap_or_else(PoisonError::into_inner).shared = OnceLock::new();
        database.take()
    }

    /// Runs `jobs` in as many commits as their size asks for; usually one.
    pub(super) fn run_batch(&self, mut jobs: Vec<Box<dyn Job>>) {
        while !jobs.is_empty() {
            let mut taken = jobs.len();
            let outcome = self.settle(&mut jobs, &mut taken);
            match &outcome {
                // Nothing was written, so nothing is proved.
                Ok(changes) if changes.tables.is_empty() => {}
                outcome => self.healthy.store(outcome.is_ok(), Ordering::Relaxed),
            }
            let (batch, changes) = match outcome {
                Ok(changes) => (Ok(()), Some(changes)),
                Err(error) => {
                    self.untold.store(true, Ordering::Relaxed);
                    (Err(error), None)
                }
            };
            for job in jobs.drain(..taken) {
                job.finish(batch.clone());
            }
            if let Some(changes) = changes.filter(|c| !c.tables.is_empty()) {
                let untold = self.untold.swap(false, Ordering::Relaxed);
                let changes = if untold { unknown_changes() } else { changes };
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
            drop(self.take());
            // Also after the last attempt, so that readers have a file that works.
            self.ensure_open()?;
            if self.batch.load(Ordering::Relaxed) > before {
                return Ok(unknown_changes());
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
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        let number = self.batch.load(Ordering::Relaxed) + 1;
        let mut batch = Batch { stage: stage.clone(), ..Batch::default() };
        let needed = {
            let tables = OpenTables::of(&txn);
            *taken = batch.run(&tables, jobs, *taken)?;
            let needed = batch.is_needed();
            if needed {
                let keep = batch.keep.min(self.options.staged_rows);
                batch.stage.advance(&tables, (number, &batch.staged), keep)?;
                put_meta(&tables, "batch", number)?;
            }
            needed
        };
        if !needed {
            return txn.abort().map(|()| batch.changes).map_err(io);
        }
        self.announce(number, batch.stage.waiting.clone());
        txn.commit().map_err(io)?;
        self.show(batch.stage.waiting.clone());
        *stage = batch.stage;
        self.batch.fetch_add(1, Ordering::Relaxed);
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.writes.fetch_add(batch.wrote, Ordering::Relaxed);
        let bytes = u64::try_from(batch.bytes).unwrap_or(u64::MAX);
        self.written_bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(batch.changes)
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
            let opened = open_on(&self.disk, self.options)?;
            // A commit that answered an error before may be in the file: its number must not be
            // taken for that of the batch that comes next.
            let tables = Tables::of(&opened)?;
            let durable = read_meta(&tables, "batch")?;
            let stage = Stage::load(&tables)?;
            self.show(stage.waiting.clone());
            *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage;
            self.batch.store(durable, Ordering::Relaxed);
            *database = Some(opened);
            self.reopened.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    pub(super) fn close(&self) -> Result<(), Error> {
        self.closed.store(true, Ordering::Relaxed);
        self.take().map_or(Ok(()), |database| database.close().map_err(io))
    }
}

/// What changed is not known any more: everybody must look for themselves.
fn unknown_changes() -> Changes {
    let tables = CATALOGUE.iter().map(|row| row.table).collect();
    Changes { timers: Vec::new(), tables, eventful: None }
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

/// What one commit will hold.
struct Batch {
    stage: Stage,
    /// Changes of this batch that are to be staged.
    staged: Run,
    changes: Changes,
    wrote: u64,
    bytes: usize,
    /// How many rows may stay staged, if a job asked for fewer than the bound.
    keep: usize,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            stage: Stage::default(),
            staged: Run::default(),
            changes: Changes::default(),
            wrote: 0,
            bytes: 0,
            keep: usize::MAX,
        }
    }
}

impl Batch {
    /// Runs the first `count` jobs, or as many as fit. Returns how many.
    fn run(
        &mut self,
        tables: &OpenTables<'_>,
        jobs: &mut [Box<dyn Job>],
        count: usize,
    ) -> Result<usize, Error> {
        // What a job changes is laid out where the last one's changes were.
        let mut room = Run::default();
        for (i, job) in jobs.iter_mut().take(count).enumerate() {
            let over = Over { base: tables, waiting: &self.stage.waiting };
            let changed = Changed { base: &over, puts: &self.staged };
            let mut tx = Tx::with(&changed, std::mem::take(&mut room));
            // A fault in one closure must not take the writer away from all. It has not touched the
            // transaction, whose changes come after it.
            let ran = catch_unwind(AssertUnwindSafe(|| job.run(&mut tx))).unwrap_or_else(|_| {
                tracing::error!("the code that decides on a write panicked");
                Ok(false)
            });
            if ran? {
                let (puts, keep) = tx.into_parts();
                self.keep = self.keep.min(keep.unwrap_or(usize::MAX));
                self.add(tables, &puts)?;
                room = puts;
                room.clear();
            }
            if self.bytes >= limits::BATCH_BYTES {
                return Ok(i + 1);
            }
        }
        Ok(count)
    }

    fn add(&mut self, tables: &OpenTables<'_>, puts: &Run) -> Result<(), Error> {
        self.wrote += u64::from(puts.len() > 0);
        for (table, (key, put)) in puts.iter() {
            self.changes.tables.insert(table);
            self.bytes += key.len() + put.map_or(0, <[u8]>::len);
            if table == Table::Timers
                && let Some(timer) = StoredTimer::from_bytes(key).map(TimerKey::of_stored)
            {
                self.changes.timers.push((timer, put.is_some()));
            }
            if table == Table::Events
                && let Some(eventful) = &mut self.changes.eventful
                && let Some((workspace, _)) = key.split_first_chunk::<16>()
            {
                eventful.insert(Scope::of(WorkspaceId::from_bytes(*workspace)));
            }
            if table.row().scattered {
                self.staged.insert(table, (key, put));
            } else {
                tables.put(table, key, put)?;
            }
        }
        Ok(())
    }

    /// Whether there is anything to commit.
    fn is_needed(&self) -> bool {
        self.wrote > 0 || self.stage.waiting.len() > self.keep
    }
}

/// Lays out a new database: every table, and the schema's number.
pub(super) fn prepare(database: &Database, layout: Layout) -> Result<(), Error> {
    commit(database, |tables| {
        touch(tables)?;
        put_meta(tables, "schema", layout.schema())
    })
}

fn open_on(disk: &Disk, options: Options) -> Result<Database, Error> {
    let layout = options.layout;
    disk.open(options, |database| prepare(database, layout), |found| layout.check(found))
}

/// Makes the tables that the file does not have yet.
fn touch(tables: &OpenTables<'_>) -> Result<(), Error> {
    CATALOGUE.iter().try_for_each(|row| tables.touch(row.table))
}

/// Counts the epoch up. Returns it and the number of the last batch.
fn begin_epoch(database: &Database, layout: Layout) -> Result<(u64, u64), Error> {
    layout.check(schema_of(database)?)?;
    let tables = Tables::of(database)?;
    let last = Error::Corrupt { table: Table::Meta, cause: DecodeError::Malformed };
    let epoch = read_meta(&tables, "epoch")?.checked_add(1).ok_or(last)?;
    let batch = read_meta(&tables, "batch")?;
    drop(tables);
    commit(database, |tables| {
        touch(tables)?;
        put_meta(tables, "epoch", epoch)
    })?;
    Ok((epoch, batch))
}

pub(super) fn commit(
    database: &Database,
    f: impl Fn(&OpenTables<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut txn = database.begin_write().map_err(io)?;
    txn.set_two_phase_commit(true);
    txn.set_quick_repair(true);
    f(&OpenTables::of(&txn))?;
    txn.commit().map_err(io)
}

pub(super) fn read_meta(tables: &Tables, name: &str) -> Result<u64, Error> {
    let found = View::new(tables).get_global::<Meta>(&name.to_owned())?;
    Ok(found.map_or(0, |meta| meta.value))
}

pub(super) fn put_meta(tables: &OpenTables<'_>, name: &str, value: u64) -> Result<(), Error> {
    let mut tx = Tx::new(tables);
    tx.put_global(&name.to_owned(), &Meta { value })?;
    let (puts, _) = tx.into_parts();
    puts.iter().try_for_each(|(table, (key, put))| tables.put(table, key, put))
}
