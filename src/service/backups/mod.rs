//! Backups: made while the server runs, for recipients whose identity it does not have; read,
//! checked and restored by whoever has it. Must not hold rows or media in memory.

mod archive;
mod create;
mod restored;
mod tried;

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Mutex;

use crate::base::{Problem, Timestamp, WorkspaceId};
use crate::domain::chain::Fault;
use crate::domain::media::Digest;
use crate::media::Shelf;
use crate::store::{Chains, DecodeError};
use crate::vault::{Identity, Keyring, Recipients, VaultError};
use crate::{media, store};

pub use archive::{Head, Item, Manifest, MediaMode, Writer, read as read_archive};
pub(super) use restored::restored_from;
pub use restored::{Restored, hold_restored};
pub use tried::Tested;

use super::Services;

/// So much later than it should be made, one is missed.
const SLACK: Duration = Duration::from_hours(2);
/// So old may the last be when nobody said how often one is made.
const UNSAID: Duration = Duration::from_hours(7 * 24);

/// Where backups go, for whom, and how many stay.
#[derive(Clone, Default)]
pub struct BackupSettings {
    pub folder: PathBuf,
    pub recipients: Recipients,
    /// Where each goes, too.
    pub shelf: Option<Shelf>,
    pub keep: usize,
    /// How old the last may become before the next is made; `None`: only when asked.
    pub every: Option<Duration>,
}

impl BackupSettings {
    /// Whether backups can be made.
    pub fn is_set(&self) -> bool {
        !self.recipients.is_empty()
    }

    /// How old the last may be before people are told. One that fails is tried again at once, so that what
    /// is two hours late does not come by itself: of each day, 26 hours (reliability-security.md B8).
    pub fn patience(&self) -> Duration {
        self.every.map_or(UNSAID, |every| every.saturating_add(SLACK))
    }
}

/// The settings, and whose turn it is: one is made at a time.
#[derive(Default)]
pub struct Backups {
    settings: BackupSettings,
    turn: Mutex<()>,
}

/// Why a backup was not made, read or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("the backup cannot be read or written: {0}")]
    Io(#[from] io::Error),
    #[error("this is not a backup of Carillon")]
    Foreign,
    #[error("the backup is damaged: {0}")]
    Damaged(&'static str),
    #[error("the backup has a record of `{name}` that cannot be read: {cause}")]
    Record { name: &'static str, cause: DecodeError },
    #[error("Carillon {version} made the backup, with schema {found}; this one knows {known}")]
    OtherSchema { version: String, found: u64, known: u64 },
    #[error(
        "Carillon {version} made the backup, with a table `{name}` that this one does not know"
    )]
    UnknownTable { name: String, version: String },
    #[error(
        "event {sequence} of workspace {workspace} is not as it was written ({what}); the database \
         was like that when the backup was made: `carillon event verify` says the same of it",
        sequence = fault.sequence, what = fault.what.word()
    )]
    Chain { workspace: WorkspaceId, fault: Fault },
    #[error("the backup was made at {made_at}, and the clock of this machine says {now}; set it")]
    FromTheFuture { made_at: Timestamp, now: Timestamp },
    #[error("it is whole at {path}, but could not be put into the bucket: {source}")]
    Shelf { path: String, source: media::Error },
    #[error("somebody stopped it")]
    Stopped,
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Media(#[from] media::Error),
}

impl BackupError {
    /// A stable word.
    fn word(&self) -> &'static str {
        match self {
            Self::Io(_) => "io",
            Self::Foreign => "foreign",
            Self::Damaged(_) => "damaged",
            Self::Record { .. } => "record",
            Self::OtherSchema { .. } => "other_schema",
            Self::UnknownTable { .. } => "unknown_table",
            Self::Chain { .. } => "chain",
            Self::FromTheFuture { .. } => "from_the_future",
            Self::Shelf { .. } => "bucket",
            Self::Stopped => "stopped",
            Self::Vault(_) => "identity",
            Self::Store(_) => "store",
            Self::Media(_) => "media",
        }
    }
}

/// A backup in the folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackupShown {
    pub name: String,
    pub path: String,
    pub made_at: Timestamp,
    pub bytes: u64,
    /// `ok` when it was restored for trial, or why it could not be.
    pub tested: Option<String>,
    pub tested_at: Option<Timestamp>,
}

const PREFIX: &str = "carillon-";
const SUFFIX: &str = ".age";
const STAMP: &str = "%Y%m%dT%H%M%SZ";

fn name_of(made_at: Timestamp, installation: &str) -> String {
    format!("{PREFIX}{}-{installation}{SUFFIX}", made_at.to_jiff().strftime(STAMP))
}

/// When the backup of this name was made, and of which installation.
fn of_name(name: &str) -> Option<(Timestamp, &str)> {
    let rest = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    let (stamp, installation) = rest.split_once('-')?;
    let time = jiff::civil::DateTime::strptime(STAMP, stamp).ok()?;
    let time = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    Some((Timestamp::from_jiff(time)?, installation))
}

impl Backups {
    pub fn new(settings: BackupSettings) -> Self {
        Self { settings, turn: Mutex::new(()) }
    }

    pub fn settings(&self) -> &BackupSettings {
        &self.settings
    }
}

