//! Workspaces: made by operators; a key sees its own.

pub mod list;
pub mod show;
