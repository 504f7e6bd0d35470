//! The file: made under another name and renamed, for its owner alone, for one process at a time,
//! and not touched when it is of a newer program.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use carillon::store::rows::Meta;
use carillon::store::{Disk, Error, FaultDisk, Key as _, Options, Store, Table, encode};

use crate::rig::{self, RawTable};

fn number(rows: &RawTable<'_>, name: &str) -> u64 {
    let bytes = rig::raw(rows, &name.to_owned().to_bytes());
    carillon::store::decode::<Meta>(&bytes).unwrap().value
}

fn set(rows: &mut RawTable<'_>, name: &str, value: u64) {
    let (key, row) = (name.to_owned().to_bytes(), encode(&Meta { value }).unwrap());
    rows.insert(key.as_slice(), row.as_slice()).unwrap();
}

/// Closed, so that the file is free at once.
fn touch(path: &Path) -> u64 {
    let store = rig::on_file(path).unwrap();
    rig::wait(store.close()).unwrap();
    store.epoch()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn a_new_file_is_its_owners_and_comes_by_renaming() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("carillon.redb");
    // What a crash in the middle of making it leaves behind.
    fs::write(folder.path().join("carillon.new"), "half a database").unwrap();
    touch(&path);
    assert_eq!(names(folder.path()), ["carillon.redb", "carillon.slots"]);
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_file_that_cannot_be_made_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("missing").join("carillon.redb");
    assert!(matches!(rig::on_file(&nowhere), Err(Error::Io(_))));
    fs::create_dir(folder.path().join("carillon.new")).unwrap();
    let blocked = folder.path().join("carillon.redb");
    assert!(matches!(rig::on_file(&blocked), Err(Error::Io(_))));
    assert_eq!(names(folder.path()), ["carillon.new"]);
}

#[test]
fn a_file_in_the_working_folder_needs_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    // All other tests name their files from the root.
    std::env::set_current_dir(folder.path()).unwrap();
    assert_eq!(touch(Path::new("carillon.redb")), 1);
    assert_eq!(names(folder.path()), ["carillon.redb", "carillon.slots"]);
}

#[test]
fn what_is_not_a_database_is_an_error_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for (n, content) in ["", "not a database", &"long ".repeat(10_000)].iter().enumerate() {
        let path = folder.path().join(n.to_string());
        fs::write(&path, content).unwrap();
        assert!(matches!(rig::on_file(&path), Err(Error::Io(_))), "{n}");
        assert_eq!(fs::read_to_string(&path).unwrap(), *content);
    }
}

#[test]
fn one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("carillon.redb");
    let store = rig::on_file(&path).unwrap();
    for _ in 0..2 {
        assert_eq!(rig::on_file(&path).err(), Some(Error::InUse));
    }
    rig::wait(store.close()).unwrap();
    assert_eq!(touch(&path), store.epoch() + 1);
}

#[test]
fn each_opening_is_an_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("carillon.redb");
    assert_eq!([touch(&path), touch(&path), touch(&path)], [1, 2, 3]);
    // Also one that ends without a word.
    drop(rig::on_file(&path));
    let disk = FaultDisk::new();
    let epochs = [0, 1, 2].map(|_| rig::inline(&disk).unwrap().epoch());
    assert_eq!(epochs, [1, 2, 3]);
    assert_eq!(touch(&path), 5);
}

#[test]
fn a_file_of_a_newer_program_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("carillon.redb");
    touch(&path);
    rig::tamper(&path, Table::Meta, |rows| {
        assert_eq!(number(rows, "schema"), 1);
        set(rows, "schema", 7);
    });
    let look = || (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().modified().unwrap());
    let before = look();
    let newer = Error::NewerSchema { found: 7, known: 1 };
    for inline in [true, false] {
        let options = Options { inline, ..Options::default() };
        let opened = Store::open(Disk::File(path.clone()), options);
        assert_eq!(opened.err(), Some(newer.clone()));
        assert!(look() == before, "the file was written");
    }
    assert_eq!(names(folder.path()), ["carillon.redb", "carillon.slots"]);
}

/// The newer program was killed: the engine must repair the file to read it, and does in memory.
#[test]
fn a_file_of_a_newer_program_that_was_killed_is_not_touched_either() {
    let folder = tempfile::tempdir().unwrap();
    let [live, killed] = ["live.redb", "killed.redb"].map(|name| folder.path().join(name));
    touch(&live);
    rig::tamper(&live, Table::Meta, |rows| set(rows, "schema", 7));
    let open = redb::Database::open(&live).unwrap();
    fs::copy(&live, &killed).unwrap();
    drop(open);
    let before = fs::read(&killed).unwrap();
    let opened = rig::on_file(&killed);
    assert_eq!(opened.err(), Some(Error::NewerSchema { found: 7, known: 1 }));
    assert!(fs::read(&killed).unwrap() == before, "the file was written");
    rig::tamper(&killed, Table::Meta, |rows| {
        assert_eq!((number(rows, "schema"), number(rows, "epoch")), (7, 1));
    });
}
