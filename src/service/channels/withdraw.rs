//! What an account has granted is given back to its network when its channel is removed: tried once,
//! after the removal is durable, and what came of it is an event. Must not keep a removal waiting, nor
//! end a grant that another channel lives by.

use std::collections::BTreeMap;

use super::super::{Found, Services, refused, trouble};
use super::Asking;
use crate::base::{CorrelationId, Problem, limits};
use crate::domain::channel::{Channel, ChannelState};
use crate::domain::event::{Actor, Event};
use crate::networks::{self, Call, CallError, Credential, Network, oauth};
use crate::store::rows::SealedCredential;
use crate::store::{Error, Scope, Span, View};

impl Services {
    /// Begins it, if the channel was connected by consent. `sealed` was its credential.
    pub(super) async fn withdraw(
        &self,
        scope: Scope,
        (channel, sealed): (Channel, SealedCredential),
        correlation: CorrelationId,
    ) {
        let network = networks::named(&channel.network);
        if network.and_then(|network| network.oauth()?.revoke).is_none() {
            return;
        }
        let credential = match self.unseal(&scope, channel.id, &sealed).await {
            Ok(credential) if oauth::is_by_consent(&credential) => credential,
            Ok(_) => return,
            Err(problem) => {
                tracing::error!(channel = %channel.id, %problem, "its grant is not given back");
                return;
            }
        };
        let services = self.clone();
        drop(self.renewals.spawn(async move {
            // A renewal that is under way brings what nobody keeps any more.
            let flight = services.renewals.flight(channel.id);
            let _alone = flight.lock().await;
            let came = services.given_back(&scope, &channel, &credential, correlation).await;
            let noted = match came {
                Ok((result, code)) => {
                    services.note_withdrawal(scope, &channel, (result, code), correlation).await
                }
                Err(problem) => Err(problem),
            };
            if let Err(problem) = noted {
                tracing::error!(channel = %channel.id, %problem, "its grant is not given back");
            }
        }));
    }

    /// What came of it, and why not.
    async fn given_back(
        &self,
        scope: &Scope,
        channel: &Channel,
        credential: &Credential,
        correlation: CorrelationId,
    ) -> Result<(&'static str, String), Problem> {
        let oauth = networks::named(&channel.network).and_then(Network::oauth);
        let Some(oauth) = oauth else { return Ok(("failed", String::new())) };
        if self.is_shared(scope, channel, credential).await? {
            return Ok(("shared", String::new()));
        }
        let app = match self.opened_app(&channel.network).await {
            Ok((app, _)) => app,
            Err(problem) => return Ok(("failed", problem.code.word().to_owned())),
        };
        let asking = Asking {
            instance: None,
            credential: Some(credential),
            account: channel.account.as_ref(),
            facts: &channel.facts,
            correlation,
        };
        Ok(match oauth.revoke(&Call { app: Some(&app), ..self.call(&asking) }).await {
            Ok(()) => ("revoked", String::new()),
            Err(error) => ("failed", error_code(error)),
        })
    }

    /// Whether another channel would end with it: one of the same consent, or of the same account in
    /// any workspace, of which nobody says that the network keeps them apart.
    async fn is_shared(
        &self,
        scope: &Scope,
        removed: &Channel,
        credential: &Credential,
    ) -> Result<bool, Problem> {
        let (of, network) = (*scope, removed.network.clone());
        let others = self.store.read(move |view| live(view, &of, &network)).await;
        for id in others.map_err(trouble)?.into_iter().map(|channel| channel.id) {
            let found = self.store.read(move |view| Found::read(view, &of, id)).await;
            let Some(found) = found.map_err(trouble)? else { continue };
            let other = self.open(scope, found)?.credential;
            if other.is_some_and(|other| oauth::is_same_grant(credential, &other)) {
                return Ok(true);
            }
        }
        let account = removed.account.as_ref().map(|account| account.remote_id.clone());
        let mut after = None;
        loop {
            let (from, network): (Option<String>, _) = (after, removed.network.clone());
            let page = self.store.read(move |view| {
                let scopes = Scope::rounds(view, from.as_ref(), limits::PAGE_MAX)?;
                let mut found = Vec::new();
                for (_, scope) in &scopes {
                    let channels = live(view, scope, &network)?.into_iter();
                    found.extend(channels.filter_map(|channel| channel.account));
                }
                Ok((scopes.into_iter().last().map(|(slug, _)| slug), found))
            });
            let (last, found) = page.await.map_err(trouble)?;
            if found.iter().any(|other| Some(&other.remote_id) == account.as_ref()) {
                return Ok(true);
            }
            match last {
                Some(slug) => after = Some(slug),
                None => return Ok(false),
            }
        }
    }

    async fn note_withdrawal(
        &self,
        scope: Scope,
        channel: &Channel,
        (result, code): (&'static str, String),
        correlation: CorrelationId,
    ) -> Result<(), Problem> {
        let mut data = BTreeMap::from([
            ("network".to_owned(), channel.network.clone()),
            ("result".to_owned(), result.to_owned()),
        ]);
        if !code.is_empty() {
            data.insert("code".to_owned(), code);
        }
        let event = Event {
            at: self.now(),
            actor: Actor::System,
            kind: "channel.grant_withdrawn".to_owned(),
            subject: channel.id.to_string(),
            data,
            correlation,
        };
        let written = self.store.write(move |tx| Ok(tx.append_event(&scope, event.clone())?));
        written.await.map_err(refused)
    }
}

fn error_code(error: CallError) -> String {
    error.into_failure().code
}

/// Channels of a network that were not removed.
fn live(view: &View<'_>, scope: &Scope, network: &str) -> Result<Vec<Channel>, Error> {
    let rows = view.scan::<Channel>(scope, &Span::first(limits::SCAN_MAX))?;
    let live = |channel: &Channel| {
        channel.network == network && !matches!(channel.state, ChannelState::Removed { .. })
    };
    Ok(rows.into_iter().map(|(_, channel)| channel).filter(live).collect())
}
