//! Invitations into a workspace: a link each, shown once.

pub mod accept;
pub mod create;
pub mod list;
pub mod revoke;
