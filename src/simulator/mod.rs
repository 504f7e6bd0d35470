//! The simulator: the real engine, services and store in one thread, on a clock that moves by
//! itself when nothing can happen, against practice networks in the same process. Must not sleep
//! or open a socket.

mod campaign;
mod check;
mod executor;
mod ledger;
mod people;
mod play;
mod script;
mod shorten;
mod transport;
mod wire;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::base::{
    Boot, Clock, CorrelationId, Live, ManualClock, Problem, Rng, SeededRng, Timestamp, WorkspaceId,
};
use crate::domain::access::Right;
use crate::domain::publish::Timing;
use crate::engine;
use crate::media::{self, Blobs};
use crate::outbound::guard::Guard;
use crate::practice::World;
use crate::service::{Access, Jobs, Services};
use crate::store::{Disk, Error, FaultDisk, Operator, Options, Store};
use crate::telemetry::{Metrics, metrics};
use crate::vault::{Keyring, Vault};

pub use campaign::{Campaign, Failed, Tally};
pub use check::{Kind, Violation};
pub use executor::Executor;
pub use play::{Break, Outcome, play};
pub use script::{Cut, Event, Level, Script, Server, Timed, Token, Word};
pub use shorten::shorten;
pub use transport::InProcess;
pub use wire::{Carrier, Sent, Wire};

/// A whole installation, its networks and its time.
pub struct Simulation {
    pub clock: ManualClock,
    outside: Arc<Outside>,
    pub rng: Arc<SeededRng>,
    pub disk: FaultDisk,
    pub services: Services,
    pub timing: Timing,
    world: Arc<Mutex<World>>,
    vault: Arc<Vault>,
    blobs: Blobs,
    hosts: BTreeSet<String>,
    executor: Executor,
    stop: CancellationToken,
    pub wire: Wire,
    /// The process dies after so many more polls of tasks.
    polls_left: Option<u64>,
    /// How far the program's clock is wrong, which no clock may be without being noticed.
    ahead: Duration,
    /// How often the machine was started.
    boots: u64,
    /// The machine says that it is up for as long as the wall clock makes it, which no machine does.
    blind: bool,
}

/// The process died where it was told to; what it was doing is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Died;

/// The clock of everybody else, which does not jump when ours does.
struct Outside {
    clock: ManualClock,
    start: Timestamp,
}

impl Clock for Outside {
    fn now(&self) -> Timestamp {
        self.start.plus(self.clock.monotonic())
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    fn sleep_until(&self, at: Duration) -> BoxFuture<'static, ()> {
        self.clock.sleep_until(at)
    }
}

/// The clock of one machine and its process.
#[derive(Clone)]
struct Own {
    clock: ManualClock,
    /// How far it is wrong from the start.
    ahead: Duration,
    boots: u64,
    blind: bool,
}

impl Clock for Own {
    fn now(&self) -> Timestamp {
        self.clock.now().plus(self.ahead)
    }

    fn boot(&self) -> Option<Boot> {
        let by_wall = || self.clock.now().since(Timestamp::default());
        let since = if self.blind { by_wall() } else { self.clock.monotonic() };
        Some(Boot { id: if self.blind { 0 } else { self.boots }, since })
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    fn sleep_until(&self, at: Duration) -> BoxFuture<'static, ()> {
        self.clock.sleep_until(at)
    }
}

/// Why a simulation cannot start.
#[derive(Debug)]
pub enum SetupError {
    Store(Error),
    /// A host that is no host name.
    Host,
    Metrics(metrics::Error),
}

impl Drop for Simulation {
    /// Its tasks know the executor that holds them: else none of it would ever be freed.
    fn drop(&mut self) {
        self.executor.clear();
    }
}

