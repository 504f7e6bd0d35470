//! Hosts of networks that are the same for every account, the versions of what they speak, and what
//! an installation has instead. Must not read settings; daemon passes them in.

use std::collections::BTreeMap;

use jiff::ToSpan as _;
use jiff::civil::Date;
use url::Url;

use crate::base::Timestamp;

/// One host of a network.
#[derive(Debug, PartialEq, Eq)]
pub struct Host {
    /// The network's word.
    pub network: &'static str,
    pub name: &'static str,
    /// Where it is for everybody, without a slash at the end.
    pub url: &'static str,
}

impl Host {
    /// The setting that says where it is instead.
    pub fn setting(&self) -> String {
        format!("networks.{}.{}_url", self.network, self.name)
    }
}

/// The version of a network's interface, where calls must name one.
#[derive(Debug, PartialEq, Eq)]
pub struct Version {
    /// The network's word.
    pub network: &'static str,
    /// The one that this program was written for.
    pub usual: &'static str,
    /// The days on which versions end, as far as they are known, earliest first.
    pub ends: &'static [(&'static str, &'static str)],
}

impl Version {
    /// The setting that says which one is spoken.
    pub fn setting(&self) -> String {
        format!("networks.{}.version", self.network)
    }

    /// When `version` is taken no more. `None` for what is no year and month.
    pub fn ending(&self, version: &str) -> Option<Ending> {
        let month = format!("{}-{}-15", version.get(..4)?, version.get(4..)?);
        let month = month.parse::<Date>().ok()?;
        // What is older than the oldest known one has ended by then.
        let oldest = self.ends.first().filter(|(oldest, _)| version <= *oldest);
        let known = self.ends.iter().find(|(known, _)| *known == version).or(oldest);
        let on = match known {
            Some((_, day)) => day.parse().ok()?,
            // networks.md 2.2: each is kept for a year at least, and those whose end is known ended in
            // the middle of the month.
            None => month.checked_add(1.year()).ok()?,
        };
        Some(Ending { on, is_known: known.is_some() })
    }
}

/// The day from which on a version is taken no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    pub on: Date,
    /// The network has said so; else it is the earliest day that it can be.
    pub is_known: bool,
}

/// So many days before its end somebody is told.
const TOLD_BEFORE: i32 = 60;

impl Ending {
    /// The begin of the day, UTC.
    pub fn at(&self) -> Option<Timestamp> {
        let begin = self.on.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Timestamp::from_jiff(begin.timestamp())
    }

    /// Days until then; none when it is over.
    pub fn days_left(&self, now: Timestamp) -> i32 {
        let today = now.to_jiff().to_zoned(jiff::tz::TimeZone::UTC).date();
        today.until(self.on).map_or(0, |span| span.get_days()).max(0)
    }

    pub fn is_near(&self, now: Timestamp) -> bool {
        self.days_left(now) <= TOLD_BEFORE
    }
}

/// Where hosts are instead of where they are for everybody, and which versions are spoken, by the
/// names of their settings.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    urls: BTreeMap<String, Url>,
    versions: BTreeMap<String, String>,
}

impl Hosts {
    pub fn new(set: impl IntoIterator<Item = (String, Url)>) -> Self {
        Self { urls: set.into_iter().collect(), versions: BTreeMap::new() }
    }

    #[must_use]
    pub fn with_version(mut self, version: &Version, set: &str) -> Self {
        self.versions.insert(version.setting(), set.to_owned());
        self
    }

    /// The version that calls name.
    pub fn version<'a>(&'a self, version: &'a Version) -> &'a str {
        self.versions.get(&version.setting()).map_or(version.usual, String::as_str)
    }

    /// The host's address, without a slash at the end.
    pub fn base(&self, host: &Host) -> &str {
        self.urls.get(&host.setting()).map_or(host.url, Url::as_str).trim_end_matches('/')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF: Version = Version {
        network: "linkedin",
        usual: "202607",
        ends: &[("202601", "2027-01-15"), ("202603", "2027-03-16")],
    };

    #[test]
    fn the_end_of_a_version_is_known_or_a_year_after_it() {
        for (version, on, is_known) in [
            ("202601", "2027-01-15", true),
            ("202603", "2027-03-16", true),
            ("202602", "2027-02-15", false),
            ("202607", "2027-07-15", false),
            ("202509", "2027-01-15", true),
        ] {
            let ending = OF.ending(version).unwrap();
            assert_eq!((ending.on.to_string().as_str(), ending.is_known), (on, is_known));
        }
        assert_eq!(OF.ending("2026"), None);
        assert_eq!(OF.ending("202613"), None);
        let ending = OF.ending("202607").unwrap();
        let at = |text: &str| Timestamp::parse(text).unwrap();
        assert_eq!(ending.at(), Some(at("2027-07-15T00:00:00Z")));
        let left = |text: &str| (ending.days_left(at(text)), ending.is_near(at(text)));
        assert_eq!(left("2027-05-15T23:59:59Z"), (61, false));
        assert_eq!(left("2027-05-16T00:00:00Z"), (60, true));
        assert_eq!(left("2027-07-14T12:00:00Z"), (1, true));
        assert_eq!(left("2028-01-01T00:00:00Z"), (0, true));
    }
}
