//! Webhooks that no network sent: counted in memory, and written down together, a few at most however
//! many they are. Must not keep anything of what came.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::incidents::{CHALLENGES, SIGNATURES, note_refused};
use super::super::{Services, refused, trouble};
use super::sender;
use crate::base::{CorrelationId, Problem, Timestamp, limits};
use crate::domain::connection::App;
use crate::domain::event::Actor;
use crate::domain::tally::Tally;
use crate::networks::{self, Inbound};
use crate::store::{Error, Scope, Tx, View};

/// Why one was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    Signature,
    Unsigned,
    /// A challenge that does not look like one: whoever sent it wants something else signed.
    Challenge,
}

impl Reason {
    const ALL: [Self; 3] = [Self::Signature, Self::Unsigned, Self::Challenge];

    fn word(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Unsigned => "unsigned",
            Self::Challenge => "challenge",
        }
    }
}

/// How many of each.
pub(super) type Counts = BTreeMap<(&'static str, Reason), u64>;

/// For one network and reason.
const EVENT_EVERY: Duration = Duration::from_mins(10);
const HOUR: Duration = Duration::from_hours(1);
/// More within an hour are no mistake any more.
const SIGNATURES_MOST: u64 = 20;

fn key(network: &str, reason: Reason) -> String {
    format!("hook.refused/{network}/{}", reason.word())
}

/// Every network that sends webhooks, with each reason.
fn all() -> impl Iterator<Item = (&'static str, Reason)> {
    senders().flat_map(|(network, _)| Reason::ALL.map(|reason| (network, reason)))
}

fn senders() -> impl Iterator<Item = (&'static str, &'static Inbound)> {
    networks::REGISTRY.iter().filter_map(|network| Some((network.word(), network.inbound()?)))
}

impl Services {
    /// Counts one; it is written down by [`Services::note_refused_hooks`].
    pub(super) fn note_refused_hook(&self, network: &'static str, reason: Reason) {
        self.metrics.hook(network, "refused");
        let first = self.hooks.counts(|counts| {
            *counts.entry((network, reason)).or_default() += 1;
            counts.len() == 1
        });
        if first {
            self.hooks.came.notify_one();
        }
        tracing::warn!(network, reason = reason.word(), "a webhook was refused");
    }

    /// Counts one that was too large to be read, and so for its signature to be looked at: whether the network
    /// sent it, nobody knows.
    pub fn note_large_hook(&self, network: &str) {
        let Ok((network, _)) = sender(network) else { return };
        self.metrics.hook(network, "too_large");
        tracing::warn!(network, most = limits::HOOK_BYTES, "a webhook was too large to be read");
    }

    /// Of each network that sends webhooks, and whose application is set: whether they can be checked, and how
    /// many were refused within an hour.
    pub(in crate::service) async fn hooks_ready(&self) -> Result<Vec<Value>, Problem> {
        let now = self.now();
        let read = self.store.read(move |view| {
            let mut all = Vec::new();
            for (network, inbound) in senders() {
                let Some(app) = view.get_global::<App>(&network.to_owned())? else { continue };
                let mut refused = 0;
                for reason in Reason::ALL {
                    refused += tally(view, network, reason)?.within(now, HOUR);
                }
                let ready = !inbound.own_secret || app.webhook_secret.is_some();
                all.push(json!({ "network": network, "ready": ready, "refused": refused }));
            }
            Ok(all)
        });
        read.await.map_err(trouble)
    }

    /// Writes down what was refused since it was last asked, and events that are due; whether there
    /// was anything.
    pub async fn note_refused_hooks(&self) -> Result<bool, Problem> {
        let (counts, now) = (self.hooks.counts(std::mem::take), self.now());
        if counts.is_empty() {
            let owed = self.store.read(move |view| {
                let owes = |(network, reason)| {
                    let mut tally = tally(view, network, reason)?;
                    Ok(tally.tell(now, 0, EVENT_EVERY).is_some())
                };
                Ok(all().map(owes).collect::<Result<Vec<_>, Error>>()?.contains(&true))
            });
            if !owed.await.map_err(trouble)? {
                return Ok(false);
            }
        }
        let (services, correlation) = (self.clone(), CorrelationId::new(self.rng.as_ref()));
        let new = counts.clone();
        let written = self.store.write(move |tx| {
            for (network, reason) in all() {
                let times = new.get(&(network, reason)).copied().unwrap_or_default();
                let mut tally = tally(&tx.view(), network, reason)?;
                let before = tally.clone();
                if let Some(times) = tally.tell(now, times, EVENT_EVERY) {
                    let (who, times) = ((Actor::System, correlation), times.to_string());
                    let data = [("network", network), ("reason", reason.word()), ("times", &times)];
                    services.note_installation(tx, who, ("hook.refused", network), &data)?;
                }
                if tally != before {
                    tx.put(&Scope::installation(), &key(network, reason), &tally)?;
                }
            }
            Ok(raise(tx, &new, now)?)
        });
        if let Err(error) = written.await {
            // They count with those that come.
            self.hooks.counts(|all| {
                for (which, times) in counts {
                    *all.entry(which).or_default() += times;
                }
            });
            return Err(refused(error));
        }
        Ok(true)
    }
}

fn tally(view: &View<'_>, network: &str, reason: Reason) -> Result<Tally, Error> {
    let tally = view.get::<Tally>(&Scope::installation(), &key(network, reason))?;
    Ok(tally.unwrap_or_default())
}

/// Makes alerts of them, and keeps those open that are.
fn raise(tx: &mut Tx<'_>, new: &Counts, now: Timestamp) -> Result<(), Error> {
    for (what, most) in [(SIGNATURES, SIGNATURES_MOST), (CHALLENGES, 0)] {
        let is_one = |reason: Reason| (reason == Reason::Challenge) == (what == CHALLENGES);
        if !new.keys().any(|(_, reason)| is_one(*reason)) {
            continue;
        }
        let (mut times, mut named) = (0, Vec::new());
        for (network, reason) in all().filter(|(_, reason)| is_one(*reason)) {
            let within = tally(&tx.view(), network, reason)?.within(now, HOUR);
            times += within;
            if within > 0 && !named.contains(&network) {
                named.push(network);
            }
        }
        note_refused(tx, what, (times, &named), times <= most, now)?;
    }
    Ok(())
}
