//! Keys: shown once, then only their names.

pub mod create;
pub mod list;
pub mod revoke;
