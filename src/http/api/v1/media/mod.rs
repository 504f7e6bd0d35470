//! Media: images and videos that posts show.

pub mod change;
pub mod delete;
pub mod file;
pub mod import;
pub mod list;
pub mod show;
pub mod thumbnail;
pub mod upload;
pub mod uploads;
