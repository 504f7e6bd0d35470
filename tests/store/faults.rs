//! A disk that fails: every operation of a script once and for good, two failures in a row, and a
//! whole batch. No acknowledged write may be lost, and the same handle must work again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use carillon::base::SeededRng;
use carillon::store::rows::Meta;
use carillon::store::{Disk, Error, FaultDisk, FaultKind, Options, Stats, Store, WriteError};
use futures_util::FutureExt as _;
use futures_util::future::join_all;

use crate::rig::{self, Gate, No, Written};
use crate::script::{Expected, Script, WRITES};

/// What the failing writes came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    faults: usize,
    /// Answered `Ok` after the closure ran a second time.
    ran_again: usize,
    /// Answered `Ok` after one run, because the reopened file has the batch's number.
    told_by_number: usize,
    /// Answered an error, and nothing of it is there.
    absent: usize,
    /// Answered an error, and all of it is there.
    durable: usize,
}

/// Runs write number `n`; also how often its closure ran.
fn counted(store: &Store, script: Script, n: usize) -> (Written<()>, usize) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&runs);
    let result = rig::write(store, move |tx| {
        counter.fetch_add(1, Ordering::Relaxed);
        script.step(tx, n)
    });
    (result, runs.load(Ordering::Relaxed))
}

/// Operations on the disk before a script without faults, and after it.
fn operations() -> (u64, u64) {
    let disk = FaultDisk::new();
    let (store, script) = Script::begin(&disk);
    let before = disk.operations();
    for n in 0..WRITES {
        counted(&store, script, n).0.unwrap();
    }
    (before, disk.operations())
}

/// Lets every operation of the script fail in turn.
fn sweep(kind: FaultKind, once: bool) -> Tally {
    let expected = Expected::new();
    let (from, to) = operations();
    let mut tally = Tally::default();
    for at in from + 1..=to {
        fail((&FaultDisk::new(), at), kind, once, &expected, &mut tally);
    }
    println!("{kind:?}, once: {once}: {tally:?}, 0 acknowledged writes lost");
    tally
}

/// One script whose operation number `at` fails, on a new disk.
fn fail(
    (disk, at): (&FaultDisk, u64),
    kind: FaultKind,
    once: bool,
    expected: &Expected,
    tally: &mut Tally,
) {
    let (store, script) = Script::begin(disk);
    disk.fail_at(at, kind, once);
    let (mut n, mut stats) = (0, store.stats());
    let (result, runs) = loop {
        let answer = counted(&store, script, n);
        if disk.operations() >= at {
            break answer;
        }
        answer.0.unwrap();
        (n, stats) = (n + 1, store.stats());
    };
    tally.faults += 1;
    note_answer(&result, runs, (stats, store.stats()), tally);
    assert_eq!(result.is_ok(), store.is_healthy(), "operation {at}");
    if result.is_err() {
        assert!(!once, "operation {at}: one failure is made good");
        // Still broken: the same write fails again.
        assert!(counted(&store, script, n).0.is_err(), "operation {at}");
    }
    disk.heal();
    // A write of nothing opens the file again, so that it can be read, and proves nothing.
    rig::write(&store, |_| Ok(())).unwrap();
    assert_eq!(result.is_ok(), store.is_healthy(), "operation {at}");
    store.probe().now_or_never().unwrap().unwrap();
    assert!(store.is_healthy());
    let found = script.found(&store, expected);
    match found.unwrap() - n {
        1 if result.is_ok() => {}
        1 => tally.durable += 1,
        0 if result.is_err() => tally.absent += 1,
        _ => panic!("operation {at}: {result:?}, but {found:?} writes after {n}"),
    }
    // The caller repeats what failed and goes on, on the same handle.
    let last = (n + 2).min(WRITES - 1);
    for n in n..=last {
        counted(&store, script, n).0.unwrap();
    }
    // What was acknowledged is not only to be seen but on the disk.
    disk.cut_power(&SeededRng::new(at));
    drop(store);
    let found = rig::inline(disk).map(|store| script.found(&store, expected));
    assert_eq!(found.ok().flatten(), Some(last + 1), "operation {at}: acknowledged and lost");
}

/// Broken on purpose: a disk that forgets what it said it had. The scan sees it.
#[test]
#[should_panic(expected = "acknowledged and lost")]
fn a_scan_of_a_disk_that_lies_fails() {
    let disk = FaultDisk::new();
    disk.set_forgetful();
    let (from, _) = operations();
    fail((&disk, from + 5), FaultKind::Io, true, &Expected::new(), &mut Tally::default());
}

