//! A database of an older layout becomes one of the present layout in a new file, and wherever that
//! stops there is the old one or the new one, whole. The second layout is this test's own.

use std::fs;
use std::path::Path;

use carillon::base::{SeededRng, Timestamp};
use carillon::domain::event::Actor;
use carillon::store::rows::{Pause, verify_chain};
use carillon::store::{
    DecodeError, Disk, Error, FaultDisk, FaultKind, Layout, Options, RawRow, Scope, Store, Table,
    decode,
};

use crate::dump::{filled, rows};
use crate::rig;

const FIRST: Layout = Layout::new(1, &[]);
const SECOND: Layout = Layout::new(1, &[pauses_have_longer_names]);
const THIRD: Layout = Layout::new(1, &[pauses_have_longer_names, pauses_are_counted]);

/// The key of each pause gets a word in front.
fn pauses_have_longer_names(row: RawRow, out: &mut Vec<RawRow>) -> Result<(), DecodeError> {
    let key = match row.table {
        Table::Pauses => {
            decode::<Pause>(&row.value)?;
            [b"of/", row.key.as_slice()].concat()
        }
        _ => row.key,
    };
    out.push(RawRow { key, ..row });
    Ok(())
}

/// And one row becomes two.
fn pauses_are_counted(row: RawRow, out: &mut Vec<RawRow>) -> Result<(), DecodeError> {
    if row.table == Table::Pauses {
        decode::<Pause>(&row.value)?;
        let key = [b"also/", row.key.as_slice()].concat();
        out.push(RawRow { key, ..row.clone() });
    }
    out.push(row);
    Ok(())
}

fn options(layout: Layout) -> Options {
    Options { inline: true, staged_rows: 1_000, layout, ..Options::default() }
}

/// Staged rows, events, and pauses, in the first layout.
fn old(disk: &Disk) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
    let store = Store::open(disk.clone(), options(FIRST)).unwrap();
    filled(&store, 30);
    for name in ["", "mastodon"] {
        rig::write(&store, move |tx| {
            let pause = Pause { since: Timestamp::from_millis(1), by: Actor::System, why: None };
            Ok(tx.put_global(&name.to_owned(), &pause)?)
        })
        .unwrap();
    }
    assert_eq!(store.stats().staged, 60);
    let rows = rows(&store);
    rig::wait(store.close()).unwrap();
    rows
}

fn pauses(store: &Store) -> Vec<String> {
    let rows = store.read_now(|view| view.scan_global::<Pause>(None, 100)).unwrap();
    rows.into_iter().map(|(name, _)| name).collect()
}

/// All but the pauses and the numbers of the installation.
fn others(rows: Vec<(Table, Vec<u8>, Vec<u8>)>) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
    let own = |table: Table| matches!(table, Table::Meta | Table::Pauses);
    rows.into_iter().filter(|(table, ..)| !own(*table)).collect()
}

fn assert_upgraded(store: &Store, before: &[(Table, Vec<u8>, Vec<u8>)]) {
    assert_eq!(pauses(store), ["of/", "of/mastodon"]);
    assert_eq!(others(rows(store)), others(before.to_vec()), "nothing else changed");
    let (_, scope) = store.read_now(|view| Scope::rounds(view, None, 1)).unwrap().remove(0);
    let verified = store.read_now(|view| verify_chain(view, &scope)).unwrap();
    assert_eq!(verified.map(|head| head.sequence), Ok(30));
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn an_older_file_is_upgraded_once_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("carillon.redb");
    let disk = Disk::File(path.clone());
    let before = old(&disk);
    let epoch = 1;
    let image = fs::read(&path).unwrap();
    // What a crash in an earlier try left.
    fs::write(folder.path().join("carillon.redb.upgrading"), "half a database").unwrap();
    for start in 1..3 {
        let store = Store::open(disk.clone(), options(SECOND)).unwrap();
        assert_eq!(store.epoch(), epoch + start, "it goes on where it was");
        assert_upgraded(&store, &before);
        rig::wait(store.close()).unwrap();
        let kept = folder.path().join("carillon.redb.schema-1");
        assert!(fs::read(kept).unwrap() == image, "the way back");
    }
    let all = ["carillon.redb", "carillon.redb.schema-1", "carillon.slots"];
    assert_eq!(names(folder.path()), all);
    let back = Store::open(disk.clone(), options(FIRST));
    assert_eq!(back.err(), Some(Error::NewerSchema { found: 2, known: 1 }));
    let store = Store::open(disk, options(THIRD)).unwrap();
    assert_eq!(pauses(&store), ["also/of/", "also/of/mastodon", "of/", "of/mastodon"]);
}

