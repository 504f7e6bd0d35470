//! How the installation is, on one screen. Must not judge; `alerts` does.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::backups::restored_from;
use super::incidents::Incidents;
use super::{Overview, Services, approvals, trouble};
use crate::base::Problem;
use crate::domain::publish::State;
use crate::store::{Backlog, Layout};

/// How the program is, as the verb `status` says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    pub store_ok: bool,
    pub media_ok: bool,
    pub publishing: bool,
    /// Networks, or `everything`.
    pub paused: Vec<String>,
    /// Those of them that the program has paused itself, and why.
    pub stopped: BTreeMap<String, String>,
    pub paused_workspaces: u64,
    pub paused_channels: u64,
    pub late: u64,
    pub catching_up: Option<String>,
    pub being_sent: u64,
    /// In words.
    pub circuits: Vec<String>,
    pub held: u64,
    pub failed: u64,
    pub partial: u64,
    pub reconnect: u64,
    /// Posts that are due, and that nobody has let out.
    pub unapproved: u64,
    /// ample, low, scarce or out.
    pub disk: String,
    pub free_mib: Option<u64>,
    /// It was restored from a backup, and nobody has let it go on.
    pub restored: bool,
    pub last_backup: Option<String>,
    /// It should have been made again by now.
    pub backup_is_stale: bool,
    /// Times that the clock jumped within a day, and what became of it the last time.
    pub clock_jumps: u64,
    pub clock_jump: String,
    /// Workspaces whose record of events does not hold, and where.
    pub broken_chains: Vec<String>,
    /// Webhooks that were refused within an hour, and in whose name they came.
    pub hook_signatures: (u64, String),
    pub hook_challenges: (u64, String),
    /// Why nobody hears of alerts who does not come and look.
    pub nobody_is_told: Option<String>,
    pub public_url: String,
}

impl Health {
    /// From what the verb answers.
    pub fn of(answer: &Value) -> Self {
        let word = |name: &str| answer[name].as_str().unwrap_or_default();
        let words = |name: &str, field: Option<&str>| {
            let items = answer[name].as_array().into_iter().flatten();
            let text = |item: &Value| match field {
                Some(field) => item[field].as_str().map(str::to_owned),
                None => item.as_str().map(str::to_owned),
            };
            items.filter_map(text).collect()
        };
        let number = |name: &str| answer[name].as_u64().unwrap_or_default();
        let person = |name: &str| answer["waits_for_a_person"][name].as_u64().unwrap_or_default();
        let refused = |what: &str| {
            let said = &answer["hooks_refused"][what];
            let times = said["times"].as_u64().unwrap_or_default();
            (times, said["networks"].as_str().unwrap_or_default().to_owned())
        };
        Self {
            store_ok: word("store") == "ok",
            media_ok: word("media") == "ok",
            publishing: word("publishing") == "running",
            paused: words("paused", None),
            stopped: serde_json::from_value(answer["stopped"].clone()).unwrap_or_default(),
            paused_workspaces: number("paused_workspaces"),
            paused_channels: number("paused_channels"),
            late: number("late"),
            catching_up: answer["catching_up"].as_str().map(str::to_owned),
            being_sent: number("being_sent"),
            circuits: words("circuits", Some("about")),
            held: person("held"),
            failed: person("failed"),
            partial: person("partial"),
            reconnect: person("channels_to_reconnect"),
            unapproved: person("unapproved"),
            disk: answer["disk"]["state"].as_str().unwrap_or_default().to_owned(),
            free_mib: answer["disk"]["free_mib"].as_u64(),
            restored: !answer["restored"].is_null(),
            last_backup: answer["last_backup"].as_str().map(str::to_owned),
            backup_is_stale: answer["backup_is_stale"].as_bool().unwrap_or_default(),
            clock_jumps: answer["clock"]["jumps"].as_u64().unwrap_or_default(),
            clock_jump: answer["clock"]["last"].as_str().unwrap_or_default().to_owned(),
            broken_chains: words("broken_chains", None),
            hook_signatures: refused("signatures"),
            hook_challenges: refused("challenges"),
            nobody_is_told: answer["nobody_is_told"].as_str().map(str::to_owned),
            public_url: word("public_url").to_owned(),
        }
    }

