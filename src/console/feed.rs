//! Reads what consoles show, for all of them together: only while somebody looks, soon after a
//! change, and now and then. Must not draw.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Map;

use super::snapshot::{LogLine, Sample, Setting, Snapshot, Status};
use crate::base::{CorrelationId, Problem, WorkspaceId};
use crate::service::{Administrator, Bounds, Services, run_verb};
use crate::store::Operator;
use crate::telemetry::Ring;
use crate::telemetry::metrics::{ByNetwork, Counted};

/// Rows of each kind.
pub const DELIVERIES: usize = 400;
const BOUNDS: Bounds =
    Bounds { workspaces: 200, channels: 500, deliveries: DELIVERIES, events: 400, people: 500 };
const LINES: usize = 2_000;
/// One bar of a chart, and how many there are.
pub const STRETCH: Duration = Duration::from_secs(15);
const STRETCHES: usize = 240;
const CALENDAR: Duration = Duration::from_secs(5);
const BACKUPS: Duration = Duration::from_secs(30);
const WEEK: Duration = Duration::from_hours(7 * 24);

/// What is kept between two looks.
pub struct Feed {
    services: Services,
    ring: Ring,
    settings: Box<dyn Fn() -> Vec<Setting> + Send + Sync>,
    host: Arc<str>,
    history: Vec<Sample>,
    counted: Option<Counted>,
    log: Vec<Arc<LogLine>>,
    seen: u64,
    /// When these were read last.
    calendar_at: Option<Duration>,
    backups_at: Option<Duration>,
    last: Snapshot,
}

impl Feed {
    pub fn new(
        services: Services,
        ring: Ring,
        host: &str,
        settings: Box<dyn Fn() -> Vec<Setting> + Send + Sync>,
    ) -> Self {
        Self {
            services,
            ring,
            settings,
            host: host.into(),
            history: Vec::new(),
            counted: None,
            log: Vec::new(),
            seen: 0,
            calendar_at: None,
            backups_at: None,
            last: Snapshot::default(),
        }
    }

    /// Whether lines were logged since the last look.
    pub fn has_lines(&self) -> bool {
        self.ring.written() != self.seen
    }

    /// Counts one more stretch; to be called once in each.
    pub fn count(&mut self) {
        let now = self.services.metrics.counted();
        if let Some(before) = self.counted.replace(now.clone()) {
            self.history.push(sample(&before, &now));
            let extra = self.history.len().saturating_sub(STRETCHES);
            drop(self.history.drain(..extra));
        }
    }

    /// Everything as it is now, after the answer of this number; what cannot be read stays as it
    /// was, and is said to be so.
    pub async fn look(&mut self, answered: u64) -> Arc<Snapshot> {
        let mut snap = std::mem::take(&mut self.last);
        snap.trouble = self.read(&mut snap).await.err().map(|problem| problem.to_string());
        if snap.trouble.is_none() {
            snap.answered = answered;
        }
        snap.at = self.services.now();
        snap.host = Arc::clone(&self.host);
        snap.history.clone_from(&self.history);
        snap.jobs = self.services.jobs.all();
        snap.settings = (self.settings)().into();
        self.lines();
        snap.log.clone_from(&self.log);
        self.last = snap.clone();
        Arc::new(snap)
    }

    async fn read(&mut self, snap: &mut Snapshot) -> Result<(), Problem> {
        let (services, operator) = (&self.services, Operator::new(0));
        let correlation = CorrelationId::new(services.rng.as_ref());
        let none = Map::new();
        let status = run_verb(services, operator, ("status", ""), None, &none, correlation);
        let status = Status::of(&status.await?);
        let overview = services.overview(operator, BOUNDS).await?;
        // Both or neither: a header must not say other numbers than the lists below it.
        snap.status = status.with_counts_of(&overview);
        snap.alerts = services.kept_alerts().await?;
        snap.overview = Arc::new(overview);
        snap.networks = services.networks().await?.items;
        let looks = Administrator::of_operator(operator, correlation);
        snap.apps = services.apps(&looks).await?.items;
        let mono = services.clock.monotonic();
        let old = |at: Option<Duration>, life| at.is_none_or(|at| mono.saturating_sub(at) >= life);
        if old(self.calendar_at, CALENDAR) {
            let (from, to) = (services.now().minus(2 * WEEK), services.now().plus(6 * WEEK));
            snap.calendar = services.due_between(operator, (from, to), DELIVERIES).await?.into();
            self.calendar_at = Some(mono);
        }
        if old(self.backups_at, BACKUPS) {
            // Without a folder there is nothing to list.
            snap.backups = services.tested_backups().await.unwrap_or_default();
            self.backups_at = Some(mono);
        }
        Ok(())
    }

    fn lines(&mut self) {
        let (lines, written) = self.ring.after(self.seen);
        let mut number = written.saturating_sub(u64::try_from(lines.len()).unwrap_or(0));
        for line in lines {
            number += 1;
            self.log.push(Arc::new(LogLine::of(number, &line)));
        }
        self.seen = written;
        let extra = self.log.len().saturating_sub(LINES);
        drop(self.log.drain(..extra));
    }

    /// Looks at backups and calendar anew with the next look.
    pub fn forget(&mut self) {
        (self.calendar_at, self.backups_at) = (None, None);
    }
}

/// Workspaces of a snapshot in which nobody has noted yet that this console looks.
pub fn unnoted(snap: &Snapshot, noted: &BTreeSet<WorkspaceId>) -> Vec<WorkspaceId> {
    snap.overview.shows().difference(noted).copied().collect()
}

/// What happened between two counts, by the minute where it is a rate.
fn sample(before: &Counted, now: &Counted) -> Sample {
    let minutes = STRETCH.as_secs_f64() / 60.0;
    let rate = |n: u64| f64::from(u32::try_from(n).unwrap_or(u32::MAX)) / minutes;
    let mut networks = std::collections::BTreeMap::new();
    let mut all = ByNetwork::default();
    for (name, by) in &now.networks {
        let was = before.networks.get(name).copied().unwrap_or_default();
        let grown = ByNetwork {
            published: by.published.saturating_sub(was.published),
            failed: by.failed.saturating_sub(was.failed),
            held: by.held.saturating_sub(was.held),
            retried: by.retried.saturating_sub(was.retried),
            rate_limited: by.rate_limited.saturating_sub(was.rate_limited),
        };
        all.published += grown.published;
        all.failed += grown.failed + grown.held;
        all.rate_limited += grown.rate_limited;
        if grown != ByNetwork::default() {
            networks.insert(name.clone(), grown);
        }
    }
    let parts = now.late.1.saturating_sub(before.late.1);
    let late = if parts > 0 {
        (now.late.0 - before.late.0) / f64::from(u32::try_from(parts).unwrap_or(u32::MAX))
    } else {
        0.0
    };
    Sample {
        published: rate(all.published),
        failed: rate(all.failed),
        limited: rate(all.rate_limited),
        requests: rate(now.requests.saturating_sub(before.requests)),
        late,
        overdue: f64::from(u32::try_from(now.overdue).unwrap_or(u32::MAX)),
        networks,
    }
}
