//! What comes of webhooks: whoever is said to have taken a grant away is asked for by the network itself,
//! as after one refused call. And those that are done go when their time is over.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::super::{Found, Services, refused, trouble};
use crate::base::{ChannelId, CorrelationId, HookId, Problem, Timestamp, limits};
use crate::domain::channel::{Channel, ChannelState};
use crate::domain::hook::{Handled, Hook, Outcome};
use crate::networks::{self, CallError};
use crate::store::rows::{HookMark, WaitingHook};
use crate::store::{Error, Scope, Span, Tx};

/// Handled and written together, and removed together.
const LOT: usize = 50;
/// What was not answered is asked again after so long, however much else comes meanwhile.
const AGAIN: Duration = Duration::from_mins(4);
/// So long a network is asked whether a grant counts.
const PATIENCE: Duration = Duration::from_hours(24);

/// What a network says of a grant.
enum Said {
    Gone,
    Counts,
    /// Neither, of this one.
    Nothing,
    /// It does not answer at all.
    Unreachable,
}

impl Services {
    /// Handles those that wait; how many are done. The others wait for a network that does not answer.
    pub async fn handle_hooks(&self) -> Result<usize, Problem> {
        let (mut done, mut after, mut silent) = (0, None, BTreeSet::new());
        loop {
            let from: Option<HookId> = after;
            let page = self.store.read(move |view| {
                let waiting = view.scan_global::<WaitingHook>(from.as_ref(), LOT)?;
                let row = |id: HookId| Ok((id, view.get_global::<Hook>(&id)?));
                waiting
                    .into_iter()
                    .map(|(id, WaitingHook)| row(id))
                    .collect::<Result<Vec<_>, Error>>()
            });
            let page = page.await.map_err(trouble)?;
            let Some((last, _)) = page.last() else { return Ok(done) };
            after = Some(*last);
            let mut outcomes = Vec::new();
            for (id, hook) in page {
                let outcome = match hook {
                    Some(_) if self.hooks.rests(id, self.now()) => None,
                    Some(hook) => {
                        let outcome = self.outcome(&hook, &mut silent).await?;
                        let again = outcome.is_none().then(|| self.now().plus(AGAIN));
                        self.hooks.note_asked(id, again);
                        outcome
                    }
                    None => Some(Outcome::Kept),
                };
                outcomes.extend(outcome.map(|outcome| (id, outcome)));
            }
            done += outcomes.len();
            self.put_outcomes(outcomes).await?;
        }
    }

    async fn put_outcomes(&self, outcomes: Vec<(HookId, Outcome)>) -> Result<(), Problem> {
        if outcomes.is_empty() {
            return Ok(());
        }
        let at = self.now();
        for (id, outcome) in &outcomes {
            tracing::info!(hook = %id, outcome = outcome.word(), "a webhook is handled");
        }
        let written = self.store.write(move |tx| {
            for (id, outcome) in &outcomes {
                if let Some(hook) = tx.view().get_global::<Hook>(id)? {
                    let handled = Some(Handled { at, outcome: *outcome });
                    tx.put_global(id, &Hook { handled, ..hook })?;
                }
                tx.delete_global::<WaitingHook>(id);
            }
            Ok(())
        });
        written.await.map_err(refused)
    }

    /// What one comes to; `None` when that cannot be said yet. A network that is `silent` is not asked
    /// again in the same round.
    async fn outcome(
        &self,
        hook: &Hook,
        silent: &mut BTreeSet<String>,
    ) -> Result<Option<Outcome>, Problem> {
        let inbound = networks::named(&hook.network).and_then(networks::Network::inbound);
        let json = serde_json::from_slice::<Value>(&hook.body).unwrap_or_default();
        let accounts = inbound.map(|inbound| (inbound.revoked)(&json)).unwrap_or_default();
        if accounts.is_empty() {
            return Ok(Some(Outcome::Kept));
        }
        let (mut outcome, mut unanswered) = (Outcome::NoChannel, false);
        for (scope, channel) in self.channels_of(&hook.network, accounts).await? {
            let said = match channel.state {
                ChannelState::ReconnectNeeded { .. } => Ok(Said::Gone),
                _ if silent.contains(&hook.network) => Ok(Said::Nothing),
                _ => self.ask_of_grant(scope, channel.id).await,
            };
            match said {
                Ok(Said::Gone) => outcome = Outcome::ReconnectNeeded,
                Ok(Said::Counts) if outcome == Outcome::NoChannel => outcome = Outcome::Granted,
                Ok(Said::Counts) => {}
                Ok(Said::Nothing) => unanswered = true,
                Ok(Said::Unreachable) => {
                    silent.insert(hook.network.clone());
                    unanswered = true;
                }
                Err(problem) => {
                    let channel = channel.id;
                    tracing::error!(%channel, %problem, "a grant could not be looked at");
                    unanswered = true;
                }
            }
        }
        let is_old = self.now().since(hook.received_at) >= PATIENCE;
        Ok(match (unanswered, is_old) {
            (false, _) => Some(outcome),
            (true, true) => Some(Outcome::Unanswered),
            (true, false) => None,
        })
    }

