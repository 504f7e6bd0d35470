//! The publisher: drives one delivery through `publish::step` with its network, and writes before
//! it calls. Must not decide what a state means; `domain::publish` does.

mod answers;
mod jump;
mod rows;
mod say;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::lanes::Ticket;
use super::watch::Watch;
use crate::base::{CorrelationId, Problem, Timestamp};
use crate::domain::channel::ChannelState;
use crate::domain::delivery::{Delivery, Note};
use crate::domain::event::Actor;
use crate::domain::publish::{
    Doubt, Event, Failure, Moment, Next, Outcome, Phase, Reading, Receipt, Refusal, step,
};
use crate::domain::rate::Purpose;
use crate::domain::space::Room;
use crate::networks::{Call, CallError, Media, Network, PartCall, Prepared};
use crate::service::{
    Change, Changed, Found, MayPost, OpenCircuit, OpenedChannel, Refused, Renewal, Services,
    Watched, transition,
};

pub(super) use answers::replay;
pub(super) use jump::doubt_anew;
use rows::Rows;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// Nothing to do before `wake`, if ever.
    Rest,
    /// It is paused at some level.
    Paused,
    /// Nothing may be sent on its lane before then.
    Blocked { until: Timestamp },
    /// Its server gets no posts for now.
    Shut,
    /// A look found that it should be sent again.
    WantsLane,
}

/// A run that ended.
pub(super) struct Ended {
    pub ticket: Ticket,
    pub done: Done,
    pub wake: Option<Timestamp>,
    /// When something last went out.
    pub out: Option<Timestamp>,
}

/// Between tries to write down what a network answered.
const PERSIST_WAIT: Duration = Duration::from_millis(500);
/// After a row could not be read or opened.
const TROUBLE_WAIT: Duration = Duration::from_secs(30);
/// Until a full disk is looked at again.
const ROOM_WAIT: Duration = Duration::from_secs(5);
/// How far a network's own deadline is trusted.
const OVERTIME: Duration = Duration::from_secs(5);

/// One delivery in work.
struct Run<'a> {
    services: &'a Services,
    stop: &'a CancellationToken,
    watch: &'a Watch,
    ticket: Ticket,
    out: Option<Timestamp>,
}

/// Works on a delivery until it waits, is over, or the program stops.
pub(super) async fn run(
    services: &Arc<Services>,
    (stop, watch): (&CancellationToken, &Watch),
    ticket: Ticket,
) -> Ended {
    let mut run = Run { services, stop, watch, ticket, out: None };
    let (done, wake) = match Box::pin(run.drive()).await {
        Ok(ended) => ended,
        Err(problem) => {
            let delivery = run.ticket.delivery();
            tracing::error!(%delivery, %problem, "a delivery could not be worked on");
            (Done::Blocked { until: services.now().plus(TROUBLE_WAIT) }, None)
        }
    };
    Ended { ticket: run.ticket, done, wake, out: run.out }
}

type Turn = Result<(Done, Option<Timestamp>), Problem>;