impl Simulation {
    /// Networks as `world` has them, under `hosts`. The same seed gives the same run.
    pub fn new(
        seed: u64,
        timing: Timing,
        start: Timestamp,
        world: World,
        hosts: &[&str],
    ) -> Result<Self, SetupError> {
        let clock = ManualClock::at(start);
        let outside = Arc::new(Outside { clock: clock.clone(), start });
        let rng = Arc::new(SeededRng::new(seed));
        let disk = FaultDisk::new();
        let world = Arc::new(Mutex::new(world));
        let vault = Arc::new(Vault::new(Keyring::fresh(rng.as_ref())));
        let hosts = hosts.iter().map(|&host| host.to_owned()).collect();
        let blobs = Blobs::in_memory(media::Settings::default());
        let wire = Wire::new(clock.clone(), disk.clone());
        let kept = Kept { world: &world, vault: &vault, blobs: &blobs, wire: &wire };
        let own = Own { clock: clock.clone(), ahead: Duration::ZERO, boots: 0, blind: false };
        let time = (own, &outside);
        let services = boot(time, &rng, &disk, &kept, (timing, &hosts))?;
        let mut simulation = Self {
            clock,
            outside,
            rng,
            disk,
            services,
            timing,
            world,
            vault,
            blobs,
            hosts,
            executor: Executor::new(),
            stop: CancellationToken::new(),
            wire,
            polls_left: None,
            ahead: Duration::ZERO,
            boots: 0,
            blind: false,
        };
        simulation.start_engine();
        Ok(simulation)
    }

    fn start_engine(&mut self) {
        self.stop = CancellationToken::new();
        let engine = engine::run(
            self.services.clone(),
            Live::new(engine::Settings::default()),
            self.executor.spawner(),
            self.stop.clone(),
        );
        self.executor.spawn(Box::pin(engine));
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The networks, to look at or to change.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drives everything until `work` is done; time moves only while nothing can happen. `None`
    /// when that cannot be, or the process died.
    pub fn run<T: Send + 'static>(
        &mut self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        self.try_run(work).ok().flatten()
    }

    /// Like [`Simulation::run`], and says when the process died.
    pub fn try_run<T: Send + 'static>(
        &mut self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<Option<T>, Died> {
        let result = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&result);
        self.executor.spawn(Box::pin(async move {
            let value = work.await;
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        }));
        loop {
            self.ready()?;
            let done = result.lock().unwrap_or_else(PoisonError::into_inner).take();
            if done.is_some() {
                return Ok(done);
            }
            if !self.clock.advance_to_next() {
                return Ok(None);
            }
        }
    }

    /// Lets `d` pass, or less if the process dies.
    pub fn pass(&mut self, d: Duration) {
        let _left: Option<Duration> = self.try_pass(d).err();
    }

    /// Lets `d` pass; if the process dies on the way, what is left of it.
    pub fn try_pass(&mut self, d: Duration) -> Result<(), Duration> {
        let end = self.clock.monotonic() + d;
        loop {
            let alive = self.ready();
            let left = end.saturating_sub(self.clock.monotonic());
            if alive.is_err() {
                return Err(left);
            }
            match self.clock.next_sleeper() {
                Some(step) if step <= left => self.clock.advance(step),
                _ => {
                    self.clock.advance(left);
                    let alive = self.ready();
                    let now = self.outside.now();
                    self.world().settle(now);
                    return alive.map_err(|Died| Duration::ZERO);
                }
            }
        }
    }

    /// Runs what can run now, up to where the process dies.
    fn ready(&mut self) -> Result<(), Died> {
        loop {
            if self.wire.is_cut() || self.polls_left == Some(0) {
                return Err(Died);
            }
            if !self.executor.turn() {
                return Ok(());
            }
            self.polls_left = self.polls_left.map(|left| left - 1);
        }
    }

    /// The process dies after so many more polls of tasks.
    pub fn cut_after_polls(&mut self, polls: u64) {
        self.polls_left = Some(polls);
    }

    /// Takes back a death that did not come.
    pub fn spare(&mut self) {
        self.polls_left = None;
        self.wire.mend();
        self.disk.cut_at(u64::MAX);
    }

    /// The clock of the networks.
    pub fn outside_now(&self) -> Timestamp {
        self.outside.now()
    }

    /// From the next start on the program's clock is this much ahead of everybody's.
    pub fn set_ahead(&mut self, by: Duration) {
        self.ahead = by;
    }

    /// The machine goes down with the process: nothing tells the next one what became of the clock.
    pub fn reboot(&mut self) {
        self.boots += 1;
    }

    /// From the next start on the machine hides that its wall clock was set.
    pub fn set_blind(&mut self) {
        self.blind = true;
    }

    /// Runs what can run now, and lets no time pass. With `turns`, only so many polls of tasks.
    pub fn poll(&mut self, turns: Option<usize>) {
        match turns {
            Some(turns) => self.executor.run_turns(turns),
            None => self.executor.run_ready(),
        }
    }

    /// The process dies here: every task is dropped where it stands, what was not synced is lost
    /// or torn. Then it starts again.
    pub fn crash(&mut self) -> Result<(), SetupError> {
        self.die();
        self.start()
    }

    /// The process is gone until [`Simulation::start`].
    pub fn die(&mut self) {
        self.executor.clear();
        self.disk.cut_power(self.rng.as_ref());
        self.spare();
    }

    /// Time passes while no process runs.
    pub fn lie_idle(&mut self, d: Duration) {
        self.clock.advance(d);
        let now = self.outside.now();
        self.world().settle(now);
    }

    pub fn start(&mut self) -> Result<(), SetupError> {
        self.open()?;
        self.start_engine();
        Ok(())
    }

    /// Starts without an engine: people are served, and nothing happens by itself.
    pub fn open(&mut self) -> Result<(), SetupError> {
        let Self { world, vault, blobs, wire, clock, ahead, boots, blind, .. } = &*self;
        let kept = Kept { world, vault, blobs, wire };
        let own = Own { clock: clock.clone(), ahead: *ahead, boots: *boots, blind: *blind };
        let time = (own, &self.outside);
        let services = boot(time, &self.rng, &self.disk, &kept, (self.timing, &self.hosts))?;
        self.services = services;
        Ok(())
    }

    /// The process ends as it should: it finishes what it is sending, and closes its database. When
    /// that cannot be done, it is killed.
    pub fn end(&mut self) {
        self.stop_engine();
        // Longer than a stop may take.
        let stopped = self.try_pass(Duration::from_secs(40));
        let services = self.services.clone();
        let closed = match stopped {
            Ok(()) => self.try_run(async move { services.store.close().await }),
            Err(_) => Err(Died),
        };
        match closed {
            Ok(Some(Ok(()))) => {
                self.executor.clear();
                self.spare();
            }
            _ => self.die(),
        }
    }

    /// Asks the engine to stop; it finishes what it is sending.
    pub fn stop_engine(&self) {
        self.stop.cancel();
    }

    /// A right in a workspace, as an operator has it.
    pub fn access<R: Right>(&mut self, workspace: WorkspaceId) -> Result<Access<R>, Problem> {
        let services = self.services.clone();
        let correlation = CorrelationId::new(self.rng.as_ref());
        self.run(async move {
            services.operate(Operator::new(0), workspace, "simulation", correlation).await
        })
        .unwrap_or_else(|| Err(Problem::new(crate::base::Code::Internal)))
    }
}

