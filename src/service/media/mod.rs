//! Assets: bringing, listing, describing, removing, and what of them a post may name. Bytes are put
//! before the row that names them, and removed after it. Must not read what is in a file; the
//! `media` room does.

mod add;
mod change;
mod garbage;
mod import;
mod link;
mod shown;
mod upload;

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::{Either, select};

use super::shown::Page;
use super::{Access, Services, not_found, trouble};
use crate::base::{AssetId, Code, PostId, Problem, Wrong, limits};
use crate::domain::access::Right;
use crate::domain::delivery::Delivery;
use crate::domain::media::{Asset, Assets, Digest};
use crate::domain::post::{PartDraft, Post};
use crate::domain::publish::{Part, Phase};
use crate::media::{self, Blob, NotKept, Staged, Staging};
use crate::networks;
use crate::store::rows::AssetUse;
use crate::store::{Error, Scope, Span, Tx, View, WriteError};

pub use add::NewAsset;
pub use change::AssetChange;
pub use import::NewImport;
pub use shown::AssetShown;
pub use upload::{Coming, METADATA, NewUpload, UploadShown};

/// For an object store to say anything.
const ANSWER: Duration = Duration::from_secs(5);

impl Services {
    /// Whether what keeps the bytes of media answers.
    pub async fn media_answers(&self) -> bool {
        let asked = std::pin::pin!(self.blobs.check());
        match select(asked, self.clock.sleep(ANSWER)).await {
            Either::Left((answer, _)) => answer.is_ok(),
            Either::Right(_) => false,
        }
    }

    /// A file to be filled, and then given to [`Services::add_asset`].
    pub async fn stage(&self) -> Result<Staging, Problem> {
        self.room_for_more()?;
        self.blobs.stage().await.map_err(disk)
    }

    /// Fills it with what came next; refused when that is too much for one file.
    pub async fn fill(&self, staging: &mut Staging, piece: &[u8]) -> Result<(), Problem> {
        self.room_for_more()?;
        let pushed = staging.push(piece).await.map_err(disk)?;
        pushed.map_err(|long| Problem::new(Code::TooLarge).with("limit_bytes", long.max))
    }

    /// Nothing more will come.
    pub async fn staged(&self, staging: Staging) -> Result<Staged, Problem> {
        staging.finish().await.map_err(disk)
    }

    /// The workspace's assets, newest first.
    pub async fn assets<R: Right>(
        &self,
        access: &Access<R>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<AssetShown>, Problem> {
        let scope = access.scope;
        let after = cursor.map(super::shown::cursor_key::<AssetId>).transpose()?;
        let span = Span::last(limit).after(after.as_ref());
        let rows = self.store.read(move |view| view.scan::<Asset>(&scope, &span)).await;
        let rows = rows.map_err(trouble)?;
        let next = rows.last().filter(|_| rows.len() == limit);
        let next = next.map(|(id, _)| super::shown::cursor_of(id.as_bytes()));
        Ok(Page { items: rows.iter().map(|(_, asset)| shown::asset(asset)).collect(), next })
    }

    pub async fn asset<R: Right>(
        &self,
        access: &Access<R>,
        id: AssetId,
    ) -> Result<AssetShown, Problem> {
        Ok(shown::asset(&self.asset_row(access, id).await?))
    }

    /// The bytes of an asset, or of its thumbnail.
    pub async fn asset_blob<R: Right>(
        &self,
        access: &Access<R>,
        id: AssetId,
        thumbnail: bool,
    ) -> Result<(Asset, Blob), Problem> {
        let asset = self.asset_row(access, id).await?;
        let (object, bytes) = match (&asset.thumbnail, thumbnail) {
            (_, false) => (&asset.object, asset.shape.bytes),
            (Some(small), true) => (&small.object, small.bytes),
            (None, true) => return Err(not_found()),
        };
        let blob = self.blobs.blob(access.workspace(), object, bytes);
        Ok((asset, blob))
    }

    async fn asset_row<R: Right>(&self, access: &Access<R>, id: AssetId) -> Result<Asset, Problem> {
        let scope = access.scope;
        let found = self.store.read(move |view| view.get::<Asset>(&scope, &id)).await;
        found.map_err(trouble)?.ok_or_else(not_found)
    }
}

/// The disk's trouble in a caller's words; what it said is only logged.
#[expect(clippy::needless_pass_by_value, reason = "handed to map_err")]
pub(super) fn disk(error: media::Error) -> Problem {
    tracing::error!(%error, "media could not be kept or read");
    Problem::new(if is_full(&error) { Code::DiskFull } else { Code::MediaUnavailable })
}

/// Whether anything under an error is a full disk.
fn is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|io| io.kind() == std::io::ErrorKind::StorageFull)
        || error.source().is_some_and(is_full)
}

