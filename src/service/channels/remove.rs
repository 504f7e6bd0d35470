//! Removing a channel: what waits for it is cancelled, what it did stays on record, and what its
//! account has granted is given back.

use std::time::Duration;

use super::super::idempotency::{recall, remember};
use super::super::transition::{Change, Refused, transition};
use super::super::{Access, Done, Services, no, refused};
use super::{attention_of, must};
use crate::base::{ChannelId, Code, Problem, limits};
use crate::domain::access::Entrust;
use crate::domain::channel::ChannelState;
use crate::domain::connection::Grant;
use crate::domain::pace::Pace;
use crate::domain::post::Post;
use crate::domain::publish::{Event, Moment, Refusal};
use crate::store::rows::{CalendarEntry, ChannelLimits, Feed, Inflight, SealedCredential};
use crate::store::{Span, Tx, WriteError};

impl Services {
    /// Disconnects a channel and cancels what waits for it; how much that was. 409 while something is
    /// in flight.
    pub async fn remove_channel(
        &self,
        access: Access<Entrust>,
        id: ChannelId,
    ) -> Result<Done<usize>, Problem> {
        let (services, now) = (self.clone(), self.now());
        let moment = Moment { now, epoch: self.store.epoch(), dice: self.rng.next_u64() };
        let (scope, correlation) = (access.scope, access.correlation);
        let removed = self
            .store
            .write(move |tx| {
                if recall(tx, &access, now)?.is_some() {
                    return Ok((Done { value: 0, replayed: true }, None));
                }
                let mut channel = must(tx, &access.scope, id)?;
                let span = Span::first(1).under(&id);
                if !tx.view().scan::<Inflight>(&access.scope, &span)?.is_empty() {
                    return no(Problem::new(Code::DeliveryInFlight));
                }
                let cancelled = cancel_waiting(tx, &services, &access, id, moment)?;
                let sealed = tx.get::<SealedCredential>(&access.scope, &id)?;
                channel.state = ChannelState::Removed { since: now };
                channel.revision += 1;
                tx.put(&access.scope, &id, &channel)?;
                tx.delete::<SealedCredential>(&access.scope, &id);
                tx.delete::<ChannelLimits>(&access.scope, &id);
                tx.delete::<Grant>(&access.scope, &id);
                tx.delete::<Pace>(&access.scope, &id);
                tx.delete_global::<Feed>(&id);
                remember(tx, &access, now, &id.to_string())?;
                let event = access.event(&services, "channel.removed", &id.to_string());
                tx.append_event(&access.scope, event)?;
                let left = sealed.map(|sealed| (channel, sealed));
                Ok((Done { value: cancelled, replayed: false }, left))
            })
            .await;
        let (done, left) = removed.map_err(refused)?;
        if let Some(left) = left.filter(|_| !self.store.is_rehearsal()) {
            self.withdraw(scope, left, correlation).await;
        }
        Ok(done)
    }
}

/// Cancels what is scheduled to the channel, and what is held without doubt. What is beyond the
/// bound is cancelled when it is due.
fn cancel_waiting(
    tx: &mut Tx<'_>,
    services: &Services,
    access: &Access<Entrust>,
    channel: ChannelId,
    moment: Moment,
) -> Result<usize, WriteError<Problem>> {
    let mut ids = attention_of(tx, &access.scope, channel)?;
    let since = moment.now.minus(Duration::from_hours(24));
    let span = Span::first(limits::SWEEP_MAX).from(&since);
    for ((_, post), CalendarEntry) in tx.view().scan::<CalendarEntry>(&access.scope, &span)? {
        let post = tx.get::<Post>(&access.scope, &post)?;
        let targets = post.map(|post| post.targets).unwrap_or_default();
        ids.extend(targets.iter().filter(|t| t.channel == channel).filter_map(|t| t.delivery));
    }
    let mut cancelled = 0;
    for id in ids {
        let change =
            Change { event: Event::Cancel, moment, actor: access.actor.clone(), note: None };
        let changed = transition(tx, &access.scope, id, &services.timing.get(), &change)?;
        match changed {
            Err(Refused::Step(Refusal::InFlight)) => {
                return no(Problem::new(Code::ChannelInUse).with("delivery", id));
            }
            changed => cancelled += usize::from(changed.is_ok()),
        }
    }
    Ok(cancelled)
}
