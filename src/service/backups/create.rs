//! Making a backup of the running installation. Must not hold up writers: it reads a snapshot.

use std::fs::{self, DirBuilder, File};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use futures_util::TryStreamExt as _;
use serde::Serialize;
use tokio::runtime::Handle;

use super::archive::{Head, Writer};
use super::{BackupError, Manifest, MediaMode, list_backups_in, name_of, tried};
use crate::base::{Code, Problem, Timestamp, limits};
use crate::media::{self, Shelf};
use crate::service::Services;
use crate::store::rows::ObjectUse;
use crate::store::{Scope, Span};
use crate::vault::Sealing;

/// A backup that was made.
#[derive(Clone, Debug, Serialize)]
pub struct Made {
    pub path: String,
    pub bytes: u64,
    /// Where it is, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub also: Option<String>,
    /// Older ones that were removed for it.
    pub removed: usize,
    #[serde(flatten)]
    pub manifest: Manifest,
}

/// A file on its way has this in front of its name, so that nobody takes it for a backup.
const UNFINISHED: &str = ".unfinished-";

pub(super) async fn blocking<T: Send + 'static>(
    f: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(f).await;
    done.map_err(|_| Problem::new(Code::Stopping))
}

pub(super) fn failed(error: &BackupError) -> Problem {
    tracing::error!(%error, "a backup failed");
    let said: String = error.to_string().chars().take(500).collect();
    Problem::new(Code::BackupFailed).with("said", said)
}

impl Services {
    /// Makes a backup in the folder of backups, and removes those that are too many.
    pub async fn create_backup(&self, media: MediaMode) -> Result<Made, Problem> {
        let made = self.back_up(media, None).await?;
        made.ok_or_else(|| Problem::new(Code::Stopping))
    }

    /// The same for the worker of this name; `None` when somebody stopped its round.
    pub async fn make_due_backup(&self, job: &'static str) -> Result<Option<Made>, Problem> {
        self.back_up(MediaMode::Reference, Some(job)).await
    }

    async fn back_up(
        &self,
        media: MediaMode,
        job: Option<&'static str>,
    ) -> Result<Option<Made>, Problem> {
        if !self.backups.settings().is_set() {
            return Err(Problem::new(Code::BackupNotSet));
        }
        let _turn = self.backups.turn.lock().await;
        let (services, runtime) = (self.clone(), Handle::current());
        let made = blocking(move || services.make_backup((media, job), &runtime)).await?;
        let mut made = match made {
            Err(BackupError::Stopped) => return Ok(None),
            made => made.map_err(|error| failed(&error))?,
        };
        self.metrics.backup(made.manifest.head.made_at);
        if let Some(shelf) = &self.backups.settings().shelf {
            let put = self.shelve(shelf, &made).await;
            let path = made.path.clone();
            let put = put.map_err(|source| failed(&BackupError::Shelf { path, source }));
            made.also = Some(put?);
        }
        tracing::info!(path = made.path, bytes = made.bytes, "a backup was made");
        Ok(Some(made))
    }

    /// When the last backup was made, by the folder.
    pub async fn last_backup(&self) -> Result<Option<Timestamp>, Problem> {
        Ok(self.list_backups().await?.first().map(|backup| backup.made_at))
    }

    /// When the oldest that is kept was made, by the folder.
    pub(in crate::service) async fn oldest_backup(&self) -> Result<Option<Timestamp>, Problem> {
        Ok(self.list_backups().await?.last().map(|backup| backup.made_at))
    }

    /// Puts a backup into the bucket, too, and takes away those that are too many there; its address.
    async fn shelve(&self, shelf: &Shelf, made: &Made) -> Result<String, media::Error> {
        let path = Path::new(&made.path);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        shelf.put(&name, File::open(path)?).await?;
        let keep = self.backups.settings().keep.max(1);
        for old in self.shelved(shelf).await?.into_iter().skip(keep) {
            shelf.remove(&old.name).await?;
        }
        Ok(shelf.address(&name))
    }

