//! The workers: what they are doing, as data for whoever asks, and what somebody wants of them. Must
//! not do their work.

use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};
use serde::Serialize;
use tokio::sync::Notify;

use crate::base::{Clock, Problem, Timestamp, Wrong};

/// The workers by name; a cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Jobs(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    all: Mutex<BTreeMap<&'static str, Job>>,
    /// Somebody wants something of one of them.
    ordered: Notify,
}

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
    /// It does nothing by itself until somebody lets it go on, or the server starts anew.
    pub paused: bool,
    /// Somebody wants a round now, or this is it.
    pub asked: bool,
    /// Somebody wants the round that runs to end after the step that it is at.
    pub stopping: bool,
    /// It does.
    pub stopped: bool,
    /// The last rounds, the newest first; since the server began.
    pub rounds: VecDeque<Round>,
}

/// A round that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Round {
    pub began_at: Timestamp,
    #[serde(rename = "took_ms", serialize_with = "millis")]
    pub took: Duration,
    pub failed: Option<String>,
    /// It ended before it was through, because somebody wanted that.
    pub stopped: bool,
}

/// Rounds that are remembered of each worker.
const ROUNDS: usize = 20;

fn millis<S: serde::Serializer>(took: &Duration, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_u128(took.as_millis())
}

/// What somebody wants of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// One round now, paused or not.
    Run,
    Pause,
    Resume,
    /// No more of the round that runs.
    Stop,
}

/// A worker for people.
#[derive(Clone, Debug, Serialize)]
pub struct JobShown {
    pub name: &'static str,
    /// `running`, `stopping`, `paused`, `failed`, `waits` (has not run yet) or `ok`.
    pub state: &'static str,
    pub runs: u64,
    pub began_at: Option<String>,
    pub took_ms: u128,
    pub next_at: Option<String>,
    pub failed: Option<String>,
    /// The newest first.
    pub rounds: Vec<Round>,
}

/// Without these the server does not stay well; they are not to be paused.
const VITAL: [&str; 3] = ["disk", "stage", "suspicion"];
/// Those whose rounds are made of steps, between which nothing is half done. The rounds of the others
/// are one step.
const STEPPED: [&str; 4] = ["backup", "chains", "erasure", "sessions"];

impl Job {
    /// In a word.
    pub fn state(&self) -> &'static str {
        match self {
            Self { running: true, stopping: true, .. } => "stopping",
            Self { running: true, .. } => "running",
            Self { paused: true, .. } => "paused",
            Self { failed: Some(_), .. } => "failed",
            Self { runs: 0, .. } => "waits",
            _ => "ok",
        }
    }
}

impl Jobs {
    /// A round begins.
    pub fn begins(&self, name: &'static str, now: Timestamp) {
        self.with(name, |job| {
            job.runs += 1;
            (job.running, job.began, job.next, job.failed) = (true, Some(now), None, None);
            (job.stopping, job.stopped) = (false, false);
        });
    }

    /// It is over, and the next one is at `next`.
    pub fn rests(&self, name: &'static str, now: Timestamp, next: Timestamp) {
        self.with(name, |job| {
            if job.running {
                let began_at = job.began.unwrap_or(now);
                job.took = now.since(began_at);
                job.asked = false;
                job.rounds.truncate(ROUNDS - 1);
                let (took, failed, stopped) = (job.took, job.failed.clone(), job.stopped);
                job.rounds.push_front(Round { began_at, took, failed, stopped });
            }
            (job.running, job.next) = (false, Some(next).filter(|_| !job.paused));
        });
    }

    /// The round that runs did not do what it is for.
    pub fn failed(&self, name: &'static str, why: &dyn std::fmt::Display) {
        self.with(name, |job| job.failed = Some(why.to_string()));
    }

    /// Whether somebody wanted the round that runs.
    pub fn is_asked(&self, name: &'static str) -> bool {
        self.with(name, |job| job.asked)
    }

    /// Between two steps: whether the round of this worker is to end here. Whoever asks ends it.
    pub fn stops(&self, name: &str) -> bool {
        let mut jobs = self.0.all.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(job) = jobs.get_mut(name) else { return false };
        job.stopped |= job.running && job.stopping;
        job.stopped
    }

    /// Waits until it is time for the next round of this worker, or somebody wants one.
    pub async fn rest(&self, name: &'static str, clock: &dyn Clock, wait: Duration) {
        self.rests(name, clock.now(), clock.now().plus(wait));
        let until = clock.monotonic() + wait;
        loop {
            // Before the look, so that no order is missed between the two.
            let mut ordered = pin!(self.0.ordered.notified());
            ordered.as_mut().enable();
            let (asked, paused) = self.with(name, |job| (job.asked, job.paused));
            if asked {
                break;
            }
            if paused {
                ordered.await;
                continue;
            }
            let left = until.saturating_sub(clock.monotonic());
            if let Either::Right(_) = select(ordered, clock.sleep(left)).await {
                break;
            }
        }
        self.begins(name, clock.now());
    }

