//! Many runs, one after the other, and what they came to. Must not print.

use super::check::{Kind, Violation};
use super::play::{Break, play};
use super::script::Script;
use super::shorten::shorten;

/// Runs to come: the seeds `first`, `first + 1` and so on.
#[derive(Clone, Copy, Debug)]
pub struct Campaign {
    pub first: u64,
    pub broken: Option<Break>,
}

/// What runs came to.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Tally {
    pub runs: u64,
    pub faults: u64,
    /// Deliveries that were published.
    pub published: u64,
    /// Runs in which something was lost, and so on; a run counts by its first violation.
    pub lost: u64,
    pub doubled: u64,
    pub stuck: u64,
    /// Runs that broke another rule.
    pub broken: u64,
}

/// A run that failed, as short as it could be made.
#[derive(Clone, Debug)]
pub struct Failed {
    pub seed: u64,
    pub events: usize,
    pub short: Script,
    pub violation: Violation,
}

impl Tally {
    pub fn is_clean(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.stuck == 0 && self.broken == 0
    }

    /// The last line of a simulation.
    pub fn line(&self) -> String {
        let Self { runs, faults, published, lost, doubled, stuck, .. } = self;
        format!(
            "runs {runs}, faults {faults}, published {published}, \
             lost {lost}, doubled {doubled}, stuck {stuck}"
        )
    }
}

impl Campaign {
    /// Runs while `more` says so, and tells each failure.
    pub fn run(
        &self,
        mut more: impl FnMut(&Tally) -> bool,
        mut failed: impl FnMut(&Failed),
    ) -> Tally {
        let mut tally = Tally::default();
        while more(&tally) {
            let script = Script::of(self.first.wrapping_add(tally.runs));
            let outcome = play(&script, self.broken);
            tally.runs += 1;
            tally.faults += outcome.faults;
            tally.published += outcome.published;
            let Some(first) = outcome.violations.into_iter().next() else { continue };
            match first.kind {
                Kind::Lost => tally.lost += 1,
                Kind::Doubled => tally.doubled += 1,
                Kind::Stuck => tally.stuck += 1,
                Kind::Broken => tally.broken += 1,
            }
            let events = script.events.len();
            let (seed, whole) = (script.seed, (script.clone(), first));
            let (short, violation) = shorten(&script, self.broken).unwrap_or(whole);
            failed(&Failed { seed, events, short, violation });
        }
        tally
    }
}
