//! Crash images of a whole installation's database: the disk of a run of real services and engine
//! is recorded, and its power is cut again and again while it is replayed. Each image must open and hold
//! exactly what one commit left behind: the last that was durable, or the one under way. Doubles
//! that break a rule are kept beside it, and must be caught. `CARILLON_IMAGES` and `CARILLON_SEED`
//! say how many and which.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use carillon::base::{Clock as _, Rng, SeededRng, SystemClock};
use carillon::domain::access::Write;
use carillon::domain::publish::Decision;
use carillon::practice::{Act, Matcher};
use carillon::service::{PostChange, When};
use carillon::store::{Disk, FaultDisk, FaultKind, Options, Replay, Store, WriteError};
use futures_util::FutureExt as _;
use support::runs;

use crate::dump::{Dump, dump, wrong};
use crate::stage::{HOOK, KEYED, LISTED, RECORDS, Stage};

const IMAGES: u64 = 10_000;
/// The power is cut after one step in so many.
const EVERY: u64 = 4;
const MINUTE: Duration = Duration::from_mins(1);

fn open(disk: &FaultDisk) -> Result<Store, carillon::store::Error> {
    // So few staged rows that the stage turns over with almost every write.
    let options =
        Options { cache_bytes: 1024 * 1024, inline: true, staged_rows: 4, ..Options::default() };
    Store::open(Disk::Memory(disk.clone()), options)
}

/// Moves everything that is staged to its tables.
fn turn(store: &Store) {
    let turned = store.write::<(), (), _>(|tx| {
        tx.settle(0);
        Ok::<(), WriteError<()>>(())
    });
    turned.now_or_never().unwrap().unwrap();
}

/// What was recorded of one run, and what its store held whenever somebody had been answered.
struct Life {
    before: FaultDisk,
    disk: FaultDisk,
    /// After how many steps, and what was there then.
    answered: Vec<(usize, Dump)>,
    /// After how many steps a result slot was taken that is never let go, and by what.
    kept: Vec<(usize, Vec<u8>)>,
}

impl Life {
    /// Everything that people and networks do to posts, files and deliveries, drawn by chance.
    fn live(seed: u64) -> Self {
        let mut stage = Stage::new(seed);
        let rng = SeededRng::new(seed);
        let disk = stage.sim.disk.clone();
        let before = disk.copy();
        disk.record();
        let (mut answered, mut kept) = (Vec::new(), Vec::new());
        let picture = stage.picture("stripes");
        for n in 0..6_u32 {
            let host = [KEYED, LISTED, RECORDS, HOOK][usize::try_from(rng.next_u64() % 4).unwrap()];
            let act = match rng.next_u64() % 4 {
                0 => Act::AcceptThenDrop,
                1 => Act::ErrorBefore { status: 422 },
                2 => Act::RateLimited { reset_after: 2 * MINUTE },
                _ => Act::SlowStart { delay: Duration::from_secs(10) },
            };
            stage.fault(host, Matcher::Write, 1, act);
            let channels = [stage.channel_of(host), stage.feed];
            let text = format!("post {n}");
            let post = stage.post(&channels, &[&text, "reply"], (n + 1) * MINUTE);
            answered.push((disk.recorded(), dump(&stage.sim.services.store)));
            match rng.next_u64() % 4 {
                0 => change(&mut stage, &post.id),
                1 => stage.post_pictures(channels[1], std::slice::from_ref(&picture), MINUTE),
                2 => cancel(&mut stage, &post.id),
                _ => turn(&stage.sim.services.store),
            }
            answered.push((disk.recorded(), dump(&stage.sim.services.store)));
            kept.extend(slot(&stage, n).map(|bytes| (disk.recorded(), bytes)));
            stage.sim.pass(Duration::from_secs(rng.next_u64() % 90));
            answered.push((disk.recorded(), dump(&stage.sim.services.store)));
        }
        stage.sim.pass(30 * MINUTE);
        for delivery in stage.deliveries().iter().filter(|d| d.state == "held") {
            stage.resolve(&delivery.id, Decision::Drop).unwrap();
        }
        answered.push((disk.recorded(), dump(&stage.sim.services.store)));
        Self { before, disk, answered, kept }
    }