    /// The channels of these accounts, in every workspace, that are connected or were.
    async fn channels_of(
        &self,
        network: &str,
        accounts: Vec<String>,
    ) -> Result<Vec<(Scope, Channel)>, Problem> {
        let network = network.to_owned();
        let found = self.store.read(move |view| {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let page = Scope::rounds(view, after.as_ref(), limits::PAGE_MAX)?;
                for (_, scope) in &page {
                    let all = view.scan::<Channel>(scope, &Span::first(limits::SCAN_MAX))?;
                    let is_one = |channel: &Channel| {
                        let account = channel.account.as_ref().map(|account| &account.remote_id);
                        let lives = matches!(
                            channel.state,
                            ChannelState::Connected | ChannelState::ReconnectNeeded { .. }
                        );
                        lives
                            && channel.network == network
                            && account.is_some_and(|id| accounts.contains(id))
                    };
                    let ours = all.into_iter().map(|(_, channel)| channel).filter(is_one);
                    found.extend(ours.map(|channel| (*scope, channel)));
                }
                match page.into_iter().last() {
                    Some((slug, _)) => after = Some(slug),
                    None => return Ok(found),
                }
            }
        });
        found.await.map_err(trouble)
    }

    /// Asks the network whether the grant of a channel counts; one that is gone needs a person.
    async fn ask_of_grant(&self, scope: Scope, id: ChannelId) -> Result<Said, Problem> {
        let found = self.store.read(move |view| Found::read(view, &scope, id)).await;
        let Some(found) = found.map_err(trouble)? else { return Ok(Said::Counts) };
        if self.no_reads_before(&scope, &found.channel).await?.is_some() {
            return Ok(Said::Nothing);
        }
        let correlation = CorrelationId::new(self.rng.as_ref());
        match self.ask_whom(&scope, found, correlation).await? {
            (_, Ok(_)) => Ok(Said::Counts),
            (_, Err(CallError::Unauthorized(failure))) => {
                self.needs_reconnect(scope, id, &failure, correlation).await?;
                Ok(Said::Gone)
            }
            (_, Err(error)) => {
                let silent = matches!(error, CallError::Unreachable(_));
                let code = error.into_failure().code;
                tracing::warn!(channel = %id, code, "whether a grant is gone was not answered");
                Ok(if silent { Said::Unreachable } else { Said::Nothing })
            }
        }
    }

    /// Removes those that were handled so long ago that they need not be kept; how many.
    pub async fn expire_hooks(&self) -> Result<usize, Problem> {
        let (end, mut gone, mut after) = (self.now().minus(self.hooks.retention), 0, None);
        loop {
            let from: Option<HookId> = after;
            let span = Span::first(LOT).to(&first_of(end)).after(from.as_ref());
            let page = self.store.read(move |view| view.scan_global_span::<Hook>(&span)).await;
            let page = page.map_err(trouble)?;
            let Some((last, _)) = page.last() else { return Ok(gone) };
            after = Some(*last);
            let is_old = |hook: &Hook| hook.handled.is_some_and(|done| done.at < end);
            let old: Vec<_> = page.into_iter().filter(|(_, hook)| is_old(hook)).collect();
            if !old.is_empty() {
                gone += old.len();
                let removed = self.store.write(move |tx| Ok(remove(tx, &old)?));
                removed.await.map_err(refused)?;
            }
        }
    }
}

/// Before every id of this moment.
fn first_of(moment: Timestamp) -> HookId {
    let millis = u128::from(moment.as_millis()) << 80;
    HookId::from_bytes(millis.to_be_bytes())
}

/// With all by which they were known.
fn remove(tx: &mut Tx<'_>, rows: &[(HookId, Hook)]) -> Result<(), Error> {
    for (id, hook) in rows {
        for mark in &hook.marks {
            if tx.view().get_global::<HookMark>(mark)?.is_some_and(|row| row.hook == *id) {
                tx.delete_global::<HookMark>(mark);
            }
        }
        tx.delete_global::<Hook>(id);
    }
    Ok(())
}
