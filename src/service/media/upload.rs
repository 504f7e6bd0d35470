//! Files that come in stretches. The file itself says how much of it is there; its row says what
//! it is to become. The last stretch is kept only when the asset is, so that whoever asks is never
//! told of a whole upload without its asset.

use std::collections::BTreeMap;

use data_encoding::BASE64;

use super::super::idempotency::{recall, remember};
use super::super::{Access, Done, Services, no, not_found, refused, trouble};
use super::add::{NewAsset, Via, check_alt, room};
use super::disk;
use crate::base::{AssetId, Code, Problem, Timestamp, Wrong};
use crate::domain::access::Write;
use crate::media::Stretch;
use crate::store::rows::{AssetHome, Upload};
use crate::store::{Scope, Span, Tx, WriteError};

/// Open at a time in one workspace.
const OPEN: usize = 100;
/// The header of tus that says what a file is.
pub const METADATA: &str = "Upload-Metadata";

/// A file that is to come.
pub struct NewUpload {
    pub bytes: u64,
    /// As tus writes it: names, and values in base64.
    pub metadata: String,
}

/// How far an upload is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadShown {
    pub id: AssetId,
    pub bytes: u64,
    pub offset: u64,
    pub metadata: String,
    pub ends_at: Timestamp,
}

/// A stretch of an upload on its way.
pub struct Coming {
    shown: UploadShown,
    stretch: Stretch,
}

impl Services {
    /// Makes room for a file that is to come.
    pub async fn create_upload(
        &self,
        access: Access<Write>,
        new: NewUpload,
    ) -> Result<Done<UploadShown>, Problem> {
        let settings = *self.blobs.settings();
        if new.bytes == 0 {
            return Err(Problem::field("Upload-Length", Wrong::Empty));
        }
        if new.bytes > settings.max_bytes {
            return Err(Problem::new(Code::TooLarge).with("limit_bytes", settings.max_bytes));
        }
        check_alt(METADATA, &Told::read(&new.metadata)?.alt)?;
        let access = access.about(&[&new.bytes.to_be_bytes(), new.metadata.as_bytes()]);
        let (now, id) = (self.now(), AssetId::new(self.now(), self.rng.as_ref()));
        let ends_at = now.plus(settings.upload_life);
        let row = Upload { bytes: new.bytes, metadata: new.metadata, ends_at, done: false };
        let (access_again, enough) = (access.again(), self.room_for_more());
        let made = self.store.write(move |tx| {
            if let Some(made) = recall(tx, &access, now)? {
                let id = made.parse().map_err(|_| WriteError::Refused(not_found()))?;
                let row = live(tx, &access.scope, id, now)?;
                return Ok(Done { value: shown(id, &row, 0), replayed: true });
            }
            enough.clone().map_err(WriteError::Refused)?;
            let waiting = forget(tx, &access.scope, now)?;
            room(tx, &access.scope, waiting.saturating_add(row.bytes), settings.workspace_bytes)?;
            tx.put(&access.scope, &id, &row)?;
            tx.put_global(&id, &AssetHome { workspace: access.workspace() })?;
            remember(tx, &access, now, &id.to_string())?;
            Ok(Done { value: shown(id, &row, 0), replayed: false })
        });
        let done = made.await.map_err(refused)?;
        if done.replayed {
            let value = self.upload(&access_again, done.value.id).await?;
            return Ok(Done { value, ..done });
        }
        Ok(done)
    }

    /// How far it is.
    pub async fn upload(
        &self,
        access: &Access<Write>,
        id: AssetId,
    ) -> Result<UploadShown, Problem> {
        let row = self.upload_row(access, id).await?;
        let there = self.blobs.arrived(id).await.map_err(disk)?;
        Ok(shown(id, &row, there))
    }

    async fn upload_row(&self, access: &Access<Write>, id: AssetId) -> Result<Upload, Problem> {
        let (scope, now) = (access.scope, self.now());
        let found = self.store.read(move |view| view.get::<Upload>(&scope, &id)).await;
        found.map_err(trouble)?.filter(|row| row.ends_at > now).ok_or_else(not_found)
    }

