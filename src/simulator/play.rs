//! Plays a script against a whole installation, and checks the invariants after every step. Must not
//! draw anything: all chance is in the script, or in the streams of its seed.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use super::check::{Kind, Step, Violation};
use super::ledger::{Copies, Ledger, Picture, alias_of, host_of};
use super::script::{Cut, Event, Script, Server, Timed};
use super::{Carrier, Died, Simulation};
use crate::base::{Problem, Timestamp};
use crate::domain::access::{Entrust, Publish};
use crate::domain::publish::{State, Timing};
use crate::domain::space::Space;
use crate::practice::{Act, World, bluesky, mastodon};
use crate::service::Access;
use crate::store::Scope;

/// A protocol with one rule broken, to show that the checks see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Break {
    /// A reading right after a lost answer counts.
    QuietPeriod,
    /// The HTTP client repeats a post whose answer was lost.
    Repeats,
    /// A network's client makes answers up.
    MadeUp,
    /// The disk forgets what it synced last when the power goes.
    Forgets,
    /// Nothing goes on after a crash.
    NoRestart,
    /// The program's clock is two minutes ahead.
    FastClock,
    /// Networks apply a request longer after it was given up than SPEC part 4 allows for.
    LandsLater,
    /// The machine hides from a process what became of the clock before its start.
    UnseenJump,
}

impl Break {
    pub const ALL: [(&'static str, Self); 8] = [
        ("quiet-period", Self::QuietPeriod),
        ("client-repeats", Self::Repeats),
        ("made-up-answers", Self::MadeUp),
        ("forgetful-disk", Self::Forgets),
        ("no-restart", Self::NoRestart),
        ("fast-clock", Self::FastClock),
        ("lands-later", Self::LandsLater),
        ("unseen-jump", Self::UnseenJump),
    ];

    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| *name == word).map(|(_, broken)| *broken)
    }
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub violations: Vec<Violation>,
    /// What went wrong on purpose.
    pub faults: u64,
    pub published: u64,
    /// Of everything that was seen: equal runs have equal traces.
    pub trace: u64,
}

/// When every run begins.
const START: Timestamp = Timestamp::from_millis(1_795_338_000_000);
/// How long everything may take once nothing goes wrong any more, in rounds.
const ROUND: Duration = Duration::from_mins(10);
const ROUNDS: usize = 24 * 6;
const MIB: u64 = 1024 * 1024;

/// A run under way.
pub(super) struct Play<'a> {
    pub script: &'a Script,
    pub broken: Option<Break>,
    pub sim: Simulation,
    pub ledger: Ledger,
    pub copies: Copies,
    pub picture: Picture,
    /// Rights in each workspace.
    pub access: Vec<(Access<Publish>, Access<Entrust>)>,
    /// An asset of each workspace that has one.
    pub pictures: Vec<Option<String>>,
    pub tokens: u32,
    faults: u64,
    violations: Vec<Violation>,
    trace: DefaultHasher,
    /// How long the process stays down when it dies.
    down: Duration,
    /// The machine goes down with the process when it dies.
    reboot: bool,
    /// Whether the disk did what it was asked since the last picture.
    well: bool,
}

/// What became of something that a person asked for.
pub(super) enum Answer<T> {
    Done(T),
    Refused,
    /// An error that says nothing, or no answer at all.
    Unknown,
}

/// Plays a script to its end. Equal scripts give equal outcomes.
pub fn play(script: &Script, broken: Option<Break>) -> Outcome {
    match Play::begin(script, broken) {
        Ok(mut play) => {
            for timed in &script.events {
                play.happen(timed);
                if !play.violations.is_empty() {
                    break;
                }
            }
            if play.violations.is_empty() {
                play.finish();
            }
            play.outcome()
        }
        Err(what) => {
            let violation = Violation { kind: Kind::Stuck, rule: "the world can be set up", what };
            Outcome { violations: vec![violation], faults: 0, published: 0, trace: 0 }
        }
    }
}

