//! A model checker over the real `domain::publish::step`: every interleaving of sending, losing,
//! landing late, reading back, crashing and cancelling. The protocols that are known to be wrong
//! are kept beside it as doubles, and must be caught.

#![expect(clippy::disallowed_types, reason = "membership only; nothing is iterated or shown")]

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use carillon::base::{PartId, Timestamp};
use carillon::domain::publish::{
    Doubt, Event, Evidence, Failure, Flow, KeyLife, Moment, Next, Outcome, Phase, Policy, ReadBack,
    Reading, Receipt, Refusal, Source, State, step,
};

/// What the network of the model can do to us, in ticks.
#[derive(Clone, Copy)]
struct Nature {
    /// A request that was given up may land this much later.
    late: u64,
    /// A copy is surely seen by a reading this long after it was made.
    lag: u64,
    /// How long the network remembers a key; `None`: it takes no keys.
    memory: Option<u64>,
    crashes: u32,
    parts: u32,
}

/// A way to publish: the real machine with its policy, or a double with one rule broken.
#[derive(Clone, Copy)]
struct Protocol {
    policy: Policy,
    /// The real machine arms durably before it sends.
    arms_first: bool,
    /// Double: writes "published" down, then sends.
    marks_first: bool,
    /// Double: forgets that an attempt was in doubt once it is waiting again.
    forgets_doubt: bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct World {
    now: u64,
    epoch: u64,
    /// On disk.
    flow: Flow,
    /// In memory, and lost in a crash.
    doing: Doing,
    /// Requests on their way: the part, and the last tick at which they can land.
    flights: Vec<(usize, u64)>,
    /// Copies per part: when each was made.
    copies: Vec<Vec<u64>>,
    /// Per part: until when the network remembers its key.
    keys: Vec<Option<u64>>,
    crashes: u32,
    cancels: u32,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Doing {
    Nothing,
    Preparing,
    /// `armed` is the flow in memory; on disk too, unless a double says otherwise.
    Sending {
        part: usize,
        attempt: u32,
        armed: Box<Flow>,
    },
    Reading {
        asked: u64,
    },
}

#[derive(Default, Debug, PartialEq, Eq)]
struct Verdict {
    worlds: usize,
    ends: usize,
    published: usize,
    held: usize,
    duplicate: usize,
    lost: usize,
    live_but_failed: usize,
    stuck: usize,
}

fn ticks(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn at(n: u64) -> Timestamp {
    Timestamp::from_millis(n)
}

fn receipt(now: u64) -> Receipt {
    Receipt { remote_id: "1".into(), url: None, at: at(now), source: Source::Answer }
}

fn failure() -> Failure {
    Failure::new("x", "")
}

impl World {
    fn start(nature: Nature) -> Self {
        let part = |i| (PartId::from_bytes([u8::try_from(i).unwrap(); 16]), Duration::ZERO);
        let parts = nature.parts as usize;
        Self {
            now: 1,
            epoch: 1,
            flow: Flow::new(at(1), (0..nature.parts).map(part)),
            doing: Doing::Nothing,
            flights: Vec::new(),
            copies: vec![Vec::new(); parts],
            keys: vec![None; parts],
            crashes: nature.crashes,
            cancels: 1,
        }
    }

    fn moment(&self) -> Moment {
        Moment { now: at(self.now), epoch: self.epoch, dice: 0 }
    }

    fn step(&self, p: &Protocol, flow: &Flow, event: Event) -> Result<(Flow, Next), Refusal> {
        let (mut flow, next) = step(flow, &p.policy, self.moment(), event)?;
        if p.forgets_doubt {
            for part in &mut flow.parts {
                if matches!(part.phase, Phase::Waiting(_)) {
                    part.doubt = Doubt::None;
                }
            }
        }
        Ok((flow, next))
    }

    /// The same world with `event` applied and durable.
    fn after(&self, p: &Protocol, flow: &Flow, event: Event) -> Self {
        let mut world = self.clone();
        world.doing = Doing::Nothing;
        // The flow in memory stays true where it was ahead of the disk (doubles only).
        world.flow = flow.clone();
        if let Ok((flow, next)) = self.step(p, flow, event) {
            let part = flow.current().unwrap_or(0);
            world.doing = match next {
                Next::Rest => Doing::Nothing,
                Next::Prepare => Doing::Preparing,
                Next::ReadBack => Doing::Reading { asked: world.now },
                Next::Commit { attempt } => {
                    Doing::Sending { part, attempt, armed: Box::new(flow.clone()) }
                }
            };
            let sends = matches!(next, Next::Commit { .. });
            if !sends || p.arms_first {
                world.flow = flow;
            }
        }
        world
    }

    /// A request of `part` reaches the network.
    fn land(&mut self, nature: Nature, part: usize) {
        let remembered = self.keys[part].is_some_and(|until| self.now <= until);
        if nature.memory.is_some() && remembered {
            return;
        }
        self.copies[part].push(self.now);
        self.keys[part] = nature.memory.map(|m| self.now + m);
    }

    /// The world as seen from now: two that differ only in what the clock shows are one.
    fn canonical(&self) -> Self {
        let mut w = self.clone();
        let ago = |t: Timestamp| at((1_000 + t.as_millis()).saturating_sub(self.now));
        let plain = |flow: &mut Flow| {
            flow.due = at(0);
            flow.wake = flow.wake.map(|t| ago(t.max(at(self.now))));
            if let Some(hold) = &mut flow.hold {
                hold.since = at(0);
            }
            for part in &mut flow.parts {
                part.attempt = 0;
                if matches!(part.phase, Phase::Published(_)) {
                    (part.used, part.doubt) = (0, Doubt::None);
                }
                if let Doubt::Open { armed, lost } = &mut part.doubt {
                    (*armed, *lost) = (ago(*armed), ago(*lost));
                }
                match &mut part.phase {
                    Phase::Armed { epoch, at: armed } => {
                        *epoch = u64::from(*epoch == self.epoch);
                        *armed = ago(*armed);
                    }
                    Phase::Published(receipt) => receipt.at = at(0),
                    _ => {}
                }
            }
        };
        plain(&mut w.flow);
        match &mut w.doing {
            Doing::Sending { armed, attempt, .. } => {
                *attempt = 0;
                plain(armed);
            }
            Doing::Reading { asked } => *asked = 0,
            _ => {}
        }
        (w.now, w.epoch) = (0, 0);
        for (_, last) in &mut w.flights {
            *last -= self.now;
        }
        w.flights.sort_unstable();
        for made in w.copies.iter_mut().flatten() {
            *made = self.now.saturating_sub(*made).min(10);
        }
        for key in &mut w.keys {
            *key = key.filter(|until| *until >= self.now).map(|until| until - self.now);
        }
        w
    }

    fn is_end(&self) -> bool {
        self.doing == Doing::Nothing
            && self.flights.is_empty()
            && (self.flow.is_over() || self.flow.hold.is_some())
    }

    fn successors(&self, p: &Protocol, nature: Nature) -> Vec<Self> {
        let mut out = Vec::new();
        for i in 0..self.flights.len() {
            let mut landed = self.clone();
            let (part, _) = landed.flights.remove(i);
            landed.land(nature, part);
            out.push(landed);
        }
        if self.crashes > 0 && !(self.flow.is_over() && self.doing == Doing::Nothing) {
            out.extend(self.crash(nature));
        }
        match &self.doing {
            Doing::Nothing => self.idle(p, &mut out),
            Doing::Preparing => {
                out.push(self.ready(p));
                out.push(self.after(
                    p,
                    &self.flow,
                    Event::Unprepared(Outcome::Transient(failure())),
                ));
                out.push(self.after(p, &self.flow, Event::Unprepared(Outcome::Refused(failure()))));
            }
            Doing::Sending { part, attempt, armed } => {
                self.send(p, nature, (*part, *attempt, armed), &mut out);
            }
            Doing::Reading { asked } => self.read(p, nature, *asked, &mut out),
        }
        out
    }

    fn idle(&self, p: &Protocol, out: &mut Vec<Self>) {
        if self.flow.wake.is_some_and(|w| w <= at(self.now)) {
            out.push(self.after(p, &self.flow, Event::Wake));
        }
        if self.cancels > 0 && self.step(p, &self.flow, Event::Cancel).is_ok() {
            let mut world = self.after(p, &self.flow, Event::Cancel);
            world.cancels -= 1;
            out.push(world);
        }
        // Time jumps to the next moment that matters: the timer, or the last chance of a flight.
        let wake = self.flow.wake.map(Timestamp::as_millis).filter(|w| *w > self.now);
        let flight =
            self.flights.iter().map(|(_, last)| *last + u64::from(*last == self.now)).min();
        if let Some(then) = wake.into_iter().chain(flight).min() {
            let mut world = self.clone();
            world.now = then;
            // What did not land in time never will.
            world.flights.retain(|(_, last)| *last >= world.now);
            out.push(world);
        }
    }

    fn ready(&self, p: &Protocol) -> Self {
        let mut world = self.after(p, &self.flow, Event::Ready);
        if p.marks_first
            && let Doing::Sending { part, .. } = world.doing
        {
            world.flow.parts[part].phase = Phase::Published(receipt(self.now));
            world.flow.wake = None;
        }
        world
    }

    fn send(
        &self,
        p: &Protocol,
        nature: Nature,
        sending: (usize, u32, &Flow),
        out: &mut Vec<Self>,
    ) {
        let (part, attempt, armed) = sending;
        let epoch = self.epoch;
        let mut answered = |world: &Self, outcome: Outcome| {
            let event = Event::Answer { attempt, epoch, outcome };
            let flow = if p.marks_first { &world.flow } else { armed };
            out.push(world.after(p, flow, event));
        };
        let mut applied = self.clone();
        applied.land(nature, part);
        answered(&applied, Outcome::Done(receipt(self.now)));
        answered(&applied, Outcome::Lost(failure()));
        answered(self, Outcome::Lost(failure()));
        if nature.late > 0 {
            let mut flying = self.clone();
            flying.flights.push((part, self.now + nature.late));
            answered(&flying, Outcome::Lost(failure()));
        }
        answered(self, Outcome::Transient(failure()));
        answered(self, Outcome::Refused(failure()));
        let until = at(self.now + 2);
        answered(self, Outcome::RateLimited { until, failure: failure() });
    }

    fn read(&self, p: &Protocol, nature: Nature, asked: u64, out: &mut Vec<Self>) {
        let part = self.flow.current().unwrap_or(0);
        let mut heard = |reading| {
            out.push(self.after(p, &self.flow, Event::Reading { asked: at(asked), reading }));
        };
        let copies = &self.copies[part];
        if !copies.is_empty() {
            heard(Reading::Found(receipt(self.now)));
        }
        if copies.iter().all(|made| made + nature.lag > self.now) {
            heard(Reading::Absent);
        }
        heard(Reading::Unavailable(failure()));
    }

    /// The process dies here; a request may have been applied, be on its way, or never have left.
    fn crash(&self, nature: Nature) -> Vec<Self> {
        let mut dead = self.clone();
        dead.crashes -= 1;
        dead.epoch += 1;
        dead.doing = Doing::Nothing;
        let mut out = vec![dead.clone()];
        if let Doing::Sending { part, .. } = self.doing {
            let mut applied = dead.clone();
            applied.land(nature, part);
            out.push(applied);
            if nature.late > 0 {
                dead.flights.push((part, self.now + nature.late));
                out.push(dead);
            }
        }
        out
    }

    fn judge(&self, verdict: &mut Verdict) {
        verdict.ends += 1;
        let state = self.flow.state();
        verdict.published += usize::from(state == State::Published);
        verdict.held += usize::from(state == State::Held);
        verdict.duplicate += usize::from(self.copies.iter().any(|c| c.len() > 1));
        for (part, copies) in self.flow.parts.iter().zip(&self.copies) {
            match &part.phase {
                Phase::Published(_) if copies.is_empty() => verdict.lost += 1,
                Phase::Failed(_) if !copies.is_empty() => verdict.live_but_failed += 1,
                Phase::Waiting(_) if self.flow.cancelled && !copies.is_empty() => {
                    verdict.live_but_failed += 1;
                }
                _ => {}
            }
        }
    }
}

/// 128 bits stand for a world: millions of whole ones would not fit in memory.
fn fingerprint(world: &World) -> (u64, u64) {
    let (mut a, mut b) = (DefaultHasher::new(), DefaultHasher::new());
    1_u8.hash(&mut b);
    world.hash(&mut a);
    world.hash(&mut b);
    (a.finish(), b.finish())
}

/// Visits every world. `enough` may end the search of a double early.
fn check(protocol: Protocol, nature: Nature, enough: fn(&Verdict) -> bool) -> Verdict {
    let mut seen = HashSet::new();
    let mut todo = vec![World::start(nature)];
    let mut verdict = Verdict::default();
    while let Some(world) = todo.pop() {
        if enough(&verdict) {
            break;
        }
        if !seen.insert(fingerprint(&world.canonical())) {
            continue;
        }
        let next = world.successors(&protocol, nature);
        if world.is_end() {
            world.judge(&mut verdict);
        } else if next.is_empty() {
            verdict.stuck += 1;
        }
        todo.extend(next);
    }
    verdict.worlds = seen.len();
    verdict
}

const READ: Evidence = Evidence { key: None, read_back: Some(ReadBack::Listing) };
const NONE: Evidence = Evidence { key: None, read_back: None };

fn key(memory: u64, late: u64) -> Evidence {
    let life = Policy::key_life(ticks(memory), ticks(0), ticks(late));
    Evidence { key: Some(KeyLife { settle: ticks(1), life }), read_back: None }
}

fn real(late: u64, lag: u64, evidence: Evidence) -> Protocol {
    let policy = Policy {
        grace: ticks(100_000),
        late: ticks(late),
        lag: ticks(lag),
        second_look: ticks(1),
        look_budget: ticks(8),
        retry_base: ticks(1),
        attempts: 3,
        evidence,
    };
    Protocol { policy, arms_first: true, marks_first: false, forgets_doubt: false }
}

const NATURE: Nature = Nature { late: 3, lag: 2, memory: None, crashes: 3, parts: 1 };

fn assert_sound(name: &str, protocol: Protocol, nature: Nature) -> Verdict {
    let v = check(protocol, nature, |_| false);
    println!("{name}: {v:?}");
    assert!(v.ends > 0 && v.published > 0, "{name} reaches its ends");
    assert_eq!((v.duplicate, v.lost, v.live_but_failed, v.stuck), (0, 0, 0, 0), "{name}");
    v
}

#[test]
fn read_back_after_the_quiet_period_is_sound() {
    let v = assert_sound("read-back", real(3, 2, READ), NATURE);
    assert!(v.held > 0);
}

#[test]
fn a_key_inside_its_life_is_sound() {
    let nature = Nature { memory: Some(9), ..NATURE };
    assert_sound("key", real(3, 2, key(9, 3)), nature);
    let both = Evidence { read_back: Some(ReadBack::Listing), ..key(9, 3) };
    assert_sound("key, then read-back", real(3, 2, both), nature);
}

#[test]
fn without_evidence_a_person_is_asked() {
    let v = assert_sound("no evidence", real(3, 2, NONE), NATURE);
    assert!(v.held > 0);
}

#[test]
fn a_thread_is_sound_too() {
    let nature = Nature { parts: 2, crashes: 1, late: 1, lag: 1, ..NATURE };
    let mut protocol = real(1, 1, READ);
    protocol.policy.attempts = 2;
    protocol.policy.look_budget = ticks(3);
    assert_sound("thread", protocol, nature);
}

/// The protocols of table A4 that are wrong, each with the harm that it must be caught doing.
#[test]
fn the_wrong_protocols_are_caught() {
    let keyed = Nature { memory: Some(9), ..NATURE };
    let duplicate: fn(&Verdict) -> bool = |v| v.duplicate > 0;
    let lost: fn(&Verdict) -> bool = |v| v.lost > 0;
    let live_but_failed: fn(&Verdict) -> bool = |v| v.live_but_failed > 0;
    let read = real(3, 2, READ);
    // A key that lives for ever in our eyes, and one whose repeat may land after its end.
    let outlives = real(3, 2, key(30, 3));
    let edge = Evidence { key: key(9, 0).key, read_back: None };
    for (name, protocol, nature, harm) in [
        ("send, then record", Protocol { arms_first: false, ..read }, NATURE, duplicate),
        ("mark published, then send", Protocol { marks_first: true, ..read }, NATURE, lost),
        ("no quiet period", real(0, 0, READ), NATURE, duplicate),
        ("quiet shorter than the late window", real(1, 0, READ), NATURE, duplicate),
        ("the read lag left out", real(3, 0, READ), NATURE, duplicate),
        (
            "taint forgotten",
            Protocol { forgets_doubt: true, ..real(3, 2, key(9, 3)) },
            keyed,
            live_but_failed,
        ),
        ("a key outlived", outlives, keyed, duplicate),
        ("a repeat that lands after the key's end", real(3, 2, edge), keyed, duplicate),
    ] {
        let v = check(protocol, nature, harm);
        println!("{name}: {v:?}");
        assert!(harm(&v), "{name} must be caught: {v:?}");
    }
}
