//! The real binary, as its users meet it: the demo, the verbs, the signals, what is seen from
//! outside.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
#![expect(clippy::disallowed_methods, reason = "the program under test lives in real time")]

mod bucket;
mod connect;
mod decisions;
mod demo;
mod files;
mod folder;
mod import;
mod media;
mod outside;
mod program;
mod settings;
mod uploads;
mod verbs;