    /// With the counts of the moment of these lists, so that a header says no other numbers.
    #[must_use]
    pub fn with_counts_of(self, overview: &Overview) -> Self {
        let backlog = &overview.backlog;
        let waiting = |state| backlog.attention.get(&state).copied().unwrap_or_default();
        Self {
            paused_workspaces: backlog.paused_workspaces,
            paused_channels: backlog.paused_channels,
            late: overview.overdue,
            being_sent: backlog.inflight,
            held: waiting(State::Held),
            failed: waiting(State::Failed),
            partial: waiting(State::Partial),
            reconnect: backlog.reconnect_needed,
            unapproved: overview.unapproved,
            ..self
        }
    }

    /// Deliveries that wait for a person.
    pub fn attention(&self) -> u64 {
        self.held + self.failed + self.partial
    }
}

impl Services {
    /// One screen: is it healthy, what is late, what waits for a person.
    pub(super) async fn status(&self) -> Result<Value, Problem> {
        let now = self.now();
        let (due, backlog, restored, incidents) = self
            .store
            .read(move |view| {
                let due = approvals::due(view, now)?;
                let incidents = Incidents::read(view, now)?;
                Ok((due, Backlog::read(view)?, restored_from(view)?, incidents))
            })
            .await
            .map_err(trouble)?;
        let mut paused: Vec<String> = self.paused_networks().await?.into_iter().collect();
        paused
            .iter_mut()
            .filter(|name| name.is_empty())
            .for_each(|all| "everything".clone_into(all));
        let behind = self.catching_up.get();
        let circuits = self.open_circuits();
        let circuits: Vec<_> = circuits.iter().map(super::waits::circuit).collect();
        let waiting = |state| backlog.attention.get(&state).copied().unwrap_or_default();
        let last_backup = self.last_backup().await.ok().flatten();
        let webhooks = self.hooks_ready().await?;
        let patience = self.backups.settings().patience();
        Ok(json!({
            "version": env!("CARGO_PKG_VERSION"),
            "schema": Layout::CURRENT.schema(),
            "now": now,
            "epoch": self.store.epoch(),
            "store": if self.store.is_healthy() { "ok" } else { "failing" },
            "media": if self.media_answers().await { "ok" } else { "failing" },
            "publishing": if self.is_paused().await? { "paused" } else { "running" },
            "paused": paused,
            "stopped": self.stopped_networks().await?,
            "paused_workspaces": backlog.paused_workspaces,
            "paused_channels": backlog.paused_channels,
            "late": due.late,
            "catching_up": (behind.of > 0).then(|| format!("{} of {}", behind.done, behind.of)),
            "being_sent": backlog.inflight,
            "circuits": circuits,
            "waits_for_a_person": {
                "held": waiting(State::Held),
                "failed": waiting(State::Failed),
                "partial": waiting(State::Partial),
                "channels_to_reconnect": backlog.reconnect_needed,
                "unapproved": due.unapproved,
            },
            "disk": {
                "state": self.room().word(),
                "free_mib": self.store.space().map(|space| space.free / (1024 * 1024)),
            },
            "restored": restored,
            "last_backup": last_backup,
            "backup_is_stale": last_backup.is_some_and(|made| now.since(made) > patience),
            "clock": incidents.clock.map(|(jumps, last)| json!({ "jumps": jumps, "last": last })),
            "broken_chains": incidents.chains,
            "hooks_refused": refused(incidents.signatures, incidents.challenges),
            "nobody_is_told": self.nobody_is_told().await?,
            "webhooks": webhooks,
            "public_url": self.public_url.as_ref(),
        }))
    }
}

/// Webhooks that were refused, where there were any.
fn refused(signatures: Option<(u64, String)>, challenges: Option<(u64, String)>) -> Option<Value> {
    let said = |(times, networks)| json!({ "times": times, "networks": networks });
    let any = signatures.is_some() || challenges.is_some();
    any.then(|| json!({ "signatures": signatures.map(said), "challenges": challenges.map(said) }))
}
