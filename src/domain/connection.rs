//! Connecting an account on the network's own page: this installation as an application there, the
//! way from the first click to a channel, and what was granted. Must not hold a secret in clear.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::channel::Account;
use super::event::Actor;
use crate::base::{ChannelId, ConnectionId, SessionId, Timestamp, UserId};

/// This installation as an application of one network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    /// Grows with every change.
    pub revision: u64,
    pub client_id: String,
    /// Sealed by the vault.
    pub secret: Vec<u8>,
    /// Scopes that the network does not let it ask for.
    pub without: Vec<String>,
    pub set_at: Timestamp,
    /// When its secret was changed, if it was since.
    pub rotated_at: Option<Timestamp>,
    /// What the network last said of it; nothing before it was asked.
    pub heard: Option<Heard>,
    /// What it signs webhooks with, where that is a secret of its own; sealed by the vault.
    pub webhook_secret: Option<Vec<u8>>,
}

/// What a network said of an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    pub at: Timestamp,
    /// Whether it knows id and secret.
    pub known: bool,
}

/// One try to connect an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    pub id: ConnectionId,
    pub network: String,
    /// The channel whose account is connected again; `None` for a new one.
    pub channel: Option<ChannelId>,
    /// What a new channel is called; else as its account.
    pub name: Option<String>,
    pub by: Actor,
    pub created_at: Timestamp,
    /// Nothing can be begun after that.
    pub expires_at: Timestamp,
    pub bound: Bound,
    pub stage: Stage,
    /// SHA-256 of the state that came back last: it is taken once.
    pub former: Option<[u8; 32]>,
}

/// Who alone can go on with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bound {
    /// Whoever is the first to use the link; SHA-256 of its token.
    Link([u8; 32]),
    /// A person, in the session in which it was begun.
    Session { user: UserId, session: SessionId },
    /// The browser that used the link; SHA-256 of what its cookie says.
    Browser([u8; 32]),
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    Open,
    /// Somebody is on the network's page.
    Away {
        /// SHA-256 of the state that must come back.
        state: [u8; 32],
        until: Timestamp,
        /// The verifier of the code, sealed.
        verifier: Option<Vec<u8>>,
    },
    /// They are back; what they connect must still be confirmed.
    Granted {
        offers: Vec<Offer>,
        until: Timestamp,
        /// The credential, sealed.
        sealed: Vec<u8>,
        grant: Grant,
    },
    Failed {
        why: Refused,
        at: Timestamp,
    },
    Done {
        channels: Vec<ChannelId>,
        at: Timestamp,
    },
    /// Taken back before it was used.
    Revoked {
        at: Timestamp,
    },
}

/// An account that a grant covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    pub account: Account,
    /// What it is, in a word such as `member` or `organization`; empty where there is one kind.
    pub kind: String,
    pub facts: BTreeMap<String, String>,
}

/// Why nothing came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refused {
    /// The person said no.
    Denied,
    /// The answer came in another browser or session than the one that asked.
    OtherSession,
    /// The answer came for the second time.
    Replayed,
    /// The answer came too late.
    Expired,
    /// Of another network.
    OtherNetwork,
    /// The network does not take the code.
    Code,
    /// The network does not take our application.
    App,
    /// The network does not answer.
    Unreachable,
    /// Something that publishing needs was not granted.
    Scope,
    /// It is not the account that the channel had.
    OtherAccount,
    /// The network says something else.
    Network,
}

impl Refused {
    pub const ALL: [Self; 11] = [
        Self::Denied,
        Self::OtherSession,
        Self::Replayed,
        Self::Expired,
        Self::OtherNetwork,
        Self::Code,
        Self::App,
        Self::Unreachable,
        Self::Scope,
        Self::OtherAccount,
        Self::Network,
    ];

    /// The stable word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::OtherSession => "other_session",
            Self::Replayed => "replayed",
            Self::Expired => "expired",
            Self::OtherNetwork => "other_network",
            Self::Code => "code_refused",
            Self::App => "app_refused",
            Self::Unreachable => "unreachable",
            Self::Scope => "scope_missing",
            Self::OtherAccount => "other_account",
            Self::Network => "network_refused",
        }
    }
}

/// What the account behind a channel has granted, and for how long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    pub scopes: Vec<String>,
    /// Those for reading numbers that were asked for and not granted.
    pub lacks: Vec<String>,
    pub at: Timestamp,
    /// When a person must grant anew; `None` when nobody knows.
    pub ends_at: Option<Timestamp>,
    /// When people were told that this is near.
    pub warned_at: Option<Timestamp>,
    /// A renewal was begun then, and nobody knows yet what came of it.
    pub renewing_since: Option<Timestamp>,
}

/// From the click to the answer of the network.
pub const AWAY: Duration = Duration::from_mins(15);
/// From the answer to the confirmation.
pub const CONFIRM: Duration = Duration::from_mins(15);
/// Of a link, unless it is told otherwise, and at most.
pub const LINK_LIFE: Duration = Duration::from_hours(24);
pub const LINK_LIFE_MAX: Duration = Duration::from_hours(7 * 24);
/// People are told so long before a grant ends, or a tenth of its life if that is less.
const NEAR: Duration = Duration::from_hours(35 * 24);

impl Grant {
    /// From when on people are told that the grant ends; `None` if it does not, or nobody knows.
    pub fn near_from(&self) -> Option<Timestamp> {
        let ends = self.ends_at?;
        Some(ends.minus(NEAR.min(ends.since(self.at) / 10)))
    }
}

impl Connection {
    /// `open`, `away`, `granted`, `failed`, `done`, `revoked` or `expired`.
    pub fn state(&self, now: Timestamp) -> &'static str {
        match &self.stage {
            Stage::Done { .. } => "done",
            Stage::Revoked { .. } => "revoked",
            Stage::Granted { until, .. } if now < *until => "granted",
            _ if now >= self.expires_at => "expired",
            Stage::Away { until, .. } if now < *until => "away",
            Stage::Failed { .. } => "failed",
            Stage::Open | Stage::Away { .. } | Stage::Granted { .. } => "open",
        }
    }

    /// Whether somebody can still be sent to the network.
    pub fn is_open(&self, now: Timestamp) -> bool {
        now < self.expires_at && !matches!(self.stage, Stage::Done { .. } | Stage::Revoked { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_in_time() {
        let day = |n: u64| Timestamp::from_millis(0).plus(Duration::from_hours(24 * n));
        let grant = |ends| Grant { at: day(0), ends_at: ends, ..Grant::default() };
        assert_eq!(grant(Some(day(365))).near_from(), Some(day(330)));
        assert_eq!(grant(Some(day(60))).near_from(), Some(day(54)));
        assert_eq!(grant(None).near_from(), None);
    }

    #[test]
    fn each_refusal_has_a_word_of_its_own() {
        let words: std::collections::BTreeSet<_> = Refused::ALL.map(Refused::word).into();
        assert_eq!(words.len(), Refused::ALL.len());
    }
}
