//! Deliveries: one post to one channel at one time, and what became of it. Must not decide
//! transitions; `domain::publish` does.

use serde::{Deserialize, Serialize};

use crate::base::{ChannelId, CorrelationId, DeliveryId, PostId, TargetId, Timestamp, limits};
use crate::domain::publish::Flow;

/// One post to one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub id: DeliveryId,
    pub post: PostId,
    pub target: TargetId,
    pub channel: ChannelId,
    pub network: String,
    /// Grows with every change; writes compare it.
    pub revision: u64,
    /// The post's content revision that this delivery sends.
    pub content_revision: u64,
    pub correlation: CorrelationId,
    /// When it was to go out, as planned; `flow.due` moves on with its parts.
    pub due: Timestamp,
    pub finished_at: Option<Timestamp>,
    pub flow: Flow,
    /// The newest attempts, readings and decisions, oldest first.
    pub notes: Vec<Note>,
}

/// Something that was tried or learnt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    pub at: Timestamp,
    pub part: u32,
    pub attempt: u32,
    pub kind: NoteKind,
    /// What it came to: `done`, `lost`, `absent`, `send_again` ...
    pub result: String,
    /// The failure's code and the network's words, if any.
    pub code: String,
    pub detail: String,
    pub status: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoteKind {
    Prepare,
    Attempt,
    Reading,
    Decision,
    /// An answer that came when it no longer counted.
    Late,
}

impl Delivery {
    /// Keeps a note; one that says the same as the last takes its place.
    pub fn note(&mut self, note: Note) {
        let same = |last: &mut Note| Note { at: note.at, ..last.clone() } == note;
        if self.notes.pop_if(same).is_some() {
            self.notes.push(note);
            return;
        }
        if self.notes.len() >= limits::NOTES_PER_DELIVERY {
            self.notes.remove(0);
        }
        self.notes.push(note);
    }
}

impl NoteKind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Attempt => "attempt",
            Self::Reading => "reading",
            Self::Decision => "decision",
            Self::Late => "late_answer",
        }
    }
}
