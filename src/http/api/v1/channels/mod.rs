//! Channels: connected accounts.

pub mod change;
pub mod create;
pub mod list;
pub mod refresh;
pub mod refresh_all;
pub mod remove;
pub mod show;
pub mod test;

use crate::base::Secret;

/// What was pasted, without the spaces around it.
fn secret(pasted: &str) -> Secret<String> {
    Secret::new(pasted.trim().to_owned())
}
