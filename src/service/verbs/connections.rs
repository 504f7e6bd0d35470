//! Verbs about applications of networks and what these send, and about links that connect accounts.

use std::time::Duration;

use super::super::{Administrator, NewApp, NewConnection, words};
use super::run::{Answer, Caller, Words, shown};
use crate::base::{Code, Problem, Secret, WorkspaceId, Wrong};
use crate::domain::access::{Entrust, Manage};

impl Caller<'_> {
    pub(super) async fn app(&self, verb: &str, words: &Words<'_>) -> Answer {
        let services = self.services;
        let by = Administrator::of_operator(self.operator, self.correlation);
        if verb == "list" {
            return shown(services.apps(&by).await?);
        }
        let network = words.word("network")?;
        let secret_of = |name: &str| -> Result<Secret<String>, Problem> {
            words.secret(name)?.ok_or_else(|| Problem::field(name, Wrong::Missing))
        };
        let secret = || secret_of("client-secret");
        match verb {
            "set" => {
                let without = words.many("without")?.into_iter().map(str::to_owned).collect();
                let client_id = words.word("client-id")?.trim().to_owned();
                let new = NewApp { client_id, client_secret: secret()?, without };
                shown(services.set_app(by, network, new).await?)
            }
            "rotate" => shown(services.rotate_app(by, network, secret()?).await?),
            "webhook-secret" => {
                let secret = secret_of("webhook-secret")?;
                shown(services.set_webhook_secret(by, network, secret).await?)
            }
            "remove" => shown(services.remove_app(by, network).await?),
            "test" => shown(services.test_app(&by, network).await?),
            _ => shown(services.app(&by, network).await?),
        }
    }

    pub(super) async fn hook(&self, verb: &str, words: &Words<'_>) -> Answer {
        let by = Administrator::of_operator(self.operator, self.correlation);
        if verb == "show" {
            return shown(self.services.hook(&by, words.id("id")?).await?);
        }
        let limit = words::page_limit(words.maybe("limit")?)?;
        let (network, cursor) = (words.maybe("network")?, words.maybe("cursor")?);
        shown(self.services.hooks_page(&by, network, cursor, limit).await?)
    }

    pub(super) async fn connection(
        &self,
        workspace: WorkspaceId,
        verb: &str,
        words: &Words<'_>,
    ) -> Answer {
        let services = self.services;
        match verb {
            "link" => self.channel_link(workspace, words).await,
            "links" => {
                let limit = words::page_limit(words.maybe("limit")?)?;
                let access = self.enter::<Manage>(workspace).await?;
                shown(services.connections(&access, words.maybe("cursor")?, limit).await?)
            }
            "unlink" => {
                let access = self.enter::<Manage>(workspace).await?;
                shown(services.revoke_connection(access, words.id("id")?).await?.value)
            }
            _ => {
                let access = self.enter::<Manage>(workspace).await?;
                let named = match verb {
                    "refresh" => Some(vec![words.id("id")?]),
                    _ => None,
                };
                shown(services.refresh_channels(access, named).await?)
            }
        }
    }

    async fn channel_link(&self, workspace: WorkspaceId, words: &Words<'_>) -> Answer {
        let minutes = match words.maybe("minutes")? {
            None => None,
            Some(text) => Some(text.parse::<u64>().map_err(|_| {
                let expected = "a whole number of minutes".to_owned();
                Problem::field("minutes", Wrong::BadFormat { expected })
            })?),
        };
        let access = self.enter::<Entrust>(workspace).await?;
        let channel = words.maybe("channel")?.map(|_| words.id("channel")).transpose()?;
        let network = match (words.maybe("network")?, channel) {
            (Some(network), None) => network.to_owned(),
            (Some(_), Some(_)) => {
                return Err(Problem::field("network", Wrong::Excludes { other: "channel" }));
            }
            (None, Some(id)) => {
                let access = self.enter::<crate::domain::access::Read>(workspace).await?;
                match self.services.channel(&access, id).await {
                    Ok(channel) => channel.network,
                    Err(problem) if problem.code == Code::NotFound => {
                        return Err(Problem::field("channel", Wrong::NotFound));
                    }
                    Err(problem) => return Err(problem),
                }
            }
            (None, None) => return Err(Problem::field("network", Wrong::Missing)),
        };
        let new = NewConnection {
            network,
            channel,
            name: words.maybe("name")?.map(str::to_owned),
            link: true,
            life: minutes.map(|minutes| Duration::from_secs(minutes.saturating_mul(60))),
        };
        shown(self.services.begin_connection(access, new).await?.value)
    }
}
