//! The one writer: what waits is committed together, a refusal costs nothing, sizes are bounded,
//! callers may go away, and closing, dropping and panicking leave nobody waiting.

use std::cell::RefCell;
use std::sync::mpsc;

use carillon::base::{ChannelId, Timestamp, limits};
use carillon::domain::event::Actor;
use carillon::store::rows::{Pause, SealedCredential, TimerKey};
use carillon::store::{
    Disk, Error, FaultDisk, FaultKind, Options, Stats, Store, Table, Tx, View, WriteError,
};
use futures_util::FutureExt as _;
use futures_util::future::join_all;

use crate::rig::{self, Gate, No, Written, id};

fn pause(n: u64) -> Pause {
    Pause { since: Timestamp::from_millis(n), by: Actor::System, why: None }
}

/// Leaves a small row under a number.
fn put(tx: &mut Tx<'_>, n: u64) -> Written<u64> {
    tx.put_global(&n.to_string(), &pause(n))?;
    Ok(n)
}

fn has(view: &View<'_>, n: u64) -> Result<bool, Error> {
    Ok(view.get_global::<Pause>(&n.to_string())?.is_some())
}

fn since(store: &Store, before: Stats) -> (u64, u64) {
    let now = store.stats();
    (now.commits - before.commits, now.writes - before.writes)
}

#[test]
fn what_waits_is_committed_together() {
    let store = rig::threaded();
    for (writers, commits) in [(1, 1), (1_000, 1), (1_024, 1), (1_025, 2), (3_000, 3)] {
        let before = store.stats();
        let gate = Gate::close(&store);
        let mut writes = join_all((0..writers).map(|n| store.write(move |tx| put(tx, n))));
        rig::begin(&mut writes);
        gate.open();
        for (n, answer) in rig::wait(writes).into_iter().enumerate() {
            assert_eq!(answer.map(usize::try_from), Ok(Ok(n)));
        }
        assert_eq!(since(&store, before), (commits, writers));
        println!("{writers} writers: {commits} commits");
    }
}

#[test]
fn more_writers_than_the_queue_holds_take_their_turn() {
    let store = rig::threaded();
    let gate = Gate::close(&store);
    let mut writes = join_all((0..6_000).map(|n| store.write(move |tx| put(tx, n))));
    rig::begin(&mut writes);
    gate.open();
    assert!(rig::wait(writes).iter().all(Result::is_ok));
    let stats = store.stats();
    assert_eq!(stats.writes, 6_000);
    assert!(stats.commits < 600, "{stats:?}");
}

#[test]
fn writes_of_a_batch_see_those_before_them() {
    let store = rig::threaded();
    let gate = Gate::close(&store);
    let mut writes = join_all((0..500).map(|_| {
        store.write(|tx| {
            let name = "count".to_owned();
            let found = tx.view().get_global::<Pause>(&name)?;
            let count = found.map_or(0, |row| row.since.as_millis()) + 1;
            tx.put_global(&name, &pause(count))?;
            Written::Ok(count)
        })
    }));
    rig::begin(&mut writes);
    gate.open();
    let counts: Vec<u64> = rig::wait(writes).into_iter().map(Result::unwrap).collect();
    assert_eq!(counts, (1..=500).collect::<Vec<_>>());
    assert_eq!(store.stats().commits, 1);
}

#[test]
fn a_refusal_costs_the_batch_nothing() {
    let store = rig::threaded();
    let gate = Gate::close(&store);
    let mut writes = join_all((0..30).map(|n| {
        store.write(move |tx| {
            put(tx, n)?;
            match n % 3 {
                // Its own row was there, and those that were refused before it are not.
                1 => Err(WriteError::Refused(No)),
                _ => Ok((has(&tx.view(), n)?, n > 0 && has(&tx.view(), n - 1)?)),
            }
        })
    }));
    rig::begin(&mut writes);
    gate.open();
    for (n, answer) in rig::wait(writes).into_iter().enumerate() {
        let expected = match n % 3 {
            1 => Err(WriteError::Refused(No)),
            0 => Ok((true, n > 0)),
            _ => Ok((true, false)),
        };
        assert_eq!(answer, expected, "{n}");
    }
    assert_eq!((store.stats().commits, store.stats().writes), (1, 20));
    for n in 0..30 {
        assert_eq!(store.read_now(|view| has(view, n)), Ok(n % 3 != 1));
    }
}

