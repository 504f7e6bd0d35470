//! Networks: what can be connected.

pub mod list;