    /// Tells a worker what somebody wants; how it is then.
    pub fn order(&self, name: &str, order: Order) -> Result<JobShown, Problem> {
        let mut jobs = self.0.all.lock().unwrap_or_else(PoisonError::into_inner);
        let known = || jobs.keys().copied().collect::<Vec<_>>().join(", ");
        let Some((name, _)) = jobs.get_key_value(name) else {
            return Err(Problem::field("name", Wrong::NotOneOf { allowed: known() }));
        };
        if order == Order::Pause && VITAL.contains(name) {
            let why = "is not to be paused: the server needs it to stay well";
            return Err(Problem::field("name", Wrong::NotPossible { why }));
        }
        let name = *name;
        let job = jobs.entry(name).or_default();
        if order == Order::Stop && !STEPPED.contains(&name) {
            let why = "has rounds of one step, which is over in a moment";
            return Err(Problem::field("name", Wrong::NotPossible { why }));
        }
        if order == Order::Stop && !job.running {
            return Err(Problem::field("name", Wrong::NotPossible { why: "is not running now" }));
        }
        match order {
            Order::Run => job.asked = true,
            Order::Pause => (job.paused, job.next) = (true, None),
            Order::Resume => job.paused = false,
            Order::Stop => job.stopping = true,
        }
        let shown = shown(name, job);
        drop(jobs);
        self.0.ordered.notify_waiters();
        Ok(shown)
    }

    /// There is something to do for a worker: it need not wait, unless it is paused.
    pub fn hurry(&self, name: &'static str) {
        self.with(name, |job| job.asked |= !job.paused);
        self.0.ordered.notify_waiters();
    }

    /// All that have begun or wait.
    pub fn all(&self) -> Vec<(&'static str, Job)> {
        let jobs = self.0.all.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.iter().map(|(name, job)| (*name, job.clone())).collect()
    }

    /// The same for people.
    pub fn shown(&self) -> Vec<JobShown> {
        self.all().iter().map(|(name, job)| shown(name, job)).collect()
    }

    fn with<T>(&self, name: &'static str, change: impl FnOnce(&mut Job) -> T) -> T {
        let mut jobs = self.0.all.lock().unwrap_or_else(PoisonError::into_inner);
        change(jobs.entry(name).or_default())
    }
}

fn shown(name: &'static str, job: &Job) -> JobShown {
    JobShown {
        name,
        state: job.state(),
        runs: job.runs,
        began_at: job.began.map(|at| at.to_string()),
        took_ms: job.took.as_millis(),
        next_at: job.next.map(|at| at.to_string()),
        failed: job.failed.clone(),
        rounds: job.rounds.iter().cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::base::ManualClock;

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
        for n in 1..30 {
            jobs.rests("media", at(20 * n), at(20 * n + 10));
            jobs.begins("media", at(20 * n + 10));
        }
        let rounds = &jobs.all()[0].1.rounds;
        assert_eq!((rounds.len(), rounds[0].began_at), (ROUNDS, at(20 * 28 + 10)), "the newest");
        assert_eq!(rounds[0].took, Duration::from_millis(10));
    }

    #[test]
    fn a_round_can_be_wanted_and_a_paused_worker_waits_for_one() {
        let (jobs, clock) = (Jobs::default(), ManualClock::at(Timestamp::from_millis(0)));
        let hour = Duration::from_hours(1);
        assert!(jobs.order("media", Order::Run).is_err(), "there is none yet");
        let mut rest = Box::pin(jobs.rest("media", &clock, hour));
        assert!(rest.as_mut().now_or_never().is_none());
        jobs.order("media", Order::Run).unwrap();
        assert!(rest.as_mut().now_or_never().is_some() && jobs.is_asked("media"));

        jobs.order("media", Order::Pause).unwrap();
        let mut rest = Box::pin(jobs.rest("media", &clock, hour));
        assert!(rest.as_mut().now_or_never().is_none() && !jobs.is_asked("media"));
        clock.advance(2 * hour);
        assert!(rest.as_mut().now_or_never().is_none(), "its time came while it was paused");
        assert_eq!(jobs.shown()[0].state, "paused");
        jobs.order("media", Order::Resume).unwrap();
        assert!(rest.as_mut().now_or_never().is_some());

        jobs.begins("disk", clock.now());
        assert!(jobs.order("disk", Order::Pause).is_err());
    }

    #[test]
    fn a_round_of_steps_ends_between_two_of_them() {
        let (jobs, at) = (Jobs::default(), Timestamp::from_millis);
        assert!(!jobs.stops("erasure") && jobs.all().is_empty());
        jobs.rests("erasure", at(1), at(2));
        jobs.rests("media", at(1), at(2));
        assert!(jobs.order("erasure", Order::Stop).is_err(), "it does not run");
        jobs.begins("erasure", at(2));
        jobs.begins("media", at(2));
        assert!(jobs.order("media", Order::Stop).is_err(), "its rounds are one step");
        assert!(!jobs.stops("erasure"));
        assert_eq!(jobs.order("erasure", Order::Stop).unwrap().state, "stopping");
        assert!(jobs.stops("erasure") && jobs.stops("erasure"));
        jobs.rests("erasure", at(3), at(4));
        assert!(jobs.all()[0].1.rounds[0].stopped);
        // The next round is one as any other; and what came too late has stopped nothing.
        jobs.begins("erasure", at(4));
        assert!(!jobs.stops("erasure"));
        jobs.order("erasure", Order::Stop).unwrap();
        jobs.rests("erasure", at(5), at(6));
        let (_, erasure) = jobs.all().remove(0);
        assert_eq!((erasure.rounds[0].stopped, erasure.state()), (false, "ok"));
    }
}
