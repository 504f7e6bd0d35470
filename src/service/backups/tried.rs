//! A backup restored for trial: into a folder beside the backups, opened, and taken away again. Must
//! not touch the database that is in use, nor keep the identity that opened the backup.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tokio::runtime::Handle;

use super::create::blocking;
use super::{BackupError, BackupShown, Item, MediaMode, hold_restored, object_of, verified};
use crate::base::{Code, CorrelationId, Problem, Secret, Timestamp, Wrong, limits};
use crate::media::Shelf;
use crate::service::{Services, refused, trouble};
use crate::store::rows::{BackupTest, ObjectUse};
use crate::store::{Disk, Layout, Operator, Options, Rebuild, Row as _, Store};
use crate::vault::Identity;

/// The folder of a trial has this in front of its name.
const PREFIX: &str = ".restore-test-";
/// What a restored database may need on the disk, for each byte of its backup.
const ROOM: u64 = 4;
/// For a database that is opened once.
const CACHE: usize = 4 * 1024 * 1024;

/// A backup that was restored for trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tested {
    pub name: String,
    pub tested: &'static str,
    pub made_at: Timestamp,
    /// Of the program that made it.
    pub version: String,
    pub rows: u64,
    pub workspaces: u64,
    /// Deliveries that would wait for a person after a restore now.
    pub held: u64,
    /// Objects of media that it names and that are nowhere.
    pub missing_media: u64,
    pub took_ms: u128,
}

