//! Pauses at every level: everything, a network, a workspace, a channel. A pause is a condition:
//! it holds deliveries back, and changes none of them.

use std::collections::{BTreeMap, BTreeSet};

use super::closing::is_closed;
use super::events::note;
use super::shown::WorkspaceShown;
use super::{Access, Change, Services, no, not_found, refused, shown, transition, trouble};
use crate::base::{CorrelationId, Problem, Timestamp, Wrong, limits};
use crate::domain::access::Manage;
use crate::domain::channel::Channel;
use crate::domain::delivery::Delivery;
use crate::domain::event::Actor;
use crate::domain::publish::{Event as PublishEvent, HoldReason, Moment, State};
use crate::domain::workspace::Workspace;
use crate::networks;
use crate::store::rows::{Attention, Pause};
use crate::store::{Error, Operator, Scope, Span, Tx, View};

/// Where a delivery is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Everything,
    Network,
    Workspace,
    Channel,
}

/// What is paused above the channels, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Pauses {
    everything: bool,
    networks: BTreeSet<String>,
    workspace: bool,
}

/// The key of the pause of everything; a network's is its word.
pub(super) const EVERYTHING: &str = "";

impl Pauses {
    pub fn read(view: &View<'_>, scope: &Scope) -> Result<Self, Error> {
        let rows = view.scan_global::<Pause>(None, networks::REGISTRY.len() + 1)?;
        let mut names: BTreeSet<String> = rows.into_iter().map(|(name, _)| name).collect();
        let paused = view.get::<Workspace>(scope, &())?.is_some_and(|w| w.paused);
        let workspace = paused || is_closed(view, scope)?;
        Ok(Self { everything: names.remove(EVERYTHING), networks: names, workspace })
    }

    /// The highest level that holds a delivery of this channel back.
    pub fn hold_back(&self, channel: Option<&Channel>, network: &str) -> Option<Level> {
        if self.everything {
            return Some(Level::Everything);
        }
        if self.networks.contains(network) {
            return Some(Level::Network);
        }
        if self.workspace {
            return Some(Level::Workspace);
        }
        channel.filter(|channel| channel.paused).map(|_| Level::Channel)
    }
}

/// Nothing more is sent to a network until a person resumes it: its credits are used up, or it does
/// not take this program's version any more.
pub(super) fn stop_network(
    tx: &mut Tx<'_>,
    network: &str,
    (why, now): (&str, Timestamp),
    correlation: CorrelationId,
) -> Result<(), Error> {
    let name = network.to_owned();
    if tx.view().get_global::<Pause>(&name)?.is_some() {
        return Ok(());
    }
    tracing::warn!(network, why, "posts to this network wait until it is resumed");
    let by = (Actor::System, correlation);
    note(tx, now, by, ("network.paused", network), &[("reason", why)])?;
    let why = Some(why.to_owned());
    tx.put_global(&name, &Pause { since: now, by: Actor::System, why })
}

impl Services {
    /// Pauses or resumes everything (`None`) or one network.
    pub async fn pause_installation(
        &self,
        (operator, correlation): (Operator, CorrelationId),
        network: Option<&str>,
        paused: bool,
    ) -> Result<(), Problem> {
        if let Some(network) = network.filter(|word| networks::named(word).is_none()) {
            let known: Vec<_> = networks::REGISTRY.iter().map(|n| n.word()).collect();
            tracing::debug!(network, "an unknown network was to be paused");
            return Err(Problem::field("network", Wrong::NotOneOf { allowed: known.join(", ") }));
        }
        let name = network.unwrap_or(EVERYTHING).to_owned();
        let row = Pause { since: self.now(), by: operator.actor(), why: None };
        let (kind, subject) = match (network, paused) {
            (None, true) => ("publishing.paused", "everything"),
            (None, false) => ("publishing.resumed", "everything"),
            (Some(network), true) => ("network.paused", network),
            (Some(network), false) => ("network.resumed", network),
        };
        let (services, subject) = (self.clone(), subject.to_owned());
        let written = self.store.write(move |tx| {
            if tx.view().get_global::<Pause>(&name)?.is_some() != paused {
                let by = (row.by.clone(), correlation);
                services.note_installation(tx, by, (kind, &subject), &[])?;
            }
            if paused {
                tx.put_global(&name, &row)?;
            } else {
                tx.delete_global::<Pause>(&name);
            }
            Ok(())
        });
        written.await.map_err(refused)?;
        match network {
            Some(network) if !paused => self.credits_are_back(network).await,
            _ => Ok(()),
        }
    }

