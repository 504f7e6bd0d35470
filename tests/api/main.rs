//! The HTTP faces from outside: every operation, the generated field table, the document, access,
//! repeats, feeds, and real sockets.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly and talk")]

mod access;
mod acknowledge;
mod approvals;
mod browser;
mod bucket;
mod closing;
mod conditional;
mod connections;
mod document;
mod embed;
mod erasure;
mod events;
mod fields;
mod flaws;
mod grants;
mod harness;
mod hooks;
mod hosts_more;
mod idempotency;
mod key_places;
mod keys_used;
mod lasting;
mod limits;
mod lists;
mod log;
mod mail;
mod matrix;
mod media;
mod media_formats;
mod members;
mod oidc;
mod operations;
mod plans;
mod problems;
mod public;
mod schemathesis;
mod socket;
mod strangers;
mod stream;
mod suspicion;
mod trail;
mod uploads;
mod users;
