//! Events as they are shown and exported: one shape, from which the stored bytes and so the hash
//! can be made again. Must not leave out what the hash is made of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::base::{Timestamp, WorkspaceId};
use crate::domain::chain::{Fault, Head, Link, hex, unhex};
use crate::domain::event::{Actor, Event};
use crate::store::rows::{Chained, ChainedEvent};

/// One event of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventShown {
    /// Counts from 1, without gaps.
    pub sequence: u64,
    pub at: String,
    /// `key:ID`, `user:ID`, `operator:UID` or `system`.
    pub actor: String,
    pub kind: String,
    /// The id of what changed.
    pub subject: String,
    pub data: BTreeMap<String, String>,
    pub correlation_id: String,
    #[schema(format = "uuid")]
    pub workspace: String,
    /// The hash of the event before it, in hex.
    pub previous: String,
    /// SHA-256 of this event as it is stored, `previous` included.
    pub hash: String,
}

impl EventShown {
    pub(super) fn of(workspace: WorkspaceId, chained: &Chained) -> Self {
        let ChainedEvent { previous, event } = &chained.row;
        Self {
            sequence: chained.sequence,
            at: event.at.to_string(),
            actor: event.actor.word(),
            kind: event.kind.clone(),
            subject: event.subject.clone(),
            data: event.data.clone(),
            correlation_id: event.correlation.to_string(),
            workspace: workspace.to_string(),
            previous: hex(previous),
            hash: hex(&chained.hash),
        }
    }

    /// What the chain sees of it, and the workspace it says it is of; `None` when it is no event.
    pub(super) fn link(self) -> Option<(WorkspaceId, Link)> {
        let (previous, hash) = (unhex(&self.previous)?, unhex(&self.hash)?);
        let event = Event {
            at: Timestamp::parse(&self.at)?,
            actor: Actor::from_word(&self.actor)?,
            kind: self.kind,
            subject: self.subject,
            data: self.data,
            correlation: self.correlation_id.parse().ok()?,
        };
        let sound = ChainedEvent { previous, event }.hash().ok()? == hash;
        let link = Link { sequence: self.sequence, previous, hash, sound };
        Some((self.workspace.parse().ok()?, link))
    }
}

/// What a walk over the whole chain came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckShown {
    /// Nothing was changed, cut out, moved or added.
    pub whole: bool,
    pub events: u64,
    /// Its end, to be noted down elsewhere; or what is wrong first, and with which number.
    pub head: Option<String>,
    pub wrong: Option<&'static str>,
    pub number: Option<u64>,
}

impl CheckShown {
    pub(super) fn of(events: u64, verdict: Result<Head, Fault>) -> Self {
        let fault = verdict.err();
        Self {
            whole: verdict.is_ok(),
            events,
            head: verdict.ok().map(|head| head.to_string()),
            wrong: fault.map(|fault| fault.what.word()),
            number: fault.map(|fault| fault.sequence),
        }
    }
}

/// The end of a chain at this moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HeadShown {
    #[schema(format = "uuid")]
    pub workspace: String,
    /// Of the last event; 0 when there is none.
    pub sequence: u64,
    /// Of the last event, in hex.
    pub hash: String,
    /// Both, as `carillon event verify --head` takes it.
    pub head: String,
}

impl HeadShown {
    pub(super) fn of(workspace: WorkspaceId, head: Head) -> Self {
        Self {
            workspace: workspace.to_string(),
            sequence: head.sequence,
            hash: hex(&head.hash),
            head: head.to_string(),
        }
    }
}
