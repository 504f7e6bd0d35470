//! What is seen from outside: log lines and metrics. Must not decide anything, and must not be
//! asked what happened; the store knows.

mod desk;
pub mod log;
pub mod metrics;
mod ring;

pub use metrics::Metrics;
pub use ring::Ring;
