//! How fast somebody may try to sign in: after a few failures each next attempt waits longer, and
//! nobody is locked out. Must not know whose attempts they are.

use std::time::Duration;

/// A failure is forgotten after this long without another.
const FORGET: Duration = Duration::from_hours(1);
const LONGEST: Duration = Duration::from_mins(15);
/// Failures beyond the free ones with which one more waits the longest, even if one was none.
const HELD: u32 = 12;

/// How many failures are free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    pub free: u32,
}

impl Rule {
    /// For one account: people mistype.
    pub const ACCOUNT: Self = Self { free: 5 };
    /// For an address, behind which an office may sit.
    pub const ADDRESS: Self = Self { free: 30 };

    /// The wait after so many failures: nothing, then 1 s, and twice as long with each.
    fn wait(self, failures: u32) -> Duration {
        match failures.checked_sub(self.free) {
            None | Some(0) => Duration::ZERO,
            Some(over) => Duration::from_secs(1 << (over - 1).min(16)).min(LONGEST),
        }
    }
}

/// The next attempt is taken after this long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait(pub Duration);

/// The attempts of one account, address or device. Times are monotonic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    failures: u32,
    until: Duration,
    last: Duration,
}

/// What an attempt found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// It is the first that makes the next one wait.
    pub first_wait: bool,
}

impl Bucket {
    /// Whether an attempt must wait.
    pub fn wait(&self, now: Duration) -> Option<Wait> {
        (now < self.until).then(|| Wait(self.until.saturating_sub(now)))
    }

    /// An attempt begins. It counts as a failure until [`Bucket::undo`] or [`Bucket::clear`]: many
    /// at once must not slip through before the first of them has failed.
    pub fn begin(&mut self, rule: Rule, now: Duration) -> Pace {
        if self.is_idle(now) {
            *self = Self::default();
        }
        self.failures = self.failures.saturating_add(1);
        self.last = now;
        self.until = now.saturating_add(rule.wait(self.failures));
        Pace { first_wait: self.failures == rule.free + 1 }
    }

    /// The attempt was no failure.
    pub fn undo(&mut self, rule: Rule, now: Duration) {
        self.failures = self.failures.saturating_sub(1);
        self.until = now.saturating_add(rule.wait(self.failures)).min(self.until);
    }

    /// The next attempt waits as long as any, and so does each after it that fails.
    pub fn hold(&mut self, rule: Rule, now: Duration) {
        self.failures = self.failures.max(rule.free.saturating_add(HELD));
        self.last = now;
        self.until = now.saturating_add(LONGEST);
    }

    /// It was the right person.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether it says nothing any more.
    pub fn is_idle(&self, now: Duration) -> bool {
        self.failures == 0 || (now >= self.until && now >= self.last.saturating_add(FORGET))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn waits_grow_and_have_an_end() {
        let (mut bucket, mut now, mut waits) = (Bucket::default(), S(0), Vec::new());
        for _ in 0..20 {
            assert_eq!(bucket.wait(now), None);
            bucket.begin(Rule::ACCOUNT, now);
            let wait = bucket.wait(now).map_or(0, |Wait(wait)| wait.as_secs());
            waits.push(wait);
            now += S(wait);
        }
        let expected =
            [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900, 900];
        assert_eq!(waits, expected);
        // Nobody can be kept out for longer than the longest wait, nor by attempts that wait.
        assert_eq!(bucket.wait(now), None);
    }

    #[test]
    fn who_is_held_waits_the_longest_at_once_and_no_longer() {
        let mut bucket = Bucket::default();
        bucket.hold(Rule::ADDRESS, S(100));
        assert_eq!(bucket.wait(S(100)), Some(Wait(LONGEST)));
        // Who comes in from there does not let the others in.
        bucket.undo(Rule::ADDRESS, S(101));
        assert_eq!(bucket.wait(S(101)), Some(Wait(S(899))));
        assert_eq!(bucket.wait(S(1_000)), None);
        bucket.begin(Rule::ADDRESS, S(1_000));
        assert_eq!(bucket.wait(S(1_000)), Some(Wait(LONGEST)));
    }

    #[test]
    fn failures_are_counted_when_they_begin_and_forgotten_in_an_hour() {
        let mut bucket = Bucket::default();
        let firsts = (0..8).filter(|_| bucket.begin(Rule::ACCOUNT, S(0)).first_wait).count();
        assert_eq!((firsts, bucket.wait(S(0))), (1, Some(Wait(S(4)))));
        assert!(!bucket.is_idle(S(3_599)) && bucket.is_idle(S(3_600)));
        bucket.begin(Rule::ACCOUNT, S(3_600));
        assert_eq!(bucket.wait(S(3_600)), None);
        for _ in 0..5 {
            bucket.begin(Rule::ACCOUNT, S(3_600));
        }
        assert_eq!(bucket.wait(S(3_600)), Some(Wait(S(1))));
        bucket.undo(Rule::ACCOUNT, S(3_600));
        assert_eq!(bucket.wait(S(3_600)), None);
        bucket.clear();
        assert!(bucket.is_idle(S(3_600)));
        for _ in 0..5_000 {
            bucket.begin(Rule::ADDRESS, S(9_000));
        }
        assert_eq!(bucket.wait(S(9_000)), Some(Wait(LONGEST)));
    }
}
