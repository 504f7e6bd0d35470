//! Stores to test with, and small things that every module needs.

use std::path::Path;
use std::sync::mpsc;

use carillon::base::{CorrelationId, Id, Kind, SeededRng, Timestamp, WorkspaceId};
use carillon::domain::event::{Actor, Event};
use carillon::domain::workspace::Workspace;
use carillon::store::{Disk, Error, FaultDisk, Options, Scope, Store, Table, Tx, WriteError};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use redb::ReadableTable as _;

/// Whatever a test's closure refuses with.
#[derive(Debug, PartialEq, Eq)]
pub struct No;

pub type Written<T> = Result<T, WriteError<No>>;

/// A store on `disk` that does everything inside the call.
pub fn inline(disk: &FaultDisk) -> Result<Store, Error> {
    // So few staged rows that they move on with every few writes.
    let options =
        Options { cache_bytes: 1024 * 1024, inline: true, staged_rows: 4, ..Options::default() };
    Store::open(Disk::Memory(disk.clone()), options)
}

/// A store in memory with its writer's thread.
pub fn threaded() -> Store {
    Store::open(Disk::Memory(FaultDisk::new()), Options::default()).unwrap()
}

pub fn on_file(path: &Path) -> Result<Store, Error> {
    Store::open(Disk::File(path.to_owned()), Options::default())
}

/// Writes to an inline store: no runtime, and no waiting.
pub fn write<T, F>(store: &Store, f: F) -> Written<T>
where
    T: Send + 'static,
    F: Fn(&mut Tx<'_>) -> Written<T> + Send + 'static,
{
    store.write(f).now_or_never().unwrap()
}

/// A table as the engine under the store sees it.
pub type RawTable<'txn> = redb::Table<'txn, &'static [u8], &'static [u8]>;

/// Changes rows of a closed file behind the store's back.
pub fn tamper(path: &Path, table: Table, change: impl FnOnce(&mut RawTable<'_>)) {
    let database = redb::Database::open(path).unwrap();
    let name = table.row().name;
    let definition = redb::TableDefinition::<&[u8], &[u8]>::new(name);
    let mut txn = database.begin_write().unwrap();
    txn.set_two_phase_commit(true);
    txn.set_quick_repair(true);
    change(&mut txn.open_table(definition).unwrap());
    txn.commit().unwrap();
}

pub fn raw(table: &RawTable<'_>, key: &[u8]) -> Vec<u8> {
    table.get(key).unwrap().unwrap().value().to_vec()
}

/// Waits for a write to a store that has a writer's thread.
pub fn wait<F: Future>(future: F) -> F::Output {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.build().unwrap().block_on(future)
}

/// Polls `future` once: what it queues is queued then, and it is not ready.
pub fn begin<F: Future + Unpin>(future: &mut F) {
    assert!(future.now_or_never().is_none());
}

/// Holds the writer's thread inside a write, so that others queue up behind it.
pub struct Gate {
    open: mpsc::Sender<()>,
    held: BoxFuture<'static, Written<()>>,
}

impl Gate {
    pub fn close(store: &Store) -> Self {
        let (inside, entered) = mpsc::channel();
        let (open, opened) = mpsc::channel();
        let store = store.clone();
        let mut held = async move {
            let write = store.write(move |_| {
                inside.send(()).unwrap();
                opened.recv().unwrap();
                Ok(())
            });
            write.await
        }
        .boxed();
        begin(&mut held);
        entered.recv().unwrap();
        Self { open, held }
    }

    pub fn open(self) {
        self.open.send(()).unwrap();
        wait(self.held).unwrap();
    }
}

pub fn id<K: Kind>(n: usize) -> Id<K> {
    Id::from_bytes(u128::try_from(n).unwrap().to_be_bytes())
}

pub fn workspace(id: WorkspaceId) -> Workspace {
    Workspace {
        id,
        slug: id.to_string(),
        name: "A workspace".to_owned(),
        created_at: Timestamp::from_millis(1),
        paused: false,
        grace: None,
    }
}

/// Makes the workspace in a transaction.
pub fn make(tx: &mut Tx<'_>, id: WorkspaceId) -> Written<Scope> {
    Ok(Scope::found(tx, &workspace(id))?.unwrap())
}

pub fn event(n: usize) -> Event {
    let number = u64::try_from(n).unwrap();
    Event {
        at: Timestamp::from_millis(number),
        actor: Actor::System,
        kind: "post.created".to_owned(),
        subject: format!("post {n}"),
        data: [("number".to_owned(), n.to_string())].into(),
        correlation: CorrelationId::new(&SeededRng::new(number)),
    }
}

/// Any id, those at the ends of all ids more often.
pub fn wide_id<K: Kind>() -> impl Strategy<Value = Id<K>> + Clone {
    let edges = [0, 1, 0xff, 0xff00, u128::MAX << 8, u128::MAX - 1, u128::MAX];
    let number = prop_oneof![any::<u128>(), select(edges.to_vec())];
    number.prop_map(|number| Id::from_bytes(number.to_be_bytes()))
}

/// One of a few ids, so that keys meet.
pub fn near_id<K: Kind>() -> impl Strategy<Value = Id<K>> + Clone {
    let few = [0, 1, 0xff, 0x100, u128::MAX << 8, u128::MAX];
    select(few.to_vec()).prop_map(|number| Id::from_bytes(number.to_be_bytes()))
}

/// Runs a property on the same `cases` each time.
pub fn run<S: Strategy>(cases: u32, values: &S, property: impl Fn(S::Value)) {
    let config = Config {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        max_shrink_iters: 200,
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(values, |value| {
        property(value);
        Ok(())
    });
    outcome.unwrap();
}
