//! The plan of a workspace, and what another would mean.

pub mod preview;
pub mod shapes;
pub mod show;
