//! What a host may say of the workspaces that it made.

pub mod preview;
pub mod set;
pub mod show;
