//! Events: one row per change, read by everything that tells somebody. Must not hold secrets or
//! sentences; codes and parameters only.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::{CorrelationId, HostId, KeyId, Timestamp, UserId};

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Actor {
    Key(KeyId),
    /// Somebody on the admin socket, by the uid that the kernel vouches for.
    Operator {
        uid: u32,
    },
    /// The program itself.
    System,
    /// A person, through a session of theirs or a page that a host embeds.
    User(UserId),
    /// A product that embeds this installation.
    Host(HostId),
}

/// One change, or one attempt at what is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub at: Timestamp,
    pub actor: Actor,
    /// `noun.happening`, such as `post.created` or `delivery.armed`.
    pub kind: String,
    /// The id of what changed.
    pub subject: String,
    pub data: BTreeMap<String, String>,
    pub correlation: CorrelationId,
}

/// Steps on a delivery's way, and of who comes; what comes of them is told by another event.
const STEPS: &[&str] = &[
    "delivery.scheduled",
    "delivery.preparing",
    "delivery.armed",
    "delivery.unknown",
    "user.signed_in",
    "user.signed_out",
    "key.elsewhere",
];

/// Nouns of events that come of looking and of being let in, not of a change.
const NOISE: &[&str] = &["access", "event", "operator", "session", "sign_in"];

/// Whether people want to read of it: a change that somebody made, or what became of a post.
pub fn is_activity(kind: &str) -> bool {
    let noun = kind.split('.').next().unwrap_or_default();
    !NOISE.contains(&noun) && !STEPS.contains(&kind)
}

impl Actor {
    /// `key:ID`, `operator:UID`, `system`, `user:ID` or `host:ID`.
    pub fn word(&self) -> String {
        match self {
            Self::Key(id) => format!("key:{id}"),
            Self::Operator { uid } => format!("operator:{uid}"),
            Self::System => "system".to_owned(),
            Self::User(id) => format!("user:{id}"),
            Self::Host(id) => format!("host:{id}"),
        }
    }

    /// The actor of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        if word == "system" {
            return Some(Self::System);
        }
        let (kind, rest) = word.split_once(':')?;
        match kind {
            "key" => rest.parse().ok().map(Self::Key),
            "user" => rest.parse().ok().map(Self::User),
            "host" => rest.parse().ok().map(Self::Host),
            "operator" => rest.parse().ok().map(|uid| Self::Operator { uid }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each; a new kind does not compile without being added here.
    fn actors() -> Vec<Actor> {
        let all = vec![
            Actor::Key(KeyId::from_bytes([7; 16])),
            Actor::Operator { uid: 1_000 },
            Actor::System,
            Actor::User(UserId::from_bytes([8; 16])),
            Actor::Host(HostId::from_bytes([9; 16])),
        ];
        for actor in &all {
            match actor {
                Actor::Key(_)
                | Actor::Operator { .. }
                | Actor::System
                | Actor::User(_)
                | Actor::Host(_) => {}
            }
        }
        all
    }

    #[test]
    fn activity_is_what_changed_and_what_became_of_posts() {
        for kind in ["post.created", "delivery.published", "delivery.held", "key.revoked"] {
            assert!(is_activity(kind), "{kind}");
        }
        for kind in ["operator.entered", "access.denied", "delivery.armed", "event.exported"] {
            assert!(!is_activity(kind), "{kind}");
        }
    }

    #[test]
    fn actors_are_read_as_they_are_written() {
        for actor in actors() {
            assert_eq!(Actor::from_word(&actor.word()), Some(actor.clone()), "{actor:?}");
        }
        for bad in ["", "key", "key:x", "operator:-1", "system:", "nobody:1"] {
            assert_eq!(Actor::from_word(bad), None, "{bad}");
        }
    }
}
