//! The scheduler: pages timers from disk into the wheel, turns due ones into tickets, and starts
//! the publisher on them. Every entry here is a hint; the row is read again before anything is
//! done.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use super::Settings;
use super::catch_up::CatchUp;
use super::lanes::{Lanes, Ticket};
use super::publisher::{self, Done, Ended};
use super::watch::{Jump, Look, Mark, Watch};
use super::wheel::Wheel;
use crate::base::{DeliveryId, Live, Spawner, Timestamp, limits};
use crate::domain::approval::begins;
use crate::domain::channel::{Channel, ChannelState};
use crate::domain::delivery::Delivery;
use crate::domain::place::Place;
use crate::domain::post::Post;
use crate::domain::publish::Phase;
use crate::networks;
use crate::service::Services;
use crate::store::rows::{TimerKey, TimerKind};
use crate::store::{Changes, Error, Scope, Table, View};

/// Rows read in one go.
const PAGE: usize = 4_096;
/// After the store could not be read.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) struct Scheduler {
    services: Arc<Services>,
    settings: Live<Settings>,
    spawner: Spawner,
    stop: CancellationToken,
    wheel: Wheel<TimerKey>,
    /// Timers up to here are in the wheel; `None` before the first page.
    paged: Option<Paged>,
    lanes: Lanes,
    /// Timers that came due while their delivery was in work: somebody changed it.
    meanwhile: BTreeMap<DeliveryId, TimerKey>,
    /// Something was left on disk because it is paused or would not fit.
    left_behind: bool,
    changes: broadcast::Receiver<Arc<Changes>>,
    done: (mpsc::UnboundedSender<Ended>, mpsc::UnboundedReceiver<Ended>),
    watch: Arc<Watch>,
    /// What is kept of the clock in the database, once that was read.
    mark: Option<Mark>,
    marked: bool,
    catch_up: CatchUp,
}

/// How far the timer table has been read.
struct Paged {
    last: Option<TimerKey>,
    until: Timestamp,
    /// All timers before `until` are in.
    complete: bool,
}

impl Scheduler {
    pub fn new(
        services: Arc<Services>,
        settings: Live<Settings>,
        spawner: Spawner,
        stop: CancellationToken,
    ) -> Self {
        // Subscribed before the first page, so that nothing falls between the two.
        let changes = services.store.changes();
        let watch = Arc::new(Watch::new(services.clock.as_ref()));
        Self {
            lanes: Lanes::new(settings.get().per_network, settings.get().total),
            services,
            settings,
            spawner,
            stop,
            wheel: Wheel::new(),
            paged: None,
            meanwhile: BTreeMap::new(),
            left_behind: false,
            changes,
            done: mpsc::unbounded_channel(),
            watch,
            mark: None,
            marked: false,
            catch_up: CatchUp::default(),
        }
    }

    pub async fn run(mut self) {
        while !self.stop.is_cancelled() {
            let wait = match self.turn().await {
                Ok(()) => self.until_next(),
                Err(error) => {
                    tracing::error!(%error, "the timers could not be read");
                    PATIENCE
                }
            };
            self.wait(wait).await;
        }
        self.finish_running().await;
    }

    /// Everything that can be done now.
    async fn turn(&mut self) -> Result<(), Error> {
        self.watch_clock().await?;
        self.page().await?;
        let now = self.services.now();
        let due: Vec<TimerKey> = self.wheel.advance(now).into_iter().map(|(_, t)| t).collect();
        let Settings { per_network, total, .. } = self.settings.get();
        self.lanes.limit(per_network, total);
        let first = self.admit(due).await?;
        while let Some(ticket) = self.lanes.next(now) {
            self.start(ticket, now);
        }
        self.tell_catching_up();
        self.lanes.forget_before(now.minus(self.services.timing.get().spacing));
        let metrics = &self.services.metrics;
        metrics.publishing(self.lanes.running());
        metrics.lanes_waiting(self.lanes.waiting());
        self.count_circuits();
        metrics.timers_overdue(self.lanes.queued());
        if let Some(due) = first {
            metrics.scheduler_lag(now.since(due));
        }
        Ok(())
    }

