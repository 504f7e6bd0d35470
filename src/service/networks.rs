//! The networks that this program knows: what each asks for and takes, and where its hosts are. Must
//! not call them.

use serde::Serialize;
use utoipa::ToSchema;

use super::Services;
use super::shown::{self, LimitsShown, Page};
use crate::base::Problem;
use crate::domain::capability::Takes;
use crate::networks::{self, Facts, Host, Network, Version};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct NetworkShown {
    pub id: String,
    pub title: String,
    pub asks_instance: bool,
    /// It takes a name to sign in with; the token then is the password.
    pub asks_identifier: bool,
    pub asks_token: bool,
    /// It posts to an address; the token is the secret that signs, made when none is brought.
    pub asks_url: bool,
    /// Whether an application is set by which its accounts are connected on its own page; null where
    /// they are connected otherwise.
    pub app_set: Option<bool>,
    /// Its hosts, where they are the same for every account.
    pub hosts: Vec<HostAt>,
    /// The version of its interface that calls name, where they must.
    pub version: Option<VersionShown>,
    /// Before an instance says otherwise.
    pub limits: LimitsShown,
    pub options: Vec<OptionShown>,
    pub paused: bool,
}

/// A version, and when it is taken no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct VersionShown {
    pub version: String,
    /// The setting that says so.
    pub setting: String,
    /// The day from which on nothing goes out under it.
    pub ends_on: Option<String>,
    /// The network has named that day; else it is the earliest that it can be.
    pub end_known: bool,
    /// It is near: update Carillon, or set a newer one.
    pub ends_soon: bool,
}

/// Where a host of a network is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HostAt {
    pub name: String,
    pub url: String,
    /// The setting that says so.
    pub setting: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct OptionShown {
    pub name: String,
    pub about: String,
    /// flag, choice or text.
    pub takes: String,
    pub choices: Vec<String>,
}

impl Services {
    /// The networks that this program knows.
    pub async fn networks(&self) -> Result<Page<NetworkShown>, Problem> {
        let paused = self.paused_networks().await?;
        let apps = self.app_words().await?;
        let shown = |network: &&dyn Network| {
            let capabilities = network.capabilities(&Facts::new());
            NetworkShown {
                id: network.word().to_owned(),
                title: network.title().to_owned(),
                asks_instance: network.asks().instance,
                asks_identifier: network.asks().identifier,
                asks_token: network.asks().token,
                asks_url: network.asks().url,
                app_set: network.oauth().map(|_| apps.contains(network.word())),
                hosts: network.hosts().iter().map(|host| self.host(host)).collect(),
                version: network.version().map(|version| self.version(version)),
                limits: shown::limits(&capabilities),
                options: capabilities.options.iter().map(option).collect(),
                paused: paused.contains(network.word()),
            }
        };
        Ok(Page { items: networks::REGISTRY.iter().map(shown).collect(), next: None })
    }

    fn version(&self, of: &Version) -> VersionShown {
        let version = self.hosts.version(of);
        let ending = of.ending(version);
        VersionShown {
            version: version.to_owned(),
            setting: of.setting(),
            ends_on: ending.map(|ending| ending.on.to_string()),
            end_known: ending.is_some_and(|ending| ending.is_known),
            ends_soon: ending.is_some_and(|ending| ending.is_near(self.now())),
        }
    }

    fn host(&self, host: &Host) -> HostAt {
        HostAt {
            name: host.name.to_owned(),
            url: self.hosts.base(host).to_owned(),
            setting: host.setting(),
        }
    }
}

fn option(spec: &crate::domain::capability::OptionSpec) -> OptionShown {
    let (takes, choices) = match spec.takes {
        Takes::Flag => ("flag", Vec::new()),
        Takes::Choice(choices) => ("choice", choices.iter().map(|&c| c.to_owned()).collect()),
        Takes::Text(_) => ("text", Vec::new()),
        Takes::Languages(_) => ("languages", Vec::new()),
        Takes::Address => ("address", Vec::new()),
    };
    OptionShown {
        name: spec.name.to_owned(),
        about: spec.about.to_owned(),
        takes: takes.to_owned(),
        choices,
    }
}
