//! Pauses at every level: everything, a network, a workspace, a channel. A pause is a condition:
//! it holds deliveries back, and changes none of them.

use std::collections::BTreeSet;

use super::closing::is_closed;
use super::shown::WorkspaceShown;
use super::{Access, Services, no, not_found, refused, shown, trouble};
use crate::base::{ChannelId, Problem, Wrong};
use crate::domain::access::Manage;
use crate::domain::channel::Channel;
use crate::domain::workspace::Workspace;
use crate::networks;
use crate::store::rows::Pause;
use crate::store::{Error, Operator, Scope, View};

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
    pub fn hold_back(
        &self,
        view: &View<'_>,
        scope: &Scope,
        channel: ChannelId,
        network: &str,
    ) -> Result<Option<Level>, Error> {
        if self.everything {
            return Ok(Some(Level::Everything));
        }
        if self.networks.contains(network) {
            return Ok(Some(Level::Network));
        }
        if self.workspace {
            return Ok(Some(Level::Workspace));
        }
        let channel = view.get::<Channel>(scope, &channel)?;
        Ok(channel.filter(|channel| channel.paused).map(|_| Level::Channel))
    }
}

impl Services {
    /// Pauses or resumes everything (`None`) or one network.
    pub async fn pause_installation(
        &self,
        operator: Operator,
        network: Option<&str>,
        paused: bool,
    ) -> Result<(), Problem> {
        if let Some(network) = network.filter(|word| networks::named(word).is_none()) {
            let known: Vec<_> = networks::REGISTRY.iter().map(|n| n.word()).collect();
            tracing::debug!(network, "an unknown network was to be paused");
            return Err(Problem::field("network", Wrong::NotOneOf { allowed: known.join(", ") }));
        }
        let name = network.unwrap_or(EVERYTHING).to_owned();
        let row = Pause { since: self.now(), by: operator.actor() };
        self.store
            .write(move |tx| {
                if paused {
                    tx.put_global(&name, &row)?;
                } else {
                    tx.delete_global::<Pause>(&name);
                }
                Ok(())
            })
            .await
            .map_err(refused)
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
