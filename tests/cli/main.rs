//! The real binary, as its users meet it: the demo, the verbs, the signals, what is seen from
//! outside.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]
#![expect(clippy::disallowed_methods, reason = "the program under test lives in real time")]

mod backup;
mod bluesky;
mod bucket;
mod checks;
mod codes;
mod completions;
mod connect;
mod connections;
mod decisions;
mod demo;
mod events;
mod files;
mod folder;
mod hooks;
mod import;
mod mail;
mod mastodon;
mod media;
mod oidc;
mod outside;
mod people;
mod program;
mod released;
mod renewals;
mod secrets;
mod settings;
mod sign_in;
mod streams;
mod supervised;
mod trail;
mod uploads;
mod verbs;
mod x;
