//! This installation as an application of networks; for its administrators.

pub mod list;
pub mod remove;
pub mod rotate;
pub mod set;
pub mod show;
pub mod test;
pub mod webhook_secret;
