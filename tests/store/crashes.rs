//! Power cuts at random operations, in openings too. After each the store must open, hold exactly
//! what a whole number of writes leaves behind, and miss nothing that was acknowledged.
//! Three doubles that break a rule are kept beside it, and must be caught.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use carillon::base::{Rng, SeededRng};
use carillon::store::{Disk, Error, FaultDisk, FaultKind, Options, Store};

use crate::rig;
use crate::script::{Expected, Script, WRITES};

const IMAGES: usize = 2_400;

/// How writes are done and acknowledged.
#[derive(Clone, Copy)]
enum Protocol {
    /// When the store says so.
    Store,
    /// Double: as soon as the closure has run.
    AcksEarly,
    /// Double: the mark in one transaction, the rest in another.
    InHalves,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    /// Power cuts, each of which left an image that was opened.
    images: usize,
    /// Of these, the cuts while a store was being opened.
    in_openings: usize,
    /// Acknowledged, and not there.
    lost: usize,
    /// Images that hold something else than whole writes.
    torn: usize,
    /// Not acknowledged, and wholly there.
    kept: usize,
}

impl Protocol {
    /// Whether write number `n` was acknowledged.
    fn write(self, store: &Store, script: Script, n: usize) -> bool {
        match self {
            Self::Store => rig::write(store, move |tx| script.step(tx, n)).is_ok(),
            Self::AcksEarly => {
                let ran = Arc::new(AtomicBool::new(false));
                let flag = Arc::clone(&ran);
                let written = rig::write(store, move |tx| {
                    flag.store(true, Ordering::Relaxed);
                    script.step(tx, n)
                });
                written.is_ok() || ran.load(Ordering::Relaxed)
            }
            Self::InHalves => {
                rig::write(store, move |tx| script.mark(tx, n)).is_ok()
                    && rig::write(store, move |tx| script.rest(tx, n)).is_ok()
            }
        }
    }
}

/// Cuts the power and opens what is left; some openings are cut as well.
fn cut(disk: &FaultDisk, store: Store, rng: &SeededRng, tally: &mut Tally) -> Store {
    disk.cut_power(rng);
    drop(store);
    tally.images += 1;
    loop {
        if rng.next_u64().is_multiple_of(4) {
            let at = disk.operations() + rng.next_u64() % 30;
            disk.fail_at(at, FaultKind::Io, false);
        }
        match rig::inline(disk) {
            Ok(store) => {
                disk.heal();
                return store;
            }
            Err(Error::Io(_)) => {
                disk.cut_power(rng);
                tally.images += 1;
                tally.in_openings += 1;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// One disk's life: the script, with as many power cuts as come.
fn live(protocol: Protocol, seed: u64, expected: &Expected, tally: &mut Tally) {
    let rng = SeededRng::new(seed);
    let disk = FaultDisk::new();
    let (mut store, script) = Script::begin(&disk);
    let mut acknowledged = 0;
    while acknowledged < WRITES {
        let at = disk.operations() + rng.next_u64() % 150;
        disk.fail_at(at, FaultKind::Io, false);
        while acknowledged < WRITES && protocol.write(&store, script, acknowledged) {
            acknowledged += 1;
        }
        let epoch = store.epoch();
        store = cut(&disk, store, &rng, tally);
        assert!(store.epoch() > epoch, "seed {seed}");
        let Some(found) = script.found(&store, expected) else {
            tally.torn += 1;
            return;
        };
        assert!(found <= acknowledged + 1, "seed {seed}");
        if found < acknowledged {
            tally.lost += acknowledged - found;
            return;
        }
        assert!(script.chains_hold(&store, found), "seed {seed}");
        tally.kept += found - acknowledged;
        acknowledged = found;
    }
}

fn run(protocol: Protocol, images: usize) -> Tally {
    let expected = Expected::new();
    let mut tally = Tally::default();
    let mut seed = 0;
    while tally.images < images {
        seed += 1;
        live(protocol, seed, &expected, &mut tally);
    }
    tally
}

#[test]
fn no_power_cut_loses_an_acknowledged_write() {
    let tally = run(Protocol::Store, IMAGES);
    println!(
        "{} crash images ({} in openings), {} acknowledged writes lost, {} torn; {} writes that \
         were not acknowledged were wholly there",
        tally.images, tally.in_openings, tally.lost, tally.torn, tally.kept
    );
    assert_eq!((tally.lost, tally.torn), (0, 0));
    assert!(tally.in_openings > 0 && tally.kept > 0);
}

#[test]
fn a_store_that_acknowledges_early_is_caught() {
    let tally = run(Protocol::AcksEarly, 100);
    assert!(tally.lost > 0);
}

#[test]
fn a_write_in_two_transactions_is_caught() {
    let tally = run(Protocol::InHalves, 100);
    assert!(tally.torn > 0);
}

/// A disk that answers a sync and keeps the data for itself: after the cut there is an old image.
#[test]
fn a_disk_that_lies_about_syncs_is_caught() {
    let folder = tempfile::tempdir().unwrap();
    let [file, platter] = ["carillon.redb", "platter"].map(|name| folder.path().join(name));
    let open = || {
        let options = Options { inline: true, ..Options::default() };
        Store::open(Disk::File(file.clone()), options).unwrap()
    };
    let store = open();
    let script = rig::write(&store, Script::prepare).unwrap();
    for n in 0..20 {
        if n == 15 {
            std::fs::copy(&file, &platter).unwrap();
        }
        assert!(Protocol::Store.write(&store, script, n));
    }
    drop(store);
    std::fs::rename(&platter, &file).unwrap();
    assert_eq!(script.found(&open(), &Expected::new()), Some(15));
}
