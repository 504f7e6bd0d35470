//! Whose word a workspace asks for before posts go out.

pub mod change;
pub mod show;