    fn make_backup(
        &self,
        (media, job): (MediaMode, Option<&'static str>),
        runtime: &Handle,
    ) -> Result<Made, BackupError> {
        let settings = self.backups.settings();
        let folder = &settings.folder;
        if !folder.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                fs::remove_file(entry.path())?;
            }
        }
        tried::sweep(folder)?;
        let made_at = self.now();
        let installation = self.vault.keyring().installation();
        let path = folder.join(name_of(made_at, &installation));
        let file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder)?;
        let head = Head::new(made_at, installation.clone(), media);
        let out = BufWriter::with_capacity(256 * 1024, file.as_file().try_clone()?);
        let manifest = self.write_backup(settings.recipients.seal(out)?, (head, job), runtime)?;
        file.as_file().sync_all()?;
        let bytes = file.as_file().metadata()?.len();
        file.persist_noclobber(&path).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()?;
        let mut removed = 0;
        let there = list_backups_in(folder, Some(&installation))?;
        for old in there.iter().skip(settings.keep.max(1)) {
            fs::remove_file(&old.path)?;
            removed += 1;
        }
        Ok(Made { path: path.display().to_string(), bytes, also: None, removed, manifest })
    }

    fn write_backup(
        &self,
        out: Sealing<BufWriter<File>>,
        (head, job): (Head, Option<&'static str>),
        runtime: &Handle,
    ) -> Result<Manifest, BackupError> {
        let media = head.media;
        let keyring = self.vault.keyring().sealed_to(&self.backups.settings().recipients)?;
        let mut writer = Writer::begin(out, head, &keyring)?;
        // A row is a step: what is not finished is no backup.
        self.store.dump(|table, key, value| {
            if job.is_some_and(|job| self.jobs.stops(job)) {
                return Err(BackupError::Stopped);
            }
            writer.row(table, key, value)
        })??;
        if media == MediaMode::Copy {
            runtime.block_on(self.copy_objects(&mut writer))?;
        }
        let (sealing, manifest) = writer.finish()?;
        sealing.finish()?.flush()?;
        Ok(manifest)
    }

    /// Objects outlive their last use by a grace, so none of the snapshot's is gone yet; those that
    /// came since are more than is needed, which does no harm.
    async fn copy_objects<W: io::Write>(&self, out: &mut Writer<W>) -> Result<(), BackupError> {
        let mut after = None;
        loop {
            let page = self
                .store
                .read_now(|view| Scope::rounds(view, after.as_ref(), limits::PAGE_MAX))?;
            for (_, scope) in &page {
                self.copy_objects_of(scope, out).await?;
            }
            match page.into_iter().last() {
                Some((slug, _)) => after = Some(slug),
                None => return Ok(()),
            }
        }
    }

    async fn copy_objects_of<W: io::Write>(
        &self,
        scope: &Scope,
        out: &mut Writer<W>,
    ) -> Result<(), BackupError> {
        let (workspace, mut after, mut last) = (scope.workspace(), None, None);
        loop {
            let span = Span::first(limits::PAGE_MAX).after(after.as_ref());
            let page = self.store.read_now(|view| view.scan::<ObjectUse>(scope, &span))?;
            for ((object, _), _) in &page {
                // Several uses of one object follow each other.
                if last.replace(*object) == Some(*object) {
                    continue;
                }
                let Some(blob) = self.blobs.find(workspace, object).await? else {
                    out.gone();
                    continue;
                };
                out.object(workspace, *object, blob.bytes())?;
                let mut pieces = blob.pieces(0..blob.bytes());
                while let Some(piece) = pieces.try_next().await? {
                    out.piece(&piece)?;
                }
            }
            match page.into_iter().last() {
                Some((key, _)) => after = Some(key),
                None => return Ok(()),
            }
        }
    }
}