/// A rehearsal decides on the same view, among the others, and only its answer is left of it.
#[test]
fn a_rehearsal_answers_and_keeps_nothing() {
    let store = rig::threaded();
    let rehearsal = store.rehearsal();
    assert!(rehearsal.is_rehearsal() && !store.is_rehearsal());
    rig::wait(store.write(|tx| put(tx, 1))).unwrap();
    let before = store.stats();
    let seen = rig::wait(rehearsal.write(|tx| {
        let found = (has(&tx.view(), 1)?, has(&tx.view(), 2)?);
        put(tx, 2)?;
        Ok::<_, WriteError<No>>((found, has(&tx.view(), 2)?))
    }));
    assert_eq!(seen, Ok(((true, false), true)));
    let refused = rig::wait(rehearsal.write(|_| Err::<(), _>(WriteError::Refused(No))));
    assert_eq!(refused, Err(WriteError::Refused(No)));
    assert_eq!(since(&store, before), (0, 0));
    assert_eq!(rehearsal.read_now(|view| has(view, 2)), Ok(false));
}

#[test]
fn writes_of_nothing_make_no_commit() {
    let store = rig::threaded();
    let before = store.stats();
    assert_eq!(rig::wait(store.write(|_| Written::Ok(7))), Ok(7));
    let refused = rig::wait(store.write(|tx| {
        put(tx, 1)?;
        Written::<()>::Err(WriteError::Refused(No))
    }));
    assert_eq!(refused, Err(WriteError::Refused(No)));
    assert_eq!(since(&store, before), (0, 0));
    assert_eq!(store.read_now(|view| has(view, 1)), Ok(false));
}

#[test]
fn a_write_stands_when_its_caller_goes_away() {
    let store = rig::threaded();
    let gate = Gate::close(&store);
    drop(store.write(|tx| put(tx, 1)));
    let mut queued = store.write(|tx| put(tx, 2)).boxed();
    rig::begin(&mut queued);
    drop(queued);
    gate.open();
    rig::wait(store.write(|tx| put(tx, 3))).unwrap();
    let there = store.read_now(|view| Ok([has(view, 1)?, has(view, 2)?, has(view, 3)?]));
    // The first was never asked for: nobody polled it.
    assert_eq!(there, Ok([false, true, true]));
}

#[test]
fn a_batch_ends_at_its_bytes() {
    const ROWS: usize = 17;
    let store = rig::threaded();
    let scope = rig::wait(store.write(|tx| rig::make(tx, id(1)))).unwrap();
    let before = store.stats();
    let gate = Gate::close(&store);
    // A little over a mebibyte each, so that the fourth ends a batch.
    let bytes = limits::BATCH_BYTES / 4 / ROWS + 100;
    let mut writes = join_all((0..10).map(|n| {
        store.write(move |tx| {
            let sealed = SealedCredential { sealed: vec![1; bytes] };
            for row in 0..ROWS {
                tx.put(&scope, &id(100 * n + row), &sealed)?;
            }
            Written::Ok(())
        })
    }));
    rig::begin(&mut writes);
    gate.open();
    assert!(rig::wait(writes).iter().all(Result::is_ok));
    assert_eq!(since(&store, before), (3, 10));
}

