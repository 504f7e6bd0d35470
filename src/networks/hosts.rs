//! Hosts of networks that are the same for every account, and where an installation has them
//! instead. Must not read settings; daemon passes them in.

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

/// Where hosts are instead of where they are for everybody, by the name of their setting.
#[derive(Clone, Debug, Default)]
pub struct Hosts(BTreeMap<String, Url>);

impl Hosts {
    pub fn new(set: impl IntoIterator<Item = (String, Url)>) -> Self {
        Self(set.into_iter().collect())
    }

    /// The host's address, without a slash at the end.
    pub fn base(&self, host: &Host) -> &str {
        self.0.get(&host.setting()).map_or(host.url, Url::as_str).trim_end_matches('/')
    }
}
