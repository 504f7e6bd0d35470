//! What was noticed once and does not show by itself later on: jumps of the clock, chains of events that
//! do not hold, and webhooks that no network sent. It is an alert until it is over. Must not look for any.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::{Timestamp, WorkspaceId, limits};
use crate::domain::chain::Fault;
use crate::store::rows::Incident;
use crate::store::{Error, Tx, View};

const CLOCK: &str = "clock";
const CHAIN: &str = "chain/";
/// Webhooks with a wrong signature or none, and challenges that no network sends.
pub const SIGNATURES: &str = "hook/signatures";
pub const CHALLENGES: &str = "hook/challenges";

/// Shorter jumps are those of a time server that sets a clock right.
const JUMP: Duration = Duration::from_mins(1);
/// So long it is told.
const TOLD: Duration = Duration::from_hours(24);
const HOOKS_TOLD: Duration = Duration::from_hours(1);

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Incidents {
    /// How often the clock jumped, and what became of it the last time.
    pub clock: Option<(u64, String)>,
    /// Workspaces, and where the chain of each does not hold.
    pub chains: Vec<String>,
    /// How many webhooks were refused, and in whose name they came.
    pub signatures: Option<(u64, String)>,
    pub challenges: Option<(u64, String)>,
}

impl Incidents {
    pub fn read(view: &View<'_>, now: Timestamp) -> Result<Self, Error> {
        let mut all = Self::default();
        for (key, Incident { at, data }) in view.scan_global::<Incident>(None, limits::PAGE_MAX)? {
            let said = |name: &str| data.get(name).map_or("", String::as_str);
            if key == CLOCK && now.since(at) < TOLD {
                let by = Duration::from_secs(said("seconds").parse().unwrap_or_default());
                let last = format!("{} by {}, at {at}", said("direction"), spell(by));
                all.clock = Some((said("times").parse().unwrap_or(1), last));
            } else if key.starts_with(CHAIN) {
                all.chains.push(format!("{}, event {}", said("slug"), said("event")));
            } else if now.since(at) < HOOKS_TOLD {
                let refused =
                    || Some((said("times").parse().unwrap_or(1), said("networks").to_owned()));
                match key.as_str() {
                    SIGNATURES => all.signatures = refused(),
                    CHALLENGES => all.challenges = refused(),
                    _ => {}
                }
            }
        }
        Ok(all)
    }
}

/// As people say it, to the minute: `5 h`, `1 h 1 min`, `20 min`.
fn spell(by: Duration) -> String {
    let minutes = by.as_secs().saturating_add(30) / 60;
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

/// Notes that the wall clock jumped, if it is worth a word.
pub fn note_jump(
    tx: &mut Tx<'_>,
    direction: &str,
    by: Duration,
    now: Timestamp,
) -> Result<(), Error> {
    if by < JUMP {
        return Ok(());
    }
    let before = tx.view().get_global::<Incident>(&CLOCK.to_owned())?;
    let before = before.filter(|row| now.since(row.at) < TOLD);
    let times = before.and_then(|row| row.data.get("times")?.parse::<u64>().ok()).unwrap_or(0);
    let data = [
        ("direction", direction.to_owned()),
        ("seconds", by.as_secs().to_string()),
        ("times", times.saturating_add(1).to_string()),
    ];
    let data = data.map(|(name, value)| (name.to_owned(), value)).into();
    tx.put_global(&CLOCK.to_owned(), &Incident { at: now, data })
}

/// Notes that webhooks were refused: so many within the hour, in the name of these networks. With
/// `over`, only if that is noted already.
pub fn note_refused(
    tx: &mut Tx<'_>,
    what: &str,
    (times, networks): (u64, &[&str]),
    over: bool,
    now: Timestamp,
) -> Result<(), Error> {
    let key = what.to_owned();
    if over {
        let before = tx.view().get_global::<Incident>(&key)?;
        if before.is_none_or(|row| now.since(row.at) >= HOOKS_TOLD) {
            return Ok(());
        }
    }
    let data = [("times", times.to_string()), ("networks", networks.join(", "))];
    let data = data.map(|(name, value)| (name.to_owned(), value)).into();
    tx.put_global(&key, &Incident { at: now, data })
}

/// A chain that does not hold: of which workspace, what it is called, and what is wrong.
pub type Broken = BTreeMap<WorkspaceId, (String, Fault)>;

/// Notes the chains that do not hold; those that are new. With `all`, every other one holds.
pub fn note_chains(
    tx: &mut Tx<'_>,
    broken: &Broken,
    all: bool,
    now: Timestamp,
) -> Result<Vec<WorkspaceId>, Error> {
    let key = |id: &WorkspaceId| format!("{CHAIN}{id}");
    let noted = tx.view().scan_global::<Incident>(None, limits::PAGE_MAX)?;
    let past = noted.iter().map(|(key, _)| key).filter(|it| {
        let holds = broken.keys().all(|id| key(id) != **it);
        all && holds && it.starts_with(CHAIN)
    });
    for past in past {
        tx.delete_global::<Incident>(past);
    }
    let mut new = Vec::new();
    for (id, (slug, fault)) in broken {
        if noted.iter().any(|(noted, _)| *noted == key(id)) {
            continue;
        }
        let data = [
            ("slug", slug.clone()),
            ("event", fault.sequence.to_string()),
            ("wrong", fault.what.word().to_owned()),
        ];
        let data = data.map(|(name, value)| (name.to_owned(), value)).into();
        tx.put_global(&key(id), &Incident { at: now, data })?;
        new.push(*id);
    }
    Ok(new)
}