    fn count_circuits(&self) {
        let (open, waiting) = (self.services.open_circuits(), self.lanes.held_back());
        for network in networks::REGISTRY {
            let word = network.word();
            let circuits = open.iter().filter(|circuit| circuit.place.network == word).count();
            let lanes = waiting.get(word).copied().unwrap_or(0);
            self.services.metrics.circuits(word, circuits, lanes);
        }
    }

    /// Says how far it is with what is overdue, when that begins and ends in the log, too.
    fn tell_catching_up(&mut self) {
        let (before, now) = (self.services.catching_up.get(), self.catch_up.state());
        if now == before {
            return;
        }
        match (before.of, now.of) {
            (0, of) => tracing::warn!(of, "catching up with what is overdue"),
            (of, 0) => tracing::info!(of, "caught up"),
            _ => {}
        }
        self.services.catching_up.set(now);
        self.services.metrics.catching_up(now.of - now.done);
    }

    /// A jump makes every plan doubtful: what is in doubt waits anew, and the wheel starts over
    /// from the disk. One that happened while no process was there, or that it did not live to see, is
    /// told by the mark that the last one kept.
    async fn watch_clock(&mut self) -> Result<(), Error> {
        let look = Look::at(self.services.clock.as_ref());
        let (seen, mark) = (self.watch.jump_to(&look), look.mark());
        let first = !self.marked;
        if first {
            self.mark = self.services.store.read(Mark::read).await?;
        }
        // Where nobody can tell, once at each start.
        let unseen = Mark::jump(self.mark, mark).filter(|_| mark.is_some() || first);
        if let Some(jump) = Jump::worse(seen, unseen) {
            let in_doubt = publisher::doubt_anew(&self.services, jump, mark).await?;
            let (direction, seconds) = (jump.word(), jump.size().as_secs());
            if jump != Jump::Unseen {
                tracing::warn!(direction, seconds, in_doubt, "the wall clock jumped");
                self.services.metrics.clock_jump();
            } else if in_doubt > 0 {
                tracing::info!(
                    in_doubt,
                    "the machine was started anew: what is in doubt waits anew"
                );
            }
            self.rescan();
            self.mark = mark;
        }
        self.marked = true;
        self.watch.follow(look);
        Ok(())
    }

    /// Forgets what was read of the timer table; the next page begins at its start.
    fn rescan(&mut self) {
        self.wheel.clear();
        self.lanes.clear_queues();
        self.paged = None;
        self.left_behind = false;
        self.catch_up.start_over();
    }

    /// Reads timers until the window is full.
    async fn page(&mut self) -> Result<(), Error> {
        let now = self.services.now();
        loop {
            let in_memory = self.wheel.len() + self.lanes.queued();
            let room = limits::WHEEL_ENTRIES.saturating_sub(in_memory).min(PAGE);
            let half = now.plus(limits::WHEEL_WINDOW / 2);
            let fresh = self.paged.as_ref().is_some_and(|p| p.complete && p.until >= half);
            if fresh || room == 0 {
                return Ok(());
            }
            let after = self.paged.as_ref().and_then(|p| p.last);
            let until = now.plus(limits::WHEEL_WINDOW);
            let rows = self
                .services
                .store
                .read(move |view| view.timers(after.as_ref(), until, room))
                .await?;
            let complete = rows.len() < room;
            let last = rows.last().copied().or(after);
            for timer in rows {
                if !self.lanes.knows(timer.delivery()) {
                    self.wheel.insert(timer.due, timer);
                }
            }
            self.paged = Some(Paged { last, until, complete });
        }
    }

