//! The chain of events: whole as written, and a changed, lost, moved or added row is found at its
//! place. What cannot be seen (the end cut off, the last event changed) is held down here too.

use carillon::base::{Id, WorkspaceId};
use carillon::domain::chain::{Fault, What};
use carillon::store::rows::{ChainedEvent, chain_start, verify_chain};
use carillon::store::{
    DecodeError, Error, FaultDisk, Key as _, Scope, Span, Store, Table, WriteError, encode,
};
use futures_util::FutureExt as _;
use sha2::{Digest as _, Sha256};

use crate::rig::{self, id};

/// Rows of each chain that is tampered with.
const ROWS: usize = 5;
/// Version, and the hash of the row before.
const PREVIOUS: std::ops::Range<usize> = 1..33;

fn chain(store: &Store, scope: Scope) -> Result<Result<u64, Fault>, Error> {
    let verified = store.read_now(|view| verify_chain(view, &scope));
    verified.map(|verdict| verdict.map(|head| head.sequence))
}

#[test]
fn chains_of_neighbours_grow_apart() {
    let store = rig::inline(&FaultDisk::new()).unwrap();
    let ids: [WorkspaceId; 4] = [u128::MAX, u128::MAX - 1, 0, 1].map(|n| {
        // Neighbours at both ends of all ids.
        Id::from_bytes(n.to_be_bytes())
    });
    let scopes = ids.map(|id| rig::write(&store, move |tx| rig::make(tx, id)).unwrap());
    for scope in scopes {
        assert_eq!(chain(&store, scope), Ok(Ok(0)));
    }
    for n in 0..40 {
        let scope = scopes[(7 * n + n / 5) % 3];
        rig::write(&store, move |tx| {
            for i in 0..=n % 3 {
                tx.append_event(&scope, rig::event(10 * n + i))?;
            }
            Ok(())
        })
        .unwrap();
    }
    let mut total = 0;
    for scope in scopes {
        let rows = store.read_now(|view| view.scan::<ChainedEvent>(&scope, &Span::first(1_000)));
        let rows = rows.unwrap();
        let mut previous = chain_start(scope.workspace()).hash;
        for (n, (sequence, row)) in rows.iter().enumerate() {
            assert_eq!(usize::try_from(*sequence), Ok(n + 1));
            assert_eq!(row.previous, previous);
            previous = Sha256::digest(encode(row).unwrap()).into();
        }
        let length = u64::try_from(rows.len()).unwrap();
        assert_eq!(chain(&store, scope), Ok(Ok(length)));
        total += length;
    }
    assert_eq!(chain(&store, scopes[3]), Ok(Ok(0)));
    assert_eq!(total, 14 + 2 * 13 + 3 * 13);
}

