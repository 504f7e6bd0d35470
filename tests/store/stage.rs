//! The stage: what waits for its table is seen as if it were there, by readers of every moment, and
//! moves on so that neither it nor its log grows.

use std::sync::atomic::{AtomicBool, Ordering};

use carillon::base::{Timestamp, WorkspaceId};
use carillon::store::rows::{CalendarEntry, Slug, Staged, TimerKey};
use carillon::store::{Disk, FaultDisk, Options, Scope, Store, Table, Tx};

use crate::rig::{self, Written, id};

const ROWS: usize = 16;

fn open(disk: &FaultDisk, staged_rows: usize) -> Store {
    let options = Options { inline: true, staged_rows, ..Options::default() };
    Store::open(Disk::Memory(disk.clone()), options).unwrap()
}

fn at(n: usize) -> Timestamp {
    // Scattered, as due times are.
    Timestamp::from_millis(u64::try_from(n * 7_919 % 1_000).unwrap())
}

fn put(tx: &mut Tx<'_>, scope: Scope, n: usize) -> Written<()> {
    tx.put_timer(&TimerKey::of_delivery(at(n), scope, id(n)))?;
    Ok(tx.put(&scope, &(at(n), id(n)), &CalendarEntry)?)
}

fn timers(store: &Store) -> usize {
    store
        .read_now(|view| view.timers(None, Timestamp::from_millis(u64::MAX), 10_000))
        .unwrap()
        .len()
}

fn log_rows(store: &Store) -> usize {
    store.read_now(|view| view.scan_global::<Staged>(None, 10_000)).unwrap().len()
}

#[test]
fn neither_the_stage_nor_its_log_grows() {
    let disk = FaultDisk::new();
    let store = open(&disk, ROWS);
    let scope = rig::write(&store, |tx| rig::make(tx, id(1))).unwrap();
    let mut longest = 0;
    for n in 0..500 {
        rig::write(&store, move |tx| put(tx, scope, n)).unwrap();
        assert!(store.stats().staged <= ROWS);
        longest = longest.max(log_rows(&store));
    }
    // A round takes as many batches as it takes to bring in what it moves on; one more may wait.
    assert!((ROWS / 2..4 * ROWS).contains(&longest), "{longest}");
    assert_eq!(timers(&store), 500);
    assert_eq!(timers(&open(&disk, ROWS)), 500);
}

#[test]
fn a_write_may_ask_that_everything_moves_on() {
    let disk = FaultDisk::new();
    let store = open(&disk, 1_000);
    let scope = rig::write(&store, |tx| rig::make(tx, id(1))).unwrap();
    for n in 0..100 {
        rig::write(&store, move |tx| put(tx, scope, n)).unwrap();
    }
    assert_eq!((store.stats().staged, log_rows(&store)), (200, 100));
    let settle = |keep: usize| {
        rig::write(&store, move |tx| {
            tx.settle(keep);
            Written::Ok(())
        })
        .unwrap();
        store.stats().staged
    };
    assert_eq!([settle(500), settle(150), settle(0), settle(0)], [200, 150, 0, 0]);
    assert_eq!(timers(&store), 100);
    // Its log goes with the next writes.
    for n in 100..110 {
        rig::write(&store, move |tx| put(tx, scope, n)).unwrap();
        settle(0);
    }
    assert!(log_rows(&store) < 20, "{}", log_rows(&store));
}

/// What a table itself holds, without what waits for it.
fn in_table(path: &std::path::Path, table: Table) -> usize {
    let mut count = 0;
    rig::tamper(path, table, |rows| {
        count = redb::ReadableTable::iter(rows).unwrap().count();
    });
    count
}

#[test]
fn what_waits_is_in_the_log_alone_and_is_there_after_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("carillon.redb");
    let store = rig::on_file(&path).unwrap();
    let scope = rig::wait(store.write(|tx| rig::make(tx, id(1)))).unwrap();
    for n in 0..10 {
        rig::wait(store.write(move |tx| put(tx, scope, n))).unwrap();
    }
    let gone = TimerKey::of_delivery(at(3), scope, id(3));
    rig::wait(store.write(move |tx| {
        tx.delete_timer(&gone);
        Written::Ok(())
    }))
    .unwrap();
    rig::wait(store.close()).unwrap();
    assert_eq!(in_table(&path, Table::Timers), 0);
    assert_eq!(in_table(&path, Table::Staged), 11);
    let again = rig::on_file(&path).unwrap();
    assert_eq!(timers(&again), 9);
    rig::wait(again.write(|tx| {
        tx.settle(0);
        Written::Ok(())
    }))
    .unwrap();
    rig::wait(again.close()).unwrap();
    assert_eq!(in_table(&path, Table::Timers), 9);
}

/// A reader that begins while a commit ends sees all of a write or nothing of it: the row that goes
/// to its table at once, and the one that waits.
#[test]
fn readers_see_whole_writes_while_commits_come_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { staged_rows: ROWS, ..Options::default() };
    let disk = Disk::File(folder.path().join("carillon.redb"));
    let store = Store::open(disk, options).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let readers = [(); 2].map(|()| {
            threads.spawn(|| {
                let (mut looks, mut newest) = (0_usize, 0);
                while !done.load(Ordering::Relaxed) {
                    let both = store.read_now(|view| {
                        let slugs = view.scan_global::<Slug>(None, 10_000)?.len();
                        let timers = view.timers(None, Timestamp::from_millis(u64::MAX), 10_000)?;
                        Ok((slugs, timers.len()))
                    });
                    let (slugs, timers) = both.unwrap();
                    assert_eq!(slugs, timers);
                    assert!(timers >= newest);
                    (looks, newest) = (looks + 1, timers);
                }
                looks
            })
        });
        let mut unseen = 0;
        for n in 0..400 {
            rig::wait(store.write(move |tx| {
                let workspace: WorkspaceId = id(n);
                let scope = rig::make(tx, workspace)?;
                tx.put_timer(&TimerKey::of_delivery(at(n), scope, id(n)))?;
                Written::Ok(())
            }))
            .unwrap();
            unseen += usize::from(timers(&store) <= n);
        }
        done.store(true, Ordering::Relaxed);
        let looks = readers.map(|reader| reader.join().unwrap());
        println!("looks while 400 commits came: {looks:?}");
        assert_eq!(unseen, 0, "who was told of a write sees it, whoever read before");
    });
    assert_eq!(timers(&store), 400);
}