#[test]
fn several_steps_are_one_upgrade_and_too_old_is_refused() {
    let disk = Disk::Memory(FaultDisk::new());
    old(&disk);
    let beyond = Options { layout: Layout::new(2, &[pauses_are_counted]), ..options(FIRST) };
    let refused = Store::open(disk.clone(), beyond).err();
    assert_eq!(refused, Some(Error::OlderSchema { found: 1, oldest: 2 }));
    let store = Store::open(disk, options(THIRD)).unwrap();
    assert_eq!(pauses(&store), ["also/of/", "also/of/mastodon", "of/", "of/mastodon"]);
}

/// A file that was not closed is upgraded like one that was.
#[test]
fn a_killed_older_program_is_no_obstacle() {
    let folder = tempfile::tempdir().unwrap();
    let [live, killed] = ["live.redb", "killed.redb"].map(|name| folder.path().join(name));
    let before = old(&Disk::File(live.clone()));
    let open = redb::Database::open(&live).unwrap();
    fs::copy(&live, &killed).unwrap();
    drop(open);
    let store = Store::open(Disk::File(killed), options(SECOND)).unwrap();
    assert_upgraded(&store, &before);
}

/// Whether the database is what the old program left, or what the new one makes of that: whole, by
/// the number that it carries.
fn is_one_or_the_other(disk: &Disk, before: &[(Table, Vec<u8>, Vec<u8>)]) -> bool {
    let (store, names) = match Store::open(disk.clone(), options(FIRST)) {
        Ok(store) => (store, ["", "mastodon"]),
        Err(_) => (Store::open(disk.clone(), options(SECOND)).unwrap(), ["of/", "of/mastodon"]),
    };
    pauses(&store) == names && others(rows(&store)) == others(before.to_vec())
}

/// Broken on purpose: the rows are rewritten where they are, one by one. Stopped in between, the
/// file is neither.
#[test]
fn an_upgrade_in_place_would_be_caught() {
    let disk = Disk::Memory(FaultDisk::new());
    let before = old(&disk);
    assert!(is_one_or_the_other(&disk, &before));
    let store = Store::open(disk.clone(), options(FIRST)).unwrap();
    rig::write(&store, |tx| {
        let row = tx.view().get_global::<Pause>(&"mastodon".to_owned())?.unwrap();
        tx.delete_global::<Pause>(&"mastodon".to_owned());
        Ok(tx.put_global(&"of/mastodon".to_owned(), &row)?)
    })
    .unwrap();
    rig::wait(store.close()).unwrap();
    drop(store);
    assert!(!is_one_or_the_other(&disk, &before));
}

/// Every operation on the new file, and its renaming, fails once; then the power goes.
#[test]
fn wherever_it_stops_there_is_the_old_or_the_new() {
    let mut stopped = 0;
    for at in 1.. {
        let disk = FaultDisk::new();
        let before = old(&Disk::Memory(disk.clone()));
        let beside = disk.beside();
        beside.fail_at(at, FaultKind::Io, false);
        let opened = Store::open(Disk::Memory(disk.clone()), options(SECOND));
        let done = opened.is_ok();
        drop(opened);
        let rng = SeededRng::new(at);
        beside.cut_power(&rng);
        disk.cut_power(&rng);
        assert!(is_one_or_the_other(&Disk::Memory(disk.clone()), &before), "{at}");
        if !done {
            stopped += 1;
            // The old program still can.
            drop(Store::open(Disk::Memory(disk.clone()), options(FIRST)).unwrap());
        }
        let store = Store::open(Disk::Memory(disk), options(SECOND)).unwrap();
        assert_upgraded(&store, &before);
        if done {
            break;
        }
    }
    println!("an upgrade was stopped at each of its {stopped} operations");
    assert!(stopped > 10, "{stopped}");
}

#[test]
fn a_renaming_that_fails_leaves_the_old() {
    let disk = FaultDisk::new();
    let before = old(&Disk::Memory(disk.clone()));
    let opening = {
        let probe = FaultDisk::new();
        old(&Disk::Memory(probe.clone()));
        let from = probe.operations();
        drop(Store::open(Disk::Memory(probe.clone()), options(SECOND)).unwrap());
        probe.operations() - from
    };
    let (from, mut refused) = (disk.operations(), 0);
    for at in 1..=opening {
        disk.fail_at(from + at, FaultKind::Io, true);
        let from = disk.operations();
        refused += u64::from(Store::open(Disk::Memory(disk.clone()), options(SECOND)).is_err());
        disk.heal();
        disk.cut_power(&SeededRng::new(from));
    }
    println!("{opening} operations on the old file, {refused} openings failed");
    assert!(refused > 0);
    assert_upgraded(&Store::open(Disk::Memory(disk), options(SECOND)).unwrap(), &before);
}