#[test]
fn keys_and_values_have_a_largest_size() {
    let store = rig::inline(&FaultDisk::new()).unwrap();
    let scope = rig::write(&store, |tx| rig::make(tx, id(1))).unwrap();
    let value = move |length: usize| {
        rig::write(&store, move |tx| {
            let sealed = vec![1; length];
            let channel: ChannelId = id(length);
            tx.put(&scope, &channel, &SealedCredential { sealed })?;
            Ok(())
        })
    };
    // A version byte, and three for the length.
    let most = limits::VALUE_BYTES - 4;
    assert_eq!(value(most), Ok(()));
    let error = Error::TooLarge { table: Table::Credentials, bytes: limits::VALUE_BYTES + 1 };
    assert_eq!(value(most + 1), Err(WriteError::Store(error)));

    let store = rig::inline(&FaultDisk::new()).unwrap();
    let key = |length: usize| {
        rig::write(&store, move |tx| {
            tx.put_global(&"k".repeat(length), &pause(1))?;
            Ok(())
        })
    };
    assert_eq!(key(limits::KEY_BYTES), Ok(()));
    let error = Error::TooLarge { table: Table::Pauses, bytes: limits::KEY_BYTES + 1 };
    assert_eq!(key(limits::KEY_BYTES + 1), Err(WriteError::Store(error)));
}

#[test]
fn a_row_too_large_is_the_trouble_of_its_write_alone() {
    let store = rig::threaded();
    let gate = Gate::close(&store);
    let mut writes = join_all((0..9).map(|n| {
        store.write(move |tx| {
            put(tx, n)?;
            let length = if n == 4 { 2_000 } else { 10 };
            tx.put_global(&"k".repeat(length), &pause(n))?;
            Written::Ok(())
        })
    }));
    rig::begin(&mut writes);
    gate.open();
    let fine: Vec<bool> = rig::wait(writes).iter().map(Result::is_ok).collect();
    assert_eq!(fine.iter().position(|ok| !ok), Some(4));
    assert_eq!(fine.iter().filter(|ok| **ok).count(), 8);
    assert_eq!(store.read_now(|view| has(view, 4)), Ok(false));
    assert!(store.is_healthy());
}

#[test]
fn a_closed_store_says_so() {
    for inline in [false, true] {
        let options = Options { inline, ..Options::default() };
        let store = Store::open(Disk::Memory(FaultDisk::new()), options).unwrap();
        rig::wait(async {
            store.write(|tx| put(tx, 1)).await.unwrap();
            store.close().await.unwrap();
            let written = store.write(|tx| put(tx, 2)).await;
            assert_eq!(written, Err(WriteError::Store(Error::Closed)));
            assert_eq!(store.read(|view| has(view, 1)).await, Err(Error::Closed));
            assert_eq!(store.close().await, Err(Error::Closed));
        });
        assert_eq!(store.read_now(|view| has(view, 1)), Err(Error::Closed));
    }
}

#[test]
fn closing_waits_for_what_was_queued() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("carillon.redb");
    let store = rig::on_file(&path).unwrap();
    let gate = Gate::close(&store);
    let mut writes = join_all((0..50).map(|n| store.write(move |tx| put(tx, n))));
    rig::begin(&mut writes);
    let mut closing = store.close().boxed();
    rig::begin(&mut closing);
    gate.open();
    assert!(rig::wait(writes).iter().all(Result::is_ok));
    assert_eq!(rig::wait(closing), Ok(()));
    // Closed while its handle still lives: the file is free.
    let again = rig::on_file(&path).unwrap();
    for n in 0..50 {
        assert_eq!(again.read_now(|view| has(view, n)), Ok(true));
    }
}

/// Tells when the thread that holds it ends.
struct Farewell(mpsc::Sender<()>);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.send(()).unwrap();
    }
}

thread_local! {
    static FAREWELL: RefCell<Option<Farewell>> = const { RefCell::new(None) };
}

