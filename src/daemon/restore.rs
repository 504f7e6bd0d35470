//! Backups without a server: checking one, and putting one in the place of the database. Must not
//! touch what is there before the new database is whole.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use tempfile::NamedTempFile;
use tokio::runtime::Runtime;

use super::build::with_name;
use super::{Error, build, runtime};
use crate::base::{Clock, Rng, SystemRng, WorkspaceId};
use crate::config::Config;
use crate::domain::media::Digest;
use crate::media::{Blobs, Incoming, Shelf};
use crate::service::{
    BackupError, Item, Manifest, MediaMode, Restored, hold_restored, object_of, read_backup,
    verify_backup,
};
use crate::store::rows::ObjectUse;
use crate::store::{self, Disk, Layout, Options, Rebuild, Row as _, Store, put_in_place};
use crate::vault::{Identity, Keyring};

/// A clock may be so much behind that of the machine that made the backup.
const CLOCK_SLACK: std::time::Duration = std::time::Duration::from_mins(5);

/// What to restore, and how.
#[derive(Debug)]
pub struct RestoreOptions {
    pub file: PathBuf,
    /// Opens the backup.
    pub identity: PathBuf,
    /// Put it in the place of a database that is there.
    pub replace: bool,
}

/// What a restore did.
#[derive(Debug, Serialize)]
pub struct RestoreReport {
    pub database: PathBuf,
    /// Where the database is that was there.
    pub before: Option<PathBuf>,
    /// Objects of media that the database names and that are not here.
    pub missing_media: u64,
    #[serde(flatten)]
    pub restored: Restored,
    pub manifest: Manifest,
}

/// A backup that is in a bucket, as a file of this machine; nothing when it is one already.
pub fn fetch_backup(config: &Config, file: &Path) -> Result<Option<NamedTempFile>, Error> {
    let Some((bucket, name)) = file.to_str().and_then(Shelf::place) else { return Ok(None) };
    let told = |source| Error::Backup { path: file.to_owned(), source };
    let shelf = build::shelf(config, bucket)?;
    let mut here = NamedTempFile::new().map_err(|error| told(error.into()))?;
    let fetched = runtime()?.block_on(shelf.fetch(name, here.as_file_mut()));
    fetched.map_err(|error| told(error.into()))?;
    Ok(Some(here))
}

/// Reads a backup to its end, and says what is in it.
pub fn verify(file: &Path, identity: &Path) -> Result<Manifest, Error> {
    let told = |source| Error::Backup { path: file.to_owned(), source };
    let identity = Identity::load(identity)?;
    verify_backup(file, &identity).map_err(told)
}

/// Checks the chains of events of a database that no server has open; nothing is written.
pub fn verify_events(database: &Path) -> Result<store::Verdicts, Error> {
    let told = |source| Error::Store { path: database.to_owned(), source };
    store::verify_database(database).map_err(told)
}

/// Restores into the folder of the data. At every instant the old database is there, or the new.
pub fn restore(
    config: &Config,
    options: &RestoreOptions,
    clock: &Arc<dyn Clock>,
) -> Result<RestoreReport, Error> {
    let database = config.server.data.join("carillon.redb");
    build::make_folder(&config.server.data)?;
    // Held until the new one is in its place, so that no server starts on the old one meanwhile.
    let _locked = database.exists().then(|| locked(&database)).transpose()?;
    if database.exists() && !options.replace {
        return Err(Error::There { path: database });
    }
    let fresh = with_name(&database, "restoring");
    let done =
        Restoring { config, options, clock, fresh: &fresh, runtime: runtime()? }.run(&database);
    if done.is_err() {
        drop(std::fs::remove_file(&fresh));
    }
    // The slots of a database that was open under another name.
    drop(std::fs::remove_file(fresh.with_extension("slots")));
    done
}

/// The database, as whoever writes it has it.
fn locked(database: &Path) -> Result<File, Error> {
    let failed = |source| Error::Store { path: database.to_owned(), source };
    let file = File::open(database);
    let file = file.map_err(|error| failed(store::Error::Io(error.to_string())))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(failed(store::Error::InUse)),
        Err(TryLockError::Error(error)) => Err(failed(store::Error::Io(error.to_string()))),
    }
}

struct Restoring<'a> {
    config: &'a Config,
    options: &'a RestoreOptions,
    clock: &'a Arc<dyn Clock>,
    fresh: &'a Path,
    runtime: Runtime,
}

