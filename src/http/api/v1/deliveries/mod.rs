//! Deliveries: one post to one channel.

pub mod acknowledge;
pub mod list;
pub mod resolve;
pub mod show;
