//! Changing a channel; a new token or code lets what was held for it go on.

use std::time::Duration;

use super::super::idempotency::{recall, remember};
use super::super::shown::{self, ChannelShown};
use super::super::transition::{Change, transition};
use super::super::{Access, Done, Services, no, refused};
use super::{ChannelChange, Grace, attention_of, must, replayed};
use crate::base::{ChannelId, Code, Problem, Wrong};
use crate::domain::access::{Manage, Proof};
use crate::domain::channel::ChannelState;
use crate::domain::publish::{Event, HoldReason, Moment};
use crate::domain::workspace::check_name;
use crate::store::{Tx, WriteError};

impl Services {
    /// Changes a channel. A token or code is tried first and must be of the same account; then
    /// what was held for it goes on.
    pub async fn change_channel(
        &self,
        access: Access<Manage>,
        id: ChannelId,
        change: ChannelChange,
    ) -> Result<Done<ChannelShown>, Problem> {
        if change.token.is_some() || change.code.is_some() {
            access.proved(Proof::Vouched)?;
        }
        if let Some(done) = self.done_before(&access).await? {
            return Ok(done);
        }
        let name = change.name.as_deref().map(|name| check_name("name", name)).transpose()?;
        let grace = change.grace.map(check_grace).transpose()?;
        let connected = self.reconnect(&access, id, &change).await?;
        let (services, now) = (self.clone(), self.now());
        let dice = self.rng.next_u64();
        self.store
            .write(move |tx| {
                if let Some(id) = recall(tx, &access, now)? {
                    return replayed(tx, &access.scope, &id);
                }
                let mut channel = must(tx, &access.scope, id)?;
                if change.revision.is_some_and(|seen| seen != channel.revision) {
                    return no(Problem::new(Code::StaleRevision).with("etag", channel.revision));
                }
                if let Some((account, facts, sealed)) = &connected {
                    channel.state = ChannelState::Connected;
                    channel.account = Some(account.clone());
                    channel.facts = facts.clone();
                    tx.put(&access.scope, &id, sealed)?;
                }
                channel.name = name.clone().unwrap_or(channel.name);
                channel.paused = change.paused.unwrap_or(channel.paused);
                channel.grace = grace.unwrap_or(channel.grace);
                channel.revision += 1;
                tx.put(&access.scope, &id, &channel)?;
                if connected.is_some() {
                    let moment = Moment { now, epoch: services.store.epoch(), dice };
                    resume_held(tx, &services, &access, id, moment)?;
                }
                remember(tx, &access, now, &id.to_string())?;
                let event = access.event(&services, "channel.changed", &id.to_string());
                tx.append_event(&access.scope, event)?;
                Ok(Done { value: shown::channel(&channel), replayed: false })
            })
            .await
            .map_err(refused)
    }
}

fn check_grace(grace: Grace) -> Result<Option<Duration>, Problem> {
    const MAX: u64 = 7 * 24 * 60;
    match grace {
        Grace::Workspace => Ok(None),
        Grace::Minutes(minutes @ 1..=MAX) => Ok(Some(Duration::from_secs(minutes * 60))),
        Grace::Minutes(_) => {
            Err(Problem::field("grace_minutes", Wrong::OutOfRange { min: 1, max: 7 * 24 * 60 }))
        }
    }
}

/// The account is back: what was held for it goes on, or is held as missed when it is too late.
pub(in crate::service) fn resume_held(
    tx: &mut Tx<'_>,
    services: &Services,
    access: &Access<Manage>,
    channel: ChannelId,
    moment: Moment,
) -> Result<(), WriteError<Problem>> {
    for id in attention_of(tx, &access.scope, channel)? {
        let event = Event::Resume(HoldReason::ReconnectNeeded);
        let change = Change { event, moment, actor: access.actor.clone(), note: None };
        // Held for another reason: stays held.
        drop(transition(tx, &access.scope, id, &services.timing.get(), &change)?);
    }
    Ok(())
}
