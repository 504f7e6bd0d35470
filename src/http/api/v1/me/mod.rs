//! The person who asks, and what proves who they are.

pub mod begin_totp;
pub mod change;
pub mod confirm_totp;
pub mod end_totp;
pub mod erase;
pub mod password;
pub mod recovery_codes;
pub mod show;