/// The backups in a folder that are whole, newest first; those of one installation if it is named.
pub fn list_backups_in(folder: &Path, installation: Option<&str>) -> io::Result<Vec<BackupShown>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let Some((made_at, of)) = of_name(&name) else { continue };
        if installation.is_none_or(|installation| installation == of) {
            let (bytes, path) = (entry.metadata()?.len(), entry.path().display().to_string());
            found.push(BackupShown { name, path, made_at, bytes, tested: None, tested_at: None });
        }
    }
    found.sort_by(|a, b| b.name.cmp(&a.name));
    Ok(found)
}

impl Services {
    /// The backups of this installation in its folder and in its bucket, newest first.
    pub async fn all_backups(&self) -> Result<Vec<BackupShown>, Problem> {
        let mut all = self.list_backups().await?;
        if let Some(shelf) = &self.backups.settings.shelf {
            let listed = self.shelved(shelf).await;
            all.extend(listed.map_err(|error| create::failed(&error.into()))?);
        }
        all.sort_by(|a, b| b.name.cmp(&a.name));
        self.with_tests(all).await
    }

    /// The backups of this installation in its folder, newest first, and what came of tests.
    pub async fn tested_backups(&self) -> Result<Vec<BackupShown>, Problem> {
        let all = self.list_backups().await?;
        self.with_tests(all).await
    }

    /// Those of this installation in the bucket, newest first.
    async fn shelved(&self, shelf: &Shelf) -> Result<Vec<BackupShown>, media::Error> {
        let installation = self.vault.keyring().installation();
        let shown = |file: media::Shelved| {
            let (made_at, of) = of_name(&file.name)?;
            let (path, bytes) = (shelf.address(&file.name), file.bytes);
            let ours = of == installation;
            ours.then(|| BackupShown {
                path,
                made_at,
                bytes,
                name: file.name.clone(),
                tested: None,
                tested_at: None,
            })
        };
        let mut found: Vec<_> = shelf.list().await?.into_iter().filter_map(shown).collect();
        found.sort_by(|a, b| b.name.cmp(&a.name));
        Ok(found)
    }

    /// The backups of this installation in its folder, newest first.
    pub async fn list_backups(&self) -> Result<Vec<BackupShown>, Problem> {
        // A run in one thread has no folder, and nobody to wait for one.
        if self.backups.settings.folder.as_os_str().is_empty() {
            return Ok(Vec::new());
        }
        let (backups, installation) =
            (Arc::clone(&self.backups), self.vault.keyring().installation());
        let listed = create::blocking(move || {
            list_backups_in(&backups.settings.folder, Some(&installation))
        })
        .await?;
        listed.map_err(|error| create::failed(&error.into()))
    }
}

/// The object that a key of a use names.
pub fn object_of(key: &[u8]) -> Option<(WorkspaceId, Digest)> {
    let (workspace, rest) = key.split_first_chunk::<16>()?;
    let (object, _) = rest.split_first_chunk::<32>()?;
    Some((WorkspaceId::from_bytes(*workspace), *object))
}

/// Reads the backup at `path` from its first to its last byte, and hands over what is in it.
pub fn read_backup(
    path: &Path,
    identity: &Identity,
    on: impl FnMut(Item<'_>) -> Result<(), BackupError>,
) -> Result<Manifest, BackupError> {
    read_backup_from(BufReader::with_capacity(256 * 1024, File::open(path)?), identity, on)
}

/// The same, from wherever its bytes come.
pub fn read_backup_from(
    from: impl BufRead,
    identity: &Identity,
    on: impl FnMut(Item<'_>) -> Result<(), BackupError>,
) -> Result<Manifest, BackupError> {
    let opened = identity.open(from).map_err(|error| match error {
        VaultError::NotEncrypted => BackupError::Foreign,
        other => BackupError::Vault(other),
    })?;
    let read = archive::read(opened, on);
    read.map_err(|error| match error {
        // age says so of what was cut off, changed or moved.
        BackupError::Io(error)
            if matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData
            ) =>
        {
            BackupError::Damaged("its bytes were changed, or it was cut off")
        }
        other => other,
    })
}

/// Reads all of a backup and checks it; also that its keyring opens, and that the chains of events
/// are whole.
pub fn verify_backup(path: &Path, identity: &Identity) -> Result<Manifest, BackupError> {
    verified(path, identity, |_| Ok(()))
}

/// The same, and hands over what is in it: only when this returns `Ok` was all of it right.
fn verified(
    path: &Path,
    identity: &Identity,
    mut on: impl FnMut(&Item<'_>) -> Result<(), BackupError>,
) -> Result<Manifest, BackupError> {
    let mut installation = None;
    let mut chains = Chains::default();
    let manifest = read_backup(path, identity, |item| {
        match &item {
            Item::Keyring(sealed) => {
                installation = Some(Keyring::unseal(path, sealed, identity)?.installation());
            }
            Item::Row(table, key, value) => chains.push(*table, key, value),
            Item::Head(_) | Item::Object(..) | Item::Piece(_) => {}
        }
        on(&item)
    })?;
    for (workspace, verdict) in chains.finish() {
        verdict.map_err(|fault| BackupError::Chain { workspace, fault })?;
    }
    if installation.as_ref() != Some(&manifest.head.installation) {
        return Err(BackupError::Damaged("its keyring is of another installation"));
    }
    Ok(manifest)
}
