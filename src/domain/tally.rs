//! Counting: how often something happened lately, in a row that does not grow. Must not know what
//! is counted.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::Timestamp;

const MINUTE_MS: u64 = 60_000;
/// Minutes that a count reaches back.
pub const MINUTES: usize = 60;
/// So many of a minute are each written down; of more only the first, and each time that their
/// number has doubled.
const EACH: u64 = 10;

/// The counts of the last hour, minute by minute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Minutes since 1970 and their counts, oldest first; those without any are left out.
    minutes: Vec<(u64, u64)>,
    /// How many were not written down yet.
    unsaid: u64,
    /// When the count last came to what it was watched for.
    pub raised_at: Option<Timestamp>,
}

impl Tally {
    /// Counts `times` more, at `now`.
    pub fn add(&mut self, now: Timestamp, times: u64) {
        let minute = now.as_millis() / MINUTE_MS;
        match self.minutes.last_mut() {
            // A clock that was set back goes on with the last minute.
            Some((last, count)) if *last >= minute => *count = count.saturating_add(times),
            _ => self.minutes.push((minute, times)),
        }
        let reach = u64::try_from(MINUTES).unwrap_or(u64::MAX);
        self.minutes.retain(|(at, _)| at.saturating_add(reach) > minute);
    }

    /// How many there were within `window`, which is at most an hour; the present minute counts
    /// as one of it.
    pub fn within(&self, now: Timestamp, window: Duration) -> u64 {
        let minute = now.as_millis() / MINUTE_MS;
        let reach = window.as_secs() / 60;
        let near = self.minutes.iter().filter(|(at, _)| at.saturating_add(reach) > minute);
        near.fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// Counts one more. How many are to be written down with it; `None` when it is one of too many
    /// in this minute, and is written down with a later one.
    pub fn note(&mut self, now: Timestamp) -> Option<u64> {
        self.add(now, 1);
        self.unsaid = self.unsaid.saturating_add(1);
        let count = self.minutes.last().map_or(1, |(_, count)| *count);
        let doubled = count.is_multiple_of(EACH) && (count / EACH).is_power_of_two();
        (count <= EACH || doubled).then(|| std::mem::take(&mut self.unsaid))
    }

    /// Counts `times` more. How many are to be told of now, those of before among them, where that is
    /// done once in `every` at most.
    pub fn tell(&mut self, now: Timestamp, times: u64, every: Duration) -> Option<u64> {
        if times > 0 {
            self.add(now, times);
            self.unsaid = self.unsaid.saturating_add(times);
        }
        // A clock that was set back must not keep it silent for longer.
        let rests = |at: Timestamp| at <= now && now.since(at) < every;
        if self.unsaid == 0 || self.raised_at.is_some_and(rests) {
            return None;
        }
        self.raised_at = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn minute(n: u64) -> Timestamp {
        Timestamp::from_millis(n * MINUTE_MS + 7)
    }

    const TEN: Duration = Duration::from_mins(10);

    #[test]
    fn counts_reach_back_as_far_as_the_window() {
        let mut tally = Tally::default();
        for n in 100..110 {
            tally.add(minute(n), 2);
        }
        assert_eq!(tally.within(minute(109), TEN), 20);
        assert_eq!(tally.within(minute(110), TEN), 18);
        assert_eq!(tally.within(minute(118), TEN), 2);
        assert_eq!(tally.within(minute(119), TEN), 0);
        assert_eq!(tally.within(minute(119), Duration::from_hours(1)), 20);
        // A clock that was set back loses nothing, and makes no row longer.
        tally.add(minute(3), 1);
        assert_eq!(tally.within(minute(109), TEN), 21);
        for n in 0..10_000 {
            tally.add(minute(200 + n), 1);
        }
        assert_eq!(tally.minutes.len(), MINUTES);
    }

    #[test]
    fn it_is_told_once_in_so_long_and_none_is_lost() {
        let mut tally = Tally::default();
        assert_eq!(tally.tell(minute(5), 0, TEN), None);
        assert_eq!(tally.tell(minute(5), 3, TEN), Some(3));
        assert_eq!((tally.tell(minute(6), 4, TEN), tally.tell(minute(14), 5, TEN)), (None, None));
        assert_eq!(tally.tell(minute(15), 0, TEN), Some(9), "also when nothing comes");
        assert_eq!(tally.tell(minute(40), 0, TEN), None);
        assert_eq!(tally.tell(minute(41), 1, TEN), Some(1));
        assert_eq!(tally.tell(minute(2), 1, TEN), Some(1), "the clock was set back");
        assert_eq!(tally.within(minute(41), Duration::from_hours(1)), 14);
    }

    #[test]
    fn however_many_there_are_few_are_written_down_and_none_is_lost() {
        let mut tally = Tally::default();
        let (mut rows, mut sum) = (0, 0);
        for _ in 0..60_000 {
            if let Some(times) = tally.note(minute(5)) {
                rows += 1;
                sum += times;
            }
        }
        assert_eq!((rows, sum), (22, 40_960));
        // The next minute's first tells of the rest.
        assert_eq!(tally.note(minute(6)), Some(60_001 - 40_960));
        assert_eq!(tally.note(minute(6)), Some(1));
    }
}
