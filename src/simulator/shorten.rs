//! Makes a failing script shorter: events are left out as long as it still fails in the same way.
//! Must not change an event.

use std::time::Duration;

use super::check::Violation;
use super::play::{Break, play};
use super::script::Script;

/// The shortest script found that breaks the same rule, and how it breaks it. `None` when the
/// script does not fail.
pub fn shorten(script: &Script, broken: Option<Break>) -> Option<(Script, Violation)> {
    let fails = |script: &Script| play(script, broken).violations.into_iter().next();
    let mut violation = fails(script)?;
    let mut best = script.clone();
    let mut stretch = best.events.len().max(1);
    while stretch > 0 {
        let mut at = 0;
        while at < best.events.len() {
            let mut shorter = best.clone();
            let end = (at + stretch).min(shorter.events.len());
            // Time goes on all the same.
            let time: Duration = shorter.events.drain(at..end).map(|timed| timed.after).sum();
            if let Some(next) = shorter.events.get_mut(at) {
                next.after += time;
            }
            match fails(&shorter).filter(|found| found.rule == violation.rule) {
                Some(found) => (best, violation) = (shorter, found),
                None => at += stretch,
            }
        }
        stretch /= 2;
    }
    Some((best, violation))
}
