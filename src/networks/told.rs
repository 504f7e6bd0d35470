//! What an answer's headers say about how often its server may be called, in all forms that
//! networks use (networks.md 23.4). Must not decide what to do about it.

use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;

use crate::base::Timestamp;

/// One server's word on one limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Calls in a window.
    pub allowed: Option<u32>,
    pub remaining: Option<u32>,
    pub window: Option<Duration>,
    /// When calls are taken again.
    pub reset: Option<Timestamp>,
    /// It counts all accounts of the app together.
    pub of_app: bool,
}

/// Numbers from here on are instants in Unix seconds, smaller ones are seconds to go.
const EPOCH_SECONDS: u64 = 1_000_000_000;
/// A server whose clock is wrong must not stop a channel for ever, nor make us hammer.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_hours(24);

impl Told {
    pub fn by(headers: &HeaderMap, now: Timestamp) -> Self {
        let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
        let named = |what: &str| {
            let forms = ["ratelimit-", "x-ratelimit-", "x-rate-limit-"];
            forms.iter().find_map(|form| text(&format!("{form}{what}")))
        };
        if let Some(day) = used_up(headers, now) {
            return day;
        }
        let number = |what: &str| named(what)?.parse::<u32>().ok();
        let reset = named("reset").and_then(|text| instant(text, now));
        let retry = text(RETRY_AFTER.as_str()).and_then(|text| wait(text, now));
        let reset = reset.max(retry);
        Self {
            allowed: number("limit"),
            remaining: number("remaining"),
            window: named("policy").and_then(window),
            reset: reset.map(|at| at.clamp(now.plus(SHORTEST), now.plus(LONGEST))),
            of_app: false,
        }
    }
}

/// X's limits for a whole day, which stand beside those of its short window (networks.md 1.4).
fn used_up(headers: &HeaderMap, now: Timestamp) -> Option<Told> {
    ["app", "user"].into_iter().find_map(|of| {
        let named = |what: &str| {
            let name = format!("x-{of}-limit-24hour-{what}");
            headers.get(name)?.to_str().ok().map(str::trim)
        };
        let spent = named("remaining")?.parse::<u32>().ok()? == 0;
        let reset = named("reset").and_then(|text| instant(text, now)).filter(|_| spent)?;
        Some(Told {
            allowed: named("limit").and_then(|text| text.parse().ok()),
            remaining: Some(0),
            window: Some(LONGEST),
            reset: Some(reset.clamp(now.plus(SHORTEST), now.plus(LONGEST))),
            of_app: of == "app",
        })
    })
}

/// ISO 8601 (Mastodon), Unix seconds (Bluesky, X), or seconds to go.
fn instant(text: &str, now: Timestamp) -> Option<Timestamp> {
    match text.parse::<u64>() {
        Ok(seconds) if seconds >= EPOCH_SECONDS => {
            Some(Timestamp::from_millis(seconds.saturating_mul(1_000)))
        }
        Ok(seconds) => Some(now.plus(Duration::from_secs(seconds))),
        Err(_) => Timestamp::parse(text),
    }
}

/// `Retry-After`: seconds, or a date (RFC 9110 10.2.3).
fn wait(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(now.plus(Duration::from_secs(seconds.into())));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_millisecond();
    Some(Timestamp::from_millis(u64::try_from(at).ok()?))
}

/// `3000;w=300`: so many calls in so many seconds.
fn window(policy: &str) -> Option<Duration> {
    let seconds = policy.split(';').find_map(|part| part.trim().strip_prefix("w="))?;
    seconds.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(headers: &[(&'static str, &str)]) -> Told {
        let pairs = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()));
        Told::by(&pairs.collect(), Timestamp::parse("2026-11-22T09:00:00Z").unwrap())
    }

    fn reset(headers: &[(&'static str, &str)]) -> Option<String> {
        told(headers).reset.map(|at| at.to_string())
    }

    #[test]
    fn every_form_of_a_reset_is_understood() {
        let ten = Some("2026-11-22T09:10:00.000Z".to_owned());
        for headers in [
            [("x-ratelimit-reset", "2026-11-22T09:10:00.000000Z")],
            [("ratelimit-reset", "1795338600")],
            [("x-rate-limit-reset", "1795338600")],
            [("ratelimit-reset", "600")],
            [("retry-after", "600")],
            [("retry-after", "Sun, 22 Nov 2026 09:10:00 GMT")],
        ] {
            assert_eq!(reset(&headers), ten, "{headers:?}");
        }
        // The later of two.
        assert_eq!(reset(&[("retry-after", "60"), ("ratelimit-reset", "1795338600")]), ten);
        for headers in [[("ratelimit-reset", "soon")], [("retry-after", "-5")], [("date", "600")]] {
            assert_eq!(reset(&headers), None, "{headers:?}");
        }
        let clamped = |text| reset(&[("retry-after", text)]).unwrap();
        assert_eq!(clamped("0"), "2026-11-22T09:00:01.000Z");
        assert_eq!(clamped("4000000000"), "2026-11-23T09:00:00.000Z");
        assert_eq!(clamped("Sun, 22 Nov 1970 09:10:00 GMT"), "2026-11-22T09:00:01.000Z");
    }

    #[test]
    fn the_numbers_of_a_limit_are_read() {
        let told = told(&[
            ("ratelimit-limit", "3000"),
            ("ratelimit-remaining", "0"),
            ("ratelimit-policy", "3000;w=300"),
        ]);
        assert_eq!((told.allowed, told.remaining), (Some(3_000), Some(0)));
        assert_eq!((told.window, told.reset), (Some(Duration::from_mins(5)), None));
    }
}
