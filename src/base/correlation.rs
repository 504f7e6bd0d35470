//! The id that ties a request to its delivery and to each network call. Must not carry meaning.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Rng;

/// 16 hex digits, made when a request arrives and kept with what it caused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CorrelationId(u64);

impl CorrelationId {
    pub fn new(rng: &dyn Rng) -> Self {
        Self(rng.next_u64())
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
