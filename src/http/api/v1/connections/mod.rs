//! Connections: accounts that are being connected on the network's own page.

pub mod create;
pub mod list;
pub mod revoke;
pub mod show;
