//! The rules, pure: no I/O, no clocks, no async. What a post, a channel, a delivery and an event
//! are, and what may happen to them. Must not know how anything is stored or shown.

pub mod access;
pub mod approval;
pub mod capability;
pub mod chain;
pub mod channel;
pub mod circuit;
pub mod connection;
pub mod cost;
pub mod delivery;
pub mod event;
pub mod hook;
pub mod host;
pub mod little_text;
pub mod media;
pub mod pace;
pub mod place;
pub mod plan;
pub mod post;
pub mod publish;
pub mod rate;
pub mod schedule;
pub mod space;
pub mod suspicion;
pub mod tally;
pub mod text;
pub mod user;
pub mod weighted;
pub mod workspace;
