//! Rate limits in fixed windows, and their headers. Must not decide what a request may do.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::Answer;
use crate::base::Timestamp;

/// networks.md 11.4: 300 requests in 5 minutes.
const GENERAL: Duration = Duration::from_mins(5);

/// A tighter limit that some calls fall under as well.
#[derive(Clone, Copy)]
pub(super) struct Narrow {
    pub name: &'static str,
    pub length: Duration,
    pub limit: u32,
}

/// How often each account (or, without one, everybody else together) called in its window.
#[derive(Default)]
pub(super) struct Limits {
    counts: BTreeMap<(&'static str, Option<u64>), (u64, u32)>,
}

/// The limit that is nearest to being hit; the headers tell about that one.
pub(super) struct Window {
    pub limit: u32,
    pub remaining: u32,
    pub reset: Timestamp,
    pub exceeded: bool,
}

impl Limits {
    pub(super) fn count(
        &mut self,
        account: Option<u64>,
        general_limit: u32,
        narrow: Option<Narrow>,
        now: Timestamp,
    ) -> Window {
        let general = self.bump(("general", account), (GENERAL, general_limit), now);
        let Some(narrow) = narrow else {
            return general;
        };
        let narrow = self.bump((narrow.name, account), (narrow.length, narrow.limit), now);
        if general.exceeded || (general.remaining < narrow.remaining && !narrow.exceeded) {
            general
        } else {
            narrow
        }
    }

    fn bump(
        &mut self,
        key: (&'static str, Option<u64>),
        (length, limit): (Duration, u32),
        now: Timestamp,
    ) -> Window {
        let length_ms = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        let index = now.as_millis() / length_ms;
        let slot = self.counts.entry(key).or_default();
        if slot.0 != index {
            *slot = (index, 0);
        }
        slot.1 = slot.1.saturating_add(1);
        Window {
            limit,
            remaining: limit.saturating_sub(slot.1),
            reset: Timestamp::from_millis((index + 1) * length_ms),
            exceeded: slot.1 > limit,
        }
    }
}

/// networks.md 11.7 (3): the reset is an ISO-8601 instant, not a number of seconds.
pub(super) fn with_headers(answer: Answer, limit: u32, remaining: u32, reset: Timestamp) -> Answer {
    answer
        .with("x-ratelimit-limit", &limit.to_string())
        .with("x-ratelimit-remaining", &remaining.to_string())
        .with("x-ratelimit-reset", &format!("{:.6}", reset.to_jiff()))
}
