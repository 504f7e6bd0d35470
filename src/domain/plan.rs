//! Plans: how much a workspace may have and which features, as data. Must not count or look anything
//! up; whoever writes does, and asks here.

use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::base::Timestamp;

const DAY_MILLIS: u64 = 24 * 60 * 60 * 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PlanName {
    Free,
    Starter,
    Pro,
    Enterprise,
}

impl PlanName {
    pub const ALL: [Self; 4] = [Self::Free, Self::Starter, Self::Pro, Self::Enterprise];

    pub fn word(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Starter => "starter",
            Self::Pro => "pro",
            Self::Enterprise => "enterprise",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|plan| plan.word() == word)
    }
}

/// How many of something there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cap {
    AtMost(u64),
    Unlimited,
}

impl Cap {
    /// The number, if there is one.
    pub fn most(self) -> Option<u64> {
        match self {
            Self::AtMost(most) => Some(most),
            Self::Unlimited => None,
        }
    }

    /// Whether one more may join `used`.
    pub fn has_room(self, used: u64) -> bool {
        self.most().is_none_or(|most| used < most)
    }
}

/// What only some plans have. Scheduling and analytics are in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Feature {
    Evergreen,
    RssAutopost,
    Ai,
}

impl Feature {
    pub const ALL: [Self; 3] = [Self::Evergreen, Self::RssAutopost, Self::Ai];

    pub fn word(self) -> &'static str {
        match self {
            Self::Evergreen => "evergreen",
            Self::RssAutopost => "rss_autopost",
            Self::Ai => "ai",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|feature| feature.word() == word)
    }
}

/// What a workspace may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub channels: Cap,
    /// Posts scheduled or published, by the UTC month in which they are due.
    pub posts: Cap,
    pub evergreen: bool,
    pub rss_autopost: bool,
    pub ai: bool,
}

impl Limits {
    pub fn has(&self, feature: Feature) -> bool {
        match feature {
            Feature::Evergreen => self.evergreen,
            Feature::RssAutopost => self.rss_autopost,
            Feature::Ai => self.ai,
        }
    }
}

/// What a workspace has instead of what its plan says; `None`: as the plan says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overrides {
    pub channels: Option<Cap>,
    pub posts: Option<Cap>,
    pub evergreen: Option<bool>,
    pub rss_autopost: Option<bool>,
    pub ai: Option<bool>,
}

impl Overrides {
    pub fn set(&mut self, feature: Feature, has: bool) {
        let place = match feature {
            Feature::Evergreen => &mut self.evergreen,
            Feature::RssAutopost => &mut self.rss_autopost,
            Feature::Ai => &mut self.ai,
        };
        *place = Some(has);
    }
}

/// The plan that a workspace was given. One that was given none has the installation's default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entitlement {
    pub plan: PlanName,
    pub overrides: Overrides,
}

/// A plan with what it comes to for one workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    pub plan: PlanName,
    pub limits: Limits,
}

/// Every plan as the settings have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plans {
    /// For workspaces that were given none.
    pub standard: PlanName,
    /// In the order of [`PlanName::ALL`].
    pub limits: [Limits; 4],
}

impl Plans {
    /// What a workspace with this entitlement may have.
    pub fn granted(&self, given: Option<&Entitlement>) -> Granted {
        let plan = given.map_or(self.standard, |given| given.plan);
        let own = given.map(|given| given.overrides).unwrap_or_default();
        let limits = self.limits[plan as usize];
        let limits = Limits {
            channels: own.channels.unwrap_or(limits.channels),
            posts: own.posts.unwrap_or(limits.posts),
            evergreen: own.evergreen.unwrap_or(limits.evergreen),
            rss_autopost: own.rss_autopost.unwrap_or(limits.rss_autopost),
            ai: own.ai.unwrap_or(limits.ai),
        };
        Granted { plan, limits }
    }
}

impl Default for Plans {
    /// SPEC part 1.
    fn default() -> Self {
        let plan = |channels, posts, [evergreen, rss_autopost, ai]: [bool; 3]| Limits {
            channels,
            posts,
            evergreen,
            rss_autopost,
            ai,
        };
        Self {
            standard: PlanName::Enterprise,
            limits: [
                plan(Cap::AtMost(3), Cap::AtMost(50), [false; 3]),
                plan(Cap::AtMost(10), Cap::AtMost(500), [true, false, false]),
                plan(Cap::AtMost(50), Cap::AtMost(5_000), [true; 3]),
                plan(Cap::Unlimited, Cap::Unlimited, [true; 3]),
            ],
        }
    }
}

