//! Calls to other people's servers: which addresses are refused, what each way of failing is
//! called, and the authorization code grant.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, and so do its helpers"
)]

mod client;
mod guard;
mod oauth;
mod server;
