//! Channels, their sealed credentials, and the public names of feeds.

use serde::{Deserialize, Serialize};

use crate::base::{ChannelId, WorkspaceId};
use crate::domain::access::{ChannelGrant, Lack, Reach};
use crate::domain::channel::Channel;
use crate::store::record::{Global, Row, Scoped};
use crate::store::schema::Table;

impl Row for Channel {
    type Key = ChannelId;
    const TABLE: Table = Table::Channels;
    const VERSION: u8 = 1;
}

impl Scoped for Channel {
    const OF_CHANNELS: bool = true;

    fn within(self, reach: &Reach) -> Option<Self> {
        reach.sees(self.id).then_some(self)
    }

    fn lacks(&self, reach: &Reach) -> Option<Lack> {
        reach.lacks(ChannelGrant::Publish, std::iter::once(self.id))
    }
}

/// A credential, sealed by the vault under the workspace's key with this row's key path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedCredential {
    pub sealed: Vec<u8>,
}

impl Row for SealedCredential {
    type Key = ChannelId;
    const TABLE: Table = Table::Credentials;
    const VERSION: u8 = 1;
}

impl Scoped for SealedCredential {}

/// A feed that anybody may read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feed {
    pub workspace: WorkspaceId,
}

impl Row for Feed {
    type Key = ChannelId;
    const TABLE: Table = Table::Feeds;
    const VERSION: u8 = 1;
}

impl Global for Feed {}
