//! The running program: what is opened and started, in which order, and how it stops. Must not
//! decide anything that a use case or the engine decides.

mod build;
mod console;
mod demo;
mod doctor;
mod listen;
mod notify;
mod reload;
mod restore;
mod secrets;
mod serve;
mod signals;
mod upgrade;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};

use crate::base::{Clock, Problem};
use crate::config::Loaded;
use crate::{media, outbound, service, store, telemetry, vault};

pub use build::settings_fit;
pub use console::Sitting;
pub use demo::DemoOptions;
pub use doctor::{Finding, Level, doctor};
pub use reload::Source;
pub use restore::{RestoreOptions, RestoreReport, fetch_backup, restore, verify, verify_events};
pub use secrets::{exposed_secrets, secrets_fit};
pub use upgrade::upgrade_check;

/// Why the program cannot start, or ended badly.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} cannot be used: {source}", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("{} of {key} cannot be used: {source}{}", path.display(), file_hint(source))]
    Named { key: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot listen on {what}: {source}{}", hint(source))]
    Listen { what: String, source: io::Error },
    #[error(
        "{} is missing, but {} is there and needs it; put your copy back, nothing was changed",
        path.display(), needed_by.display()
    )]
    Lost { path: PathBuf, needed_by: PathBuf },
    #[error("{}: {source}{}", path.display(), store_hint(source))]
    Store { path: PathBuf, source: store::Error },
    #[error(
        "{} is what a restore left that was broken off, and there is no database; run `carillon \
         backup restore` again, or remove that file to begin with an empty one",
        path.display()
    )]
    Unfinished { path: PathBuf },
    #[error("{}: {source}", path.display())]
    Backup { path: PathBuf, source: service::BackupError },
    #[error(
        "{} is there; to put the backup in its place, add --replace, and it is kept beside it",
        path.display()
    )]
    There { path: PathBuf },
    #[error(transparent)]
    Media(#[from] media::Error),
    #[error(
        "{place} does not have the lines AWS_ACCESS_KEY_ID=... and AWS_SECRET_ACCESS_KEY=..., \
         which s3.bucket and backup.bucket need; see `carillon config explain s3.key_file`"
    )]
    BucketKey { place: String },
    #[error(transparent)]
    Vault(#[from] vault::VaultError),
    #[error(transparent)]
    Guard(#[from] outbound::guard::BadEntry),
    #[error("{key} {refusal}, or its host must be listed in outbound.allow")]
    Host { key: &'static str, refusal: outbound::guard::Refusal },
    #[error(transparent)]
    Client(#[from] outbound::client::SetupError),
    #[error(
        "{key} must be set beside what is set of [{section}]; see `carillon config explain {key}`"
    )]
    Lacks { key: &'static str, section: &'static str },
    #[error(transparent)]
    Mail(#[from] outbound::mail::MailSetupError),
    #[error(transparent)]
    Metrics(#[from] telemetry::metrics::Error),
    #[error(transparent)]
    Log(#[from] telemetry::log::Error),
    #[error("the runtime cannot start: {0}")]
    Runtime(io::Error),
    #[error("the demo could not be set up: {0}")]
    Demo(Problem),
    #[error("not all posts were published: {0}")]
    Unpublished(String),
}

impl Error {
    /// The setting that others need beside them, and that is not set.
    pub fn lacks(&self) -> Option<&'static str> {
        match self {
            Self::Lacks { key, .. } => Some(key),
            _ => None,
        }
    }

    /// Whether a setting is wrong, which starting again does not change.
    pub fn is_of_settings(&self) -> bool {
        matches!(
            self,
            Self::BucketKey { .. }
                | Self::Vault(vault::VaultError::BadRecipient { .. })
                | Self::Guard(_)
                | Self::Host { .. }
                | Self::Lacks { .. }
                | Self::Mail(_)
                | Self::Log(telemetry::log::Error::Level { .. })
        )
    }
}

fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::AddrInUse => ". Is another server running there?",
        io::ErrorKind::PermissionDenied => {
            ". Ports below 1024 and other users' folders need rights"
        }
        io::ErrorKind::AddrNotAvailable => ". This machine does not have that address",
        _ => "",
    }
}

fn file_hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => ". Put it there, or name where it is",
        io::ErrorKind::PermissionDenied => {
            ". Give it to the user that runs the server, or look as that user"
        }
        _ => "",
    }
}

fn store_hint(source: &store::Error) -> &'static str {
    match source {
        store::Error::Io(cause) if cause.contains("Permission denied") => {
            ". Give the file to the user that runs this, with the right to write it"
        }
        store::Error::Io(_) => ". If the disk is sound, restore the file from a backup",
        _ => "",
    }
}

fn runtime() -> Result<Runtime, Error> {
    Builder::new_multi_thread().enable_all().build().map_err(Error::Runtime)
}

/// Runs the server until it is told to stop; `again` reads the settings once more. With `sitting`
/// its terminal shows the console, and no log.
pub fn serve(
    loaded: &Loaded,
    again: Source,
    clock: &Arc<dyn Clock>,
    sitting: Option<Sitting>,
) -> Result<(), Error> {
    let runtime = runtime()?;
    let ended = runtime.block_on(serve::serve(loaded, again, clock, sitting));
    // A second signal leaves calls behind; they must not keep the process.
    runtime.shutdown_background();
    ended
}

/// Runs the demo; `say` gets one line at a time.
pub fn demo(
    options: &DemoOptions,
    clock: &Arc<dyn Clock>,
    sitting: Option<Sitting>,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<(), Error> {
    let runtime = runtime()?;
    let ended = runtime.block_on(demo::demo(options, clock, sitting, say));
    runtime.shutdown_background();
    ended
}
