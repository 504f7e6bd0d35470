//! What must hold for any bytes from outside: a check for each place where they come in. The fuzz
//! targets and `cargo test` (tests/fuzz) run the same. Must not know how the bytes are made.

pub mod api;
pub mod backup;
pub mod config;
pub mod given;
pub mod guard;
pub mod house;
pub mod keys;
pub mod media;
pub mod networks;
pub mod records;
pub mod sanitizer;
pub mod text;
pub mod times;
pub mod tus;

/// Panics when what must hold does not.
pub type Check = fn(&[u8]);

/// Every check, by the name of its target and of its folder of seeds.
pub const CHECKS: &[(&str, Check)] = &[
    ("api", api::check),
    ("backup", backup::check),
    ("config", config::check),
    ("guard", guard::check),
    ("keys", keys::check),
    ("media", media::check),
    ("networks", networks::check),
    ("records", records::check),
    ("sanitizer", sanitizer::check),
    ("text", text::check),
    ("times", times::check),
    ("tus", tus::check),
];

pub fn named(name: &str) -> Option<Check> {
    CHECKS.iter().find(|(known, _)| *known == name).map(|(_, check)| *check)
}
