//! What a workspace asks of people who enter it.

pub mod change;
pub mod show;
