//! Places: whose calls stand or fall together. Must not know what is called there.

use std::fmt;

use crate::base::ChannelId;

use super::channel::Channel;

/// A server of a network, or one account on it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The network's word, such as `mastodon`.
    pub network: String,
    /// Host, port and path, without a slash at the end.
    pub server: String,
    /// Of this channel alone.
    pub channel: Option<ChannelId>,
}

impl Place {
    /// The server of a channel, which others may share. An address that a workspace brought for
    /// one channel (a webhook) is its own: what one workspace's address does there says nothing
    /// about another's, even on the same host.
    pub fn of(channel: &Channel) -> Self {
        let server = channel.instance.as_deref().map(|url| {
            url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/').to_owned()
        });
        let handle = || channel.account.as_ref().map(|account| account.handle.clone());
        Self {
            network: channel.network.clone(),
            channel: server.is_none().then_some(channel.id),
            server: server.or_else(handle).unwrap_or_default(),
        }
    }

    /// One account there.
    #[must_use]
    pub fn account(&self, channel: ChannelId) -> Self {
        Self { channel: Some(channel), ..self.clone() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.server.as_str() {
            "" => f.write_str(&self.network),
            server => write!(f, "{}/{server}", self.network),
        }
    }
}
