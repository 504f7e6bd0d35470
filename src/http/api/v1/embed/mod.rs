//! Pages of Carillon inside a host.

pub mod end;
pub mod open;
pub mod show;
