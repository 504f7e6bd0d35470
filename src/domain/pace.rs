//! How many posts a channel is given in an hour, and the most that it was given in one of the last 30 days, in a
//! row that does not grow. Must not know posts.

use serde::{Deserialize, Serialize};

use crate::base::Timestamp;

const HOUR_MS: u64 = 3_600_000;
const DAY_HOURS: u64 = 24;
/// Days that are remembered.
const DAYS: u64 = 30;
/// So many times the most of those days is more than people do.
const TIMES: u64 = 5;
/// And no fewer than this in an hour: a channel that gets little is not suspicious when it gets a little more.
const LEAST: u64 = 20;

/// By the hours of UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// The hour, since 1970, that is counted.
    hour: u64,
    count: u64,
    /// Whether it was said of this hour that it was too many.
    said: bool,
    /// Days since 1970 and the most of an hour in them, oldest first; the present hour is not among them.
    days: Vec<(u64, u64)>,
}

/// More than people do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    pub count: u64,
    /// In an hour of the days before.
    pub most: u64,
}

impl Pace {
    /// Counts `times` more, at `now`; says so, once for an hour, when that is too many. A channel that has no day
    /// behind it has nothing to be compared with.
    pub fn add(&mut self, now: Timestamp, times: u64) -> Option<Burst> {
        let hour = now.as_millis() / HOUR_MS;
        // A clock that was set back goes on with the last hour.
        if hour > self.hour {
            self.close();
            (self.hour, self.count, self.said) = (hour, 0, false);
        }
        self.count = self.count.saturating_add(times);
        let today = self.hour / DAY_HOURS;
        let before = self.days.iter().filter(|(day, _)| day.saturating_add(DAYS) >= today);
        let most = before.map(|(_, most)| *most).max()?;
        let is_old = self.days.first().is_some_and(|(day, _)| *day < today);
        let is_burst = self.count > LEAST.max(most.saturating_mul(TIMES));
        if !is_old || !is_burst || std::mem::replace(&mut self.said, true) {
            return None;
        }
        Some(Burst { count: self.count, most })
    }

    /// Whether it was said of this hour that it is too many.
    pub fn is_burst(&self) -> bool {
        self.said
    }

    /// The hour is over.
    fn close(&mut self) {
        if self.count == 0 {
            return;
        }
        let day = self.hour / DAY_HOURS;
        match self.days.last_mut() {
            Some((last, most)) if *last == day => *most = (*most).max(self.count),
            _ => self.days.push((day, self.count)),
        }
        self.days.retain(|(at, _)| at.saturating_add(DAYS) >= day);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn hour(n: u64) -> Timestamp {
        Timestamp::from_millis(n * HOUR_MS + 5)
    }

    fn given(pace: &mut Pace, at: u64, count: u64) -> Vec<Burst> {
        (0..count).filter_map(|_| pace.add(hour(at), 1)).collect()
    }

    #[test]
    fn a_burst_is_five_times_the_most_of_thirty_days_and_said_once() {
        let mut pace = Pace::default();
        assert_eq!(given(&mut pace, 240, 300), [], "on its first day everything is new");
        let mut pace = Pace::default();
        given(&mut pace, 240, 6);
        given(&mut pace, 241, 3);
        assert_eq!(given(&mut pace, 264, 30), []);
        assert_eq!(given(&mut pace, 265, 150), [], "five times thirty");
        // Of today's hours those before count, too.
        assert_eq!(given(&mut pace, 266, 900), [Burst { count: 751, most: 150 }]);
        assert_eq!(given(&mut pace, 267, 900), [], "it is usual now");
    }

    #[test]
    fn little_is_no_burst_and_long_ago_counts_no_more() {
        let mut pace = Pace::default();
        given(&mut pace, 24, 1);
        assert_eq!(given(&mut pace, 48, 20), []);
        assert_eq!(given(&mut pace, 49, 101), [Burst { count: 101, most: 20 }]);
        let quiet = 24 * 40;
        given(&mut pace, quiet, 1);
        assert_eq!(given(&mut pace, quiet + 24, 21), [Burst { count: 21, most: 1 }]);
    }

    #[test]
    fn the_row_does_not_grow_and_a_clock_set_back_loses_nothing() {
        let mut pace = Pace::default();
        for n in 0..24 * 400 {
            pace.add(hour(n), 1);
        }
        assert!(pace.days.len() <= 31, "{}", pace.days.len());
        let before = pace.clone();
        pace.add(hour(3), 1);
        assert_eq!((pace.hour, pace.count), (before.hour, before.count + 1));
    }
}
