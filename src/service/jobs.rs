//! What the workers are doing, as data for whoever asks. Must not start or stop any of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::base::Timestamp;

/// The workers by name; a cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Jobs(Arc<Mutex<BTreeMap<&'static str, Job>>>);

/// One worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Job {
    pub runs: u64,
    pub running: bool,
    pub began: Option<Timestamp>,
    pub took: Duration,
    pub next: Option<Timestamp>,
    /// What went wrong in the last round; nothing when it went well.
    pub failed: Option<String>,
}

impl Jobs {
    /// A round begins.
    pub fn begins(&self, name: &'static str, now: Timestamp) {
        self.with(name, |job| {
            job.runs += 1;
            (job.running, job.began, job.next, job.failed) = (true, Some(now), None, None);
        });
    }

    /// It is over, and the next one is at `next`.
    pub fn rests(&self, name: &'static str, now: Timestamp, next: Timestamp) {
        self.with(name, |job| {
            if job.running {
                job.took = job.began.map_or(Duration::ZERO, |began| now.since(began));
            }
            (job.running, job.next) = (false, Some(next));
        });
    }

    /// The round that runs did not do what it is for.
    pub fn failed(&self, name: &'static str, why: &dyn std::fmt::Display) {
        self.with(name, |job| job.failed = Some(why.to_string()));
    }

    /// All that have begun or wait.
    pub fn all(&self) -> Vec<(&'static str, Job)> {
        let jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.iter().map(|(name, job)| (*name, job.clone())).collect()
    }

    fn with(&self, name: &'static str, change: impl FnOnce(&mut Job)) {
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(jobs.entry(name).or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_begins_fails_and_rests() {
        let (jobs, at) = (Jobs::default(), Timestamp::from_millis);
        jobs.rests("media", at(5), at(10));
        jobs.begins("media", at(10));
        jobs.failed("media", &"no room");
        jobs.rests("media", at(14), at(20));
        let (name, job) = jobs.all().remove(0);
        assert_eq!((name, job.runs, job.running, job.next), ("media", 1, false, Some(at(20))));
        assert_eq!((job.took, job.failed.as_deref()), (Duration::from_millis(4), Some("no room")));
        jobs.begins("media", at(20));
        assert_eq!(jobs.all()[0].1.failed, None, "each round begins anew");
    }
}
