//! Hosts, what each has made by its own names, and the bearers of its pages.

use serde::{Deserialize, Serialize};

use crate::base::{HostId, SessionId, UserId, WorkspaceId};
use crate::domain::host::{EmbedSession, Host};
use crate::store::record::{Global, Row};
use crate::store::schema::Table;

impl Row for Host {
    type Key = HostId;
    const TABLE: Table = Table::Hosts;
    const VERSION: u8 = 1;
}

impl Global for Host {}

/// Whose key this is, under the key's SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostKey {
    pub host: HostId,
}

impl Row for HostKey {
    type Key = [u8; 32];
    const TABLE: Table = Table::HostKeys;
    const VERSION: u8 = 1;
}

impl Global for HostKey {}

/// A user whom a host made, under the host's own name for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostedUser {
    pub user: UserId,
}

impl Row for HostedUser {
    type Key = (HostId, String);
    const TABLE: Table = Table::HostedUsers;
    const VERSION: u8 = 1;
}

impl Global for HostedUser {}

/// A workspace that a host made, under the host's own name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostedWorkspace {
    pub workspace: WorkspaceId,
}

impl Row for HostedWorkspace {
    type Key = (HostId, String);
    const TABLE: Table = Table::HostedWorkspaces;
    const VERSION: u8 = 1;
}

impl Global for HostedWorkspace {}

impl Row for EmbedSession {
    /// In order of making, so that what is over lies in front.
    type Key = SessionId;
    const TABLE: Table = Table::EmbedSessions;
    const VERSION: u8 = 1;
}

impl Global for EmbedSession {}

/// Which session this is the bearer of, under the bearer's SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbedToken {
    pub session: SessionId,
}

impl Row for EmbedToken {
    type Key = [u8; 32];
    const TABLE: Table = Table::EmbedTokens;
    const VERSION: u8 = 1;
}

impl Global for EmbedToken {}
