//! What the practice networks have done: the accepted side effects, which are the oracle of every
//! test, and the requests that came. Must not be rewritten; entries are only added.

use serde::Serialize;

use super::Act;
use crate::base::{SeededRng, Timestamp};

/// One accepted side effect. An idempotent repeat adds none.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct JournalEntry {
    pub at: Timestamp,
    pub host: String,
    /// The name of the account that did it.
    pub account: String,
    #[serde(flatten)]
    pub effect: Effect,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    StatusCreated {
        id: String,
        text: String,
        in_reply_to_id: Option<String>,
        idempotency_key: Option<String>,
        /// The caller's `X-Correlation-Id`, if it sent one.
        correlation: Option<String>,
    },
    StatusEdited {
        id: String,
        text: String,
    },
    StatusDeleted {
        id: String,
    },
    MediaUploaded {
        id: String,
        mime: String,
        bytes: usize,
    },
}

/// One request as it came. The query and the headers are left out: they may hold tokens.
#[derive(Clone, Debug, Serialize)]
pub struct RequestLine {
    pub at: Timestamp,
    pub host: String,
    pub method: String,
    pub path: String,
    /// The status that was sent; `None` when the connection was closed instead.
    pub status: Option<u16>,
    pub fault: Option<Act>,
}

/// What an instance needs to answer one request, besides its own state.
pub(super) struct Moment<'a> {
    pub now: Timestamp,
    pub host: &'a str,
    /// The name that was called, which may be another name of the same instance.
    pub called: &'a str,
    pub rng: &'a SeededRng,
    pub journal: &'a mut Vec<JournalEntry>,
}

impl Moment<'_> {
    pub(super) fn note(&mut self, account: &str, effect: Effect) {
        self.journal.push(JournalEntry {
            at: self.now,
            host: self.host.to_owned(),
            account: account.to_owned(),
            effect,
        });
    }
}