    /// Goes on with it at `offset`.
    pub async fn go_on(
        &self,
        access: &Access<Write>,
        id: AssetId,
        offset: u64,
    ) -> Result<Coming, Problem> {
        let row = self.upload_row(access, id).await?;
        let elsewhere = |at: u64| Problem::new(Code::UploadOffset).with("offset", at);
        if row.done {
            return Err(elsewhere(row.bytes));
        }
        // From here on nobody else adds to it.
        let opened = self.blobs.stretch(id).await.map_err(disk)?;
        let mut stretch = opened.ok_or_else(|| Problem::new(Code::UploadBusy))?;
        let shown = shown(id, &row, stretch.at());
        if offset != shown.offset {
            return Err(elsewhere(shown.offset));
        }
        stretch.back_to(offset).await.map_err(disk)?;
        Ok(Coming { shown, stretch })
    }

    /// Adds what came next; refused when it is more than the upload was to have.
    pub async fn add(&self, coming: &mut Coming, piece: &[u8]) -> Result<(), Problem> {
        self.room_for_more()?;
        let more = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        if coming.stretch.at().saturating_add(more) > coming.shown.bytes {
            // Nothing of a request that is refused is kept.
            coming.stretch.back_to(coming.shown.offset).await.map_err(disk)?;
            return Err(Problem::new(Code::TooLarge).with("limit_bytes", coming.shown.bytes));
        }
        coming.stretch.push(piece).await.map_err(disk)
    }

    /// Makes what came durable; with the last byte, the asset. A file that is refused takes its
    /// upload along.
    pub async fn end_stretch(
        &self,
        access: Access<Write>,
        mut coming: Coming,
    ) -> Result<UploadShown, Problem> {
        coming.stretch.sync().await.map_err(disk)?;
        let Coming { mut shown, stretch } = coming;
        shown.offset = stretch.at();
        if shown.offset < shown.bytes {
            return Ok(shown);
        }
        let staged = stretch.staged().await.map_err(disk)?;
        let Told { name, mime, alt } = Told::read(&shown.metadata)?;
        let new = NewAsset { staged, name, mime, alt };
        let scope = access.scope;
        let made = self.keep_asset(access.repeatable(None), new, &Via::Stretches(shown.id)).await;
        match made {
            Ok(_) => self.dismiss(shown.id).await,
            Err(problem) if problem.code == Code::InvalidField => {
                self.drop_upload(scope, shown.id).await?;
                return Err(problem);
            }
            Err(problem) => return Err(problem),
        }
        drop(stretch);
        Ok(shown)
    }

    /// Gives up an upload, and what of it came. An asset that it became stays.
    pub async fn stop_upload(&self, access: Access<Write>, id: AssetId) -> Result<(), Problem> {
        let shown = self.upload(&access, id).await?;
        self.drop_upload(access.scope, shown.id).await
    }

    async fn drop_upload(&self, scope: Scope, id: AssetId) -> Result<(), Problem> {
        let dropped = self.store.write::<_, Problem, _>(move |tx| {
            if let Some(row) = tx.get::<Upload>(&scope, &id)? {
                delete(tx, &scope, id, &row);
            }
            Ok(())
        });
        dropped.await.map_err(refused)?;
        self.dismiss(id).await;
        Ok(())
    }

    /// What stays behind is removed by the worker.
    async fn dismiss(&self, id: AssetId) {
        if let Err(error) = self.blobs.dismiss(id).await {
            tracing::warn!(%error, "an uploaded file could not be removed yet");
        }
    }

