//! Webhooks that networks sent; for administrators of the installation.

pub mod list;
pub mod show;