    fn replay(&self) -> Replay {
        self.disk.replay(&self.before)
    }
}

fn change(stage: &mut Stage, post: &str) {
    let due = stage.sim.now().plus(2 * MINUTE).to_string();
    let local = due.trim_end_matches('Z').to_owned();
    let when = Some(When::At { local, zone: "UTC".to_owned() });
    let access = stage.sim.access::<Write>(stage.workspace).unwrap();
    let (services, id) = (stage.sim.services.clone(), post.parse().unwrap());
    let change = PostChange { when, ..PostChange::default() };
    let changed = stage.sim.run(async move { services.change_post(access, id, change).await });
    changed.unwrap().unwrap();
}

fn cancel(stage: &mut Stage, post: &str) {
    let access = stage.sim.access::<Write>(stage.workspace).unwrap();
    let (services, id) = (stage.sim.services.clone(), post.parse().unwrap());
    stage.sim.run(async move { services.delete_post(access, id, None).await }).unwrap().unwrap();
}

/// A result slot is taken, and every other time let go again.
fn slot(stage: &Stage, n: u32) -> Option<Vec<u8>> {
    let slots = stage.sim.services.store.slots();
    let bytes = format!("answer {n}").repeat(20).into_bytes();
    let kept = slots.keep(&bytes).unwrap();
    if n.is_multiple_of(2) {
        slots.release(kept);
        return None;
    }
    Some(bytes)
}

#[derive(Debug, Default)]
struct Tally {
    images: u64,
    /// Of these, with a second cut while the image was opened.
    twice: u64,
    /// Distinct states that a commit left behind.
    commits: u64,
    /// Images that held the commit under way already.
    ahead: u64,
    /// Images that did not hold what was durable, or half a commit.
    wrong: u64,
    /// Times that somebody had been answered, and it was not durable then.
    early: u64,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.images += other.images;
        self.twice += other.twice;
        self.commits += other.commits;
        self.ahead += other.ahead;
        self.wrong += other.wrong;
        self.early += other.early;
    }
}

/// What the whole disk holds after each step that makes something durable, by number of steps.
/// Invariants across tables are looked at in each.
fn history(life: &Life, tally: &mut Tally) -> Vec<(usize, Dump)> {
    let mut replay = life.replay();
    let mut states = vec![(0, dump(&open(&replay.whole()).unwrap()))];
    let mut steps = 0;
    while let Some(durable) = replay.step() {
        steps += 1;
        if durable {
            let store = open(&replay.whole()).unwrap();
            let now = dump(&store);
            if states.last().is_some_and(|(_, last)| *last != now) {
                assert_eq!(wrong(&store), Vec::<String>::new());
                tally.commits += 1;
                states.push((steps, now));
            }
        }
    }
    for (at, live) in &life.answered {
        let held = states.iter().rev().find(|(steps, _)| steps <= at);
        tally.early += u64::from(held.is_none_or(|(_, held)| held != live));
    }
    states
}

/// Opens an image; one in eight is cut again while it is opened.
fn reopen(image: FaultDisk, rng: &SeededRng, tally: &mut Tally) -> (FaultDisk, Store) {
    if rng.next_u64().is_multiple_of(8) {
        image.fail_at(rng.next_u64() % 12, FaultKind::Io, false);
        if open(&image).is_err() {
            image.cut_power(rng);
            tally.twice += 1;
        }
        image.heal();
    }
    let store = open(&image).unwrap();
    (image, store)
}

