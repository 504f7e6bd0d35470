//! Assets, who needs which of them, and which objects are kept for them.

use serde::{Deserialize, Serialize};

use crate::base::{AssetId, DeliveryId, PartId, PostId, Timestamp, WorkspaceId};
use crate::domain::media::{Asset, Digest};
use crate::store::record::{Global, Row, Scoped};
use crate::store::schema::Table;

impl Row for Asset {
    type Key = AssetId;
    const TABLE: Table = Table::Assets;
    const VERSION: u8 = 1;
}

impl Scoped for Asset {}

/// Where an asset is, or an upload that becomes one: for signed addresses and for files, which name
/// no workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetHome {
    pub workspace: WorkspaceId,
}

impl Row for AssetHome {
    type Key = AssetId;
    const TABLE: Table = Table::AssetHomes;
    const VERSION: u8 = 1;
}

impl Global for AssetHome {}

/// A post that is not deleted names the asset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetUse;

impl Row for AssetUse {
    type Key = (AssetId, PostId);
    const TABLE: Table = Table::AssetUses;
    const VERSION: u8 = 1;
}

impl Scoped for AssetUse {}

/// Something needs the object: an asset, under its own id; or whoever pins it, such as a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectUse {
    /// A pin ends by itself; whoever writes one writes an [`Orphan`] of the same time with it.
    pub until: Option<Timestamp>,
}

impl Row for ObjectUse {
    type Key = (Digest, AssetId);
    const TABLE: Table = Table::ObjectUses;
    const VERSION: u8 = 1;
}

impl Scoped for ObjectUse {}

/// An object to be looked at, at a time: removed then if nothing needs it. Written before its bytes
/// are put, so that a crash leaves none behind, and with every pin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orphan;

/// An orphan as it is stored. Only the store may turn it back into an `OrphanKey`, a proof.
pub(in crate::store) type StoredOrphan = (Timestamp, WorkspaceId, Digest);

impl Row for Orphan {
    type Key = StoredOrphan;
    const TABLE: Table = Table::Orphans;
    const VERSION: u8 = 1;
}

impl Global for Orphan {}

/// An object to be looked at, at a time, in a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrphanKey {
    pub due: Timestamp,
    pub scope: crate::store::Scope,
    pub object: Digest,
}

impl OrphanKey {
    pub(in crate::store) fn stored(&self) -> StoredOrphan {
        (self.due, self.scope.workspace(), self.object)
    }

    pub(in crate::store) fn of_stored((due, workspace, object): StoredOrphan) -> Self {
        Self { due, scope: crate::store::Scope::of(workspace), object }
    }
}

/// What the media of a workspace comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaTotal {
    pub assets: u64,
    pub bytes: u64,
}

impl Row for MediaTotal {
    type Key = ();
    const TABLE: Table = Table::MediaTotals;
    const VERSION: u8 = 1;
}

impl Scoped for MediaTotal {}

/// A file that comes in stretches, under the id of the asset that it becomes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    pub bytes: u64,
    /// As its sender wrote it: `Upload-Metadata` of tus.
    pub metadata: String,
    /// Looked at no more then, whatever came.
    pub ends_at: Timestamp,
    /// The asset was made.
    pub done: bool,
}

impl Row for Upload {
    type Key = AssetId;
    const TABLE: Table = Table::Uploads;
    const VERSION: u8 = 1;
}

impl Scoped for Upload {}

/// What a network noted while it prepared a part. Kept until the delivery is over, so that no
/// retry prepares anew; of no worth for other parts and other words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preparation {
    pub part: PartId,
    pub content_revision: u64,
    pub ticket: Vec<u8>,
}

impl Row for Preparation {
    type Key = DeliveryId;
    const TABLE: Table = Table::Preparations;
    const VERSION: u8 = 1;
}

impl Scoped for Preparation {}
