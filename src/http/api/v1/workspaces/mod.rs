//! Workspaces: made by operators; a key sees its own.

pub mod leave;
pub mod list;
pub mod show;
pub mod transfer;