    /// Turns due timers into tickets; when the first of them was due.
    async fn admit(&mut self, mut due: Vec<TimerKey>) -> Result<Option<Timestamp>, Error> {
        let mut first = None;
        for timer in due.extract_if(.., |t| self.lanes.is_running(t.delivery())) {
            self.meanwhile.insert(timer.delivery(), timer);
        }
        due.retain(|t| t.kind == TimerKind::Delivery && !self.lanes.knows(t.delivery()));
        while !due.is_empty() {
            let rest = due.split_off(due.len().min(PAGE));
            let epoch = self.services.store.epoch();
            let timers = std::mem::replace(&mut due, rest);
            let again = timers.clone();
            let tickets = self.services.store.read(move |view| tickets(view, &timers, epoch)).await;
            match tickets {
                Ok(tickets) => {
                    first = first.or(tickets.first().map(|ticket| ticket.timer.due));
                    for ticket in tickets {
                        self.offer(ticket);
                    }
                }
                Err(error) => {
                    for timer in again.into_iter().chain(due) {
                        self.wheel.insert(timer.due, timer);
                    }
                    return Err(error);
                }
            }
        }
        Ok(first)
    }

    fn offer(&mut self, ticket: Ticket) {
        let spacing = self.services.timing.get().spacing;
        if self.services.now().since(ticket.timer.due) > spacing {
            self.catch_up.joins(ticket.delivery());
        }
        self.lanes.offer(ticket);
    }

    fn start(&mut self, ticket: Ticket, now: Timestamp) {
        let spacing = self.services.timing.get().spacing;
        if ticket.sends
            && now.since(ticket.due) > spacing
            && let Some(out) = self.lanes.last_out(&ticket)
            // One from the future was before the clock went back.
            && (out..out.plus(spacing)).contains(&now)
        {
            // Catching up: late posts of a channel do not go out in a burst.
            self.lanes.finish(&ticket, None);
            self.lanes.rest(&ticket, out.plus(spacing));
            self.lanes.offer(ticket);
            return;
        }
        let (services, stop) = (Arc::clone(&self.services), self.stop.clone());
        let watch = Arc::clone(&self.watch);
        let tell = self.done.0.clone();
        (self.spawner)(Box::pin(async move {
            // Large, and kept for as long as a network takes to answer.
            let ended = Box::pin(publisher::run(&services, (&stop, &watch), ticket)).await;
            // The scheduler may be gone already: then nobody needs to know.
            drop(tell.send(ended));
        }));
    }

    /// Takes note of a run that ended.
    fn ended(&mut self, Ended { ticket, done, wake, out }: Ended) {
        self.lanes.finish(&ticket, out);
        if matches!(done, Done::Rest | Done::Paused) {
            self.catch_up.leaves(ticket.delivery());
        }
        if ticket.sends {
            match self.services.open_at(&ticket.place) {
                Some(open) => self.lanes.rest_place(&ticket.place, open.until),
                None => self.lanes.open_place(&ticket.place),
            }
        }
        let timer = ticket.timer;
        match done {
            Done::Rest => {}
            Done::Paused => self.left_behind = true,
            Done::Shut => self.lanes.offer(ticket),
            Done::Blocked { until } if ticket.sends => {
                self.lanes.rest(&ticket, until);
                self.lanes.offer(ticket);
            }
            Done::Blocked { until } => drop(self.wheel.insert(until, timer)),
            Done::WantsLane => self.lanes.offer(Ticket { sends: true, ..ticket }),
        }
        if let Some(due) = wake {
            self.insert(TimerKey { due, ..timer });
        }
        if let Some(timer) = self.meanwhile.remove(&timer.delivery()) {
            self.wheel.insert(timer.due, timer);
        }
    }

    fn insert(&mut self, timer: TimerKey) {
        if self.paged.as_ref().is_none_or(|p| timer.due >= p.until) {
            return;
        }
        if self.wheel.len() + self.lanes.queued() >= limits::WHEEL_ENTRIES {
            self.left_behind = true;
            return;
        }
        self.wheel.insert(timer.due, timer);
    }

    /// Takes note of a commit.
    fn changed(&mut self, changes: Result<Arc<Changes>, broadcast::error::RecvError>) {
        let Ok(changes) = changes else {
            // Too many to follow one by one.
            self.rescan();
            return;
        };
        for (timer, put) in &changes.timers {
            if *put {
                self.insert(*timer);
            } else {
                self.wheel.cancel(timer.due, *timer);
            }
        }
        let touches = |table| changes.tables.contains(&table);
        // A reopened store names every table and no timer.
        let all = touches(Table::Timers) && changes.timers.is_empty();
        let released = [Table::Pauses, Table::Workspaces, Table::Closings, Table::Channels]
            .into_iter()
            .any(touches);
        if all || (released && self.left_behind) {
            self.rescan();
        }
    }

