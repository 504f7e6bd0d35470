//! Secrets at rest: an age identity opens the keyring, the keyring's keys wrap one data key per
//! workspace, data keys seal records. Must not log, and must not see the store.

mod file;
mod identity;
mod keyring;
mod seal;
mod sign;
mod stream;

use std::io;
use std::path::PathBuf;

pub use identity::Identity;
pub use keyring::Keyring;
pub use seal::{Vault, WorkspaceKey, WrappedKey};
pub use stream::{Recipients, Sealing};

/// Why something cannot be opened or sealed. Holds no secret.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("others may read {path} (mode {mode:o}); run `chmod 600` on it")]
    Exposed { path: PathBuf, mode: u32 },
    #[error("not an age identity: one line that begins with AGE-SECRET-KEY-1 is needed")]
    BadIdentity,
    #[error("{path} was encrypted to another identity; give back the one it was made with")]
    WrongIdentity { path: PathBuf },
    #[error("{path} is not a keyring: {why}; restore it from a backup")]
    BadKeyring { path: PathBuf, why: &'static str },
    #[error("{text} is no public key of age: one of its characters is wrong or missing")]
    BadRecipient { text: String },
    #[error("it is not encrypted as an age stream, or is damaged")]
    NotEncrypted,
    #[error("it is encrypted to other recipients; this identity does not open it")]
    NotForIdentity,
    #[error("{path} has other keys: it is of another installation")]
    OtherKeyring { path: PathBuf },
    #[error("sealed under key {0}, which is not at hand")]
    UnknownKey(u32),
    #[error("not a sealed value: {0}")]
    BadFormat(&'static str),
    /// Damaged, of another workspace or record, or sealed under another key of the same number.
    #[error("the sealed value does not belong here, or was changed")]
    NotAuthentic,
    #[error("too large to be sealed")]
    TooLarge,
}
