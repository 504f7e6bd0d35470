//! Sessions of people: a token each, shown once.

pub mod create;
pub mod end;
pub mod end_others;
pub mod list;
pub mod prove;
