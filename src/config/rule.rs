//! What a value must be beyond its type. A rule that is broken completes "must be ...".

use std::fmt::Display;
use std::time::Duration;

use super::value::show;

pub(super) type Rule = Result<(), String>;

#[expect(clippy::unnecessary_wraps, reason = "it stands where a rule stands")]
pub(super) fn any<T>(_: &T) -> Rule {
    Ok(())
}

pub(super) fn between<T: PartialOrd + Display>(low: T, high: T) -> impl Fn(&T) -> Rule {
    move |value| {
        let fits = *value >= low && *value <= high;
        fits.then_some(()).ok_or_else(|| format!("from {low} to {high}"))
    }
}

pub(super) fn up_to(most: Duration) -> impl Fn(&Duration) -> Rule {
    move |value| {
        let fits = !value.is_zero() && *value <= most;
        fits.then_some(()).ok_or_else(|| format!("more than 0s and at most {}", show(most)))
    }
}

/// Each is a level, or `target=level`; a lone word that is no level would silence everything.
pub(super) fn levels(list: &str) -> Rule {
    let known = ["off", "error", "warn", "info", "debug", "trace"];
    let fits = list.split(',').all(|entry| {
        let level = entry.rsplit_once('=').map_or(entry, |(_, level)| level);
        known.contains(&level.trim().to_ascii_lowercase().as_str())
    });
    let rule = "off, error, warn, info, debug or trace, or a list such as `info,target=debug`";
    fits.then_some(()).ok_or_else(|| rule.to_owned())
}

/// The guard that reads the entries is strict; this catches what people write by habit.
pub(super) fn hosts(entries: &[String]) -> Rule {
    let odd = |c: char| c.is_whitespace() || "/*@?#".contains(c);
    let fits = entries.iter().all(|entry| !entry.is_empty() && !entry.contains(odd));
    fits.then_some(()).ok_or_else(|| "hosts, as `host` or `host:port`, without a scheme".to_owned())
}
