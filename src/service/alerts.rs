//! What is wrong now and waits for a person, worst first: read off the same state as everything
//! else, so that nothing is wrong without being told. Since when, and what operators said of it, is
//! kept until it is over. Must not put anything right.

use std::collections::BTreeMap;

use serde::Serialize;

use super::shown::Page;
use super::status::Health;
use super::{Services, no, refused, trouble};
use crate::base::{Code, CorrelationId, Problem, Timestamp, Wrong, limits};
use crate::store::rows::{AlertComment, AlertMark, OpenAlert};
use crate::store::{Error, Operator, Tx};

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

/// Since when alerts are open, and what operators say of them.
pub type Opens = BTreeMap<String, OpenAlert>;

/// All that is kept of alerts, as of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    pub marks: Marks,
    pub open: Opens,
}

/// What became of a look at what is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// Alerts that are new, or over.
    pub began: usize,
    pub over: usize,
    /// Marks that count no more.
    pub lapsed: usize,
}

/// An alert, as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AlertShown {
    pub id: &'static str,
    /// `now`, `soon` or `note`.
    pub level: &'static str,
    pub what: String,
    pub count: u64,
    /// Since when it is open; seconds after it began nobody has noted that yet.
    pub since: Option<String>,
    /// `open`, `acknowledged` or `silenced`.
    pub state: &'static str,
    /// Who said so, when, and until when it is silenced.
    pub by: Option<String>,
    pub at: Option<String>,
    pub until: Option<String>,
    /// What operators say of it, the newest last.
    pub comments: Vec<CommentShown>,
    /// What shows its cause, after `carillon`.
    pub look: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CommentShown {
    pub by: String,
    pub at: String,
    pub text: String,
}

/// Comments of an alert that are kept, and the characters of one.
const COMMENTS: usize = 20;
const COMMENT_CHARS: usize = 500;

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
    add("chains", now, count(health.broken_chains.len()), format!("the record of events was changed: {}", health.broken_chains.join(", ")), "event check -w WORKSPACE");
    add("held", soon, health.held, many(health.held, "post waits for a decision", "posts wait for a decision"), "delivery list --state held -w WORKSPACE");
    add("failed", soon, refused, many(refused, "post failed, or is there in part", "posts failed, or are there in part"), "delivery list --state failed -w WORKSPACE");
    add("approvals", soon, health.unapproved, many(health.unapproved, "post is due and waits for approval", "posts are due and wait for approval"), "post list --approval asked -w WORKSPACE");
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
    add("clock", soon, health.clock_jumps, format!("the clock jumped {}", health.clock_jump), "delivery list -w WORKSPACE");
    let (unsigned, of) = &health.hook_signatures;
    add("hook-signatures", soon, *unsigned, format!("webhooks whose signature is wrong or missing, {unsigned} within an hour: {of}"), "event installation");
    let (asked, of) = &health.hook_challenges;
    add("hook-challenge", soon, *asked, format!("{} for a signature of what no network asks for: {of}", many(*asked, "request", "requests")), "event installation");
    add("backup-stale", soon, u64::from(health.backup_is_stale), format!("the last backup is of {}", health.last_backup.as_deref().unwrap_or_default()), "backup list");
    add("backup", note, u64::from(health.last_backup.is_none()), "there is no backup".to_owned(), "backup list");
    let untold = health.nobody_is_told.as_deref();
    add("untold", note, u64::from(untold.is_some()), format!("nobody is told when something stops: {}", untold.unwrap_or_default()), "config explain mail");
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
    pub fn shown(self, kept: &Kept, now: Timestamp) -> AlertShown {
        let mark = kept.marks.get(self.id).filter(|mark| holds(mark, &self, now));
        let open = kept.open.get(self.id);
        let comment = |said: &AlertComment| CommentShown {
            by: said.by.word(),
            at: said.at.to_string(),
            text: said.text.clone(),
        };
        AlertShown {
            id: self.id,
            level: self.level.word(),
            what: self.what,
            count: self.count,
            since: open.map(|open| open.since.to_string()),
            state: match mark {
                None => "open",
                Some(AlertMark { until: Some(_), .. }) => "silenced",
                Some(_) => "acknowledged",
            },
            by: mark.map(|mark| mark.by.word()),
            at: mark.map(|mark| mark.at.to_string()),
            until: mark.and_then(|mark| mark.until).map(|until| until.to_string()),
            comments: open
                .map(|open| open.comments.iter().map(comment).collect())
                .unwrap_or_default(),
            look: self.look,
        }
    }
}

