//! Backups as anybody may bring them: files, what is inside their encryption, and whole ones with
//! right sums and any rows. What is taken is exactly what is in it, and a database made of it opens.

use std::io;
use std::sync::LazyLock;

use carillon::base::{SeededRng, Timestamp, WorkspaceId};
use carillon::domain::media::Digest;
use carillon::domain::publish::Timing;
use carillon::service::{
    BackupError, BackupHead, BackupWriter, Item, Manifest, MediaMode, hold_restored, read_archive,
    read_backup_from,
};
use carillon::store::{CATALOGUE, Disk, Error, FaultDisk, Layout, Options, Rebuild, Store, Table};
use carillon::vault::Identity;
use sha2::{Digest as _, Sha256};

use super::given::Given;
use super::house::wait;

const MADE: Timestamp = Timestamp::from_millis(1_795_338_000_000);
const NOW: Timestamp = Timestamp::from_millis(1_795_424_400_000);
/// In the place of a table's number: bytes of media.
const OBJECT: u8 = 255;
const ITEMS: usize = 300;

/// Opens the seeds that are whole files. Nothing else was ever encrypted to it.
static IDENTITY: LazyLock<Identity> =
    LazyLock::new(|| Identity::parse(include_str!("backup.key")).unwrap());

/// What a reader handed over, kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    Head(BackupHead),
    Keyring(Vec<u8>),
    Row(Table, Vec<u8>, Vec<u8>),
    Object(WorkspaceId, Digest, Vec<u8>),
}

pub fn check(data: &[u8]) {
    let mut given = Given(data);
    match given.byte() % 3 {
        0 => twice(|keep| read_backup_from(given.0, &IDENTITY, keep)),
        1 => twice(|keep| read_archive(given.0, keep)),
        _ => whole(&items(&mut given)),
    }
}

