//! The id that ties a request to its delivery and to each network call. Must not carry meaning.

use std::fmt;
use std::str::FromStr;

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

impl FromStr for CorrelationId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = digits.then(|| u64::from_str_radix(text, 16).ok()).flatten();
        number.map(Self).ok_or("a correlation id has 16 hex digits")
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