fn note_answer(result: &Written<()>, runs: usize, stats: (Stats, Stats), tally: &mut Tally) {
    let reopened = stats.1.reopened - stats.0.reopened;
    match (result, runs, reopened) {
        (Ok(()), 1, 1) => tally.told_by_number += 1,
        (Ok(()), 2, 1) => tally.ran_again += 1,
        (Err(WriteError::Store(Error::Io(_))), ..) => {}
        _ => panic!("{result:?} after {runs} runs and {reopened} reopenings"),
    }
}

/// Each write has one operation, its last sync, that may fail when the write is durable already.
fn check(tally: Tally, once: bool) {
    let rest = tally.faults - WRITES;
    let (told_by_number, ran_again) = if once { (WRITES, rest) } else { (0, 0) };
    let (durable, absent) = if once { (0, 0) } else { (WRITES, rest) };
    let expected = Tally { faults: tally.faults, ran_again, told_by_number, absent, durable };
    assert_eq!(tally, expected);
    assert!(rest > 10 * WRITES);
}

#[test]
fn every_operation_fails_once() {
    check(sweep(FaultKind::Io, true), true);
}

#[test]
fn every_operation_fails_for_good() {
    check(sweep(FaultKind::Io, false), false);
}

#[test]
fn every_operation_finds_the_disk_full_once() {
    check(sweep(FaultKind::Full, true), true);
}

#[test]
fn every_operation_finds_the_disk_full_for_good() {
    check(sweep(FaultKind::Full, false), false);
}

/// A fault that a closure sets off: so many operations after its run, once or for good.
type Arm = (u64, bool);

/// Runs write number `n`; each run of its closure sets off the next of `arms`.
fn armed(store: &Store, disk: &FaultDisk, script: Script, n: usize, arms: Vec<Arm>) -> Written<()> {
    let trigger = disk.clone();
    let runs = AtomicUsize::new(0);
    let result = rig::write(store, move |tx| {
        if let Some((after, once)) = arms.get(runs.fetch_add(1, Ordering::Relaxed)) {
            trigger.fail_at(trigger.operations() + after, FaultKind::Io, *once);
        }
        script.step(tx, n)
    });
    disk.heal();
    result
}

/// Three writes, the first two with faults; counts the first two's answers and what is there.
fn two_in_a_row(first: Vec<Arm>, second: Vec<Arm>, tally: &mut Tally) {
    let disk = FaultDisk::new();
    let (store, script) = Script::begin(&disk);
    let what = format!("{first:?} {second:?}");
    let answers = [
        armed(&store, &disk, script, 0, first),
        armed(&store, &disk, script, 1, second),
        armed(&store, &disk, script, 2, vec![]),
    ];
    disk.cut_power(&SeededRng::new(1));
    drop(store);
    let store = rig::inline(&disk).unwrap();
    let mut there = 0;
    for (n, answer) in answers.iter().enumerate() {
        let has = store.read_now(|view| script.has(view, n)).unwrap();
        there += usize::from(has);
        match answer {
            Ok(()) => assert!(has, "{what}: write {n} was acknowledged and is lost"),
            Err(WriteError::Store(Error::Io(_))) if has => tally.durable += 1,
            Err(WriteError::Store(Error::Io(_))) => tally.absent += 1,
            Err(error) => panic!("{what}: {error:?}"),
        }
    }
    tally.faults += 1;
    assert_eq!(answers[2], Ok(()), "{what}");
    assert!(script.chains_hold(&store, there), "{what}");
}

/// More operations than one of the first writes has.
const OPERATIONS: u64 = 24;

#[test]
fn both_attempts_of_a_write_fail() {
    let mut tally = Tally::default();
    for first in 0..OPERATIONS {
        for second in 0..OPERATIONS {
            let arms = vec![(first, true), (second, true)];
            two_in_a_row(arms, vec![], &mut tally);
        }
    }
    println!("both attempts: {tally:?}, 0 acknowledged writes lost");
    // Whatever the second attempt made durable was found by its number.
    assert_eq!(tally.durable, 0);
    assert!(tally.absent > 100);
}

#[test]
fn a_write_fails_after_one_whose_fate_was_not_known() {
    let mut tally = Tally::default();
    for first in 0..OPERATIONS {
        for second in 0..OPERATIONS {
            two_in_a_row(vec![(first, false)], vec![(second, true)], &mut tally);
        }
    }
    println!("one after another: {tally:?}, 0 acknowledged writes lost");
    assert!(tally.durable > 0 && tally.absent > 0);
}