fn not_kept(field: &str, refused: NotKept) -> Problem {
    match refused {
        NotKept::Failed(error) => disk(error),
        NotKept::Refused(refusal) => {
            let wrong = Wrong::BadFile { word: refusal.word(), why: refusal.to_string() };
            Problem::field(field, wrong)
        }
    }
}

/// Every part that a post has, for any channel.
fn parts(post: &Post) -> impl Iterator<Item = &PartDraft> {
    let variants = post.variants.values().filter_map(|variant| variant.parts.as_ref());
    std::iter::once(&post.parts).chain(variants).flatten()
}

/// The assets that a post names; what is no id names none.
fn named(post: &Post) -> BTreeSet<AssetId> {
    let most = limits::MEDIA_PER_PART * limits::PARTS_PER_POST;
    parts(post).flat_map(|part| &part.media).filter_map(|id| id.parse().ok()).take(most).collect()
}

/// Reads the assets that a post names; one that is not there is simply missing.
pub(super) fn assets_of(view: &View<'_>, scope: &Scope, post: &Post) -> Result<Assets, Error> {
    let mut found = Assets::new();
    for id in named(post) {
        if let Some(asset) = view.get::<Asset>(scope, &id)? {
            found.insert(id, asset);
        }
    }
    Ok(found)
}

/// Brings what the store knows of a post's assets in line with the post. Refuses when one that it
/// newly names is gone.
pub(super) fn follow(
    tx: &mut Tx<'_>,
    scope: &Scope,
    before: Option<&Post>,
    after: &Post,
) -> Result<(), WriteError<Problem>> {
    let old = before.map(named).unwrap_or_default();
    let needed = after.deleted_at.is_none() || is_read_here(tx, scope, after)?;
    let new = if needed { named(after) } else { BTreeSet::new() };
    let key = |id: &AssetId| -> (AssetId, PostId) { (*id, after.id) };
    for id in old.difference(&new) {
        tx.delete::<AssetUse>(scope, &key(id));
    }
    for id in new.difference(&old) {
        if tx.get::<Asset>(scope, id)?.is_none() {
            return super::no(Problem::field("parts", Wrong::NotFound));
        }
        tx.put(scope, &key(id), &AssetUse)?;
    }
    Ok(())
}

/// Whether something of the post is out, and is read from here: that stays, deleted or not.
fn is_read_here(tx: &Tx<'_>, scope: &Scope, post: &Post) -> Result<bool, Error> {
    for id in post.targets.iter().filter_map(|target| target.delivery) {
        let Some(row) = tx.get::<Delivery>(scope, &id)? else { continue };
        let here = networks::named(&row.network).is_some_and(networks::Network::is_served_here);
        let out = |part: &Part| matches!(part.phase, Phase::Published(_));
        if here && row.flow.parts.iter().any(out) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What an asset needs kept.
fn objects(asset: &Asset) -> impl Iterator<Item = Digest> {
    std::iter::once(asset.object).chain(asset.thumbnail.as_ref().map(|small| small.object))
}
