//! Channels: connected accounts. Must not hold credentials; those are sealed apart.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::{ChannelId, Timestamp};

/// A connected account on a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    pub id: ChannelId,
    pub revision: u64,
    pub created_at: Timestamp,
    /// The network's word, such as `mastodon`.
    pub network: String,
    pub name: String,
    pub state: ChannelState,
    pub paused: bool,
    /// The address of the server, for networks that have many.
    pub instance: Option<String>,
    pub account: Option<Account>,
    /// Facts read from the network that rule publishing, such as its length limit.
    pub facts: BTreeMap<String, String>,
    /// How late a post may still go out here; `None`: the workspace's.
    pub grace: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChannelState {
    Connected,
    /// Registered with the network; a person must still bring the code.
    Connecting {
        authorize_url: String,
    },
    /// The network refuses the credential; `code` says how.
    ReconnectNeeded {
        since: Timestamp,
        code: String,
    },
    /// Disconnected by a person; kept for its history.
    Removed {
        since: Timestamp,
    },
}

/// Who the channel speaks as, in the network's own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub remote_id: String,
    pub handle: String,
    pub url: Option<String>,
}

impl ChannelState {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Connecting { .. } => "connecting",
            Self::ReconnectNeeded { .. } => "reconnect_needed",
            Self::Removed { .. } => "removed",
        }
    }
}