    /// Removes files whose upload is over; answers how many.
    pub async fn remove_stale_uploads(&self) -> Result<usize, Problem> {
        let (now, mut removed) = (self.now(), 0);
        for id in self.blobs.arriving().await.map_err(disk)? {
            let row = self.store.read(move |view| match Scope::by_asset(view, id)? {
                Some(scope) => view.get::<Upload>(&scope, &id),
                None => Ok(None),
            });
            let row = row.await.map_err(trouble)?;
            if row.is_none_or(|row| row.done || row.ends_at <= now) {
                self.blobs.dismiss(id).await.map_err(disk)?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

/// How far it is when so many bytes are there. The last one counts when the asset is made.
fn shown(id: AssetId, row: &Upload, there: u64) -> UploadShown {
    let Upload { bytes, metadata, ends_at, done } = row.clone();
    let offset = if done { bytes } else { there.min(bytes.saturating_sub(1)) };
    UploadShown { id, bytes, offset, metadata, ends_at }
}

/// The upload, unless it is over.
fn live(
    tx: &Tx<'_>,
    scope: &Scope,
    id: AssetId,
    now: Timestamp,
) -> Result<Upload, WriteError<Problem>> {
    match tx.get::<Upload>(scope, &id)?.filter(|row| row.ends_at > now) {
        Some(row) => Ok(row),
        None => no(not_found()),
    }
}

/// In the transaction that makes the asset.
pub(super) fn finish(
    tx: &mut Tx<'_>,
    scope: &Scope,
    id: AssetId,
    now: Timestamp,
) -> Result<(), WriteError<Problem>> {
    let row = live(tx, scope, id, now)?;
    if row.done {
        return no(not_found());
    }
    Ok(tx.put(scope, &id, &Upload { done: true, ..row })?)
}

/// Forgets uploads that are over, and answers what is still to come of the others.
fn forget(tx: &mut Tx<'_>, scope: &Scope, now: Timestamp) -> Result<u64, WriteError<Problem>> {
    let (mut open, mut bytes) = (0, 0_u64);
    for (id, row) in tx.view().scan::<Upload>(scope, &Span::first(OPEN * 2))? {
        if row.ends_at <= now {
            delete(tx, scope, id, &row);
        } else if !row.done {
            open += 1;
            bytes = bytes.saturating_add(row.bytes);
        }
    }
    if open >= OPEN {
        return no(Problem::new(Code::Overloaded).with("open_uploads", open));
    }
    Ok(bytes)
}

fn delete(tx: &mut Tx<'_>, scope: &Scope, id: AssetId, row: &Upload) {
    tx.delete::<Upload>(scope, &id);
    if !row.done {
        tx.delete_global::<AssetHome>(&id);
    }
}

/// What the metadata says of the file; what else stands there does not matter.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    name: String,
    mime: Option<String>,
    alt: String,
}

impl Told {
    fn read(metadata: &str) -> Result<Self, Problem> {
        let bad = || {
            let expected = "names and values in base64, with commas: filename YS5wbmc=".to_owned();
            Problem::field(METADATA, Wrong::BadFormat { expected })
        };
        let mut values = BTreeMap::new();
        for pair in metadata.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once(' ').unwrap_or((pair, ""));
            let value = BASE64.decode(value.trim().as_bytes()).map_err(|_| bad())?;
            let value = String::from_utf8(value).map_err(|_| bad())?;
            if values.insert(name, value).is_some() {
                return Err(Problem::field(METADATA, Wrong::Twice));
            }
        }
        // The clients of the protocol have two habits.
        let mut one = |a: &str, b: &str| values.remove(a).or_else(|| values.remove(b));
        Ok(Self {
            name: one("filename", "name").unwrap_or_default(),
            mime: one("filetype", "type").filter(|mime| !mime.is_empty()),
            alt: one("alt", "description").unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_read_as_the_protocol_writes_it() {
        let told =
            Told::read("filename YS5wbmc=,type aW1hZ2UvcG5n, relativePath,alt w6k=").unwrap();
        assert_eq!(told.name, "a.png");
        assert_eq!((told.mime.as_deref(), told.alt.as_str()), (Some("image/png"), "\u{e9}"));
        assert_eq!(Told::read("").unwrap(), Told::default());
        for bad in ["filename a.png", "alt /w==", "alt YQ==,alt YQ=="] {
            assert!(Told::read(bad).is_err(), "{bad}");
        }
    }
}