#[test]
fn dropping_the_store_ends_its_thread_and_frees_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("carillon.redb");
    let store = rig::on_file(&path).unwrap();
    let clone = store.clone();
    let (end, ended) = mpsc::channel();
    let write = store.write(move |tx| {
        FAREWELL.set(Some(Farewell(end.clone())));
        put(tx, 1)
    });
    rig::wait(write).unwrap();
    drop(store);
    rig::wait(clone.write(|tx| put(tx, 2))).unwrap();
    assert_eq!(ended.try_recv(), Err(mpsc::TryRecvError::Empty));
    drop(clone);
    ended.recv().unwrap();
    let again = rig::on_file(&path).unwrap();
    let there = again.read_now(|view| Ok([has(view, 1)?, has(view, 2)?]));
    assert_eq!(there, Ok([true, true]));
}

/// A closure must not panic. If one does, its caller is told, and the writer goes on.
#[test]
fn a_panic_in_a_closure_harms_no_other_write() {
    let store = rig::threaded();
    rig::wait(store.write(|tx| put(tx, 1))).unwrap();
    let gate = Gate::close(&store);
    let mut writes = join_all((0..3).map(|n| {
        store.write(move |tx| {
            assert_ne!(n, 1, "this panic belongs to the test");
            put(tx, 10 + n)
        })
    }));
    rig::begin(&mut writes);
    gate.open();
    for (n, answer) in rig::wait(writes).into_iter().enumerate() {
        let panicked = Err(WriteError::Store(Error::Panicked));
        assert!(if n == 1 { answer == panicked } else { answer.is_ok() }, "{n}: {answer:?}");
    }
    rig::wait(store.write(|tx| put(tx, 2))).unwrap();
    assert!(store.is_healthy());
    let there = store.read_now(|view| Ok([has(view, 1)?, has(view, 10)?, has(view, 11)?]));
    assert_eq!(there, Ok([true, true, false]));
}

#[test]
fn an_inline_store_needs_no_runtime() {
    let store = rig::inline(&FaultDisk::new()).unwrap();
    let written = store.write(|tx| put(tx, 1)).now_or_never();
    assert_eq!(written, Some(Ok(1)));
    let read = store.read(|view| has(view, 1)).now_or_never();
    assert_eq!(read, Some(Ok(true)));
    assert_eq!(store.close().now_or_never(), Some(Ok(())));
}

#[test]
fn a_view_stays_at_its_moment() {
    let store = rig::inline(&FaultDisk::new()).unwrap();
    let other = store.clone();
    let seen = store.read_now(|view| {
        rig::write(&other, |tx| put(tx, 1)).unwrap();
        has(view, 1)
    });
    assert_eq!(seen, Ok(false));
    assert_eq!(store.read_now(|view| has(view, 1)), Ok(true));
}

#[test]
fn commits_are_announced_and_refusals_are_not() {
    let disk = FaultDisk::new();
    let store = rig::inline(&disk).unwrap();
    let scope = rig::write(&store, |tx| rig::make(tx, id(1))).unwrap();
    let mut changes = store.changes();
    let [early, late] = [10, 20].map(|ms| {
        let due = Timestamp::from_millis(ms);
        TimerKey::of_delivery(due, scope, id(9))
    });
    let refused = rig::write(&store, |tx| {
        put(tx, 1)?;
        Written::<()>::Err(WriteError::Refused(No))
    });
    assert!(refused.is_err());
    assert!(changes.try_recv().is_err());
    rig::write(&store, move |tx| {
        tx.put_timer(&late)?;
        tx.delete_timer(&early);
        put(tx, 1)
    })
    .unwrap();
    let told = changes.try_recv().unwrap();
    assert_eq!(told.timers, [(early, false), (late, true)]);
    assert_eq!(told.tables, [Table::Timers, Table::Pauses].into());
    // A commit whose fate had to be read back: everybody must look at everything.
    let commit = |after| {
        disk.fail_at(disk.operations() + after, FaultKind::Io, true);
        rig::write(&store, move |tx| put(tx, after)).unwrap();
        changes.try_recv().unwrap().tables.len()
    };
    let told: Vec<usize> = (1..30).map(commit).collect();
    let all = carillon::store::CATALOGUE.len();
    assert!(told.contains(&1) && told.contains(&all), "{told:?}");
}