/// What outlives a process.
struct Kept<'a> {
    world: &'a Arc<Mutex<World>>,
    vault: &'a Arc<Vault>,
    blobs: &'a Blobs,
    wire: &'a Wire,
}

fn boot(
    (own, outside): (Own, &Arc<Outside>),
    rng: &Arc<SeededRng>,
    disk: &FaultDisk,
    kept: &Kept<'_>,
    (timing, hosts): (Timing, &BTreeSet<String>),
) -> Result<Services, SetupError> {
    let options = Options { inline: true, ..Options::default() };
    let store = Store::open(Disk::Memory(disk.clone()), options).map_err(SetupError::Store)?;
    let guard = Guard::new(hosts.iter().map(String::as_str)).map_err(|_| SetupError::Host)?;
    let clock: Arc<dyn Clock> = Arc::new(own);
    let outside: Arc<dyn Clock> = Arc::<Outside>::clone(outside);
    let rng: Arc<dyn Rng> = Arc::<SeededRng>::clone(rng);
    let world = Arc::clone(kept.world);
    let transport = InProcess::new(world, outside, hosts.clone()).over(kept.wire.clone());
    Ok(Services {
        store,
        vault: Arc::clone(kept.vault),
        blobs: kept.blobs.clone(),
        transport: Arc::new(transport),
        guard: Arc::new(guard),
        clock,
        rng,
        metrics: Arc::new(Metrics::new().map_err(SetupError::Metrics)?),
        timing: Live::new(timing),
        marks: Live::default(),
        plans: Live::default(),
        controls: Arc::default(),
        backups: Arc::default(),
        catching_up: Live::default(),
        renewals: Arc::default(),
        circuits: Arc::default(),
        echoes: Arc::default(),
        hooks: Arc::default(),
        hosts: Arc::default(),
        people: Arc::default(),
        mail: None,
        oidc: Arc::default(),
        looked: Arc::default(),
        jobs: Jobs::default(),
        public_url: Arc::from("https://carillon.test"),
    })
}