#[test]
fn long_chains_are_walked_in_steps() {
    let store = rig::inline(&FaultDisk::new()).unwrap();
    let scope = rig::write(&store, |tx| rig::make(tx, id(1))).unwrap();
    for hundred in 1..=21 {
        rig::write(&store, move |tx| {
            for n in 0..100 {
                tx.append_event(&scope, rig::event(n))?;
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(chain(&store, scope), Ok(Ok(100 * hundred)));
    }
    let lose = |sequence: u64| {
        let looked = store.write(move |tx| {
            tx.delete::<ChainedEvent>(&scope, &sequence);
            // Only to look: a refusal keeps nothing of it.
            let found = verify_chain(&tx.view(), &scope)?;
            Err::<(), _>(WriteError::Refused(found))
        });
        let found = looked.now_or_never().unwrap().unwrap_err();
        found.into_refusal(|error| panic!("{error}"))
    };
    for sequence in [1, 999, 1_000, 1_001, 2_000, 2_001, 2_099] {
        assert_eq!(lose(sequence), Err(Fault { sequence, what: What::Missing }));
    }
    assert_eq!(lose(2_100).map(|head| head.sequence), Ok(2_099));
}

/// A file with so many workspaces, each with the same short chain, and its raw rows.
struct Chains {
    folder: tempfile::TempDir,
    scopes: Vec<Scope>,
}

impl Chains {
    fn new(workspaces: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = rig::on_file(&folder.path().join("carillon.redb")).unwrap();
        let scopes = rig::wait(store.write(move |tx| {
            let mut scopes = Vec::new();
            for n in 0..workspaces {
                let scope = rig::make(tx, id(n))?;
                for event in 1..=ROWS {
                    tx.append_event(&scope, rig::event(event))?;
                }
                scopes.push(scope);
            }
            rig::Written::Ok(scopes)
        }));
        rig::wait(store.close()).unwrap();
        let scopes = scopes.unwrap();
        Self { folder, scopes }
    }

    fn key(&self, workspace: usize, sequence: usize) -> Vec<u8> {
        let sequence = u64::try_from(sequence).unwrap();
        (self.scopes[workspace].workspace(), sequence).to_bytes().into_vec()
    }

    /// Changes the raw rows, then opens the store again.
    fn tamper(&self, change: impl FnOnce(&mut rig::RawTable<'_>)) -> Store {
        let path = self.folder.path().join("carillon.redb");
        rig::tamper(&path, Table::Events, change);
        rig::on_file(&path).unwrap()
    }
}

/// What verifying a chain came to, in the words of the tests below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    /// Whole, with so many rows.
    Whole(u64),
    At(u64),
    /// A row does not decode.
    Broken,
}

fn found(store: &Store, scope: Scope) -> Found {
    match chain(store, scope) {
        Ok(Ok(rows)) => Found::Whole(rows),
        Ok(Err(fault)) => Found::At(fault.sequence),
        Err(Error::Corrupt { table, .. }) => {
            assert_eq!(table, Table::Events);
            Found::Broken
        }
        Err(error) => panic!("{error}"),
    }
}

/// One flipped bit in every byte of every row, each in a chain of its own.
#[test]
fn a_flipped_bit_is_found() {
    let length = |row| {
        let (previous, event) = ([0; 32], rig::event(row));
        encode(&ChainedEvent { previous, event }).unwrap().len()
    };
    let flips: Vec<(usize, usize)> =
        (1..=ROWS).flat_map(|row| (0..length(row)).map(move |byte| (row, byte))).collect();
    let chains = Chains::new(flips.len());
    let store = chains.tamper(|rows| {
        for (n, (row, byte)) in flips.iter().enumerate() {
            let key = chains.key(n, *row);
            let mut value = rig::raw(rows, &key);
            value[*byte] ^= 1 << (n % 8);
            rows.insert(key.as_slice(), value.as_slice()).unwrap();
        }
    });
    let (mut by_hash, mut by_form, mut unseen) = (0, 0, 0);
    for (n, (row, byte)) in flips.iter().enumerate() {
        let at = u64::try_from(*row).unwrap();
        match found(&store, chains.scopes[n]) {
            Found::At(sequence) if PREVIOUS.contains(byte) => assert_eq!(sequence, at),
            Found::At(sequence) => {
                by_hash += 1;
                assert_eq!(sequence, at + 1);
            }
            Found::Broken => by_form += 1,
            // Nothing follows the last row yet, so nothing holds its hash.
            Found::Whole(_) => {
                unseen += 1;
                assert_eq!(*row, ROWS);
            }
        }
    }
    println!(
        "{} flipped bits: {by_hash} found in the next row's hash, {by_form} do not decode, \
         {unseen} in the last row are not seen",
        flips.len()
    );
    assert!(by_hash > 100 && by_form > 20 && unseen > 20);
}

/// One way to tamper with the rows of a workspace, and what must be found.
type Tampering = (&'static str, fn(&mut rig::RawTable<'_>, &dyn Fn(usize) -> Vec<u8>), Found);

fn lose(rows: &mut rig::RawTable<'_>, key: &[u8]) {
    assert!(rows.remove(key).unwrap().is_some());
}

fn copy(rows: &mut rig::RawTable<'_>, from: &[u8], to: &[u8]) {
    let value = rig::raw(rows, from);
    rows.insert(to, value.as_slice()).unwrap();
}

fn swap(rows: &mut rig::RawTable<'_>, a: &[u8], b: &[u8]) {
    let (one, other) = (rig::raw(rows, a), rig::raw(rows, b));
    rows.insert(a, other.as_slice()).unwrap();
    rows.insert(b, one.as_slice()).unwrap();
}

const TAMPERINGS: &[Tampering] = &[
    ("nothing", |_, _| {}, Found::Whole(5)),
    ("first lost", |rows, key| lose(rows, &key(1)), Found::At(1)),
    ("third lost", |rows, key| lose(rows, &key(3)), Found::At(3)),
    // Only a copy kept elsewhere could tell.
    ("last lost", |rows, key| lose(rows, &key(5)), Found::Whole(4)),
    ("first two swapped", |rows, key| swap(rows, &key(1), &key(2)), Found::At(1)),
    ("two in the middle swapped", |rows, key| swap(rows, &key(2), &key(4)), Found::At(2)),
    ("last two swapped", |rows, key| swap(rows, &key(4), &key(5)), Found::At(4)),
    ("one written over the next", |rows, key| copy(rows, &key(2), &key(3)), Found::At(3)),
    ("last repeated", |rows, key| copy(rows, &key(5), &key(6)), Found::At(6)),
    ("one before the first", |rows, key| copy(rows, &key(1), &key(0)), Found::At(0)),
    (
        "a gap before the last",
        |rows, key| {
            copy(rows, &key(5), &key(6));
            lose(rows, &key(5));
        },
        Found::At(5),
    ),
    (
        "a lost row closed up",
        |rows, key| {
            for n in 3..5 {
                copy(rows, &key(n + 1), &key(n));
            }
            lose(rows, &key(5));
        },
        Found::At(3),
    ),
    // The same event in other bytes: its time, 2, as a number that is longer than it need be.
    (
        "written another way",
        |rows, key| {
            let mut value = rig::raw(rows, &key(2));
            assert_eq!(value[PREVIOUS.end], 2);
            value.splice(PREVIOUS.end..=PREVIOUS.end, [0x82, 0]);
            rows.insert(key(2).as_slice(), value.as_slice()).unwrap();
        },
        Found::At(3),
    ),
    (
        "empty",
        |rows, key| drop(rows.insert(key(4).as_slice(), [].as_slice()).unwrap()),
        Found::Broken,
    ),
    (
        "a key too long",
        |rows, key| {
            let key = [key(4), vec![0]].concat();
            drop(rows.insert(key.as_slice(), [1].as_slice()).unwrap());
        },
        Found::Broken,
    ),
];

#[test]
fn lost_moved_and_added_rows_are_found() {
    let chains = Chains::new(TAMPERINGS.len() + 1);
    let store = chains.tamper(|rows| {
        for (n, (_, tamper, _)) in TAMPERINGS.iter().enumerate() {
            tamper(rows, &|sequence| chains.key(n, sequence));
        }
    });
    for (n, (what, _, expected)) in TAMPERINGS.iter().enumerate() {
        assert_eq!(found(&store, chains.scopes[n]), *expected, "{what}");
    }
    // The chain beside them was not touched.
    let last = chains.scopes[TAMPERINGS.len()];
    assert_eq!(found(&store, last), Found::Whole(5));
}

/// The chain goes on after a row that was changed, and still shows it.
#[test]
fn what_follows_does_not_hide_a_change() {
    let chains = Chains::new(1);
    let scope = chains.scopes[0];
    let store = chains.tamper(|rows| {
        let mut value = rig::raw(rows, &chains.key(0, 3));
        *value.last_mut().unwrap() ^= 1;
        rows.insert(chains.key(0, 3).as_slice(), value.as_slice()).unwrap();
    });
    assert_eq!(found(&store, scope), Found::At(4));
    let more = store.write(move |tx| rig::Written::Ok(tx.append_event(&scope, rig::event(9))?));
    rig::wait(more).unwrap();
    assert_eq!(found(&store, scope), Found::At(4));
}

/// A row that cannot be read is an error, and names its table.
#[test]
fn an_unreadable_row_is_an_error() {
    let chains = Chains::new(1);
    let store = chains.tamper(|rows| {
        rows.insert(chains.key(0, 2).as_slice(), [9, 9].as_slice()).unwrap();
    });
    let expected = Error::Corrupt { table: Table::Events, cause: DecodeError::UnknownVersion(9) };
    let scope = chains.scopes[0];
    assert_eq!(chain(&store, scope), Err(expected.clone()));
    let got = store.read_now(|view| view.get::<ChainedEvent>(&scope, &2));
    assert_eq!(got, Err(expected.clone()));
    let all = store.read_now(|view| view.scan::<ChainedEvent>(&scope, &Span::first(9)));
    assert_eq!(all, Err(expected));
    let whole = store.read_now(|view| view.get::<ChainedEvent>(&scope, &1));
    assert!(whole.unwrap().is_some());
}