/// The power goes right after the answer: no later sync helps what was told by number.
#[test]
fn what_was_told_by_number_is_on_the_disk() {
    let expected = Expected::new();
    let mut tally = Tally::default();
    for after in 0..OPERATIONS {
        for seed in 0..8 {
            let disk = FaultDisk::new();
            let (store, script) = Script::begin(&disk);
            disk.fail_at(disk.operations() + after, FaultKind::Io, true);
            let before = store.stats();
            let (result, runs) = counted(&store, script, 0);
            assert_eq!(result, Ok(()));
            if store.stats().reopened > before.reopened {
                note_answer(&result, runs, (before, store.stats()), &mut tally);
            }
            disk.cut_power(&SeededRng::new(seed));
            drop(store);
            let store = rig::inline(&disk).unwrap();
            assert_eq!(script.found(&store, &expected), Some(1), "{after} {seed}");
        }
    }
    assert!(tally.told_by_number > 0 && tally.ran_again > 0);
}

/// Queues the first `WRITES / 2` writes and a refusal behind a closed gate, as one batch whose
/// operation number `after` fails; the answers, and the operations that the batch took.
fn batch(after: Option<u64>, once: bool) -> (Vec<Written<()>>, usize, u64) {
    let disk = FaultDisk::new();
    let store = Store::open(Disk::Memory(disk.clone()), Options::default()).unwrap();
    let script = rig::wait(store.write(Script::prepare)).unwrap();
    let gate = Gate::close(&store);
    let (trigger, armed) = (disk.clone(), AtomicUsize::new(0));
    let first = store.write(move |tx| {
        if let Some(after) = after
            && armed.fetch_add(1, Ordering::Relaxed) == 0
        {
            trigger.fail_at(trigger.operations() + after, FaultKind::Io, once);
        }
        script.step(tx, 0)
    });
    let mut queued = vec![futures_util::FutureExt::boxed(first)];
    for n in 1..WRITES / 2 {
        queued.push(Box::pin(store.write(move |tx| script.step(tx, n))));
    }
    queued.push(Box::pin(store.write(move |tx| {
        script.step(tx, WRITES / 2)?;
        Err(WriteError::Refused(No))
    })));
    let mut answers = join_all(queued);
    rig::begin(&mut answers);
    let before = disk.operations();
    gate.open();
    let answers = rig::wait(answers);
    let operations = disk.operations() - before;
    disk.heal();
    rig::wait(store.write(|_| Written::Ok(()))).unwrap();
    let found = script.found(&store, &Expected::new()).unwrap();
    (answers, found, operations)
}

#[test]
fn a_batch_lives_or_dies_as_one() {
    let (answers, found, operations) = batch(None, true);
    assert_eq!(found, WRITES / 2);
    assert_eq!(answers.len(), WRITES / 2 + 1);
    for once in [true, false] {
        for after in 0..operations {
            let (mut answers, found, _) = batch(Some(after), once);
            // A refusal stands, whatever became of the others.
            assert_eq!(answers.pop(), Some(Err(WriteError::Refused(No))));
            let fine = answers.iter().filter(|answer| answer.is_ok()).count();
            assert!(fine == 0 || fine == WRITES / 2, "{after}: {fine} of a batch");
            assert!(found == 0 || found == WRITES / 2, "{after}: {found} there");
            assert!(found >= fine, "{after}: acknowledged and lost");
            assert_eq!(fine > 0, once, "{after}");
        }
    }
}

const META: Meta = Meta { value: 1 };

/// A process that dies at an operation writes nothing from then on, and a disk that lies loses what
/// it said it had: both are what the simulator needs.
#[test]
fn a_process_can_die_at_an_operation_and_a_disk_can_lie() {
    let disk = FaultDisk::new();
    let rng = SeededRng::new(1);
    let open = || rig::inline(&disk).unwrap();
    let put = |store: &Store, name: &'static str| {
        let put = rig::write(store, move |tx| Ok(tx.put_global(&name.to_owned(), &META)?));
        put.is_ok()
    };
    let (store, first) = (open(), disk.operations());
    assert!(!disk.is_cut());
    disk.cut_at(first + 3);
    assert!(!put(&store, "a"));
    assert!(disk.is_cut() && store.slots().keep(b"answer").is_err());
    disk.cut_power(&rng);
    assert!(!disk.is_cut());
    let store = open();
    let epoch = store.epoch();
    assert!(put(&store, "a"));
    disk.set_forgetful();
    assert!(put(&store, "b"));
    disk.cut_power(&rng);
    let store = open();
    let read = |name: &'static str| {
        store.read_now(|view| view.get_global::<Meta>(&name.to_owned())).unwrap()
    };
    assert_eq!((read("a"), read("b")), (Some(META), None), "acknowledged, and gone");
    assert!(store.epoch() > epoch);
}