    /// What was held because a network's credits were used up goes on.
    async fn credits_are_back(&self, network: &str) -> Result<(), Problem> {
        let mut after: Option<String> = None;
        loop {
            let from = after.take();
            let page = self.store.read(move |v| Scope::rounds(v, from.as_ref(), limits::PAGE_MAX));
            let page = page.await.map_err(trouble)?;
            for (_, scope) in &page {
                self.release(*scope, network.to_owned()).await?;
            }
            match page.into_iter().last() {
                Some((slug, _)) => after = Some(slug),
                None => return Ok(()),
            }
        }
    }

    async fn release(&self, scope: Scope, network: String) -> Result<(), Problem> {
        let (services, dice) = (self.clone(), self.rng.next_u64());
        let moment = Moment { now: self.now(), epoch: self.store.epoch(), dice };
        let change = Change {
            event: PublishEvent::Resume(HoldReason::Billing),
            moment,
            actor: Actor::System,
            note: None,
        };
        let written = self.store.write(move |tx| {
            let held = tx.view().scan::<Attention>(&scope, &Span::first(limits::SWEEP_MAX))?;
            for (id, row) in held {
                let delivery = tx.get::<Delivery>(&scope, &id)?.filter(|d| d.network == network);
                if row.state == State::Held && delivery.is_some() {
                    // Held for another reason: stays held.
                    drop(transition(tx, &scope, id, &services.timing.get(), &change)?);
                }
            }
            Ok(())
        });
        written.await.map_err(refused)
    }

    /// Networks that the program has paused itself, and why: a code of `networks::next_step`.
    pub async fn stopped_networks(&self) -> Result<BTreeMap<String, String>, Problem> {
        let limit = networks::REGISTRY.len() + 1;
        let read = self.store.read(move |view| view.scan_global::<Pause>(None, limit));
        let rows = read.await.map_err(trouble)?.into_iter();
        Ok(rows.filter_map(|(name, row)| Some((name, row.why?))).collect())
    }

    /// Whether everything is paused.
    pub async fn is_paused(&self) -> Result<bool, Problem> {
        let read = self.store.read(|view| view.get_global::<Pause>(&EVERYTHING.to_owned()));
        Ok(read.await.map_err(trouble)?.is_some())
    }

    /// The networks that are paused.
    pub async fn paused_networks(&self) -> Result<BTreeSet<String>, Problem> {
        let limit = networks::REGISTRY.len() + 1;
        let read = self.store.read(move |view| view.scan_global::<Pause>(None, limit));
        Ok(read.await.map_err(trouble)?.into_iter().map(|(name, _)| name).collect())
    }

    pub async fn pause_workspace(
        &self,
        access: Access<Manage>,
        paused: bool,
    ) -> Result<WorkspaceShown, Problem> {
        let services = self.clone();
        self.store
            .write(move |tx| {
                let Some(mut workspace) = tx.get::<Workspace>(&access.scope, &())? else {
                    return no(not_found());
                };
                workspace.paused = paused;
                tx.put(&access.scope, &(), &workspace)?;
                let kind = if paused { "workspace.paused" } else { "workspace.resumed" };
                let event = access.event(&services, kind, &workspace.id.to_string());
                tx.append_event(&access.scope, event)?;
                Ok(shown::workspace(&workspace))
            })
            .await
            .map_err(refused)
    }
}
