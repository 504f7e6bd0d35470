//! Posts: what is to be said, where and when.

pub mod approve;
pub mod cancel;
pub mod change;
pub mod create;
pub mod delete;
pub mod list;
mod shapes;
pub mod show;
