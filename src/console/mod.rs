//! The terminal admin console: frames are drawn here, and a thin client passes bytes. One loop for
//! every line, sessions that cannot harm each other or the publisher. Must not hold rules.

mod act;
mod canvas;
mod clean;
mod delivery;
mod feed;
mod help;
mod list;
mod model;
mod palette;
mod plain;
mod popup;
mod save;
mod screens;
mod session;
mod snapshot;
mod term;
mod undo;
mod update;
mod view;
mod wire;
mod write;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use ratatui::Frame;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, broadcast::error::TryRecvError, watch};
use tokio_util::sync::CancellationToken;

use crate::base::{Code, Problem, Spawner};
use crate::service::Services;
use crate::telemetry::Ring;

pub use act::{Act, Command, Then};
pub use clean::clean;
pub use model::{Done, Effect, Model, Msg, Popup, Save};
pub use plain::Plain;
pub use screens::SCREENS;
pub use snapshot::{LogLine, Sample, Setting, Snapshot, Status};
pub use term::{Again, Attached, Bytes, ENTER, Input, Key, LEAVE, Wishes, attach, restore};
pub use update::update;
pub use view::view;
pub use wire::{Bye, Hello, Kept};

/// Consoles that may be open at a time.
pub const PLACES: usize = 16;

/// Draws a model for a terminal without colours, or without more than ASCII.
pub type View = fn(&Model, &mut Frame<'_>, (bool, bool));

/// What consoles need of the program around them.
pub struct Parts {
    pub services: Services,
    pub ring: Ring,
    /// What this machine is called.
    pub host: String,
    pub settings: Box<dyn Fn() -> Vec<Setting> + Send + Sync>,
    /// What the user with this uid is called.
    pub name_of: fn(u32) -> String,
    pub spawner: Spawner,
    pub stop: CancellationToken,
    pub view: View,
}

/// All consoles of an installation; a cheap handle.
#[derive(Clone)]
pub struct Console(Arc<Shared>);

pub(crate) struct Shared {
    services: Services,
    name_of: fn(u32) -> String,
    spawner: Spawner,
    stop: CancellationToken,
    view: View,
    snaps: watch::Sender<Arc<Snapshot>>,
    open: AtomicUsize,
    /// Answers that consoles got so far.
    answered: AtomicU64,
    /// Somebody came, or did something: look at once.
    nudge: Notify,
}

/// Between two looks while somebody watches and things change.
const BEAT: Duration = Duration::from_millis(500);
const CHANGED: Duration = Duration::from_secs(1);
const UNCHANGED: Duration = Duration::from_secs(5);

impl Console {
    /// Starts what feeds consoles; until `stop`.
    pub fn start(parts: Parts) -> Self {
        let Parts { services, ring, host, settings, name_of, spawner, stop, view } = parts;
        let feed = feed::Feed::new(services.clone(), ring, &host, settings);
        let shared = Arc::new(Shared {
            services,
            name_of,
            spawner: Spawner::clone(&spawner),
            stop,
            view,
            snaps: watch::Sender::new(Arc::default()),
            open: AtomicUsize::new(0),
            answered: AtomicU64::new(0),
            nudge: Notify::new(),
        });
        spawner(Box::pin(look(Arc::clone(&shared), feed)));
        Self(shared)
    }

    /// Takes a line over once it is there; refuses one that is too many.
    pub fn take<L>(&self, uid: u32, line: BoxFuture<'static, io::Result<L>>) -> Result<(), Problem>
    where
        L: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let place = Place::take(&self.0).ok_or_else(|| {
            self.0.services.metrics.console_ended("full");
            Problem::new(Code::Overloaded).with("consoles", PLACES)
        })?;
        let shared = Arc::clone(&self.0);
        (self.0.spawner)(Box::pin(async move {
            let Ok(line) = line.await else { return };
            tracing::info!(uid, "a console was opened");
            let session = session::run(Arc::clone(&shared), uid, line);
            // A fault of one console is not a fault of the program.
            let ended =
                std::panic::AssertUnwindSafe(session).catch_unwind().await.unwrap_or("fault");
            shared.services.metrics.console_ended(ended);
            tracing::info!(uid, ended, "a console was closed");
            drop(place);
        }));
        Ok(())
    }
}

/// One of the places of consoles, given back when it goes.
struct Place(Arc<Shared>);

impl Place {
    fn take(shared: &Arc<Shared>) -> Option<Self> {
        let more = |open| (open < PLACES).then_some(open + 1);
        let before = shared.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        shared.services.metrics.consoles(before + 1);
        Some(Self(Arc::clone(shared)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let before = self.0.open.fetch_sub(1, Ordering::Relaxed);
        self.0.services.metrics.consoles(before.saturating_sub(1));
    }
}

/// Looks as long as somebody watches, and counts for the charts all the time.
async fn look(shared: Arc<Shared>, mut feed: feed::Feed) {
    let clock = Arc::clone(&shared.services.clock);
    let mut changes = shared.services.store.changes();
    let (mut changed, mut last, mut count_at) = (true, None::<Duration>, clock.monotonic());
    loop {
        let watched = shared.open.load(Ordering::Relaxed) > 0;
        let until_count = count_at.saturating_sub(clock.monotonic());
        let wait = if watched { BEAT.min(until_count) } else { until_count };
        let nudged = tokio::select! {
            () = shared.stop.cancelled() => return,
            () = clock.sleep(wait) => false,
            () = shared.nudge.notified() => true,
        };
        let now = clock.monotonic();
        if now >= count_at {
            feed.count();
            count_at = now + feed::STRETCH;
        }
        changed |= drained(&mut changes);
        if shared.open.load(Ordering::Relaxed) == 0 {
            continue;
        }
        let age = last.map_or(Duration::MAX, |at| now.saturating_sub(at));
        let due = age >= UNCHANGED || changed && age >= CHANGED || feed.has_lines() && age >= BEAT;
        if nudged {
            feed.forget();
        }
        if nudged || due {
            // Before the look: what is answered while it reads may not be in it.
            let answered = shared.answered.load(Ordering::Acquire);
            shared.snaps.send_replace(feed.look(answered).await);
            (changed, last) = (false, Some(now));
        }
    }
}

/// Whether anything changed since the last time.
fn drained<T: Clone>(changes: &mut tokio::sync::broadcast::Receiver<T>) -> bool {
    let mut any = false;
    loop {
        match changes.try_recv() {
            Ok(_) | Err(TryRecvError::Lagged(_)) => any = true,
            Err(TryRecvError::Empty | TryRecvError::Closed) => return any,
        }
    }
}
