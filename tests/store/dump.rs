//! The dump has every row of every table at one moment, those that are staged as well, and a
//! database made of it is the same again.

use std::collections::BTreeSet;

use carillon::base::{Timestamp, WorkspaceId};
use carillon::store::rows::{CalendarEntry, Meta, Staged, TimerKey};
use carillon::store::{
    CATALOGUE, Disk, Error, FaultDisk, Layout, Options, Rebuild, Store, Table, encode,
};

use crate::rig::{self, id};

type Rows = Vec<(Table, Vec<u8>, Vec<u8>)>;

pub fn rows(store: &Store) -> Rows {
    let mut rows = Vec::new();
    let all = store.dump(|table, key, value| {
        rows.push((table, key.to_vec(), value.to_vec()));
        Ok::<(), ()>(())
    });
    all.unwrap().unwrap();
    rows
}

/// A workspace with `n` timers and entries of the calendar, all of them staged, and some events.
pub fn filled(store: &Store, n: usize) {
    let scope = rig::write(store, |tx| rig::make(tx, id(1))).unwrap();
    for i in 0..n {
        rig::write(store, move |tx| {
            let at = Timestamp::from_millis(u64::try_from(i * 7_919 % 1_000).unwrap());
            tx.put_timer(&TimerKey::of_delivery(at, scope, id(i)))?;
            tx.put(&scope, &(at, id(i)), &CalendarEntry)?;
            Ok(tx.append_event(&scope, rig::event(i))?)
        })
        .unwrap();
    }
}

fn open(staged_rows: usize) -> Store {
    let options = Options { inline: true, staged_rows, ..Options::default() };
    Store::open(Disk::Memory(FaultDisk::new()), options).unwrap()
}

#[test]
fn staged_rows_come_as_rows_of_their_tables() {
    let (staged, settled) = (open(1_000), open(0));
    for store in [&staged, &settled] {
        filled(store, 40);
    }
    assert_eq!((staged.stats().staged, settled.stats().staged), (80, 0));
    let log = staged.read_now(|view| view.scan_global::<Staged>(None, 100)).unwrap();
    assert!(!log.is_empty());
    let dump = rows(&staged);
    assert_eq!(dump, rows(&settled), "whichever way they are kept");
    let tables: BTreeSet<Table> = dump.iter().map(|(table, ..)| *table).collect();
    assert!(tables.contains(&Table::Timers) && !tables.contains(&Table::Staged));
    assert!(dump.is_sorted(), "in the order of tables and keys");
}

/// Not only those that this test fills: a row of any table of the catalogue comes out.
#[test]
fn no_table_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("carillon.redb");
    rig::wait(rig::on_file(&path).unwrap().close()).unwrap();
    let mine = CATALOGUE.iter().filter(|row| row.table != Table::Staged);
    for row in mine.clone() {
        rig::tamper(&path, row.table, |rows| {
            rows.insert(b"here".as_slice(), b"value".as_slice()).unwrap();
        });
    }
    let store = rig::on_file(&path).unwrap();
    let dumped: Vec<Table> = rows(&store)
        .iter()
        .filter(|(_, key, _)| key == b"here")
        .map(|(table, ..)| *table)
        .collect();
    assert_eq!(dumped, mine.map(|row| row.table).collect::<Vec<_>>());
}

#[test]
fn it_is_of_one_moment() {
    let store = open(1_000);
    filled(&store, 10);
    let (expected, mut seen) = (rows(&store), Rows::new());
    store
        .dump(|table, key, value| {
            if seen.len() == 3 {
                rig::write(&store, |tx| rig::make(tx, id(2))).unwrap();
            }
            seen.push((table, key.to_vec(), value.to_vec()));
            Ok::<(), ()>(())
        })
        .unwrap()
        .unwrap();
    assert_eq!(seen, expected);
    assert_ne!(rows(&store), expected);
}

#[test]
fn a_database_made_of_it_is_the_same_in_an_epoch_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made.redb");
    let store = open(1_000);
    filled(&store, 40);
    let dump = rows(&store);
    // What an earlier try left.
    std::fs::write(&path, "half a database").unwrap();
    let mut made = Rebuild::restore(&Disk::File(path.clone()), Options::default(), 1).unwrap();
    for (table, key, value) in &dump {
        made.put(*table, key, value).unwrap();
    }
    made.finish().unwrap();
    let again = rig::on_file(&path).unwrap();
    assert!(again.epoch() > store.epoch() + 1_000, "no epoch is used twice");
    let epoch = |rows: &Rows| {
        let mut rows = rows.clone();
        rows.retain(|(table, key, _)| (*table, key.as_slice()) != (Table::Meta, b"epoch"));
        rows
    };
    assert_eq!(epoch(&rows(&again)), epoch(&dump));
    let scope = carillon::store::Scope::rounds;
    let (_, scope) = again.read_now(|view| scope(view, None, 1)).unwrap().remove(0);
    let events = again.read_now(|view| carillon::store::rows::verify_chain(view, &scope)).unwrap();
    assert_eq!(events.map(|head| head.sequence), Ok(40));
}

#[test]
fn records_are_checked_and_other_layouts_refused() {
    let key = [WorkspaceId::from_bytes([1; 16]).as_bytes().as_slice(), &[2; 16]].concat();
    let row = encode(&Meta { value: 7 }).unwrap();
    assert!(Table::Meta.row().check(b"epoch", &row).is_ok());
    assert!(Table::Meta.row().check(b"\xff", &row).is_err(), "no text");
    assert!(Table::Meta.row().check(b"epoch", &row[..1]).is_err());
    assert!(Table::Channels.row().check(&key, &row).is_err());
    assert!(Table::Calendar.row().check(&key, &[1]).is_err(), "half a key");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made.redb");
    let newer = Rebuild::restore(&Disk::File(path.clone()), Options::default(), 2);
    assert_eq!(newer.err(), Some(Error::NewerSchema { found: 2, known: Layout::CURRENT.schema() }));
    assert!(!path.exists());
}
