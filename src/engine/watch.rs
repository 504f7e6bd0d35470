//! Watches the wall clock by the monotonic one, and over restarts by how long the machine is up. Must
//! not correct it: dueness goes by whatever the
//! wall clock says, and what lasts is measured again.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::{Boot, Clock, Timestamp};
use crate::store::rows::Meta;
use crate::store::{Error, Tx, View};

/// The wall clock may drift this far from the monotonic one between two looks before it counts as
/// a jump.
const JUMP: Duration = Duration::from_secs(2);

/// All clocks at one look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    wall: Timestamp,
    mono: Duration,
    boot: Option<Boot>,
}

/// The last look that was followed.
pub(super) struct Watch(Mutex<Look>);

/// What the wall clock said when the machine was started, as of some look: it is kept in the database,
/// so that a later process sees a jump that none lived to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    boot: u64,
    /// Milliseconds; before 1970 it wraps.
    started: u64,
}

/// How the wall clock left the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Jump {
    Ahead(Duration),
    Back(Duration),
    /// The machine was started since, and nothing tells what became of its clock meanwhile.
    Unseen,
}

impl Jump {
    pub fn word(self) -> &'static str {
        match self {
            Self::Ahead(_) => "ahead",
            Self::Back(_) => "back",
            Self::Unseen => "unseen",
        }
    }

    pub fn size(self) -> Duration {
        match self {
            Self::Ahead(by) | Self::Back(by) => by,
            Self::Unseen => Duration::ZERO,
        }
    }

    /// How far it went back, if it did; `None` when nobody knows.
    pub fn back(self) -> Option<Duration> {
        match self {
            Self::Ahead(_) => Some(Duration::ZERO),
            Self::Back(by) => Some(by),
            Self::Unseen => None,
        }
    }

    /// By so much ahead, or back; no jump when that is little.
    fn by(ahead: Duration, back: Duration) -> Option<Self> {
        if ahead > JUMP {
            Some(Self::Ahead(ahead))
        } else {
            Some(Self::Back(back)).filter(|_| back > JUMP)
        }
    }

    /// Of two that tell of the same time, what must be feared of either.
    pub fn worse(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        let fear = |jump: &Self| jump.back().unwrap_or(Duration::MAX);
        one.into_iter().chain(other).max_by_key(fear)
    }
}

impl Look {
    pub fn at(clock: &dyn Clock) -> Self {
        Self { wall: clock.now(), mono: clock.monotonic(), boot: clock.boot() }
    }

    /// `None` where nobody knows how long the machine has been up.
    pub fn mark(&self) -> Option<Mark> {
        let Boot { id, since } = self.boot?;
        let since = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        Some(Mark { boot: id, started: self.wall.as_millis().wrapping_sub(since) })
    }
}

impl Mark {
    const BOOT: &'static str = "clock.boot";
    const STARTED: &'static str = "clock.started";

    pub fn read(view: &View<'_>) -> Result<Option<Self>, Error> {
        let number = |name: &str| view.get_global::<Meta>(&name.to_owned());
        let (boot, started) = (number(Self::BOOT)?, number(Self::STARTED)?);
        Ok(boot
            .zip(started)
            .map(|(boot, started)| Self { boot: boot.value, started: started.value }))
    }

    pub fn write(self, tx: &mut Tx<'_>) -> Result<(), Error> {
        tx.put_global(&Self::BOOT.to_owned(), &Meta { value: self.boot })?;
        tx.put_global(&Self::STARTED.to_owned(), &Meta { value: self.started })
    }

    /// What became of the wall clock between two marks, the first of them kept.
    pub fn jump(before: Option<Self>, now: Option<Self>) -> Option<Jump> {
        let (Some(before), Some(now)) = (before, now) else { return Some(Jump::Unseen) };
        if before.boot != now.boot {
            return Some(Jump::Unseen);
        }
        let ahead = now.started.wrapping_sub(before.started);
        let back = before.started.wrapping_sub(now.started);
        // The shorter way round.
        let ms = |ms: u64, other: u64| Duration::from_millis(if ms < other { ms } else { 0 });
        Jump::by(ms(ahead, back), ms(back, ahead))
    }
}

impl Watch {
    pub fn new(clock: &dyn Clock) -> Self {
        Self(Mutex::new(Look::at(clock)))
    }

    /// Whether the clock jumped since the last look that was followed.
    pub fn jump(&self, clock: &dyn Clock) -> Option<Jump> {
        self.jump_to(&Look::at(clock))
    }

    /// Whether it had, at that look.
    pub fn jump_to(&self, look: &Look) -> Option<Jump> {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let expected = last.wall.plus(look.mono.saturating_sub(last.mono));
        Jump::by(look.wall.since(expected), expected.since(look.wall))
    }

    /// From there on; so that a clock that is slowly set right never jumps.
    pub fn follow(&self, look: Look) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = look;
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
        watch.follow(Look::at(&clock));
        assert_eq!(watch.jump(&clock), None);
        clock.jump_to(clock.now().minus(ahead));
        assert_eq!(watch.jump(&clock), Some(Jump::Back(ahead)));
        watch.follow(Look::at(&clock));
        for _ in 0..10 {
            clock.jump_to(clock.now().plus(Duration::from_secs(1)));
            assert_eq!(watch.jump(&clock), None);
            watch.follow(Look::at(&clock));
        }
    }

    #[test]
    fn a_later_process_sees_what_none_lived_to_see() {
        let mark = |boot: u64, started: u64| Some(Mark { boot, started });
        let ms = Duration::from_millis;
        let at = 1_800_000_000_000;
        for (before, now, jump) in [
            (mark(1, at), mark(1, at), None),
            (mark(1, at), mark(1, at + 2_000), None),
            (mark(1, at), mark(1, at + 2_001), Some(Jump::Ahead(ms(2_001)))),
            (mark(1, at), mark(1, at - 3_600_000), Some(Jump::Back(ms(3_600_000)))),
            // A clock that says 1970, on a machine that is up for a minute.
            (mark(1, at), mark(1, 60_000_u64.wrapping_neg()), Some(Jump::Back(ms(at + 60_000)))),
            (mark(1, 5_u64.wrapping_neg()), mark(1, at), Some(Jump::Ahead(ms(at + 5)))),
            (mark(1, at), mark(2, at), Some(Jump::Unseen)),
            (None, mark(1, at), Some(Jump::Unseen)),
            (mark(1, at), None, Some(Jump::Unseen)),
        ] {
            assert_eq!(Mark::jump(before, now), jump, "{before:?} {now:?}");
        }
        let (ahead, back) = (Jump::Ahead(ms(9)), Jump::Back(ms(1)));
        assert_eq!(Jump::worse(Some(ahead), Some(back)), Some(back));
        assert_eq!(Jump::worse(Some(Jump::Unseen), Some(back)), Some(Jump::Unseen));
        assert_eq!(Jump::worse(None, Some(ahead)), Some(ahead));
    }
}
