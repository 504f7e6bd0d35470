//! What is wrong now and waits for a person, worst first: read off the same state as everything
//! else, so that nothing is wrong without being told. What operators said of it is kept, until it is
//! over or gets worse. Must not put anything right.

use std::collections::BTreeMap;

use serde::Serialize;

use super::shown::Page;
use super::status::Health;
use super::{Services, no, refused, trouble};
use crate::base::{Code, Problem, Timestamp, Wrong, limits};
use crate::store::Operator;
use crate::store::rows::AlertMark;

/// How soon somebody must look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Now,
    Soon,
    Note,
}

impl Level {
    pub fn word(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::Soon => "soon",
            Self::Note => "note",
        }
    }
}

/// Something that a person should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// One is open of each at most.
    pub id: &'static str,
    pub level: Level,
    pub what: String,
    /// How many of it there are; more is worse.
    pub count: u64,
    /// The verb that shows its cause.
    pub look: &'static str,
}

/// What alerts are read off.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub health: &'a Health,
    /// Jobs whose last round failed.
    pub jobs_failed: u64,
    /// Networks that do not know this installation's application.
    pub apps_refused: &'a [&'a str],
}

/// What operators said of alerts, by what those are called.
pub type Marks = BTreeMap<String, AlertMark>;

/// An alert, as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AlertShown {
    pub id: &'static str,
    /// `now`, `soon` or `note`.
    pub level: &'static str,
    pub what: String,
    pub count: u64,
    /// `open`, `acknowledged` or `silenced`.
    pub state: &'static str,
    /// Who said so, when, and until when it is silenced.
    pub by: Option<String>,
    pub at: Option<String>,
    pub until: Option<String>,
    /// What shows its cause, after `carillon`.
    pub look: &'static str,
}

/// As long as a maintenance may take.
const LONGEST_MINUTES: u64 = 30 * 24 * 60;

