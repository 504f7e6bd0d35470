//! Watches the wall clock by the monotonic one. Must not correct it: dueness goes by whatever the
//! wall clock says, and what lasts is measured again.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::{Clock, Timestamp};

/// The wall clock may drift this far from the monotonic one between two looks before it counts as
/// a jump.
const JUMP: Duration = Duration::from_secs(2);

/// Both clocks at the last look.
pub(super) struct Watch(Mutex<(Timestamp, Duration)>);

/// How the wall clock left the monotonic one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Jump {
    Ahead(Duration),
    Back(Duration),
}

impl Jump {
    pub fn word(self) -> &'static str {
        match self {
            Self::Ahead(_) => "ahead",
            Self::Back(_) => "back",
        }
    }

    pub fn size(self) -> Duration {
        match self {
            Self::Ahead(by) | Self::Back(by) => by,
        }
    }

    /// How far it went back, if it did.
    pub fn back(self) -> Duration {
        match self {
            Self::Ahead(_) => Duration::ZERO,
            Self::Back(by) => by,
        }
    }
}

impl Watch {
    pub fn new(clock: &dyn Clock) -> Self {
        Self(Mutex::new((clock.now(), clock.monotonic())))
    }

    /// Whether the clock jumped since the last look that was followed.
    pub fn jump(&self, clock: &dyn Clock) -> Option<Jump> {
        let (wall, mono) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock.now();
        let expected = wall.plus(clock.monotonic().saturating_sub(mono));
        let (ahead, back) = (now.since(expected), expected.since(now));
        if ahead > JUMP {
            Some(Jump::Ahead(ahead))
        } else {
            Some(Jump::Back(back)).filter(|_| back > JUMP)
        }
    }

    /// From here on; so that a clock that is slowly set right never jumps.
    pub fn follow(&self, clock: &dyn Clock) {
        let looked = (clock.now(), clock.monotonic());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = looked;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ManualClock;

    #[test]
    fn jumps_are_seen_until_they_are_followed_and_drift_is_none() {
        let clock = ManualClock::at(Timestamp::from_millis(10_000_000));
        let watch = Watch::new(&clock);
        clock.advance(Duration::from_hours(1));
        assert_eq!(watch.jump(&clock), None);
        let ahead = Duration::from_secs(100);
        clock.jump_to(clock.now().plus(ahead));
        assert_eq!(watch.jump(&clock), Some(Jump::Ahead(ahead)));
        clock.advance(Duration::from_secs(5));
        assert_eq!(watch.jump(&clock), Some(Jump::Ahead(ahead)), "it stays until it is followed");
        watch.follow(&clock);
        assert_eq!(watch.jump(&clock), None);
        clock.jump_to(clock.now().minus(ahead));
        assert_eq!(watch.jump(&clock), Some(Jump::Back(ahead)));
        watch.follow(&clock);
        for _ in 0..10 {
            clock.jump_to(clock.now().plus(Duration::from_secs(1)));
            assert_eq!(watch.jump(&clock), None);
            watch.follow(&clock);
        }
    }
}
