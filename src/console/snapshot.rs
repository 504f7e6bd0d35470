//! What is drawn: everything as it was at one moment, shared by all consoles. Plain data; must not
//! ask anybody for more.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::clean::add;
use crate::base::Timestamp;
use crate::service::shown::NetworkShown;
use crate::service::{AppShown, BackupShown, Happened, Job, KeptAlerts, Of, Overview, Waiting};
use crate::telemetry::metrics::ByNetwork;

/// How the program is, as the verb `status` says it.
pub use crate::service::Health as Status;

/// Everything that screens show.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub at: Timestamp,
    /// It was read after the answer of this number, and so has what that changed.
    pub answered: u64,
    pub host: Arc<str>,
    pub status: Status,
    /// Since when alerts are open, and what operators said of them.
    pub alerts: KeptAlerts,
    pub overview: Arc<Overview>,
    /// Posts of the weeks around now, by time.
    pub calendar: Arc<[Of<Waiting>]>,
    pub networks: Vec<NetworkShown>,
    /// This installation as an application of those that ask for one.
    pub apps: Vec<AppShown>,
    pub backups: Vec<BackupShown>,
    pub jobs: Vec<(&'static str, Job)>,
    pub history: Vec<Sample>,
    /// The newest last.
    pub log: Vec<Arc<LogLine>>,
    pub settings: Arc<[Setting]>,
    /// Why some of it is older than `at`.
    pub trouble: Option<String>,
}

/// What happened in one stretch of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    pub published: f64,
    pub failed: f64,
    pub limited: f64,
    pub requests: f64,
    /// Mean seconds from due to receipt.
    pub late: f64,
    pub overdue: f64,
    pub networks: BTreeMap<String, ByNetwork>,
}

/// A line of the log, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogLine {
    pub number: u64,
    /// The whole instant.
    pub at: String,
    pub level: String,
    pub target: String,
    pub message: String,
    /// `name=value`, in order.
    pub fields: String,
}

impl LogLine {
    /// From a line as it was written: JSON, or text for people.
    pub fn of(number: u64, line: &str) -> Self {
        let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(line) else {
            return Self::of_text(number, line);
        };
        let mut shown = Self { number, ..Self::default() };
        for (name, value) in &fields {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            match name.as_str() {
                "timestamp" => shown.at = text,
                "level" => shown.level = text,
                "target" => text.trim_start_matches("carillon::").clone_into(&mut shown.target),
                "message" => shown.message = text,
                _ => add(&mut shown.fields, format_args!("{name}={text} ")),
            }
        }
        shown
    }

    fn of_text(number: u64, line: &str) -> Self {
        let mut words = line.split_whitespace();
        let at = words.next().unwrap_or_default().to_owned();
        let level = words.next().unwrap_or_default().to_owned();
        let rest = line.split_once(&level).map_or("", |(_, rest)| rest).trim();
        let (target, message) = rest.split_once(": ").unwrap_or(("", rest));
        let target = target.trim_start_matches("carillon::").to_owned();
        Self { number, at, level, target, message: message.to_owned(), fields: String::new() }
    }

    /// How grave it is: 0 is an error.
    pub fn rank(&self) -> usize {
        LEVELS.iter().position(|level| *level == self.level).unwrap_or(LEVELS.len())
    }
}

/// From the gravest on.
pub const LEVELS: [&str; 5] = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];

/// A setting as it counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    pub key: String,
    pub value: String,
    /// Where it was said; `default` when nowhere.
    pub from: String,
    /// `reload` or `restart`.
    pub takes_effect: &'static str,
    pub about: String,
}

impl Snapshot {
    /// A delivery by its id.
    pub fn waiting(&self, id: &str) -> Option<&Of<Waiting>> {
        let all =
            self.overview.attention.iter().chain(&self.overview.queue).chain(self.calendar.iter());
        all.into_iter().find(|of| of.it.delivery.id == id)
    }

    /// How far somebody has come who begins: workspace, channel, post.
    pub fn begun(&self) -> [bool; 3] {
        let of = &self.overview;
        let written = |of: &Of<Happened>| {
            of.it.event.kind.starts_with("post.") || of.it.event.kind.starts_with("delivery.")
        };
        let posts =
            !of.queue.is_empty() || !of.attention.is_empty() || of.events.iter().any(written);
        [!of.workspaces.is_empty(), !of.channels.is_empty(), posts]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_are_read_in_both_forms() {
        let json = r#"{"timestamp":"2026-11-22T09:30:00.250Z","level":"WARN","message":"two\nlines","target":"carillon::engine","n":2}"#;
        let line = LogLine::of(1, json);
        assert_eq!((line.level.as_str(), line.target.as_str(), line.rank()), ("WARN", "engine", 1));
        assert_eq!(line.fields, "n=2 ");
        let text = "2026-11-22T09:30:00.250Z  INFO carillon::daemon::serve: ready address=x";
        let line = LogLine::of(2, text);
        assert_eq!(
            (line.target.as_str(), line.message.as_str()),
            ("daemon::serve", "ready address=x")
        );
        assert_eq!(LogLine::of(3, "").level, "");
    }
}