/// So many of something.
fn many(n: u64, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// All that is wrong, worst first.
#[rustfmt::skip]
pub fn alerts(facts: Facts<'_>) -> Vec<Alert> {
    let Facts { health, jobs_failed: jobs, apps_refused: apps } = facts;
    let mut all = Vec::new();
    let mut add = |id, level, count: u64, what: String, look| {
        if count > 0 {
            all.push(Alert { id, level, what, count, look });
        }
    };
    let (now, soon, note) = (Level::Now, Level::Soon, Level::Note);
    let free = health.free_mib.map_or_else(|| "?".to_owned(), |mib| mib.to_string());
    let full = matches!(health.disk.as_str(), "scarce" | "out");
    let by_hand = health.paused.iter().filter(|name| *name != "everything" && !health.stopped.contains_key(*name));
    let by_hand: Vec<&str> = by_hand.map(String::as_str).collect();
    let stopped = |code: &str| -> Vec<&str> {
        health.stopped.iter().filter(|(_, why)| *why == code).map(|(name, _)| name.as_str()).collect()
    };
    let (broke, old) = (stopped("credits_depleted"), stopped("version_sunset"));
    let refused = health.failed + health.partial;
    let paused = !health.publishing && !health.restored;
    add("store", now, u64::from(!health.store_ok), "the database cannot be written".to_owned(), "status");
    add("disk", now, u64::from(full), format!("the disk is nearly full: {free} MiB free"), "status");
    add("restored", now, u64::from(health.restored), "restored from a backup; all is paused".to_owned(), "delivery list --state held -w WORKSPACE");
    add("reconnect", now, health.reconnect, many(health.reconnect, "channel must be connected again", "channels must be connected again"), "channel list -w WORKSPACE");
    add("apps", now, count(apps.len()), format!("does not know our application: {}", apps.join(", ")), "app list");
    add("held", soon, health.held, many(health.held, "post waits for a decision", "posts wait for a decision"), "delivery list --state held -w WORKSPACE");
    add("failed", soon, refused, many(refused, "post failed, or is there in part", "posts failed, or are there in part"), "delivery list --state failed -w WORKSPACE");
    add("paused", soon, u64::from(paused), "publishing is paused everywhere".to_owned(), "status");
    add("versions", now, count(old.len()), format!("does not take this version any more: {}", old.join(", ")), "network list");
    add("credits", now, count(broke.len()), format!("no credits left: {}", broke.join(", ")), "network list");
    add("networks", soon, count(by_hand.len()), format!("paused: {}", by_hand.join(", ")), "network list");
    add("media", soon, u64::from(!health.media_ok), "the place of media does not answer".to_owned(), "doctor");
    add("disk-low", soon, u64::from(health.disk == "low"), format!("the disk is filling up: {free} MiB free"), "status");
    add("circuits", soon, count(health.circuits.len()), health.circuits.join("; "), "status");
    add("late", soon, if health.late > LATE { health.late } else { 0 }, format!("{} deliveries are overdue", health.late), "status");
    add("paused-channels", soon, health.paused_channels, many(health.paused_channels, "channel is paused", "channels are paused"), "channel list -w WORKSPACE");
    add("paused-workspaces", soon, health.paused_workspaces, many(health.paused_workspaces, "workspace is paused", "workspaces are paused"), "workspace list");
    add("jobs", soon, jobs, many(jobs, "job failed in its last round", "jobs failed in their last round"), "job list");
    add("backup", note, u64::from(health.last_backup.is_none()), "there is no backup".to_owned(), "backup list");
    all
}

/// So many are overdue before that is worth a word.
pub const LATE: u64 = 100;

/// Whether what was said of an alert still counts.
fn holds(mark: &AlertMark, alert: &Alert, now: Timestamp) -> bool {
    alert.count <= mark.count && mark.until.is_none_or(|until| now < until)
}

impl Alert {
    /// With what was said of it.
    pub fn shown(self, marks: &Marks, now: Timestamp) -> AlertShown {
        let mark = marks.get(self.id).filter(|mark| holds(mark, &self, now));
        AlertShown {
            id: self.id,
            level: self.level.word(),
            what: self.what,
            count: self.count,
            state: match mark {
                None => "open",
                Some(AlertMark { until: Some(_), .. }) => "silenced",
                Some(_) => "acknowledged",
            },
            by: mark.map(|mark| mark.by.word()),
            at: mark.map(|mark| mark.at.to_string()),
            until: mark.and_then(|mark| mark.until).map(|until| until.to_string()),
            look: self.look,
        }
    }
}

impl Services {
    /// What is wrong now, with what was said of it.
    pub async fn alerts(&self, _: Operator) -> Result<Page<AlertShown>, Problem> {
        let (marks, now) = (self.alert_marks().await?, self.now());
        let all = self.wrong().await?.into_iter();
        Ok(Page { items: all.map(|alert| alert.shown(&marks, now)).collect(), next: None })
    }

    async fn wrong(&self) -> Result<Vec<Alert>, Problem> {
        let health = Health::of(&self.status().await?);
        let refused = self.apps_refused().await?;
        let refused: Vec<&str> = refused.iter().map(String::as_str).collect();
        let jobs = self.jobs.all();
        let failed = jobs.iter().filter(|(_, job)| job.failed.is_some());
        let jobs_failed = count(failed.count());
        Ok(alerts(Facts { health: &health, jobs_failed, apps_refused: &refused }))
    }

    pub async fn alert_marks(&self) -> Result<Marks, Problem> {
        let rows = self.store.read(|view| view.scan_global::<AlertMark>(None, limits::PAGE_MAX));
        Ok(rows.await.map_err(trouble)?.into_iter().collect())
    }

    /// Says that an open alert was seen; with `minutes`, that it is to be silent for so long.
    pub async fn mark_alert(
        &self,
        operator: Operator,
        id: &str,
        minutes: Option<u64>,
    ) -> Result<AlertShown, Problem> {
        if minutes.is_some_and(|minutes| !(1..=LONGEST_MINUTES).contains(&minutes)) {
            let max = i64::try_from(LONGEST_MINUTES).unwrap_or(i64::MAX);
            return Err(Problem::field("minutes", Wrong::OutOfRange { min: 1, max }));
        }
        let now = self.now();
        let wrong = self.wrong().await?;
        let Some(alert) = wrong.iter().find(|alert| alert.id == id) else {
            let open: Vec<&str> = wrong.iter().map(|alert| alert.id).collect();
            let allowed = if open.is_empty() { "none is open".to_owned() } else { open.join(", ") };
            return Err(Problem::field("id", Wrong::NotOneOf { allowed }));
        };
        let until = minutes.map(|minutes| now.plus(std::time::Duration::from_secs(60 * minutes)));
        let mark = AlertMark { by: operator.actor(), at: now, count: alert.count, until };
        let (key, row) = (id.to_owned(), mark.clone());
        self.store
            .write(move |tx| tx.put_global(&key, &row).map_err(Into::into))
            .await
            .map_err(refused)?;
        let actor = mark.by.word();
        tracing::info!(
            alert = id,
            actor,
            until = until.map(|at| at.to_string()),
            "an alert was seen"
        );
        Ok(alert.clone().shown(&Marks::from([(id.to_owned(), mark)]), now))
    }

    /// Takes back what was said of an alert.
    pub async fn reopen_alert(&self, operator: Operator, id: &str) -> Result<AlertShown, Problem> {
        let key = id.to_owned();
        let removed = self.store.write(move |tx| {
            if tx.view().get_global::<AlertMark>(&key)?.is_none() {
                return no(Problem::new(Code::NotFound).with("alert", &key));
            }
            tx.delete_global::<AlertMark>(&key);
            Ok(())
        });
        removed.await.map_err(refused)?;
        tracing::info!(alert = id, actor = operator.actor().word(), "an alert is open again");
        let open = self.wrong().await?.into_iter().find(|alert| alert.id == id);
        // It is over meanwhile.
        let open = open.ok_or_else(|| Problem::new(Code::NotFound).with("alert", id))?;
        Ok(open.shown(&Marks::new(), self.now()))
    }

    /// Forgets what was said of alerts that are over or worse by now: the next one is news. How many.
    pub async fn lapse_alerts(&self) -> Result<usize, Problem> {
        let marks = self.alert_marks().await?;
        // As good as always: nothing is looked at.
        if marks.is_empty() {
            return Ok(0);
        }
        let (wrong, now) = (self.wrong().await?, self.now());
        let counts = |id: &str, mark: &AlertMark| {
            wrong.iter().any(|alert| alert.id == id && holds(mark, alert, now))
        };
        let over: Vec<(String, AlertMark)> =
            marks.into_iter().filter(|(id, mark)| !counts(id, mark)).collect();
        let lapsed = over.len();
        let written = self.store.write(move |tx| {
            for (id, mark) in &over {
                // Somebody may have said something else of it meanwhile.
                if tx.view().get_global::<AlertMark>(id)?.as_ref() == Some(mark) {
                    tx.delete_global::<AlertMark>(id);
                }
            }
            Ok(())
        });
        written.await.map_err(refused)?;
        Ok(lapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Actor;

    fn alert(count: u64) -> Alert {
        let health = Health { held: count, last_backup: Some(String::new()), ..well() };
        let mut all = alerts(Facts { health: &health, jobs_failed: 0, apps_refused: &[] });
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    fn well() -> Health {
        Health { store_ok: true, media_ok: true, publishing: true, ..Health::default() }
    }

    #[test]
    fn what_was_said_holds_until_it_is_worse_or_over() {
        let at = Timestamp::from_millis;
        let mark = |until| AlertMark { by: Actor::System, at: at(1), count: 3, until };
        for (count, until, now, state) in [
            (3, None, 9, "acknowledged"),
            (2, None, 9, "acknowledged"),
            (4, None, 9, "open"),
            (3, Some(at(10)), 9, "silenced"),
            (3, Some(at(10)), 10, "open"),
            (4, Some(at(10)), 9, "open"),
        ] {
            let marks = Marks::from([("held".to_owned(), mark(until))]);
            let shown = alert(count).shown(&marks, at(now));
            assert_eq!(shown.state, state, "{count} {until:?} {now}");
            assert_eq!(shown.by.is_some(), state != "open");
        }
        assert_eq!(alert(1).shown(&Marks::new(), at(1)).what, "1 post waits for a decision");
    }
}
