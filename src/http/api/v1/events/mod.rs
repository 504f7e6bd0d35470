//! Events: the chain of what happened, and the activity that people read.

pub mod activity;
pub mod export;
pub mod head;
pub mod list;
pub mod show;
pub mod stream;
