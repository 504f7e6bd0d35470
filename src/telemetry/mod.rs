//! What is seen from outside: log lines and metrics. Must not decide anything, and must not be
//! asked what happened; the store knows.

pub mod log;
pub mod metrics;

pub use metrics::Metrics;
