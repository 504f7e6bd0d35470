//! The simulator: the real engine, services and store in one thread, on a clock that moves by
//! itself when nothing can happen, against practice networks in the same process. Must not sleep
//! or open a socket.

mod executor;
mod transport;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::base::{
    Clock, CorrelationId, Live, ManualClock, Problem, Rng, SeededRng, Timestamp, WorkspaceId,
};
use crate::domain::access::Right;
use crate::domain::publish::Timing;
use crate::engine;
use crate::media::{self, Blobs};
use crate::outbound::guard::Guard;
use crate::practice::World;
use crate::service::{Access, Services};
use crate::store::{Disk, Error, FaultDisk, Operator, Options, Store};
use crate::telemetry::{Metrics, metrics};
use crate::vault::{Keyring, Vault};

pub use executor::Executor;
pub use transport::InProcess;

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
}

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

/// Why a simulation cannot start.
#[derive(Debug)]
pub enum SetupError {
    Store(Error),
    /// A host that is no host name.
    Host,
    Metrics(metrics::Error),
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
        let kept = (&vault, &blobs);
        let services = boot((&clock, &outside), &rng, &disk, &world, kept, (timing, &hosts))?;
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

    /// Drives everything until `work` is done; time moves only while nothing can happen.
    pub fn run<T: Send + 'static>(
        &mut self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let result = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&result);
        self.executor.spawn(Box::pin(async move {
            let value = work.await;
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        }));
        loop {
            self.executor.run_ready();
            let done = result.lock().unwrap_or_else(PoisonError::into_inner).take();
            if done.is_some() {
                return done;
            }
            if !self.clock.advance_to_next() {
                return None;
            }
        }
    }

    /// Lets `d` pass.
    pub fn pass(&mut self, d: Duration) {
        let end = self.clock.monotonic() + d;
        loop {
            self.executor.run_ready();
            let left = end.saturating_sub(self.clock.monotonic());
            match self.clock.next_sleeper() {
                Some(step) if step <= left => self.clock.advance(step),
                _ => {
                    self.clock.advance(left);
                    self.executor.run_ready();
                    let now = self.outside.now();
                    self.world().settle(now);
                    return;
                }
            }
        }
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
        self.executor.clear();
        self.disk.cut_power(self.rng.as_ref());
        let hosts = (self.timing, &self.hosts);
        let kept = (&self.vault, &self.blobs);
        self.services =
            boot((&self.clock, &self.outside), &self.rng, &self.disk, &self.world, kept, hosts)?;
        self.start_engine();
        Ok(())
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

fn boot(
    (clock, outside): (&ManualClock, &Arc<Outside>),
    rng: &Arc<SeededRng>,
    disk: &FaultDisk,
    world: &Arc<Mutex<World>>,
    (vault, blobs): (&Arc<Vault>, &Blobs),
    (timing, hosts): (Timing, &BTreeSet<String>),
) -> Result<Services, SetupError> {
    let options = Options { inline: true, ..Options::default() };
    let store = Store::open(Disk::Memory(disk.clone()), options).map_err(SetupError::Store)?;
    let guard = Guard::new(hosts.iter().map(String::as_str)).map_err(|_| SetupError::Host)?;
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    let outside: Arc<dyn Clock> = Arc::<Outside>::clone(outside);
    let rng: Arc<dyn Rng> = Arc::<SeededRng>::clone(rng);
    Ok(Services {
        store,
        vault: Arc::clone(vault),
        blobs: blobs.clone(),
        transport: Arc::new(InProcess::new(Arc::clone(world), outside, hosts.clone())),
        guard: Arc::new(guard),
        clock,
        rng,
        metrics: Arc::new(Metrics::new().map_err(SetupError::Metrics)?),
        timing: Live::new(timing),
        marks: Live::default(),
        controls: Arc::default(),
        catching_up: Live::default(),
        renewals: Arc::default(),
        circuits: Arc::default(),
        looked: Arc::default(),
        public_url: Arc::from("https://carillon.test"),
    })
}