fn world(script: &Script) -> World {
    let mut world = World::new(script.seed);
    for (n, (_, server)) in script.channels.iter().enumerate() {
        let (host, seconds) = (host_of(n), Duration::from_secs);
        let url = format!("https://{host}");
        let own = mastodon::Settings::new(&url);
        let settings = match server {
            Server::Keyed => own,
            Server::Settling => mastodon::Settings { key_settles: seconds(40), ..own },
            Server::KeyFails => mastodon::Settings { key_repeat_fails: true, ..own },
            Server::Listed => mastodon::Settings::compat(&url),
            Server::Lagging => {
                mastodon::Settings { list_lag: seconds(50), ..mastodon::Settings::compat(&url) }
            }
            Server::Front => mastodon::Settings::front(&url),
            Server::Records | Server::Strict => {
                let alias = alias_of(n);
                let there = format!("https://{alias}");
                let settings = bluesky::Settings::new(&url);
                let strict = *server == Server::Strict;
                let grace = if strict { Duration::ZERO } else { settings.grace };
                let settings = bluesky::Settings {
                    own: Some((alias, there)),
                    rate_limits: false,
                    replay_kills: strict,
                    grace,
                    ..settings
                };
                world.add_bluesky(&host, settings);
                continue;
            }
            Server::Webhook | Server::Forgetful => {
                world.add_webhook(&host, super::people::HOOK_SECRET);
                if let Some(receiver) = world.webhook(&host) {
                    receiver.forgetful = *server == Server::Forgetful;
                }
                continue;
            }
            Server::Feed => continue,
        };
        world.add_mastodon(&host, settings);
    }
    world
}

impl<'a> Play<'a> {
    fn begin(script: &'a Script, broken: Option<Break>) -> Result<Self, String> {
        let mut timing = Timing::default();
        if broken == Some(Break::QuietPeriod) {
            (timing.late, timing.lag) = (Duration::ZERO, Duration::ZERO);
        }
        let names: Vec<_> =
            (0..script.channels.len()).flat_map(|n| [host_of(n), alias_of(n)]).collect();
        let hosts: Vec<&str> = names.iter().map(String::as_str).collect();
        let sim = Simulation::new(script.seed, timing, START, world(script), &hosts);
        let sim = sim.map_err(|error| format!("{error:?}"))?;
        let mut play = Self {
            script,
            broken,
            sim,
            ledger: Ledger::default(),
            copies: Copies::default(),
            picture: Picture::default(),
            access: Vec::new(),
            pictures: Vec::new(),
            tokens: 0,
            faults: 0,
            violations: Vec::new(),
            trace: DefaultHasher::new(),
            down: Duration::ZERO,
            reboot: false,
            well: true,
        };
        play.settle_in()?;
        match broken {
            Some(Break::Repeats) => play.sim.wire.set_carrier(Some(Carrier::Repeats)),
            Some(Break::MadeUp) => play.sim.wire.set_carrier(Some(Carrier::MadeUp)),
            Some(Break::Forgets) => play.sim.disk.set_forgetful(),
            Some(Break::FastClock) => {
                play.sim.set_ahead(Duration::from_mins(2));
                play.restart();
            }
            Some(Break::UnseenJump) => {
                play.sim.set_blind();
                play.restart();
            }
            _ => {}
        }
        play.check();
        Ok(play)
    }

    fn happen(&mut self, timed: &Timed) {
        self.pass(timed.after);
        self.act(&timed.event);
        self.check();
    }

    /// Lets time pass; where the process dies, it is started again.
    pub fn pass(&mut self, d: Duration) {
        let mut left = d;
        while let Err(rest) = self.sim.try_pass(left) {
            left = rest;
            self.restart();
        }
        self.check();
    }