/// Reads with `read` what it has, twice: the same comes of it, and as much as its manifest says.
fn twice(
    read: impl Fn(&mut dyn FnMut(Item<'_>) -> Result<(), BackupError>) -> Result<Manifest, BackupError>,
) {
    let (first, kept) = collect(&read);
    let (second, again) = collect(&read);
    assert_eq!(kept, again);
    let Ok(manifest) = first else {
        assert!(second.is_err());
        return;
    };
    assert_eq!(Some(&manifest), second.ok().as_ref());
    assert_eq!(kept.first(), Some(&Kept::Head(manifest.head.clone())));
    let rows = kept.iter().filter(|kept| matches!(kept, Kept::Row(..))).count() as u64;
    assert_eq!(rows, manifest.tail.tables.iter().map(|table| table.rows).sum::<u64>());
    let objects = kept.iter().filter_map(|kept| match kept {
        Kept::Object(_, digest, bytes) => Some((digest, bytes)),
        _ => None,
    });
    let lengths: Vec<u64> = objects
        .map(|(digest, bytes)| {
            assert_eq!(<Digest>::from(Sha256::digest(bytes)), *digest);
            bytes.len() as u64
        })
        .collect();
    assert_eq!(lengths.len() as u64, manifest.tail.objects);
    assert_eq!(lengths.iter().sum::<u64>(), manifest.tail.object_bytes);
}

fn collect(
    read: impl Fn(&mut dyn FnMut(Item<'_>) -> Result<(), BackupError>) -> Result<Manifest, BackupError>,
) -> (Result<Manifest, BackupError>, Vec<Kept>) {
    let mut kept = Vec::new();
    let ended = read(&mut |item| {
        match item {
            Item::Head(head) => kept.push(Kept::Head(head.clone())),
            Item::Keyring(sealed) => kept.push(Kept::Keyring(sealed.to_owned())),
            Item::Row(table, key, value) => {
                kept.push(Kept::Row(table, key.to_owned(), value.to_owned()));
            }
            Item::Object(workspace, digest, _) => {
                kept.push(Kept::Object(workspace, digest, Vec::new()));
            }
            Item::Piece(bytes) => match kept.last_mut() {
                Some(Kept::Object(_, _, whole)) => whole.extend(bytes),
                other => panic!("bytes after {other:?}"),
            },
        }
        Ok(())
    });
    (ended, kept)
}

/// Number of a table, length of a key, the key, length of a record in two bytes, the record; or
/// [`OBJECT`], a byte of a workspace, a length in two bytes, the bytes.
fn items(given: &mut Given<'_>) -> Vec<Kept> {
    let mut items = Vec::new();
    while !given.0.is_empty() && items.len() < ITEMS {
        let number = given.byte();
        if number == OBJECT {
            let workspace = WorkspaceId::from_bytes([given.byte(); 16]);
            let bytes = long(given);
            items.push(Kept::Object(workspace, Sha256::digest(&bytes).into(), bytes));
            continue;
        }
        let table = CATALOGUE[usize::from(number) % CATALOGUE.len()].table;
        let length = usize::from(given.byte());
        let key = given.take(length).to_owned();
        items.push(Kept::Row(table, key, long(given)));
    }
    items
}

fn long(given: &mut Given<'_>) -> Vec<u8> {
    let length = u16::from_be_bytes([given.byte(), given.byte()]);
    given.take(usize::from(length)).to_owned()
}

/// A backup of these, made by the writer: read again it is these, or refused because of them.
fn whole(items: &[Kept]) {
    let head = BackupHead::new(MADE, "0123456789abcdef".to_owned(), MediaMode::Copy);
    let mut writer = BackupWriter::begin(Vec::new(), head.clone(), b"keys").unwrap();
    for item in items {
        match item {
            Kept::Row(table, key, value) => writer.row(*table, key, value),
            Kept::Object(workspace, digest, bytes) => {
                let begun = writer.object(*workspace, *digest, bytes.len() as u64);
                begun.and_then(|()| bytes.chunks(1_000).try_for_each(|piece| writer.piece(piece)))
            }
            Kept::Head(_) | Kept::Keyring(_) => Ok(()),
        }
        .unwrap();
    }
    let (bytes, manifest) = writer.finish().unwrap();
    let (read, kept) = collect(|keep| read_archive(bytes.as_slice(), keep));
    assert_eq!(read.is_ok(), is_lawful(items), "{read:?}");
    let Ok(read) = read else { return };
    assert_eq!(read, manifest);
    let expected = [Kept::Head(head), Kept::Keyring(b"keys".to_vec())];
    assert!(kept.iter().eq(expected.iter().chain(items)));
    restore(items);
}

/// Rows in the order of their tables and keys, each readable, then media.
fn is_lawful(items: &[Kept]) -> bool {
    let readable = |item: &Kept| match item {
        Kept::Row(table, key, value) => table.row().check(key, value).is_ok(),
        _ => true,
    };
    let place = |item: &Kept| match item {
        Kept::Row(table, key, _) => {
            (CATALOGUE.iter().position(|row| row.table == *table), Some(key.clone()))
        }
        _ => (Some(CATALOGUE.len()), None),
    };
    let in_order = |pair: &[Kept]| {
        let [first, second] = [place(&pair[0]), place(&pair[1])];
        first < second || (first == second && first.1.is_none())
    };
    items.iter().all(readable) && items.windows(2).all(in_order)
}

/// Rows that are each right may still not fit together: that is an error, not a fault.
fn restore(items: &[Kept]) {
    let disk = Disk::Memory(FaultDisk::new());
    let options = Options { inline: true, ..Options::default() };
    let made = || -> Result<(), Error> {
        let mut rebuild = Rebuild::restore(&disk, options, Layout::CURRENT.schema())?;
        for item in items {
            if let Kept::Row(table, key, value) = item {
                rebuild.put(*table, key, value)?;
            }
        }
        rebuild.finish()?;
        let store = Store::open(disk.clone(), options)?;
        let (timing, rng) = (Timing::default(), SeededRng::new(1));
        wait(hold_restored(&store, &timing, &rng, (MADE, NOW)))?;
        store
            .dump(|table, key, value| table.row().check(key, value).map_err(io::Error::other))?
            .unwrap();
        wait(store.close())
    };
    if let Err(error) = made() {
        assert!(!error.to_string().is_empty());
    }
}
