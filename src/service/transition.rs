//! The one way a delivery changes: `publish::step`, then the row, its timer, its indexes and its
//! event, all in the caller's transaction. Must not be bypassed by use cases or the engine.

use std::collections::BTreeMap;

use super::{Pauses, approvals, costs, pauses, usage};
use crate::base::{DeliveryId, Timestamp};
use crate::domain::channel::{Channel, ChannelState};
use crate::domain::delivery::{Delivery, Note};
use crate::domain::event::{Actor, Event as ChangeEvent};
use crate::domain::publish::{
    Event, Flow, Moment, Next, Outcome, Phase, Policy, Refusal, State, Timing, step,
};
use crate::domain::workspace::Workspace;
use crate::networks;
use crate::store::rows::{Attention, Inflight, Preparation, PublishedEntry, TimerKey};
use crate::store::{Error, Scope, Span, Tx, View};

/// What moves, who moves it, and when.
#[derive(Clone)]
pub struct Change {
    pub event: Event,
    pub moment: Moment,
    pub actor: Actor,
    /// Kept with the delivery.
    pub note: Option<Note>,
}

/// What became of a change.
pub type Changed = Result<(Delivery, Next), Refused>;

/// Why a change changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    Missing,
    Step(Refusal),
    /// Another delivery of the channel is armed, or must be read back first.
    Lane,
    /// It is paused at some level.
    Paused,
    /// Nobody has let its post out as it is now.
    Approval,
    /// Its channel cannot publish any more.
    Channel,
}

/// The policy that rules the part of a channel's delivery that is next or under way.
pub fn policy(
    view: &View<'_>,
    scope: &Scope,
    (channel, flow): (&Channel, &Flow),
    timing: &Timing,
) -> Result<Policy, Error> {
    let grace = match channel.grace {
        Some(grace) => Some(grace),
        None => view.get::<Workspace>(scope, &())?.and_then(|w| w.grace),
    };
    let part = flow.current().unwrap_or(0);
    let proof = networks::named(&channel.network).map(|n| n.proof(&channel.facts, part));
    let memory = proof.and_then(|p| p.key_memory);
    Ok(timing.policy(memory, proof.and_then(|p| p.read_back), grace))
}

/// Applies `change` to the delivery as it is now.
pub fn transition(
    tx: &mut Tx<'_>,
    scope: &Scope,
    id: DeliveryId,
    timing: &Timing,
    change: &Change,
) -> Result<Changed, Error> {
    let Some(before) = tx.get::<Delivery>(scope, &id)? else { return Ok(Err(Refused::Missing)) };
    let Some(channel) = tx.get::<Channel>(scope, &before.channel)? else {
        return Ok(Err(Refused::Missing));
    };
    let policy = policy(&tx.view(), scope, (&channel, &before.flow), timing)?;
    let mut event = change.event.clone();
    let noted = match &mut event {
        Event::NotReady { ticket, .. } => Some(std::mem::take(ticket)),
        _ => None,
    };
    let (flow, next) = match step(&before.flow, &policy, change.moment, event) {
        Ok(stepped) => stepped,
        Err(Refusal::Stale) if change.note.is_some() => {
            // Too late to count, but worth knowing.
            return late(tx, scope, before, change);
        }
        Err(refusal) => return Ok(Err(Refused::Step(refusal))),
    };
    if matches!(next, Next::Commit { .. })
        && let Some(refused) = kept_back(&tx.view(), scope, (&before, &channel), &policy)?
    {
        return Ok(Err(refused));
    }
    let mut after = Delivery { flow, ..before.clone() };
    after.revision += 1;
    if let Some(note) = &change.note {
        after.note(note.clone());
    }
    let now = change.moment.now;
    after.finished_at = after.flow.is_over().then_some(after.finished_at.unwrap_or(now));
    save(tx, scope, Some(&before), &after)?;
    if usage::counts(&before) && !usage::counts(&after) {
        usage::give_back(tx, scope, &after)?;
    }
    costs::charge(tx, scope, (&before, &after), &timing.prices)?;
    if let Event::Unprepared(outcome) | Event::Answer { outcome, .. } = &change.event
        && let Some(why) = for_everybody(outcome)
    {
        pauses::stop_network(tx, &after.network, (why, now), after.correlation)?;
    }
    keep_note(tx, scope, &after, noted)?;
    tx.append_event(scope, said(&after, change))?;
    Ok(Ok((after, next)))
}

/// Why no other post of any workspace can go out there either, until a person has done something.
fn for_everybody(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Billing(failure) => Some(&failure.code),
        Outcome::Refused(failure) if failure.code == "version_sunset" => Some(&failure.code),
        _ => None,
    }
}