    /// Asks for something as a person does, while everything else goes on.
    pub fn ask<T: Send + 'static>(
        &mut self,
        work: impl Future<Output = Result<T, Problem>> + Send + 'static,
    ) -> Answer<T> {
        match self.sim.try_run(work) {
            Ok(Some(Ok(value))) => Answer::Done(value),
            Ok(Some(Err(problem))) if problem.row().status < 500 => Answer::Refused,
            Ok(_) => Answer::Unknown,
            Err(Died) => {
                self.restart();
                Answer::Unknown
            }
        }
    }

    /// The process is gone, and comes back.
    fn restart(&mut self) {
        self.faults += 1;
        self.sim.die();
        if std::mem::take(&mut self.reboot) {
            self.sim.reboot();
        }
        self.start();
    }

    fn start(&mut self) {
        let down = std::mem::take(&mut self.down);
        self.sim.lie_idle(down);
        let idle = self.broken == Some(Break::NoRestart);
        let start = |sim: &mut Simulation| if idle { sim.open() } else { sim.start() };
        let mut started = start(&mut self.sim);
        if started.is_err() {
            // Whoever watches over it starts it again when the disk is well.
            self.sim.disk.heal();
            started = start(&mut self.sim);
        }
        if let Err(error) = started {
            let what = format!("{error:?}");
            self.violate(Kind::Lost, "every start succeeds", what);
        }
    }

    pub fn violate(&mut self, kind: Kind, rule: &'static str, what: String) {
        self.violations.push(Violation { kind, rule, what });
    }

    fn act(&mut self, event: &Event) {
        match event {
            Event::Fault { channel, on, times, act } => {
                let act = match act {
                    Act::LandLate { .. } if self.broken == Some(Break::LandsLater) => {
                        Act::LandLate { after: Duration::from_mins(20) }
                    }
                    act => act.clone(),
                };
                let fault = super::script::fault(&host_of(*channel), *on, *times, &act);
                self.sim.world().add_fault(fault);
            }
            Event::SessionEnds { channel } => {
                if let Some(server) = self.sim.world().bluesky(&host_of(*channel)) {
                    server.expire_access();
                }
                self.faults += 1;
            }
            Event::DiskFails { after, kind, once } => {
                let disk = &self.sim.disk;
                disk.fail_at(disk.operations() + after, *kind, *once);
                self.faults += 1;
                self.well = false;
            }
            Event::DiskMended => self.sim.disk.heal(),
            Event::Room { mib } => {
                let free = mib * MIB;
                self.sim.disk.set_space(Some(Space { free, size: 100_000 * MIB }));
            }
            Event::Jump { ahead, by } => self.jump(*ahead, *by),
            Event::Crash { cut, down, reboot } => {
                self.reboot |= *reboot;
                self.crash(*cut, *down);
            }
            Event::Stop { down } => {
                self.down = *down;
                self.sim.end();
                self.start();
                self.faults += 1;
            }
            _ => {
                let _done: Option<()> = self.person(event);
            }
        }
    }

    /// The wall clock jumps: while the process lives, and it may die before it has seen that, or while
    /// it is down.
    fn jump(&mut self, ahead: bool, by: Duration) {
        let now = self.sim.now();
        self.sim.clock.jump_to(if ahead { now.plus(by) } else { now.minus(by) });
        self.faults += 1;
    }

    fn crash(&mut self, cut: Cut, down: Duration) {
        self.down = down;
        match cut {
            Cut::Now => self.restart(),
            Cut::Poll(polls) => self.sim.cut_after_polls(polls),
            Cut::Operation(after) => {
                let disk = &self.sim.disk;
                disk.cut_at(disk.operations() + after);
            }
            Cut::Call(after, arrives) => self.sim.wire.cut_after(after, arrives),
        }
    }

    /// Looks at everything, and compares it with what was before. While the disk fails, nothing can
    /// be read, and what was sent is kept for the next look.
    pub fn check(&mut self) {
        self.copies.follow(self.sim.world().journal());
        let faulty = self.sim.disk.is_faulty() || self.sim.wire.is_cut();
        let Some(after) = self.look(faulty) else { return };
        let sent = self.sim.wire.take_sent();
        let step = Step {
            before: &self.picture,
            after: &after,
            sent: &sent,
            ledger: &self.ledger,
            copies: &self.copies,
            well: self.well && !faulty,
        };
        let found = step.check();
        self.violations.extend(found);
        self.well = !faulty;
        (self.sim.now(), self.sim.outside_now(), self.copies.entries()).hash(&mut self.trace);
        for row in after.deliveries.values() {
            (row.id, row.revision, row.flow.state(), row.flow.wake).hash(&mut self.trace);
        }
        for sent in &sent {
            (sent.at, &sent.host).hash(&mut self.trace);
        }
        self.picture = after;
    }

    /// A picture of the database as it is.
    pub fn look(&mut self, faulty: bool) -> Option<Picture> {
        let scopes: Vec<Scope> = self.access.iter().map(|(publish, _)| publish.scope).collect();
        let store = &self.sim.services.store;
        let epoch = store.epoch();
        match store.read_now(|view| Picture::take(view, &scopes, epoch)) {
            Ok(picture) => Some(picture),
            Err(error) => {
                // A store that failed reopens with the next write.
                if !faulty && self.sim.services.store.is_healthy() {
                    let what = error.to_string();
                    self.violate(Kind::Lost, "what was written can be read", what);
                }
                None
            }
        }
    }

    /// Nothing goes wrong any more, nobody holds anything back, and time passes: all must come to
    /// rest.
    fn finish(&mut self) {
        self.sim.spare();
        self.down = Duration::ZERO;
        self.sim.disk.heal();
        self.sim.disk.set_space(None);
        self.sim.world().clear_faults();
        self.pass(Duration::from_secs(90));
        self.resume_all();
        let rests = |picture: &Picture| {
            picture.deliveries.values().all(|row| row.flow.is_over() || row.flow.hold.is_some())
        };
        for _ in 0..ROUNDS {
            if rests(&self.picture) || !self.violations.is_empty() {
                break;
            }
            self.pass(ROUND);
        }
        // What is still on its way lands.
        self.pass(ROUND);
        if self.violations.is_empty() {
            self.at_rest();
            self.feeds();
            self.chains();
            self.restart();
            self.check();
        }
    }

    fn at_rest(&mut self) {
        let stuck = self.picture.deliveries.values();
        let stuck = stuck.filter(|row| !row.flow.is_over() && row.flow.hold.is_none());
        let stuck: Vec<_> = stuck.map(|row| format!("{row:?}")).collect();
        for what in stuck {
            self.violate(Kind::Stuck, "everything comes to rest", what);
        }
    }

    /// A feed shows what is out, and nothing else.
    fn feeds(&mut self) {
        for (n, (_, server)) in self.script.channels.iter().enumerate() {
            let Some(channel) = self.ledger.channels.get(n).copied().flatten() else { continue };
            if *server != Server::Feed || self.ledger.removed.contains(&channel) {
                continue;
            }
            let services = self.sim.services.clone();
            let Ok(Some(Ok(page))) = self.sim.try_run(async move { services.feed(channel).await })
            else {
                continue;
            };
            let shown: std::collections::BTreeMap<_, _> =
                page.entries.iter().map(|e| (e.delivery, e.parts.len())).collect();
            let out = self.picture.deliveries.values().filter(|row| row.channel == channel);
            let out = out.map(|row| {
                let is_out = |part: &&crate::domain::publish::Part| {
                    matches!(part.phase, crate::domain::publish::Phase::Published(_))
                };
                (row.id, row.flow.parts.iter().filter(is_out).count())
            });
            let out: std::collections::BTreeMap<_, _> = out.filter(|(_, n)| *n > 0).collect();
            if shown != out {
                let what = format!("shown {shown:?}, out {out:?}");
                self.violate(Kind::Lost, "a feed shows what is out", what);
            }
        }
    }

    /// The chain of events of each workspace verifies (I8).
    fn chains(&mut self) {
        for n in 0..self.access.len() {
            let Some(scope) = self.access.get(n).map(|(publish, _)| publish.scope) else {
                continue;
            };
            let store = self.sim.services.store.clone();
            let verified = store.read_now(|view| crate::store::rows::verify_chain(view, &scope));
            if !matches!(verified, Ok(Ok(_))) {
                let what = format!("workspace {n}: {verified:?}");
                self.violate(Kind::Lost, "the chain of events verifies", what);
            }
        }
    }

    fn outcome(self) -> Outcome {
        let states = self.picture.deliveries.values().map(|row| row.flow.state());
        let published = states.filter(|state| *state == State::Published).count();
        let world = self.sim.world();
        let wrong = world.requests().filter(|line| line.fault.is_some()).count();
        let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        Outcome {
            faults: self.faults + number(wrong),
            published: number(published),
            trace: self.trace.finish(),
            violations: self.violations.clone(),
        }
    }
}