/// The first instant of the UTC month in which `at` lies: what a post is counted under.
pub fn month_of(at: Timestamp) -> Timestamp {
    let day = TimeZone::UTC.to_datetime(at.to_jiff()).day();
    let millis = at.as_millis().min(Timestamp::MAX.as_millis());
    let days = u64::try_from(day - 1).unwrap_or(0);
    Timestamp::from_millis(millis - millis % DAY_MILLIS - days * DAY_MILLIS)
}

/// The month after the one that begins with `month`.
pub fn month_after(month: Timestamp) -> Timestamp {
    month_of(month.plus(Duration::from_millis(31 * DAY_MILLIS)))
}

/// The month before the one that begins with `month`.
pub fn month_before(month: Timestamp) -> Timestamp {
    month_of(month_of(month).minus(Duration::from_millis(DAY_MILLIS)))
}

/// `2026-12`.
pub fn month_word(month: Timestamp) -> String {
    month.to_jiff().strftime("%Y-%m").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plans_are_those_of_the_table() {
        let plans = Plans::default();
        let of = |plan| {
            let limits =
                plans.granted(Some(&Entitlement { plan, overrides: Overrides::default() }));
            let features = Feature::ALL.map(|feature| limits.limits.has(feature));
            (limits.limits.channels.most(), limits.limits.posts.most(), features)
        };
        assert_eq!(of(PlanName::Free), (Some(3), Some(50), [false, false, false]));
        assert_eq!(of(PlanName::Starter), (Some(10), Some(500), [true, false, false]));
        assert_eq!(of(PlanName::Pro), (Some(50), Some(5_000), [true, true, true]));
        assert_eq!(of(PlanName::Enterprise), (None, None, [true, true, true]));
        assert_eq!(plans.granted(None).plan, PlanName::Enterprise);
        assert!(PlanName::ALL.iter().enumerate().all(|(i, plan)| *plan as usize == i));
        assert!(PlanName::ALL.iter().all(|plan| PlanName::from_word(plan.word()) == Some(*plan)));
        assert!(Feature::ALL.iter().all(|one| Feature::from_word(one.word()) == Some(*one)));
    }

    #[test]
    fn overrides_win_over_the_plan_and_caps_end_where_they_say() {
        let mut overrides = Overrides { posts: Some(Cap::AtMost(2)), ..Overrides::default() };
        overrides.set(Feature::Ai, true);
        overrides.set(Feature::Evergreen, false);
        let given = Entitlement { plan: PlanName::Starter, overrides };
        let limits = Plans::default().granted(Some(&given)).limits;
        assert_eq!((limits.channels, limits.posts), (Cap::AtMost(10), Cap::AtMost(2)));
        assert_eq!((limits.evergreen, limits.rss_autopost, limits.ai), (false, false, true));
        let room = |used| limits.posts.has_room(used);
        assert_eq!([room(0), room(1), room(2), room(3)], [true, true, false, false]);
        assert!(!Cap::AtMost(0).has_room(0) && Cap::Unlimited.has_room(u64::MAX));
    }

    #[test]
    fn a_month_is_one_of_utc() {
        let month = |text: &str| month_of(Timestamp::parse(text).unwrap());
        for (at, begins) in [
            ("2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z"),
            ("2026-12-31T23:59:59.999Z", "2026-12-01T00:00:00Z"),
            ("2027-01-01T00:30:00+01:00", "2026-12-01T00:00:00Z"),
            ("2028-02-29T12:00:00Z", "2028-02-01T00:00:00Z"),
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
            ("9999-12-30T22:00:00.999Z", "9999-12-01T00:00:00Z"),
        ] {
            assert_eq!(month(at), Timestamp::parse(begins).unwrap(), "{at}");
            assert_eq!(month(begins), month(at));
        }
        let mut at = month("2026-11-22T09:00:00Z");
        let mut words = Vec::new();
        for _ in 0..5 {
            words.push(month_word(at));
            at = month_after(at);
        }
        assert_eq!(words, ["2026-11", "2026-12", "2027-01", "2027-02", "2027-03"]);
    }
}
