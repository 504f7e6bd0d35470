//! Events: one row per change, read by everything that tells somebody. Must not hold secrets or
//! sentences; codes and parameters only.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::{CorrelationId, KeyId, Timestamp, UserId};

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

impl Actor {
    /// `key:ID`, `operator:UID`, `system` or `user:ID`.
    pub fn word(&self) -> String {
        match self {
            Self::Key(id) => format!("key:{id}"),
            Self::Operator { uid } => format!("operator:{uid}"),
            Self::System => "system".to_owned(),
            Self::User(id) => format!("user:{id}"),
        }
    }
}