/// The comment, or what is wrong with it.
fn comment(text: &str) -> Result<String, Problem> {
    let (text, max) = (text.trim(), COMMENT_CHARS);
    if text.is_empty() {
        return Err(Problem::field("text", Wrong::Empty));
    }
    let actual = text.chars().count();
    if actual > max {
        return Err(Problem::field("text", Wrong::TooLong { max, actual, unit: "characters" }));
    }
    if text.chars().any(char::is_control) {
        let expected = "one line, without control characters".to_owned();
        return Err(Problem::field("text", Wrong::BadFormat { expected }));
    }
    Ok(text.to_owned())
}

impl Services {
    /// What is wrong now, with what was said of it.
    pub async fn alerts(&self, _: Operator) -> Result<Page<AlertShown>, Problem> {
        let (kept, now) = (self.kept_alerts().await?, self.now());
        let all = self.wrong().await?.into_iter();
        Ok(Page { items: all.map(|alert| alert.shown(&kept, now)).collect(), next: None })
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

    /// What is kept of alerts.
    pub async fn kept_alerts(&self) -> Result<Kept, Problem> {
        let rows = self.store.read(|view| {
            let marks = view.scan_global::<AlertMark>(None, limits::PAGE_MAX)?;
            let open = view.scan_global::<OpenAlert>(None, limits::PAGE_MAX)?;
            Ok(Kept { marks: marks.into_iter().collect(), open: open.into_iter().collect() })
        });
        rows.await.map_err(trouble)
    }

    /// The alert of this name, if it is open.
    async fn open_alert(&self, id: &str) -> Result<Alert, Problem> {
        let wrong = self.wrong().await?;
        wrong.iter().find(|alert| alert.id == id).cloned().ok_or_else(|| {
            let open: Vec<&str> = wrong.iter().map(|alert| alert.id).collect();
            let allowed = if open.is_empty() { "none is open".to_owned() } else { open.join(", ") };
            Problem::field("id", Wrong::NotOneOf { allowed })
        })
    }

    /// Says that an open alert was seen; with `minutes`, that it is to be silent for so long.
    pub async fn mark_alert(
        &self,
        (operator, correlation): (Operator, CorrelationId),
        id: &str,
        minutes: Option<u64>,
    ) -> Result<AlertShown, Problem> {
        if minutes.is_some_and(|minutes| !(1..=LONGEST_MINUTES).contains(&minutes)) {
            let max = i64::try_from(LONGEST_MINUTES).unwrap_or(i64::MAX);
            return Err(Problem::field("minutes", Wrong::OutOfRange { min: 1, max }));
        }
        let now = self.now();
        let alert = self.open_alert(id).await?;
        let until = minutes.map(|minutes| now.plus(std::time::Duration::from_secs(60 * minutes)));
        let mark = AlertMark { by: operator.actor(), at: now, count: alert.count, until };
        let kind = if until.is_some() { "alert.silenced" } else { "alert.acknowledged" };
        let said = until.map(|until| ("until", until.to_string()));
        let (services, who, key) = (self.clone(), (operator.actor(), correlation), alert.id);
        let written = self.store.write(move |tx| {
            tx.put_global(&key.to_owned(), &mark)?;
            let data: Vec<(&str, &str)> =
                said.iter().map(|(name, value)| (*name, value.as_str())).collect();
            services.note_installation(tx, who.clone(), (kind, key), &data)?;
            Ok(())
        });
        written.await.map_err(refused)?;
        let actor = operator.actor().word();
        tracing::info!(
            alert = id,
            actor,
            until = until.map(|at| at.to_string()),
            "an alert was seen"
        );
        Ok(alert.shown(&self.kept_alerts().await?, now))
    }

    /// Says something of an open alert to the other operators; it is kept until the alert is over.
    pub async fn comment_alert(
        &self,
        (operator, correlation): (Operator, CorrelationId),
        id: &str,
        text: &str,
    ) -> Result<AlertShown, Problem> {
        let text = comment(text)?;
        let (alert, at) = (self.open_alert(id).await?, self.now());
        let said = AlertComment { by: operator.actor(), at, text };
        let (services, who, key) = (self.clone(), (operator.actor(), correlation), alert.id);
        let written = self.store.write(move |tx| {
            let before = tx.view().get_global::<OpenAlert>(&key.to_owned())?;
            let new = OpenAlert { since: at, comments: Vec::new() };
            let mut open = before.unwrap_or(new);
            open.comments.push(said.clone());
            let extra = open.comments.len().saturating_sub(COMMENTS);
            drop(open.comments.drain(..extra));
            tx.put_global(&key.to_owned(), &open)?;
            let data = [("text", said.text.as_str())];
            services.note_installation(tx, who.clone(), ("alert.commented", key), &data)?;
            Ok(())
        });
        written.await.map_err(refused)?;
        tracing::info!(alert = id, actor = operator.actor().word(), "an alert was commented on");
        Ok(alert.shown(&self.kept_alerts().await?, self.now()))
    }

    /// Takes back what was said of an alert, but for the comments.
    pub async fn reopen_alert(
        &self,
        (operator, correlation): (Operator, CorrelationId),
        id: &str,
    ) -> Result<AlertShown, Problem> {
        let (services, who, key) = (self.clone(), (operator.actor(), correlation), id.to_owned());
        let removed = self.store.write(move |tx| {
            if tx.view().get_global::<AlertMark>(&key)?.is_none() {
                return no(Problem::new(Code::NotFound).with("alert", &key));
            }
            tx.delete_global::<AlertMark>(&key);
            services.note_installation(tx, who.clone(), ("alert.reopened", &key), &[])?;
            Ok(())
        });
        removed.await.map_err(refused)?;
        tracing::info!(alert = id, actor = operator.actor().word(), "an alert is open again");
        let open = self.wrong().await?.into_iter().find(|alert| alert.id == id);
        // It is over meanwhile.
        let open = open.ok_or_else(|| Problem::new(Code::NotFound).with("alert", id))?;
        Ok(open.shown(&self.kept_alerts().await?, self.now()))
    }

    /// Notes since when alerts are open, and forgets what was said of those that are over or worse
    /// by now: the next one is news.
    pub async fn follow_alerts(&self) -> Result<Followed, Problem> {
        let (kept, wrong, now) = (self.kept_alerts().await?, self.wrong().await?, self.now());
        let is_open = |id: &str| wrong.iter().any(|alert| alert.id == id);
        let counts = |id: &str, mark: &AlertMark| {
            wrong.iter().any(|alert| alert.id == id && holds(mark, alert, now))
        };
        let new = wrong.iter().map(|alert| alert.id).filter(|id| !kept.open.contains_key(*id));
        let turn = Turn {
            now,
            began: new.collect(),
            over: kept.open.into_keys().filter(|id| !is_open(id)).collect(),
            lapsed: kept.marks.into_iter().filter(|(id, mark)| !counts(id, mark)).collect(),
        };
        let Turn { began, over, lapsed, .. } = &turn;
        let followed = Followed { began: began.len(), over: over.len(), lapsed: lapsed.len() };
        // What cannot be written now is written by a later round.
        if followed != Followed::default() && self.store.is_healthy() {
            let written = self.store.write(move |tx| Ok(turn.write(tx)?));
            written.await.map_err(refused)?;
        }
        Ok(followed)
    }
}

/// What changes with one look.
struct Turn {
    now: Timestamp,
    began: Vec<&'static str>,
    over: Vec<String>,
    lapsed: Vec<(String, AlertMark)>,
}

impl Turn {
    fn write(&self, tx: &mut Tx<'_>) -> Result<(), Error> {
        for (id, mark) in &self.lapsed {
            // Somebody may have said something else of it meanwhile.
            if tx.view().get_global::<AlertMark>(id)?.as_ref() == Some(mark) {
                tx.delete_global::<AlertMark>(id);
            }
        }
        for id in &self.over {
            tx.delete_global::<OpenAlert>(id);
        }
        for id in &self.began {
            let id = (*id).to_owned();
            // Somebody may have commented on it meanwhile.
            if tx.view().get_global::<OpenAlert>(&id)?.is_none() {
                tx.put_global(&id, &OpenAlert { since: self.now, comments: Vec::new() })?;
            }
        }
        Ok(())
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
            let kept = Kept { marks, ..Kept::default() };
            let shown = alert(count).shown(&kept, at(now));
            assert_eq!(shown.state, state, "{count} {until:?} {now}");
            assert_eq!(shown.by.is_some(), state != "open");
        }
        assert_eq!(alert(1).shown(&Kept::default(), at(1)).what, "1 post waits for a decision");
    }

    #[test]
    fn a_comment_is_a_line_that_is_neither_empty_nor_long() {
        assert_eq!(comment("  the vendor knows \u{e9}\n").unwrap(), "the vendor knows \u{e9}");
        let long = "x".repeat(COMMENT_CHARS + 1);
        for text in ["", "  ", "two\nlines", "a\u{1b}[2Jb", &long] {
            assert!(comment(text).is_err(), "{text:?}");
        }
        assert!(comment(&"x".repeat(COMMENT_CHARS)).is_ok());
    }
}
