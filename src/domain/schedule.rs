//! When a post goes out: a local time plus a zone, never a bare instant. Must not read the clock.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use serde::{Deserialize, Serialize};

use crate::base::{Problem, Timestamp, Wrong};

/// A time slightly in the past is a slow typist; more is a mistake.
const PAST_SLACK: Duration = Duration::from_mins(1);
const FAR_FUTURE: Duration = Duration::from_hours(24 * 366 * 10);

/// What a person asked for, with the instant it was resolved to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Schedule {
    Now {
        due: Timestamp,
    },
    /// `local` as `2026-12-01T09:00:00`, `zone` as an IANA name.
    At {
        local: String,
        zone: String,
        due: Timestamp,
    },
}

impl Schedule {
    pub fn due(&self) -> Timestamp {
        match self {
            Self::Now { due } | Self::At { due, .. } => *due,
        }
    }

    /// What is odd about the time that was asked for, if anything: it does not exist, or twice.
    pub fn oddity(&self) -> Option<Wrong> {
        let Self::At { local, zone, .. } = self else { return None };
        let civil: DateTime = local.parse().ok()?;
        match TimeZone::get(zone).ok()?.to_ambiguous_timestamp(civil).offset() {
            AmbiguousOffset::Unambiguous { .. } => None,
            AmbiguousOffset::Gap { .. } => {
                let why = "does not exist on that day, when clocks go forward; the time after the \
                           gap is taken, see `due`";
                Some(Wrong::NotPossible { why })
            }
            AmbiguousOffset::Fold { .. } => {
                let why = "comes twice on that day, when clocks go back; the first is taken, see \
                           `due`";
                Some(Wrong::NotPossible { why })
            }
        }
    }

    /// Resolves a wall-clock time. In a gap it moves forward by the gap; of a repeated time it is
    /// the first. Problems name `schedule.at` and `schedule.zone`.
    pub fn at(local: &str, zone: &str, now: Timestamp) -> Result<Self, Problem> {
        let tz = zone_named(zone, "schedule.zone")?;
        let expected = || Wrong::BadFormat {
            expected: "a local time without offset, such as 2026-12-01T09:00".to_owned(),
        };
        let bad = || Problem::field("schedule.at", expected());
        // The parser would ignore an offset or zone; that is how posts go out an hour off.
        let plain = local.len() <= 32
            && local.contains('T')
            && local.chars().all(|c| c.is_ascii_digit() || "-T:.".contains(c))
            && local.matches('-').count() == 2;
        let civil: DateTime = if plain {
            local.parse().map_err(|_| bad())?
        } else {
            return Err(bad());
        };
        let instant = tz.to_ambiguous_timestamp(civil).compatible().map_err(|_| bad())?;
        let due = Timestamp::from_jiff(instant).ok_or_else(bad)?;
        if due < now.minus(PAST_SLACK) {
            let why = "is in the past; choose a later time, or `{\"now\": true}`";
            return Err(Problem::field("schedule.at", Wrong::NotPossible { why }));
        }
        if due > now.plus(FAR_FUTURE) {
            let why = "is more than ten years away";
            return Err(Problem::field("schedule.at", Wrong::NotPossible { why }));
        }
        Ok(Self::At { local: civil.to_string(), zone: zone.to_owned(), due })
    }
}

/// An IANA zone by its name; `UTC` is one.
pub fn zone_named(zone: &str, field: &str) -> Result<TimeZone, Problem> {
    let bad = || {
        let expected = "an IANA time zone, such as Europe/Berlin".to_owned();
        Problem::field(field, Wrong::BadFormat { expected })
    };
    let shaped = !zone.is_empty()
        && zone.len() <= 64
        && zone.chars().all(|c| c.is_ascii_alphanumeric() || "/_+-".contains(c));
    if shaped { TimeZone::get(zone).map_err(|_| bad()) } else { Err(bad()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(local: &str, zone: &str) -> String {
        let now = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
        Schedule::at(local, zone, now).unwrap().due().to_string()
    }

    #[test]
    fn local_times_resolve_in_their_zone() {
        for (local, zone, utc) in [
            ("2026-12-01T09:00", "Europe/Berlin", "2026-12-01T08:00:00.000Z"),
            ("2026-07-01T09:00", "Europe/Berlin", "2026-07-01T07:00:00.000Z"),
            // A gap moves forward: 02:30 becomes 03:30.
            ("2027-03-28T02:30", "Europe/Berlin", "2027-03-28T01:30:00.000Z"),
            // A repeated time is the first one.
            ("2026-10-25T02:30", "Europe/Berlin", "2026-10-25T00:30:00.000Z"),
            ("2026-10-04T02:15", "Australia/Lord_Howe", "2026-10-03T15:45:00.000Z"),
            ("2026-06-01T12:00:30", "UTC", "2026-06-01T12:00:30.000Z"),
        ] {
            assert_eq!(due(local, zone), utc, "{local} {zone}");
        }
    }

    #[test]
    fn times_that_do_not_exist_or_come_twice_are_noticed() {
        let now = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
        for (local, odd) in [
            ("2027-03-28T02:30", Some("does not exist")),
            ("2026-10-25T02:30", Some("comes twice")),
            ("2026-10-25T03:00", None),
            ("2026-12-01T09:00", None),
        ] {
            let oddity = Schedule::at(local, "Europe/Berlin", now).unwrap().oddity();
            let said = oddity.map(|wrong| wrong.to_string());
            let starts = |said: &str| odd.is_some_and(|odd| said.starts_with(odd));
            assert_eq!(said.is_some(), odd.is_some(), "{local}");
            assert!(said.is_none_or(|said| starts(&said)), "{local}");
        }
    }

    #[test]
    fn anything_doubtful_is_refused_with_the_field() {
        let now = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
        for (local, zone, field) in [
            ("2026-12-01T09:00Z", "UTC", "schedule.at"),
            ("2026-12-01T09:00+02:00", "UTC", "schedule.at"),
            ("2026-12-01T09:00-02:00", "UTC", "schedule.at"),
            ("2026-12-01T09:00[Europe/Berlin]", "UTC", "schedule.at"),
            ("2026-12-01", "UTC", "schedule.at"),
            ("2026-13-01T09:00", "UTC", "schedule.at"),
            ("2026-02-30T09:00", "UTC", "schedule.at"),
            ("", "UTC", "schedule.at"),
            ("2025-12-31T23:58", "UTC", "schedule.at"),
            ("2099-12-01T09:00", "UTC", "schedule.at"),
            ("2026-12-01T09:00", "", "schedule.zone"),
            ("2026-12-01T09:00", "Mars/Phobos", "schedule.zone"),
            ("2026-12-01T09:00", "../../etc/passwd", "schedule.zone"),
        ] {
            let problem = Schedule::at(local, zone, now).unwrap_err();
            assert_eq!(problem.fields[0].field, field, "{local} {zone}");
        }
    }
}
