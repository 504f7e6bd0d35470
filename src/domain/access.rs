//! Rights and scopes: what a key may do, as types, so that a use case names its right in its
//! signature. Must not look anything up.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::base::{KeyId, Timestamp};

/// What a key was made for. Each but `metrics` includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    Read,
    Write,
    Publish,
    Admin,
    Metrics,
}

impl Scope {
    pub const ALL: [Self; 5] = [Self::Read, Self::Write, Self::Publish, Self::Admin, Self::Metrics];

    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Publish => "publish",
            Self::Admin => "admin",
            Self::Metrics => "metrics",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.word() == word)
    }

    fn includes(self, other: Self) -> bool {
        self == other || (self != Self::Metrics && other != Self::Metrics && self > other)
    }
}

/// A right, as a type: `service` asks for one in every use case.
pub trait Right: Send + Sync + 'static {
    const NEEDS: Scope;
}

/// See everything of the workspace.
pub struct Read;
/// Write, schedule and cancel posts, and decide on held deliveries.
pub struct Write;
/// Connect and change channels, make keys.
pub struct Manage;

impl Right for Read {
    const NEEDS: Scope = Scope::Read;
}
impl Right for Write {
    const NEEDS: Scope = Scope::Write;
}
impl Right for Manage {
    const NEEDS: Scope = Scope::Admin;
}

/// An API key, without its secret: that was shown once and only its hash is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    pub id: KeyId,
    pub name: String,
    pub scopes: BTreeSet<Scope>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

impl Key {
    pub fn allows(&self, needed: Scope) -> bool {
        self.scopes.iter().any(|s| s.includes(needed))
    }

    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_include_the_lesser_ones_but_metrics_stands_alone() {
        assert!(Scope::Admin.includes(Scope::Write));
        assert!(Scope::Write.includes(Scope::Read));
        assert!(!Scope::Read.includes(Scope::Write));
        assert!(!Scope::Admin.includes(Scope::Metrics));
        assert!(!Scope::Metrics.includes(Scope::Read));
    }
}