impl Run<'_> {
    async fn drive(&mut self) -> Turn {
        let network = self.ticket.network;
        loop {
            if self.stop.is_cancelled() {
                return Ok((Done::Rest, None));
            }
            if self.clock_jumped() {
                return self.rest().await;
            }
            let Some(rows) = rows::read(self.services, &self.ticket).await? else {
                return Ok((Done::Rest, None));
            };
            if rows.waits.approval {
                if matches!(rows.found.channel.state, ChannelState::Removed { .. }) {
                    self.persist(&rows.delivery, Event::Cancel, None).await;
                }
                // Whoever lets it out puts its timer again. Until then it is nobody's turn, and not late.
                return Ok((Done::Rest, None));
            }
            let moment = self.moment();
            let stepped = step(&rows.delivery.flow, &rows.policy, moment, Event::Wake);
            let Ok((flow, next)) = stepped else {
                return Ok((Done::Rest, rows.delivery.flow.wake));
            };
            let after = match next {
                Next::Rest => self.persist(&rows.delivery, Event::Wake, None).await,
                Next::ReadBack => self.read_back(rows).await?,
                Next::Prepare => match self.send(rows).await? {
                    Sent::Moved(after) => after,
                    Sent::Not(Done::Rest) => return self.rest().await,
                    Sent::Not(done) => return Ok((done, None)),
                },
                // Only `Ready` leads to a commit.
                Next::Commit { .. } => return Ok((Done::Rest, flow.wake)),
            };
            let Some(after) = after else { return self.rest().await };
            self.out = last_out(&after);
            if after.flow.is_over() || after.flow.hold.is_some() {
                self.services.metrics.delivery(network, after.flow.state().word());
            }
            let now = self.services.now();
            match after.flow.wake.filter(|wake| *wake <= now) {
                Some(_) if !after.flow.is_over() => {}
                _ => return Ok((Done::Rest, after.flow.wake)),
            }
        }
    }

    /// The row is not as it was thought to be: its timer is what the disk says.
    async fn rest(&self) -> Turn {
        let rows = rows::read(self.services, &self.ticket).await?;
        Ok((Done::Rest, rows.and_then(|rows| rows.delivery.flow.wake)))
    }

    /// Then nothing is concluded from times before the scheduler has seen it.
    fn clock_jumped(&self) -> bool {
        self.watch.jump(self.services.clock.as_ref()).is_some()
    }

    fn moment(&self) -> Moment {
        Moment {
            now: self.services.now(),
            epoch: self.services.store.epoch(),
            dice: self.services.rng.next_u64(),
        }
    }

    /// A full disk could not take the answer, so nothing is sent: late is better than unknown.
    fn no_room(&self) -> Done {
        Done::Blocked { until: self.services.now().plus(ROOM_WAIT) }
    }

    /// Prepares the current part, arms it, and commits it once.
    async fn send(&self, rows: Rows) -> Result<Sent, Problem> {
        if rows.waits.paused {
            return Ok(Sent::Not(Done::Paused));
        }
        if !self.ticket.sends {
            return Ok(Sent::Not(Done::WantsLane));
        }
        if self.services.room() == Room::Out {
            return Ok(Sent::Not(self.no_room()));
        }
        let limited = rows.limited(self.services.now());
        if let Some(until) = rows.waits.blocked.or(limited) {
            return Ok(Sent::Not(Done::Blocked { until }));
        }
        let Rows { delivery, post, found, known, network, media, noted, .. } = rows;
        if let Some(event) = unusable(&found.channel.state) {
            return Ok(Sent::Moved(self.persist(&delivery, event, None).await));
        }
        if let Some(done) = self.shut(network, &found, delivery.correlation).await? {
            return Ok(Sent::Not(done));
        }
        let scope = self.ticket.timer.scope;
        let opened = self.services.open_fresh(&scope, found, delivery.correlation).await?;
        let instance = opened.channel.instance.as_deref().and_then(|url| Url::parse(url).ok());
        let way = self.services.watched(&scope, &opened.channel, Purpose::Upload);
        let call = self.call(&opened, instance.as_ref(), delivery.correlation, &way);
        let (Some(facts), Some(media)) = (rows::part_facts(&delivery, &post, noted), media) else {
            let failure =
                Failure::new("no_words", "the post has no such part, or an asset is gone");
            let event = Event::Unprepared(Outcome::Refused(failure));
            return Ok(Sent::Moved(self.persist(&delivery, event, None).await));
        };
        let part = facts.call(&delivery, &post, (&media, &known));
        let longer = media.iter().map(Media::time).sum();
        let prepared = self.guarded_for("prepare", longer, network.prepare(&call, &part)).await;
        let event = match prepared {
            Some(Prepared::Ready) => {
                return self.commit(&delivery, &opened, network, &call, &part).await;
            }
            Some(Prepared::NotReady { again, ticket }) => Event::NotReady { again, ticket },
            Some(Prepared::Wrong(outcome)) => {
                Event::Unprepared(self.confirmed(network, &call, &opened, outcome).await?)
            }
            None => {
                let failure = Failure::new("no_answer", "preparing took too long");
                Event::Unprepared(Outcome::Transient(failure))
            }
        };
        let note = say::prepared(&delivery, &event, self.services.now());
        Ok(Sent::Moved(self.persist(&delivery, event, note).await))
    }

    /// Whether its server or account gets no posts for now; when that is over, a read shows whether
    /// it is well again.
    async fn shut(
        &self,
        network: &dyn Network,
        found: &Found,
        correlation: CorrelationId,
    ) -> Result<Option<Done>, Problem> {
        let (place, channel) = (&self.ticket.place, found.channel.id);
        match self.services.may_post(place, channel) {
            MayPost::Yes => return Ok(None),
            MayPost::No(open) => return Ok(Some(self.waits_for(&open))),
            MayPost::AfterProbe => {}
        }
        let scope = self.ticket.timer.scope;
        let opened = self.services.open(&scope, found.clone())?;
        let instance = opened.channel.instance.as_deref().and_then(|url| Url::parse(url).ok());
        let way = self.services.watched(&scope, &opened.channel, Purpose::Read);
        let call = self.call(&opened, instance.as_ref(), correlation, &way);
        let answer = self.guarded("probe", network.identify(&call)).await;
        // Whatever else it answers, it answers.
        let well = !matches!(answer, None | Some(Err(CallError::Unreachable(_))));
        self.services.probed(place, channel, well);
        Ok(match self.services.may_post(place, channel) {
            MayPost::No(open) => Some(self.waits_for(&open)),
            MayPost::Yes | MayPost::AfterProbe => None,
        })
    }

    fn waits_for(&self, open: &OpenCircuit) -> Done {
        // The scheduler lets the whole server rest.
        let server = open.place == *self.ticket.place;
        if server { Done::Shut } else { Done::Blocked { until: open.until } }
    }

    /// Arms durably, calls once, and writes the answer down before anything else.
    async fn commit(
        &self,
        delivery: &Delivery,
        opened: &OpenedChannel,
        network: &dyn Network,
        call: &Call<'_>,
        part: &PartCall<'_>,
    ) -> Result<Sent, Problem> {
        if self.stop.is_cancelled() || self.clock_jumped() {
            return Ok(Sent::Not(Done::Rest));
        }
        // Preparing may have taken long, and used the disk.
        if self.services.room() == Room::Out {
            return Ok(Sent::Not(self.no_room()));
        }
        let armed = match self.apply(delivery, Event::Ready, None).await {
            Ok(Ok((armed, Next::Commit { attempt }))) => (armed, attempt),
            Ok(Ok((held, _))) => return Ok(Sent::Moved(Some(Box::new(held)))),
            Ok(Err(Refused::Lane)) => {
                let until = self.services.now().plus(Duration::from_secs(1));
                return Ok(Sent::Not(Done::Blocked { until }));
            }
            Ok(Err(Refused::Paused)) => return Ok(Sent::Not(Done::Paused)),
            // Somebody changed it in the meantime: look again from the start.
            Ok(Err(Refused::Step(_) | Refused::Missing | Refused::Channel | Refused::Approval)) => {
                return Ok(Sent::Not(Done::Rest));
            }
            Err(problem) => {
                self.disarm(delivery).await;
                return Err(problem);
            }
        };
        let (armed, attempt) = armed;
        say::sending(&armed, attempt);
        let way = self.services.watched(&self.ticket.timer.scope, &opened.channel, Purpose::Post);
        let call = Call { now: self.services.now(), transport: &way, ..*call };
        let outcome =
            self.guarded("commit", network.commit(&call, part)).await.unwrap_or_else(|| {
                Outcome::Lost(Failure::new(
                    "no_answer",
                    "the network took longer than its deadline",
                ))
            });
        let unknown = matches!(outcome, Outcome::Lost(_));
        self.services.posted(&self.ticket.place, opened.channel.id, unknown);
        let outcome = self.confirmed(network, &call, opened, outcome).await?;
        let outcome = match outcome {
            // Out when its answer came, not when the call began.
            Outcome::Done(receipt) => Outcome::Done(Receipt { at: self.services.now(), ..receipt }),
            other => other,
        };
        let metrics = &self.services.metrics;
        metrics.attempt(self.ticket.network, say::word(&outcome));
        if let Outcome::Done(receipt) = &outcome {
            metrics.lateness(self.ticket.network, receipt.at.since(armed.flow.due));
        }
        let note = say::answered(&armed, attempt, &outcome, self.services.now());
        say::answer(&armed, &note);
        let epoch = self.services.store.epoch();
        let event = Event::Answer { attempt, epoch, outcome };
        let after = self.persist(&armed, event, Some(note)).await;
        Ok(Sent::Moved(after))
    }

    /// Arming failed, and may be durable all the same. Nothing was sent, so it goes back to waiting
    /// as soon as the store can say so.
    async fn disarm(&self, delivery: &Delivery) {
        let Some(part) = delivery.flow.current_part() else { return };
        let (attempt, epoch) = (part.attempt + 1, self.services.store.epoch());
        let failure = Failure::new("not_armed", "the database failed before it was sent");
        // The outcome that uses no attempt.
        let outcome = Outcome::RateLimited { until: self.services.now(), failure };
        let event = Event::Answer { attempt, epoch, outcome };
        drop(self.persist(delivery, event, None).await);
    }

    async fn read_back(&self, rows: Rows) -> Result<Option<Box<Delivery>>, Problem> {
        let Rows { delivery, post, found, known, network, media, noted, .. } = rows;
        let scope = self.ticket.timer.scope;
        let opened = self.services.open(&scope, found)?;
        let instance = opened.channel.instance.as_deref().and_then(|url| Url::parse(url).ok());
        let way = self.services.watched(&scope, &opened.channel, Purpose::Read);
        let call = self.call(&opened, instance.as_ref(), delivery.correlation, &way);
        let doubt = delivery.flow.current_part().map(|part| part.doubt);
        let (Some(facts), Some(Doubt::Open { armed, .. })) =
            (rows::part_facts(&delivery, &post, noted), doubt)
        else {
            return Ok(None);
        };
        let media = media.unwrap_or_default();
        let part = facts.call(&delivery, &post, (&media, &known));
        let asked = self.services.now();
        let reading = self.guarded("read_back", network.read_back(&call, &part, armed)).await;
        let reading = reading.unwrap_or_else(|| {
            Reading::Unavailable(Failure::new("no_answer", "reading back took too long"))
        });
        if self.clock_jumped() {
            return Ok(None);
        }
        let reading = match reading {
            Reading::Reconnect(failure) => {
                let refused = Outcome::Reconnect(failure.clone());
                match self.confirmed(network, &call, &opened, refused).await? {
                    Outcome::Reconnect(_) => Reading::Reconnect(failure),
                    _ => Reading::Unavailable(failure),
                }
            }
            other => other,
        };
        self.services.metrics.reading(self.ticket.network, say::reading_word(&reading));
        let note = say::read(&delivery, &reading, self.services.now());
        say::answer(&delivery, &note);
        Ok(self.persist(&delivery, Event::Reading { asked, reading }, Some(note)).await)
    }

    fn call<'c>(
        &'c self,
        opened: &'c OpenedChannel,
        instance: Option<&'c Url>,
        correlation: CorrelationId,
        transport: &'c Watched,
    ) -> Call<'c> {
        Call {
            transport,
            instance,
            credential: opened.credential.as_ref(),
            account: opened.channel.account.as_ref(),
            facts: &opened.channel.facts,
            hosts: &self.services.hosts,
            app: None,
            public_url: &self.services.public_url,
            now: self.services.now(),
            deadline: self.services.timing.get().deadline,
            correlation,
        }
    }

    /// A network's call, with a limit in time, and with a wall around its panics. `None` is "no
    /// answer", which for a commit means that it may have happened.
    async fn guarded<T>(&self, operation: &str, call: impl Future<Output = T>) -> Option<T> {
        self.guarded_for(operation, Duration::ZERO, call).await
    }

    /// Like [`Run::guarded`], for a call that may take longer.
    async fn guarded_for<T>(
        &self,
        operation: &str,
        longer: Duration,
        call: impl Future<Output = T>,
    ) -> Option<T> {
        let clock = &self.services.clock;
        let begun = clock.monotonic();
        let limit = clock.sleep(self.services.timing.get().deadline * 2 + OVERTIME + longer);
        let answer = tokio::select! {
            biased;
            answer = AssertUnwindSafe(call).catch_unwind() => {
                if answer.is_err() {
                    tracing::error!(network = self.ticket.network, "a network's code panicked");
                }
                answer.ok()
            }
            () = limit => None,
        };
        let took = clock.monotonic().saturating_sub(begun);
        self.services.metrics.network_call(self.ticket.network, operation, took);
        answer
    }

    /// One refusal as unauthorized never disconnects: a credential that can be renewed is, and then
    /// the identity endpoint has the last word.
    async fn confirmed(
        &self,
        network: &dyn Network,
        call: &Call<'_>,
        opened: &OpenedChannel,
        outcome: Outcome,
    ) -> Result<Outcome, Problem> {
        let Outcome::Reconnect(failure) = outcome else { return Ok(outcome) };
        let scope = self.ticket.timer.scope;
        let renewal = self.services.renew(&scope, opened, call.correlation);
        let confirmed = match self.guarded("renew", renewal).await {
            Some(Ok(Renewal::Never)) => self.guarded("identify", network.identify(call)).await,
            Some(Ok(Renewal::Renewed(fresh))) => {
                let call = Call { credential: fresh.credential.as_ref(), ..*call };
                self.guarded("identify", network.identify(&call)).await
            }
            Some(Ok(Renewal::Dead(failure))) => Some(Err(CallError::Unauthorized(failure))),
            Some(Ok(Renewal::Later(_))) | None => None,
            Some(Err(problem)) => {
                tracing::error!(%problem, "a renewed credential could not be kept");
                None
            }
        };
        match confirmed {
            Some(Err(CallError::Unauthorized(confirmed))) => {
                let channel = opened.channel.id;
                // The delivery is held whether or not this can be written now.
                let noted =
                    self.services.needs_reconnect(scope, channel, &confirmed, call.correlation);
                if let Err(problem) = noted.await {
                    tracing::error!(%problem, "a dead credential could not be noted");
                }
                Ok(Outcome::Reconnect(failure))
            }
            _ => Ok(Outcome::Transient(failure)),
        }
    }

    /// Moves the delivery, once.
    async fn apply(
        &self,
        delivery: &Delivery,
        event: Event,
        note: Option<Note>,
    ) -> Result<Changed, Problem> {
        let (scope, timing) = (self.ticket.timer.scope, self.services.timing.get());
        let (id, seen) = (delivery.id, delivery.revision);
        let change = Change { event, moment: self.moment(), actor: Actor::System, note };
        let written = self
            .services
            .store
            .write(move |tx| {
                // An answer counts whatever else changed; all other moves were planned on a row
                // that must still be the same.
                let answer = matches!(change.event, Event::Answer { .. });
                let now = tx.get::<Delivery>(&scope, &id)?;
                if !answer && now.is_none_or(|row| row.revision != seen) {
                    return Ok(Err(Refused::Step(Refusal::Stale)));
                }
                Ok(transition(tx, &scope, id, &timing, &change)?)
            })
            .await;
        written.map_err(crate::service::refused)
    }

    /// Moves the delivery, trying until the store takes it: what a network answered must not be
    /// lost. While the store does not take it, it is in a result slot. `None` when the row no longer
    /// fits.
    async fn persist(
        &self,
        delivery: &Delivery,
        event: Event,
        note: Option<Note>,
    ) -> Option<Box<Delivery>> {
        let mut slot = None;
        let taken = loop {
            match self.apply(delivery, event.clone(), note.clone()).await {
                Ok(taken) => break taken,
                Err(problem) => {
                    tracing::error!(delivery = %delivery.id, %problem, "not written yet");
                    if slot.is_none() {
                        slot = {
                            let of = (&self.ticket.timer.scope, delivery);
                            answers::keep(self.services, of, &event, note.as_ref())
                        };
                    }
                    self.services.clock.sleep(PERSIST_WAIT).await;
                }
            }
        };
        if let Some(slot) = slot {
            self.services.store.slots().release(slot);
        }
        taken.ok().map(|(after, _)| Box::new(after))
    }
}

/// When the last of its parts went out.
fn last_out(delivery: &Delivery) -> Option<Timestamp> {
    let out = delivery.flow.parts.iter().filter_map(|part| match &part.phase {
        Phase::Published(receipt) => Some(receipt.at),
        _ => None,
    });
    out.max()
}

/// What became of trying to send.
enum Sent {
    /// The delivery moved; `None` when it no longer fits.
    Moved(Option<Box<Delivery>>),
    Not(Done),
}

/// A channel that cannot publish holds its deliveries, or drops them when it is gone.
fn unusable(state: &ChannelState) -> Option<Event> {
    let reconnect =
        |code: &str| Some(Event::Unprepared(Outcome::Reconnect(Failure::new(code, ""))));
    match state {
        ChannelState::Connected => None,
        ChannelState::ReconnectNeeded { code, .. } => reconnect(code),
        ChannelState::Connecting { .. } => reconnect("not_connected"),
        ChannelState::Removed { .. } => Some(Event::Cancel),
    }
}
