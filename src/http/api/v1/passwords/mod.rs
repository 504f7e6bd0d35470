//! Passwords of those who cannot sign in.

pub mod reset;
