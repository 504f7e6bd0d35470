//! An instant: UTC milliseconds. Must not know zones; those live in `domain::schedule`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Milliseconds since 1970-01-01T00:00:00Z. RFC 3339 in JSON, a number in stored records.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The last instant that is accepted from outside: 9999-12-30T22:00:00.999Z, the calendar library's own end.
    pub const MAX: Self = Self(253_402_207_200_999);

    pub const fn from_millis(ms: u64) -> Self {
        Self(ms)
    }

    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// `self + d`, stopping at the largest number there is.
    #[must_use]
    pub fn plus(self, d: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(d.as_millis()).unwrap_or(u64::MAX)))
    }

    /// `self - d`, stopping at the epoch.
    #[must_use]
    pub fn minus(self, d: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(d.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The same instant for the calendar library; instants past [`Self::MAX`] are shown as it.
    pub fn to_jiff(self) -> jiff::Timestamp {
        let ms = self.0.min(Self::MAX.0);
        let seconds = i64::try_from(ms / 1_000).unwrap_or(i64::MAX);
        let nanos = i32::try_from(ms % 1_000 * 1_000_000).unwrap_or(0);
        // Not `from_millisecond`, which does not know the last second.
        jiff::Timestamp::new(seconds, nanos).unwrap_or(jiff::Timestamp::MAX)
    }

    /// `None` before 1970 or after [`Self::MAX`].
    pub fn from_jiff(t: jiff::Timestamp) -> Option<Self> {
        u64::try_from(t.as_millisecond()).ok().map(Self).filter(|t| *t <= Self::MAX)
    }

    /// Parses RFC 3339 (an offset or `Z` is required). `None` when it is not one, or out of range.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().and_then(Self::from_jiff)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.to_jiff())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.collect_str(self) } else { s.serialize_u64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            let text = String::deserialize(d)?;
            Self::parse(&text).ok_or_else(|| de::Error::custom("expected an RFC 3339 instant"))
        } else {
            u64::deserialize(d).map(Self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_number_forms_round_trip() {
        let t = Timestamp::parse("2026-11-22T09:30:00.250Z").unwrap();
        assert_eq!(t.to_string(), "2026-11-22T09:30:00.250Z");
        assert_eq!(serde_json::to_string(&t).unwrap(), "\"2026-11-22T09:30:00.250Z\"");
        let bytes = postcard::to_allocvec(&t).unwrap();
        assert_eq!(postcard::from_bytes::<Timestamp>(&bytes).unwrap(), t);
        assert_eq!(Timestamp::parse("2026-11-22T09:30:00"), None);
        assert_eq!(Timestamp::parse("1969-12-31T23:59:59Z"), None);
    }

    /// Found by fuzzing, see `fuzz/seeds/times/last_second`.
    #[test]
    fn instants_of_the_last_second_are_shown_as_they_are() {
        for text in ["9999-12-30T22:00:00.499Z", "9999-12-30T22:00:00.999Z"] {
            assert_eq!(Timestamp::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn arithmetic_stops_at_the_ends() {
        assert_eq!(Timestamp::from_millis(5).minus(Duration::from_secs(1)).as_millis(), 0);
        let far = Timestamp::from_millis(u64::MAX).plus(Duration::from_secs(1));
        assert_eq!(far.as_millis(), u64::MAX);
        assert!(far.to_string().starts_with("9999-12-30"));
    }
}
