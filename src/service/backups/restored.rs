//! After a restore: what the backup does not know of is held for a person, channel by channel. Must
//! not send or drop anything by itself.

use std::collections::BTreeMap;
use std::convert::Infallible;

use serde::Serialize;

use crate::base::{ChannelId, CorrelationId, DeliveryId, Problem, Rng, Timestamp, limits};
use crate::domain::access::Publish;
use crate::domain::channel::Channel;
use crate::domain::delivery::Delivery;
use crate::domain::event::{Actor, Event as Said};
use crate::domain::publish::{Decision, Event, HoldReason, Moment, Phase, Timing};
use crate::service::deliveries::decided;
use crate::service::pauses::EVERYTHING;
use crate::service::transition::{Change, transition};
use crate::service::{Access, Services, no, not_found, refused, trouble};
use crate::store::rows::{Attention, Meta, Pause};
use crate::store::{Error, Scope, Span, Store, Tx, View, WriteError};

/// In one transaction.
const LOT: usize = 200;
/// When this database was restored, and from what time its backup is; milliseconds.
const RESTORED: [&str; 2] = ["restored_at", "restored_from"];

/// What a restore did to the deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Restored {
    pub workspaces: u64,
    /// Deliveries that may be out, and are held.
    pub held: u64,
}

/// When the database was restored, and from a backup of what time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RestoredFrom {
    pub at: Timestamp,
    pub backup: Timestamp,
}

/// What became of a decision on a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decided {
    pub id: String,
    pub decided: usize,
}

/// Pauses everything and holds what may have gone out since the backup: whatever was to go out by
/// `now`, was on its way, or waited for a person, who may have sent it. For a database that nobody
/// publishes from yet.
pub async fn hold_restored(
    store: &Store,
    timing: &Timing,
    rng: &dyn Rng,
    (backup, now): (Timestamp, Timestamp),
) -> Result<Restored, Error> {
    let pause = Pause { since: now, by: Actor::System, why: None };
    write(store, move |tx| {
        tx.put_global(&EVERYTHING.to_owned(), &pause)?;
        for (name, at) in RESTORED.into_iter().zip([now, backup]) {
            tx.put_global(&name.to_owned(), &Meta { value: at.as_millis() })?;
        }
        Ok(())
    })
    .await?;
    let mut restored = Restored::default();
    let mut after = None;
    loop {
        let page = store.read_now(|view| Scope::rounds(view, after.as_ref(), limits::PAGE_MAX))?;
        for (_, scope) in &page {
            let held = hold_in(store, timing, rng, scope, now).await?;
            tell(store, scope, (backup, now), CorrelationId::new(rng), held).await?;
            restored.held += held;
            restored.workspaces += 1;
        }
        match page.into_iter().last() {
            Some((slug, _)) => after = Some(slug),
            None => return Ok(restored),
        }
    }
}

/// A write that refuses nothing.
async fn write<T: Send + 'static>(
    store: &Store,
    f: impl Fn(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let written = store.write(move |tx| f(tx).map_err(WriteError::<Infallible>::Store)).await;
    written.map_err(|error| match error {
        WriteError::Store(error) => error,
        WriteError::Refused(never) => match never {},
    })
}

async fn hold_in(
    store: &Store,
    timing: &Timing,
    rng: &dyn Rng,
    scope: &Scope,
    now: Timestamp,
) -> Result<u64, Error> {
    let (mut held, mut after) = (0, None);
    loop {
        let span = Span::first(LOT).after(after.as_ref());
        let page = store.read_now(|view| view.scan::<Delivery>(scope, &span))?;
        let Some((last, _)) = page.last() else { return Ok(held) };
        after = Some(*last);
        let doubtful: Vec<DeliveryId> =
            page.iter().filter(|(_, row)| may_be_out(row, now)).map(|(id, _)| *id).collect();
        if doubtful.is_empty() {
            continue;
        }
        let (scope, timing) = (*scope, *timing);
        let moment = Moment { now, epoch: store.epoch(), dice: rng.next_u64() };
        let change = Change { event: Event::Restored, moment, actor: Actor::System, note: None };
        held += write(store, move |tx| {
            let mut held = 0;
            for id in &doubtful {
                // Refused, its channel is gone, and nobody sends it.
                let changed = transition(tx, &scope, *id, &timing, &change)?;
                held += u64::from(changed.is_ok());
            }
            Ok(held)
        })
        .await?;
    }
}