/// Takes away what a trial left behind that was broken off.
pub(super) fn sweep(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

impl Services {
    /// Restores the backup of this name (as the list has it) into a folder that goes away, opens it,
    /// and notes what came of it. `identity` opens it, and is forgotten.
    pub async fn test_backup(
        &self,
        (operator, correlation): (Operator, CorrelationId),
        name: &str,
        identity: &Secret<String>,
    ) -> Result<Tested, Problem> {
        let identity = Identity::parse(identity.reveal()).map_err(|_| {
            let expected = "an identity as age-keygen makes it: AGE-SECRET-KEY-1...".to_owned();
            Problem::field("identity", Wrong::BadFormat { expected })
        })?;
        let all = self.all_backups().await?;
        // The one in the folder, where it is in the bucket, too.
        let here = |backup: &&BackupShown| Shelf::place(&backup.path).is_none();
        let named = || all.iter().filter(|backup| backup.name == name);
        let Some(backup) = named().find(here).or_else(|| named().next()).cloned() else {
            let allowed = "a name that `backup list` shows".to_owned();
            return Err(Problem::field("name", Wrong::NotOneOf { allowed }));
        };
        let free = self.store.space().map_or(u64::MAX, |space| space.free);
        self.room_for_more()?;
        if free < backup.bytes.saturating_mul(ROOM) {
            return Err(Problem::new(Code::DiskFull));
        }
        let _turn = self.backups.turn.lock().await;
        let began = self.clock.monotonic();
        let (services, runtime) = (self.clone(), Handle::current());
        let done = blocking(move || services.tried(&backup, &identity, &runtime)).await?;
        let failed = done.as_ref().err().map(BackupError::word);
        let kept = all.into_iter().map(|backup| backup.name).collect();
        self.note_test((operator, correlation), (name, failed), kept).await?;
        let took_ms = self.clock.monotonic().saturating_sub(began).as_millis();
        done.map(|tested| Tested { took_ms, ..tested }).map_err(|error| {
            tracing::warn!(backup = name, %error, "a backup could not be restored for trial");
            let said: String = error.to_string().chars().take(500).collect();
            Problem::new(Code::BackupUnusable).with("said", said)
        })
    }

    fn tried(
        &self,
        backup: &BackupShown,
        identity: &Identity,
        runtime: &Handle,
    ) -> Result<Tested, BackupError> {
        let folder = &self.backups.settings().folder;
        sweep(folder)?;
        let place = tempfile::Builder::new().prefix(PREFIX).tempdir_in(folder)?;
        let path = self.brought(backup, place.path(), runtime)?;
        let disk = Disk::File(place.path().join("carillon.redb"));
        let options = Options { inline: true, cache_bytes: CACHE, ..Options::default() };
        let mut rebuild = Rebuild::restore(&disk, options, Layout::CURRENT.schema())?;
        let (mut referenced, mut missing) = (true, 0);
        let manifest = verified(&path, identity, |item| {
            match item {
                Item::Head(head) => referenced = head.media == MediaMode::Reference,
                Item::Row(table, key, value) => {
                    rebuild.put(*table, key, value)?;
                    let object = object_of(key).filter(|_| *table == ObjectUse::TABLE);
                    if let Some((workspace, object)) = object.filter(|_| referenced) {
                        let found = runtime.block_on(self.blobs.find(workspace, &object))?;
                        missing += u64::from(found.is_none());
                    }
                }
                Item::Keyring(_) | Item::Object(..) | Item::Piece(_) => {}
            }
            Ok(())
        })?;
        rebuild.finish()?;
        let store = Store::open(disk, options)?;
        let (timing, times) = (self.timing.get(), (manifest.head.made_at, self.now()));
        let held = hold_restored(&store, &timing, self.rng.as_ref(), times);
        let held = runtime.block_on(held);
        runtime.block_on(store.close())?;
        let held = held?;
        place.close()?;
        Ok(Tested {
            name: backup.name.clone(),
            tested: "ok",
            made_at: manifest.head.made_at,
            version: manifest.head.version,
            rows: manifest.tail.tables.iter().map(|table| table.rows).sum(),
            workspaces: held.workspaces,
            held: held.held,
            missing_media: missing + manifest.tail.missing,
            took_ms: 0,
        })
    }

    /// Its file, which may have to come from the bucket first.
    fn brought(
        &self,
        backup: &BackupShown,
        place: &Path,
        runtime: &Handle,
    ) -> Result<PathBuf, BackupError> {
        let (Some(shelf), Some((_, name))) =
            (&self.backups.settings().shelf, Shelf::place(&backup.path))
        else {
            return Ok(PathBuf::from(&backup.path));
        };
        let path = place.join("backup.age");
        let mut file = fs::File::create_new(&path)?;
        runtime.block_on(shelf.fetch(name, &mut file))?;
        Ok(path)
    }

    /// Notes what came of it, and forgets tests of backups that are gone.
    async fn note_test(
        &self,
        (operator, correlation): (Operator, CorrelationId),
        (name, failed): (&str, Option<&'static str>),
        kept: Vec<String>,
    ) -> Result<(), Problem> {
        let (by, at) = (operator.actor(), self.now());
        let row = BackupTest { by: by.clone(), at, failed: failed.map(str::to_owned) };
        let (services, name) = (self.clone(), name.to_owned());
        let written = self.store.write(move |tx| {
            for (old, _) in tx.view().scan_global::<BackupTest>(None, limits::PAGE_MAX)? {
                if !kept.contains(&old) {
                    tx.delete_global::<BackupTest>(&old);
                }
            }
            tx.put_global(&name, &row)?;
            let data = [("result", failed.unwrap_or("ok"))];
            let who = (by.clone(), correlation);
            services.note_installation(tx, who, ("backup.tested", &name), &data)?;
            Ok(())
        });
        written.await.map_err(refused)?;
        tracing::info!(result = failed.unwrap_or("ok"), "a backup was restored for trial");
        Ok(())
    }

    /// The same backups, with what came of tests.
    pub(super) async fn with_tests(
        &self,
        mut all: Vec<BackupShown>,
    ) -> Result<Vec<BackupShown>, Problem> {
        let rows = self.store.read(|view| view.scan_global::<BackupTest>(None, limits::PAGE_MAX));
        let rows = rows.await.map_err(trouble)?;
        for backup in &mut all {
            let row = rows.iter().find(|(name, _)| *name == backup.name).map(|(_, row)| row);
            backup.tested_at = row.map(|row| row.at);
            backup.tested = row.map(|row| row.failed.clone().unwrap_or_else(|| "ok".to_owned()));
        }
        Ok(all)
    }
}
