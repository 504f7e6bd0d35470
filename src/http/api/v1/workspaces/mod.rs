//! Workspaces: made by operators; a key sees its own.

pub mod delete;
pub mod leave;
pub mod list;
pub mod restore;
pub mod show;
pub mod transfer;
