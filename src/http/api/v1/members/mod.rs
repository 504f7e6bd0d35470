//! Members: who belongs to the workspace, and as what.

pub mod change;
pub mod list;
pub mod remove;
pub mod show;
