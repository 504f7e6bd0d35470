//! Deliveries: one post to one channel.

pub mod list;
pub mod resolve;
pub mod show;