    fn until_next(&self) -> Duration {
        let now = self.services.now();
        let next = self.wheel.next_due().into_iter().chain(self.lanes.next_wake()).min();
        let wait = next.map_or(limits::SLEEP_MAX, |at| at.since(now));
        let crowded = self.left_behind || self.paged.as_ref().is_some_and(|p| !p.complete);
        wait.min(if crowded { PATIENCE } else { limits::SLEEP_MAX })
    }

    async fn wait(&mut self, wait: Duration) {
        let sleep = self.services.clock.sleep(wait);
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            Some(ended) = self.done.1.recv() => self.ended(ended),
            changes = self.changes.recv() => self.changed(changes),
            () = sleep => {
                // What would not fit may fit now.
                if self.left_behind && self.wheel.is_empty() && self.lanes.queued() == 0 {
                    self.rescan();
                }
            }
        }
        while let Ok(ended) = self.done.1.try_recv() {
            self.ended(ended);
        }
        while let Ok(changes) = self.changes.try_recv() {
            self.changed(Ok(changes));
        }
    }

    async fn finish_running(&mut self) {
        let clock = Arc::clone(&self.services.clock);
        let limit = clock.sleep(self.settings.get().stop_wait);
        tokio::pin!(limit);
        while self.lanes.running() > 0 {
            tokio::select! {
                biased;
                () = &mut limit => {
                    let left = self.lanes.running();
                    tracing::warn!(left, "stopped while something was still being sent");
                    return;
                }
                Some(ended) = self.done.1.recv() => self.lanes.finish(&ended.ticket, ended.out),
            }
        }
    }
}

/// The deliveries behind timers that still stand.
fn tickets(view: &View<'_>, timers: &[TimerKey], epoch: u64) -> Result<Vec<Ticket>, Error> {
    let mut found = Vec::with_capacity(timers.len());
    let mut places: BTreeMap<_, Option<Arc<Place>>> = BTreeMap::new();
    for timer in timers {
        let Some(row) = view.get::<Delivery>(&timer.scope, &timer.delivery())? else { continue };
        if row.flow.wake != Some(timer.due) {
            continue;
        }
        let sends = match row.flow.current_part().map(|part| &part.phase) {
            // Of this epoch: somebody is at it, or its receipt could not be written.
            Some(Phase::Armed { epoch: armed, .. }) if *armed == epoch => continue,
            Some(Phase::Armed { .. } | Phase::Unknown { .. }) => false,
            _ => true,
        };
        let Some(network) = networks::named(&row.network) else { continue };
        let place = match places.entry((timer.scope, row.channel)) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(new) => {
                let channel = view.get::<Channel>(&timer.scope, &row.channel)?;
                new.insert(channel.map(|channel| Arc::new(networks::place_of(&channel)))).clone()
            }
        };
        let Some(place) = place else { continue };
        if is_kept_in(view, &timer.scope, &row)? {
            continue;
        }
        found.push(Ticket {
            timer: *timer,
            channel: row.channel,
            network: network.word(),
            place,
            due: row.flow.due,
            sends,
        });
    }
    Ok(found)
}

/// Whether nobody has let its post out: whoever does puts its timer again. Until then it is neither late
/// nor worth a run. Of a channel that is gone the publisher cancels it.
fn is_kept_in(view: &View<'_>, scope: &Scope, row: &Delivery) -> Result<bool, Error> {
    if !begins(&row.flow) {
        return Ok(false);
    }
    let post = view.get::<Post>(scope, &row.post)?;
    if post.is_none_or(|post| !post.approval.keeps_in()) {
        return Ok(false);
    }
    let channel = view.get::<Channel>(scope, &row.channel)?;
    Ok(channel.is_some_and(|channel| !matches!(channel.state, ChannelState::Removed { .. })))
}
