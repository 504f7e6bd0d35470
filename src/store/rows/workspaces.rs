//! Workspaces, their slugs and their wrapped data keys.

use serde::{Deserialize, Serialize};

use crate::base::WorkspaceId;
use crate::domain::workspace::{Closing, Erasure, Workspace};
use crate::store::record::{Global, Row, Scoped};
use crate::store::schema::Table;

impl Row for Workspace {
    type Key = ();
    const TABLE: Table = Table::Workspaces;
    const VERSION: u8 = 1;
}

impl Scoped for Workspace {}

/// A slug is taken by one workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slug {
    pub workspace: WorkspaceId,
}

impl Row for Slug {
    type Key = String;
    const TABLE: Table = Table::Slugs;
    const VERSION: u8 = 1;
}

impl Global for Slug {}

/// The workspace's data key, wrapped by the vault under the installation's keyring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrappedKey {
    pub wrapped: Vec<u8>,
}

impl Row for WrappedKey {
    type Key = ();
    const TABLE: Table = Table::WorkspaceKeys;
    const VERSION: u8 = 1;
}

impl Scoped for WrappedKey {}

impl Row for Closing {
    type Key = ();
    const TABLE: Table = Table::Closings;
    const VERSION: u8 = 1;
}

impl Scoped for Closing {}

impl Row for Erasure {
    /// The id that the workspace had.
    type Key = WorkspaceId;
    const TABLE: Table = Table::Erasures;
    const VERSION: u8 = 1;
}

impl Global for Erasure {}
