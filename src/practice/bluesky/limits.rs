//! Rate limits by points, and their headers (networks.md 10.4). Must not decide what a call may do.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::{Answer, Request};
use super::{Refusal, Server};
use crate::base::Timestamp;

/// So many points in so long, counted under a key.
pub(super) struct Rule {
    key: String,
    length: Duration,
    limit: u32,
    points: u32,
}

/// What is used of each key since its window began.
#[derive(Default)]
pub(super) struct Limits {
    used: BTreeMap<(String, Duration), (Timestamp, u32)>,
}

/// The limit that is nearest to being hit; the headers tell about that one.
pub(super) struct Window {
    limit: u32,
    remaining: u32,
    length: Duration,
    pub reset: Timestamp,
    pub exceeded: bool,
}

impl Limits {
    pub(super) fn count(&mut self, rules: &[Rule], now: Timestamp) -> Option<Window> {
        let windows = rules.iter().map(|rule| {
            let slot = self.used.entry((rule.key.clone(), rule.length)).or_insert((now, 0));
            if now.since(slot.0) >= rule.length {
                *slot = (now, 0);
            }
            slot.1 = slot.1.saturating_add(rule.points);
            Window {
                limit: rule.limit,
                remaining: rule.limit.saturating_sub(slot.1),
                length: rule.length,
                reset: slot.0.plus(rule.length),
                exceeded: slot.1 > rule.limit,
            }
        });
        windows.min_by_key(|window| (!window.exceeded, window.remaining))
    }
}

impl Server {
    /// networks.md 10.4: 3,000 calls in 5 minutes; signing in 30 in 5 minutes and 300 a day; writes
    /// 5,000 points an hour and 35,000 a day, of which creating costs 3, updating 2, deleting 1.
    pub(super) fn limits_of(&self, method: &str, request: &Request) -> Vec<Rule> {
        let minutes = Duration::from_mins;
        let rule = |key: String, length, limit, points| Rule { key, length, limit, points };
        let mut rules = vec![rule("all".to_owned(), minutes(5), 3_000, 1)];
        let points = match method {
            "com.atproto.repo.createRecord" => 3,
            "com.atproto.repo.putRecord" => 2,
            "com.atproto.repo.deleteRecord" => 1,
            "com.atproto.server.createSession" => {
                let input: Option<serde_json::Value> = serde_json::from_slice(&request.body).ok();
                let who = input.as_ref().and_then(|input| input["identifier"].as_str());
                let key = format!("sign-in {}", who.unwrap_or_default());
                rules.push(rule(key.clone(), minutes(5), 30, 1));
                rules.push(rule(key, minutes(24 * 60), 300, 1));
                0
            }
            _ => 0,
        };
        let writer = request.bearer().and_then(|token| self.access.get(token));
        if let Some(writer) = writer.filter(|_| points > 0) {
            let key = format!("writes {}", writer.did);
            rules.push(rule(key.clone(), minutes(60), 5_000, points));
            rules.push(rule(key, minutes(24 * 60), 35_000, points));
        }
        rules
    }
}

impl Window {
    /// networks.md 10.4: the reset is in Unix seconds, unlike Mastodon's.
    pub(super) fn on(&self, answer: Answer) -> Answer {
        answer
            .with("ratelimit-limit", &self.limit.to_string())
            .with("ratelimit-remaining", &self.remaining.to_string())
            .with("ratelimit-reset", &(self.reset.as_millis() / 1_000).to_string())
            .with("ratelimit-policy", &format!("{};w={}", self.limit, self.length.as_secs()))
    }
}

pub(super) fn refused(now: Timestamp, reset: Timestamp) -> Answer {
    let left = reset.since(now).as_millis().div_ceil(1_000);
    let reset = reset.as_millis().div_ceil(1_000);
    Refusal::new(429, "RateLimitExceeded", "Rate Limit Exceeded")
        .answer()
        .with("ratelimit-limit", "5000")
        .with("ratelimit-remaining", "0")
        .with("ratelimit-reset", &reset.to_string())
        .with("ratelimit-policy", "5000;w=3600")
        .with("retry-after", &left.to_string())
}