/// Cuts the power of `life` after steps drawn by chance.
fn cut(life: &Life, mut replay: Replay, seed: u64) -> Tally {
    let mut tally = Tally::default();
    let states = history(life, &mut tally);
    let rng = SeededRng::new(seed);
    let mut steps = 0;
    loop {
        let next = states.iter().position(|(at, _)| *at > steps).unwrap_or(states.len());
        let durable = &states[next - 1].1;
        let coming = states.get(next).map_or(durable, |(_, state)| state);
        if rng.next_u64().is_multiple_of(EVERY) {
            let (image, store) = reopen(replay.cut(&rng), &rng, &mut tally);
            let found = dump(&store);
            tally.images += 1;
            tally.ahead += u64::from(found != *durable && found == *coming);
            tally.wrong += u64::from(found != *durable && found != *coming);
            let slots: Vec<_> = store.slots().all().into_iter().map(|(_, bytes)| bytes).collect();
            let there = |kept: &(usize, Vec<u8>)| kept.0 > steps || slots.contains(&kept.1);
            assert!(life.kept.iter().all(there), "seed {seed}: a result slot lost something");
            // What is staged moves on, and is what it was; also for whoever opens it then.
            if tally.images.is_multiple_of(8) {
                turn(&store);
                assert!(dump(&store) == found, "seed {seed}: the stage lost something");
                drop(store);
                assert!(dump(&open(&image).unwrap()) == found, "seed {seed}");
            }
        }
        if replay.step().is_none() {
            return tally;
        }
        steps += 1;
    }
}

#[test]
fn no_power_cut_leaves_anything_but_whole_commits() {
    let (seed, images) = (runs::seed(1), runs::number(runs::IMAGES, IMAGES));
    let (begun, next, made) = (SystemClock::new(), AtomicU64::new(seed), AtomicU64::new(0));
    let work = || {
        let mut tally = Tally::default();
        while made.load(Ordering::Relaxed) < images {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let life = Life::live(seed);
            let one = cut(&life, life.replay(), seed);
            made.fetch_add(one.images, Ordering::Relaxed);
            tally.add(&one);
        }
        tally
    };
    let tally = std::thread::scope(|scope| {
        let threads = [scope.spawn(work), scope.spawn(work)];
        threads.into_iter().fold(Tally::default(), |mut all, thread| {
            all.add(&thread.join().unwrap());
            all
        })
    });
    let rate = tally.images * 1_000 / u64::try_from(begun.monotonic().as_millis()).unwrap().max(1);
    println!(
        "seeds {seed} to {}: {tally:?}, {rate} images a second",
        next.load(Ordering::Relaxed) - 1
    );
    assert_eq!((tally.wrong, tally.early), (0, 0));
    assert!(tally.images >= images && tally.ahead > 0 && tally.twice > 0);
}

/// Broken on purpose: a disk that answers every sync, and keeps nothing of it.
#[test]
fn a_disk_that_lies_is_caught() {
    let life = Life::live(1);
    let mut replay = life.replay().lying();
    // One cut at the very end is enough; nothing of the run is durable there.
    while replay.step().is_some() {}
    let whole = history(&life, &mut Tally::default());
    let rng = SeededRng::new(1);
    let image = replay.cut(&rng);
    // The database may find out with a panic of its own; that is caught, too.
    let found = catch_unwind(AssertUnwindSafe(|| open(&image).map(|store| dump(&store))));
    let found = found.ok().and_then(Result::ok);
    assert!(found.is_none_or(|found| found != whole.last().unwrap().1));
}

/// Broken on purpose: whoever writes is answered one commit too early.
#[test]
fn an_answer_before_the_sync_is_caught() {
    let mut life = Life::live(2);
    let mut tally = Tally::default();
    history(&life, &mut tally);
    assert_eq!(tally.early, 0);
    let states = history(&life, &mut tally);
    let (at, state) = states.last().unwrap().clone();
    life.answered.push((at - 1, state));
    history(&life, &mut tally);
    assert_eq!(tally.early, 1);
}
