//! Rate limits in windows, and their headers (networks.md 1.4). Must not decide what a call may do.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::{Answer, Request};
use super::{Refusal, Server};
use crate::base::Timestamp;

const QUARTER: Duration = Duration::from_mins(15);
const DAY: Duration = Duration::from_hours(24);

/// So many calls in so long, counted under a key.
pub(super) struct Rule {
    key: String,
    length: Duration,
    limit: u32,
}

#[derive(Default)]
pub(super) struct Limits {
    used: BTreeMap<String, (Timestamp, u32)>,
}

struct Window {
    limit: u32,
    remaining: u32,
    reset: Timestamp,
    exceeded: bool,
    is_day: bool,
}

pub(super) struct Windows(Vec<Window>);

impl Limits {
    pub(super) fn count(&mut self, rules: &[Rule], now: Timestamp) -> Windows {
        let window = |rule: &Rule| {
            let slot = self.used.entry(rule.key.clone()).or_insert((now, 0));
            if now.since(slot.0) >= rule.length {
                *slot = (now, 0);
            }
            slot.1 = slot.1.saturating_add(1);
            Window {
                limit: rule.limit,
                remaining: rule.limit.saturating_sub(slot.1),
                reset: slot.0.plus(rule.length),
                exceeded: slot.1 > rule.limit,
                is_day: rule.length == DAY,
            }
        };
        Windows(rules.iter().map(window).collect())
    }
}

impl Windows {
    pub(super) fn exceeded(&self) -> bool {
        self.0.iter().any(|window| window.exceeded)
    }

    /// networks.md 1.7 (3): the short window may have budget while the day has none.
    pub(super) fn on(&self, answer: Answer) -> Answer {
        self.0.iter().fold(answer, |answer, window| {
            let [limit, remaining, reset] = [
                window.limit.to_string(),
                window.remaining.to_string(),
                (window.reset.as_millis().div_ceil(1_000)).to_string(),
            ];
            if window.is_day {
                answer
                    .with("x-app-limit-24hour-limit", &limit)
                    .with("x-app-limit-24hour-remaining", &remaining)
                    .with("x-app-limit-24hour-reset", &reset)
            } else {
                answer
                    .with("x-rate-limit-limit", &limit)
                    .with("x-rate-limit-remaining", &remaining)
                    .with("x-rate-limit-reset", &reset)
            }
        })
    }
}

impl Server {
    pub(super) fn rules(&self, request: &Request, segments: &[&str], account: u64) -> Vec<Rule> {
        if !self.settings.rate_limits {
            return Vec::new();
        }
        let (name, limit) = match (request.method.as_str(), segments) {
            ("POST", ["2", "tweets"]) => ("create", 100),
            ("DELETE", ["2", "tweets", _]) => ("delete", 50),
            ("GET", ["2", "users", "me"]) => ("me", 75),
            ("GET", ["2", "users", _, "tweets"]) => ("timeline", 900),
            ("POST", ["2", "media", "upload"]) => ("upload", 500),
            ("GET", ["2", "media", "upload"]) => ("status", 1_000),
            ("POST", ["2", "media", "upload", ..]) => ("chunks", 1_875),
            _ => ("other", 500),
        };
        let mut rules = vec![Rule { key: format!("{name} {account}"), length: QUARTER, limit }];
        if name == "create" {
            let limit = self.settings.posts_per_day;
            rules.push(Rule { key: "create of the app".to_owned(), length: DAY, limit });
        }
        rules
    }
}

pub(super) fn refused(reset: Timestamp) -> Answer {
    Refusal::new(429, "Too Many Requests", "Too Many Requests")
        .answer()
        .with("x-rate-limit-limit", "100")
        .with("x-rate-limit-remaining", "0")
        .with("x-rate-limit-reset", &(reset.as_millis().div_ceil(1_000)).to_string())
}
