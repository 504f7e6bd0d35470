//! Timers: the truth about what must be looked at, and when. The wheel only caches it.

use serde::{Deserialize, Serialize};

use crate::base::{DeliveryId, Timestamp, WorkspaceId};
use crate::store::key::{Fixed, Key, KeyBytes};
use crate::store::record::{Global, Row};
use crate::store::schema::Table;
use crate::store::{Error, Scope, View};

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimerKind {
    Delivery,
}

impl Key for TimerKind {
    fn encode(&self, out: &mut KeyBytes) {
        match self {
            Self::Delivery => out.push(1),
        }
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        match u8::decode(bytes)? {
            1 => Some(Self::Delivery),
            _ => None,
        }
    }
}

impl Fixed for TimerKind {}

/// One timer. Whoever holds it may enter the workspace that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimerKey {
    pub due: Timestamp,
    pub kind: TimerKind,
    pub scope: Scope,
    pub id: [u8; 16],
}

impl TimerKey {
    pub fn of_delivery(due: Timestamp, scope: Scope, id: DeliveryId) -> Self {
        Self { due, kind: TimerKind::Delivery, scope, id: *id.as_bytes() }
    }

    /// The timer of a delivery, if it stands.
    pub fn standing(
        view: &View<'_>,
        (due, workspace, delivery): (Timestamp, WorkspaceId, DeliveryId),
    ) -> Result<Option<Self>, Error> {
        let stored = (due, TimerKind::Delivery, workspace, *delivery.as_bytes());
        Ok(view.get_global::<Timer>(&stored)?.map(|Timer| Self::of_stored(stored)))
    }

    pub fn delivery(&self) -> DeliveryId {
        DeliveryId::from_bytes(self.id)
    }
}

/// A timer as it is stored. Only the store may turn it back into a [`TimerKey`], which is a proof.
pub(in crate::store) type StoredTimer = (Timestamp, TimerKind, WorkspaceId, [u8; 16]);

impl TimerKey {
    pub(in crate::store) fn stored(&self) -> StoredTimer {
        (self.due, self.kind, self.scope.workspace(), self.id)
    }

    pub(in crate::store) fn of_stored((due, kind, workspace, id): StoredTimer) -> Self {
        Self { due, kind, scope: Scope::of(workspace), id }
    }
}

/// A timer carries no more than its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timer;

impl Row for Timer {
    type Key = StoredTimer;
    const TABLE: Table = Table::Timers;
    const VERSION: u8 = 1;
}

impl Global for Timer {}