impl Restoring<'_> {
    fn run(&self, database: &Path) -> Result<RestoreReport, Error> {
        let path = &self.options.file;
        let told = |source| Error::Backup { path: path.clone(), source };
        let kept = |source| Error::Store { path: database.to_owned(), source };
        let identity = Identity::load(&self.options.identity)?;
        let (manifest, keyring, missing_media) = self.read(&identity)?;
        let keyring = Keyring::unseal(path, &keyring, &identity)?;
        if keyring.installation() != manifest.head.installation {
            return Err(told(BackupError::Damaged("its keyring is of another installation")));
        }
        let restored = self.hold(&manifest).map_err(told)?;
        let data = &self.config.server.data;
        let place = data.join("keyring.age");
        let (identity_file, _) = build::identity_place(self.config);
        if place.exists() && !identity_file.exists() {
            return Err(Error::Lost { path: identity_file, needed_by: place });
        }
        keyring.put(&place, &build::identity(self.config)?)?;
        let before = database.exists().then(|| {
            let now = self.clock.now().to_jiff().strftime("%Y%m%dT%H%M%SZ");
            with_name(database, &format!("before-restore-{now}"))
        });
        let old = before.clone().unwrap_or_else(|| with_name(database, "before-restore"));
        put_in_place(self.fresh, database, &old).map_err(kept)?;
        let database = database.to_owned();
        Ok(RestoreReport { database, before, missing_media, restored, manifest })
    }

    /// Fills the new database, and the media if they are in the backup. Also the sealed keyring,
    /// and how many objects are not here.
    fn read(&self, identity: &Identity) -> Result<(Manifest, Vec<u8>, u64), Error> {
        let path = &self.options.file;
        let told = |source| Error::Backup { path: path.clone(), source };
        let layout = Layout::CURRENT.schema();
        let fresh = Disk::File(self.fresh.to_owned());
        let fresh = Rebuild::restore(&fresh, Options::default(), layout);
        let mut rebuild = fresh.map_err(|source| told(source.into()))?;
        let blobs = build::blobs(self.config)?;
        let mut media = Media { blobs: &blobs, runtime: &self.runtime, incoming: None, missing: 0 };
        let (mut keyring, mut referenced) = (Vec::new(), true);
        let now = self.clock.now();
        let manifest = read_backup(path, identity, |item| {
            match item {
                Item::Head(head) => {
                    let made_at = head.made_at;
                    if made_at > now.plus(CLOCK_SLACK) {
                        return Err(BackupError::FromTheFuture { made_at, now });
                    }
                    referenced = head.media == MediaMode::Reference;
                }
                Item::Keyring(sealed) => sealed.clone_into(&mut keyring),
                Item::Row(table, key, value) => {
                    rebuild.put(table, key, value)?;
                    if referenced && table == ObjectUse::TABLE {
                        media.look_for(key)?;
                    }
                }
                Item::Object(workspace, object, _) => media.begin(workspace, object)?,
                Item::Piece(bytes) => media.push(bytes)?,
            }
            Ok(())
        })
        .map_err(told)?;
        media.end().map_err(told)?;
        let missing = media.missing + manifest.tail.missing;
        rebuild.finish().map_err(|source| told(source.into()))?;
        Ok((manifest, keyring, missing))
    }

    /// While nobody publishes from it: it is not in its place yet.
    fn hold(&self, manifest: &Manifest) -> Result<Restored, BackupError> {
        let options = Options { inline: true, ..Options::default() };
        let store = Store::open(Disk::File(self.fresh.to_owned()), options)?;
        let timing = build::timing(self.config);
        let rng: &dyn Rng = &SystemRng::default();
        let times = (manifest.head.made_at, self.clock.now());
        let held = self.runtime.block_on(hold_restored(&store, &timing, rng, times));
        self.runtime.block_on(store.close())?;
        Ok(held?)
    }
}

/// Objects that are looked for, or that come back.
struct Media<'a> {
    blobs: &'a Blobs,
    runtime: &'a Runtime,
    incoming: Option<Incoming>,
    missing: u64,
}

impl Media<'_> {
    /// `key` names an object.
    fn look_for(&mut self, key: &[u8]) -> Result<(), BackupError> {
        if let Some((workspace, object)) = object_of(key) {
            let found = self.runtime.block_on(self.blobs.find(workspace, &object))?;
            self.missing += u64::from(found.is_none());
        }
        Ok(())
    }

    fn begin(&mut self, workspace: WorkspaceId, object: Digest) -> Result<(), BackupError> {
        self.end()?;
        let incoming = self.blobs.incoming(workspace, &object);
        self.incoming = Some(self.runtime.block_on(incoming)?);
        Ok(())
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        if let Some(incoming) = &mut self.incoming {
            self.runtime.block_on(incoming.push(bytes))?;
        }
        Ok(())
    }

    /// The reader has compared its bytes with its name by now.
    fn end(&mut self) -> Result<(), BackupError> {
        if let Some(incoming) = self.incoming.take() {
            self.runtime.block_on(incoming.finish())?;
        }
        Ok(())
    }
}
