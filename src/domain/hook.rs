//! A webhook that a network sent: what came, and what came of it. Must not know any network.

use serde::{Deserialize, Serialize};

use crate::base::Timestamp;

/// One delivery of a network, whose signature was right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    pub network: String,
    pub received_at: Timestamp,
    /// To the byte as it came.
    pub body: Vec<u8>,
    /// Digests by which a repeat of it is known; those that another one had before are not among them.
    pub marks: Vec<[u8; 32]>,
    pub handled: Option<Handled>,
}

/// What came of it, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handled {
    pub at: Timestamp,
    pub outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Nothing had to be done.
    Kept,
    /// It told of an account that no channel has.
    NoChannel,
    /// It told of a grant that is gone, and the network says that the grant counts.
    Granted,
    /// The network says so, too: a person must connect the channel again.
    ReconnectNeeded,
    /// The network did not say whether the grant counts, for a day; the next post will find out.
    Unanswered,
}

impl Outcome {
    pub const ALL: [Self; 5] =
        [Self::Kept, Self::NoChannel, Self::Granted, Self::ReconnectNeeded, Self::Unanswered];

    pub fn word(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::NoChannel => "no_channel",
            Self::Granted => "granted",
            Self::ReconnectNeeded => "reconnect_needed",
            Self::Unanswered => "unanswered",
        }
    }
}