/// Whether it may have gone out between the backup and `now`, without the backup knowing it.
fn may_be_out(row: &Delivery, now: Timestamp) -> bool {
    let flow = &row.flow;
    if flow.is_over() {
        return false;
    }
    let waits = flow.current_part().is_some_and(|part| matches!(part.phase, Phase::Waiting(_)));
    let first = flow.wake.map_or(flow.due, |wake| wake.min(flow.due));
    !waits || flow.hold.is_some() || first <= now
}

/// Everybody who looks into a workspace's events sees the gap.
async fn tell(
    store: &Store,
    scope: &Scope,
    (backup, now): (Timestamp, Timestamp),
    correlation: CorrelationId,
    held: u64,
) -> Result<(), Error> {
    let scope = *scope;
    let said = Said {
        at: now,
        actor: Actor::System,
        kind: "backup.restored".to_owned(),
        subject: scope.workspace().to_string(),
        data: BTreeMap::from([
            ("backup".to_owned(), backup.to_string()),
            ("held".to_owned(), held.to_string()),
        ]),
        correlation,
    };
    write(store, move |tx| tx.append_event(&scope, said.clone())).await
}

/// When this database was restored, if it ever was.
pub fn restored_from(view: &View<'_>) -> Result<Option<RestoredFrom>, Error> {
    let [at, backup] = RESTORED.map(|name| view.get_global::<Meta>(&name.to_owned()));
    let instant = |meta: Meta| Timestamp::from_millis(meta.value);
    Ok(at?.map(instant).zip(backup?.map(instant)).map(|(at, backup)| RestoredFrom { at, backup }))
}

impl Services {
    /// A person's word on all deliveries of a channel that a restore holds. What is sent again goes
    /// out one by one, with the pause between them that catching up has.
    pub async fn decide_restored(
        &self,
        access: Access<Publish>,
        channel: ChannelId,
        decision: Decision,
    ) -> Result<Decided, Problem> {
        let scope = access.scope;
        let there = self.store.read(move |view| view.get::<Channel>(&scope, &channel)).await;
        if there.map_err(trouble)?.is_none() {
            return Err(not_found());
        }
        let (mut decided, mut after) = (0, None);
        loop {
            let lot = self.store.read(move |view| waiting(view, &scope, channel, after)).await;
            let (lot, next) = lot.map_err(trouble)?;
            let moment =
                Moment { now: self.now(), epoch: self.store.epoch(), dice: self.rng.next_u64() };
            decided += self.decide_lot(&access, lot, (&decision, decided), moment).await?;
            match next {
                Some(next) => after = Some(next),
                None => return Ok(Decided { id: channel.to_string(), decided }),
            }
        }
    }

    async fn decide_lot(
        &self,
        access: &Access<Publish>,
        lot: Vec<DeliveryId>,
        (decision, before): (&Decision, usize),
        moment: Moment,
    ) -> Result<usize, Problem> {
        let (scope, actor, timing) = (access.scope, access.actor.clone(), self.timing.get());
        let decision = decision.clone();
        let decide = move |tx: &mut Tx<'_>| {
            let mut done = 0;
            for id in &lot {
                let Some(row) = tx.get::<Delivery>(&scope, id)? else { continue };
                let turn = u32::try_from(before + done).unwrap_or(u32::MAX);
                let word = match &decision {
                    Decision::SendAgain => Decision::SendAt {
                        due: moment.now.plus(timing.spacing.saturating_mul(turn)),
                    },
                    other => other.clone(),
                };
                let note = Some(decided(&row, &word, moment));
                let event = Event::Decide(word);
                let change = Change { event, moment, actor: actor.clone(), note };
                if !is_restored(&row) {
                    continue;
                }
                match transition(tx, &scope, *id, &timing, &change)? {
                    Ok(_) => done += 1,
                    Err(_) => return no(not_found()),
                }
            }
            Ok(done)
        };
        self.store.write(decide).await.map_err(refused)
    }
}

fn is_restored(row: &Delivery) -> bool {
    row.flow.hold.as_ref().is_some_and(|hold| hold.reason == HoldReason::Restored)
}

/// The next few of a channel that a restore holds, oldest first, and where to go on.
fn waiting(
    view: &View<'_>,
    scope: &Scope,
    channel: ChannelId,
    after: Option<DeliveryId>,
) -> Result<(Vec<DeliveryId>, Option<DeliveryId>), Error> {
    let span = Span::first(LOT).after(after.as_ref());
    let page = view.scan::<Attention>(scope, &span)?;
    let next = page.last().map(|(id, _)| *id);
    let mut found = Vec::new();
    for (id, _) in page {
        let row = view.get::<Delivery>(scope, &id)?;
        if row.is_some_and(|row| row.channel == channel && is_restored(&row)) {
            found.push(id);
        }
    }
    Ok((found, next))
}
