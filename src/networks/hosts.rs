//! Hosts of networks that are the same for every account, the versions of what they speak, and what
//! an installation has instead. Must not read settings; daemon passes them in.

use std::collections::BTreeMap;

use url::Url;

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

    /// The day on which `version` ends, if that is known. What is older than the oldest known one
    /// has ended.
    pub fn end(&self, version: &str) -> Option<&'static str> {
        let known = self.ends.iter().find(|(known, _)| *known >= version)?;
        (known.0 == version || *known == self.ends[0]).then_some(known.1)
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
