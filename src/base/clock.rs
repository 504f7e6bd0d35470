//! The clock as a parameter: wall time, monotonic time and sleeping, so that a whole run can be
//! driven by hand. Must not be bypassed: the lints forbid every other way to tell time or sleep.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::BoxFuture;

use super::Timestamp;

/// Wall time for dueness, monotonic time for durations, and the only way to sleep.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock; may jump in either direction.
    fn now(&self) -> Timestamp;

    /// Time since some fixed start; never goes back.
    fn monotonic(&self) -> Duration;

    /// How long the machine has been up; `None` where that cannot be known.
    fn boot(&self) -> Option<Boot> {
        None
    }

    /// Resolves once [`Clock::monotonic`] has reached `at`.
    fn sleep_until(&self, at: Duration) -> BoxFuture<'static, ()>;

    /// Resolves after `d` of monotonic time.
    fn sleep(&self, d: Duration) -> BoxFuture<'static, ()> {
        self.sleep_until(self.monotonic().saturating_add(d))
    }
}

/// How long the machine has been up, asleep or awake, and which of its starts that was. Unlike the
/// monotonic clock of a process, a later process can compare it; nobody can set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boot {
    /// Of this start of the machine, and of no other.
    pub id: u64,
    pub since: Duration,
}

/// The machine's clock; sleeping needs a tokio runtime with time enabled.
pub struct SystemClock {
    start: Instant,
    /// Which start of the machine it is; `None` when the kernel does not say.
    boot: Option<u64>,
}

/// Linux's name for this start of the machine: a random UUID.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The first half of the name, in which all but four bits are random.
fn boot_id() -> Option<u64> {
    let name = std::fs::read_to_string(BOOT_ID).ok()?;
    let digits: String = name.chars().filter(char::is_ascii_hexdigit).take(16).collect();
    u64::from_str_radix(&digits, 16).ok()
}

impl SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    pub fn new() -> Self {
        Self { start: Instant::now(), boot: boot_id() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn boot(&self) -> Option<Boot> {
        let since = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Some(Boot { id: self.boot?, since: Duration::try_from(since).ok()? })
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that sleeps")]
    fn sleep_until(&self, at: Duration) -> BoxFuture<'static, ()> {
        let wait = at.saturating_sub(self.start.elapsed());
        Box::pin(async move { tokio::time::sleep(wait).await })
    }
}

/// A clock that moves only when told to; sleepers wake in order of their deadlines.
#[derive(Clone)]
pub struct ManualClock {
    inner: Arc<Mutex<Manual>>,
}

struct Manual {
    wall: Timestamp,
    mono: Duration,
    sleepers: Vec<(Duration, u64, Waker)>,
    next: u64,
}

impl ManualClock {
    pub fn at(wall: Timestamp) -> Self {
        let manual = Manual { wall, mono: Duration::ZERO, sleepers: Vec::new(), next: 0 };
        Self { inner: Arc::new(Mutex::new(manual)) }
    }

    fn with<T>(&self, f: impl FnOnce(&mut Manual) -> T) -> T {
        f(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Moves both clocks by `d` and wakes every sleeper whose deadline was reached.
    pub fn advance(&self, d: Duration) {
        let due = self.with(|m| {
            m.wall = m.wall.plus(d);
            m.mono += d;
            let mono = m.mono;
            m.sleepers.sort_by_key(|(at, n, _)| (*at, *n));
            let split = m.sleepers.partition_point(|(at, _, _)| *at <= mono);
            m.sleepers.drain(..split).collect::<Vec<_>>()
        });
        for (_, _, waker) in due {
            waker.wake();
        }
    }

    /// Moves to the nearest sleeper's deadline; `false` when nobody sleeps.
    pub fn advance_to_next(&self) -> bool {
        let step =
            self.with(|m| m.sleepers.iter().map(|(at, _, _)| at.saturating_sub(m.mono)).min());
        step.map(|d| self.advance(d)).is_some()
    }

    /// How long until the nearest sleeper is due; `None` when nobody sleeps.
    pub fn next_sleeper(&self) -> Option<Duration> {
        self.with(|m| m.sleepers.iter().map(|(at, _, _)| at.saturating_sub(m.mono)).min())
    }

    /// A jump of the wall clock alone, as a time server or an operator makes it.
    pub fn jump_to(&self, wall: Timestamp) {
        self.with(|m| m.wall = wall);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.with(|m| m.wall)
    }

    fn monotonic(&self) -> Duration {
        self.with(|m| m.mono)
    }

    fn sleep_until(&self, at: Duration) -> BoxFuture<'static, ()> {
        let token = self.with(|m| {
            m.next += 1;
            m.next
        });
        Box::pin(ManualSleep { clock: self.clone(), at, token })
    }
}

struct ManualSleep {
    clock: ManualClock,
    at: Duration,
    token: u64,
}

impl Future for ManualSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let (at, token) = (self.at, self.token);
        self.clock.with(|m| {
            m.sleepers.retain(|(_, n, _)| *n != token);
            if m.mono >= at {
                return Poll::Ready(());
            }
            m.sleepers.push((at, token, cx.waker().clone()));
            Poll::Pending
        })
    }
}

impl Drop for ManualSleep {
    fn drop(&mut self) {
        let token = self.token;
        self.clock.with(|m| m.sleepers.retain(|(_, n, _)| *n != token));
    }
}