/// What must not be so when a part is armed, whatever it was while the part was prepared: whoever
/// paused or declined was answered, and nothing is sent after that.
fn kept_back(
    view: &View<'_>,
    scope: &Scope,
    (delivery, channel): (&Delivery, &Channel),
    policy: &Policy,
) -> Result<Option<Refused>, Error> {
    let pauses = Pauses::read(view, scope)?;
    if pauses.hold_back(Some(channel), &channel.network).is_some() {
        return Ok(Some(Refused::Paused));
    }
    if channel.state != ChannelState::Connected {
        return Ok(Some(Refused::Channel));
    }
    if approvals::keeps_in(view, scope, delivery)? {
        return Ok(Some(Refused::Approval));
    }
    Ok(lane_blocker(view, scope, delivery, policy)?.map(|_| Refused::Lane))
}

/// Writes the row, and brings timer and indexes in line with it.
pub(super) fn save(
    tx: &mut Tx<'_>,
    scope: &Scope,
    before: Option<&Delivery>,
    after: &Delivery,
) -> Result<(), Error> {
    let id = after.id;
    tx.put(scope, &id, after)?;
    let (old, new) = (before.and_then(|d| d.flow.wake), after.flow.wake);
    if old != new {
        if let Some(due) = old {
            tx.delete_timer(&TimerKey::of_delivery(due, *scope, id));
        }
        if let Some(due) = new {
            tx.put_timer(&TimerKey::of_delivery(due, *scope, id))?;
        }
    }
    let turned = |is: fn(&Delivery) -> bool| (before.is_some_and(is), is(after));
    match turned(|d| d.flow.is_in_flight()) {
        (false, true) => tx.put(scope, &(after.channel, id), &Inflight)?,
        (true, false) => tx.delete::<Inflight>(scope, &(after.channel, id)),
        _ => {}
    }
    let state = after.flow.state();
    match turned(|d| matches!(d.flow.state(), State::Held | State::Partial | State::Failed)) {
        (_, true) => tx.put(scope, &id, &Attention { state, acknowledged: false })?,
        (true, false) => tx.delete::<Attention>(scope, &id),
        _ => {}
    }
    if let Some(out) = root_out(after).filter(|_| before.and_then(root_out).is_none()) {
        tx.put(scope, &(after.channel, out, id), &PublishedEntry)?;
    }
    Ok(())
}

/// When the root went out.
fn root_out(delivery: &Delivery) -> Option<Timestamp> {
    match &delivery.flow.parts.first()?.phase {
        Phase::Published(receipt) => Some(receipt.at),
        _ => None,
    }
}

/// The other delivery that holds the lane: at most one of a channel is armed, and one that must
/// be found in a listing first keeps the others back, because they would blur it.
pub fn lane_blocker(
    view: &View<'_>,
    scope: &Scope,
    delivery: &Delivery,
    policy: &Policy,
) -> Result<Option<Delivery>, Error> {
    let span = Span::first(100).under(&delivery.channel);
    for ((_, other), Inflight) in view.scan::<Inflight>(scope, &span)? {
        if other == delivery.id {
            continue;
        }
        if let Some(row) = view.get::<Delivery>(scope, &other)?
            && row.flow.blocks_lane(&policy.evidence)
        {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

fn late(
    tx: &mut Tx<'_>,
    scope: &Scope,
    before: Delivery,
    change: &Change,
) -> Result<Changed, Error> {
    let mut after = before;
    if let Some(note) = &change.note {
        after.revision += 1;
        after.note(Note { kind: crate::domain::delivery::NoteKind::Late, ..note.clone() });
        tx.put(scope, &after.id, &after)?;
    }
    Ok(Err(Refused::Step(Refusal::Stale)))
}

/// What its network noted while preparing stays until the delivery is over.
fn keep_note(
    tx: &mut Tx<'_>,
    scope: &Scope,
    after: &Delivery,
    noted: Option<Vec<u8>>,
) -> Result<(), Error> {
    if let (Some(ticket), Some(part)) = (noted, after.flow.current_part()) {
        let (part, content_revision) = (part.id, after.content_revision);
        let row = Preparation { part, content_revision, ticket };
        tx.put(scope, &after.id, &row)?;
    } else if after.flow.is_over() && tx.get::<Preparation>(scope, &after.id)?.is_some() {
        tx.delete::<Preparation>(scope, &after.id);
    }
    Ok(())
}

fn said(after: &Delivery, change: &Change) -> ChangeEvent {
    let state = after.flow.state();
    let mut data = BTreeMap::from([("network".to_owned(), after.network.clone())]);
    let mut say = |name: &str, value: String| drop(data.insert(name.to_owned(), value));
    if let Some(index) = after.flow.current() {
        let part = &after.flow.parts[index];
        say("part", index.to_string());
        say("attempt", part.attempt.to_string());
        if let Phase::Failed(failure) = &part.phase {
            say("code", failure.code.clone());
        }
    }
    if let Some(hold) = &after.flow.hold {
        say("reason", hold.reason.word().to_owned());
    }
    if let Some(note) = &change.note {
        say("result", note.result.clone());
    }
    ChangeEvent {
        at: change.moment.now,
        actor: change.actor.clone(),
        kind: format!("delivery.{}", state.word()),
        subject: after.id.to_string(),
        data,
        correlation: after.correlation,
    }
}
