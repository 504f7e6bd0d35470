//! Connecting an account, proving that it still answers, and connecting it again.

use std::collections::BTreeMap;

use url::Url;

use super::super::idempotency::{recall, remember};
use super::super::shown::{self, ChannelShown};
use super::super::{
    Access, Done, Found, OpenedChannel, Renewal, Services, no, plans, refused, trouble, usage,
};
use super::{Asking, Brought, ChannelChange, check_secret, must, network_named, replayed, told};
use crate::base::{ChannelId, Code, CorrelationId, Problem, Wrong, limits};
use crate::domain::access::{Entrust, Manage, Right};
use crate::domain::channel::{Account, Channel, ChannelState};
use crate::domain::event::{Actor, Event};
use crate::domain::publish::Failure;
use crate::domain::workspace::check_name;
use crate::networks::{CallError, Connected, Credential, Facts, Grant, Network, SIGNING_SECRET};
use crate::store::rows::{Feed, SealedCredential};
use crate::store::{Scope, View};

impl Services {
    /// Connects an account. Without a token, a network that takes one answers with an address
    /// where a person gets a code; the channel is `connecting` until the code is brought.
    pub async fn add_channel(
        &self,
        access: Access<Entrust>,
        brought: Brought,
    ) -> Result<Done<ChannelShown>, Problem> {
        let network = network_named(&brought.network)?;
        let name = check_name("name", &brought.name)?;
        check_secret("token", brought.token.as_ref())?;
        let instance = self.instance_for(network, brought.instance.as_deref())?;
        let url = self.url_for(network, brought.url.as_deref())?;
        let id = ChannelId::new(self.now(), self.rng.as_ref());
        let facts = Facts::new();
        let asking = Asking {
            instance: instance.as_ref().or(url.as_ref()),
            credential: None,
            account: None,
            facts: &facts,
            correlation: access.correlation,
        };
        if let Some(done) = self.done_before(&access).await? {
            return Ok(done);
        }
        self.room_for_more()?;
        self.room_in_plan(&access).await?;
        let identifier = identifier_for(network, brought.identifier.as_deref())?;
        let grant = match &brought.token {
            Some(token) if network.asks().token => granted(identifier, token.reveal()),
            None if network.asks().identifier => {
                return Err(Problem::field("token", Wrong::Missing));
            }
            Some(_) => return Err(Problem::field("token", Wrong::Unknown)),
            None if network.asks().token => Grant::Register { rng: self.rng.as_ref() },
            None => Grant::Nothing,
        };
        let connected = network.connect(&self.call(&asking), grant).await.map_err(told)?;
        let mut channel = Channel {
            id,
            revision: 1,
            created_at: self.now(),
            network: network.word().to_owned(),
            name,
            state: ChannelState::Connected,
            paused: false,
            instance: instance.map(|url| url.as_str().trim_end_matches('/').to_owned()),
            account: None,
            facts: Facts::new(),
            grace: None,
        };
        let credential = self.settle(&mut channel, connected);
        let made = credential.as_ref().filter(|_| network.asks().url && brought.token.is_none());
        let secret = made.and_then(|c| c.get(SIGNING_SECRET)).map(str::to_owned);
        let mut done = self.insert_channel(access, channel, credential).await?;
        // A repeat finds a channel that was made with another secret.
        done.value.secret = secret.filter(|_| !done.replayed);
        Ok(done)
    }

    /// An early answer, before a network is asked; the transaction that writes asks again.
    async fn room_in_plan<R: Right>(&self, access: &Access<R>) -> Result<(), Problem> {
        let (scope, all) = (access.scope, self.plans.get());
        let read = move |view: &View<'_>| {
            let granted = usage::granted(view, &scope, &all)?;
            plans::room_for_channel(view, &scope, &granted)
        };
        let over = self.store.read(read).await.map_err(trouble)?;
        over.map_or(Ok(()), Err)
    }

    /// Puts what connecting gave into the channel; returns what must be sealed.
    fn settle(&self, channel: &mut Channel, connected: Connected) -> Option<Credential> {
        match connected {
            Connected::Account { account, facts, credential } => {
                channel.state = ChannelState::Connected;
                channel.facts = facts;
                channel.account = Some(if channel.network == "feed" {
                    let url = format!("{}/feed/{}", self.public_url, channel.id);
                    Account { remote_id: channel.id.to_string(), url: Some(url), ..account }
                } else {
                    account
                });
                credential
            }
            Connected::Pending { authorize_url, credential } => {
                channel.state = ChannelState::Connecting { authorize_url };
                Some(credential)
            }
        }
    }

    async fn insert_channel(
        &self,
        access: Access<Entrust>,
        channel: Channel,
        credential: Option<Credential>,
    ) -> Result<Done<ChannelShown>, Problem> {
        let sealed = match &credential {
            Some(credential) => Some(self.seal(access.scope, channel.id, credential).await?),
            None => None,
        };
        let (services, now) = (self.clone(), self.now());
        self.store
            .write(move |tx| {
                if let Some(id) = recall(tx, &access, now)? {
                    return replayed(tx, &access.scope, &id);
                }
                let granted = usage::granted(&tx.view(), &access.scope, &services.plans.get())?;
                if let Some(over) = plans::room_for_channel(&tx.view(), &access.scope, &granted)? {
                    return no(over);
                }
                let id = channel.id;
                tx.put(&access.scope, &id, &channel)?;
                if let Some(sealed) = &sealed {
                    tx.put(&access.scope, &id, sealed)?;
                }
                if channel.network == "feed" {
                    tx.put_global(&id, &Feed { workspace: access.workspace() })?;
                }
                remember(tx, &access, now, &id.to_string())?;
                let mut event = access.event(&services, "channel.added", &id.to_string());
                event.data.insert("network".to_owned(), channel.network.clone());
                tx.append_event(&access.scope, event)?;
                Ok(Done { value: shown::channel(&channel), replayed: false })
            })
            .await
            .map_err(refused)
    }

    fn instance_for(
        &self,
        network: &dyn Network,
        given: Option<&str>,
    ) -> Result<Option<Url>, Problem> {
        match (network.asks().instance, given) {
            (true, None) => Err(Problem::field("instance", Wrong::Missing)),
            (false, Some(_)) => Err(Problem::field("instance", Wrong::Unknown)),
            (false, None) => Ok(None),
            (true, Some(text)) => self.instance(text).map(Some),
        }
    }

    fn url_for(&self, network: &dyn Network, given: Option<&str>) -> Result<Option<Url>, Problem> {
        match (network.asks().url, given) {
            (true, None) => Err(Problem::field("url", Wrong::Missing)),
            (false, Some(_)) => Err(Problem::field("url", Wrong::Unknown)),
            (false, None) => Ok(None),
            (true, Some(text)) => {
                let expected = "an address, such as https://example.org/hook";
                self.address("url", text.trim(), expected).map(Some)
            }
        }
    }

    /// The address of a server as a person writes it: `example.social`, or with `https://`.
    fn instance(&self, text: &str) -> Result<Url, Problem> {
        let text = text.trim();
        let expected = "the address of a server, such as https://example.social";
        let whole = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let url = self.address("instance", &whole, expected)?;
        if url.query().is_some() {
            let expected = expected.to_owned();
            return Err(Problem::field("instance", Wrong::BadFormat { expected }));
        }
        Ok(url)
    }

    /// An address that may be called from here, as far as its text tells.
    pub(in crate::service) fn address(
        &self,
        field: &str,
        text: &str,
        expected: &str,
    ) -> Result<Url, Problem> {
        let bad = || Problem::field(field, Wrong::BadFormat { expected: expected.to_owned() });
        let (max, actual) = (limits::URL_BYTES, text.len());
        if actual > max {
            return Err(Problem::field(field, Wrong::TooLong { max, actual, unit: "bytes" }));
        }
        let url = Url::parse(text).map_err(|_| bad())?;
        if url.fragment().is_some() || !url.has_host() {
            return Err(bad());
        }
        let refused = |why| Problem::field(field, Wrong::NotPossible { why });
        self.guard.check_url(&url).map_err(|refusal| refused(refusal.why()))?;
        Ok(url)
    }

    /// Tries the token or code that a person brought.
    pub(super) async fn reconnect(
        &self,
        access: &Access<Manage>,
        id: ChannelId,
        change: &ChannelChange,
    ) -> Result<Option<(Account, Facts, SealedCredential)>, Problem> {
        if change.token.is_none() && change.code.is_none() {
            return Ok(None);
        }
        check_secret("token", change.token.as_ref())?;
        check_secret("code", change.code.as_ref())?;
        let opened = self.open(&access.scope, self.found(access, id).await?)?;
        let network = network_named(&opened.channel.network)?;
        let grant = match (&change.token, &change.code, &opened.credential) {
            (Some(_), Some(_), _) => {
                return Err(Problem::field("code", Wrong::Excludes { other: "token" }));
            }
            (Some(token), None, _) if network.asks().token => {
                let account = opened.channel.account.as_ref();
                let account = account.filter(|_| network.asks().identifier);
                granted(account.map(|account| account.remote_id.as_str()), token.reveal())
            }
            (None, Some(code), Some(pending)) if network.asks().token => {
                Grant::Code { code: code.reveal(), pending }
            }
            (Some(_), ..) => return Err(Problem::field("token", Wrong::Unknown)),
            _ => return Err(Problem::field("code", Wrong::Unknown)),
        };
        let instance = opened.channel.instance.as_deref().and_then(|url| Url::parse(url).ok());
        let asking = Asking {
            instance: instance.as_ref(),
            credential: opened.credential.as_ref(),
            account: None,
            facts: &opened.channel.facts,
            correlation: access.correlation,
        };
        let connected = network.connect(&self.call(&asking), grant).await.map_err(told)?;
        let Connected::Account { account, facts, credential: Some(credential) } = connected else {
            return Err(Problem::new(Code::ChannelRefused));
        };
        let before = opened.channel.account.as_ref();
        if before.is_some_and(|before| before.remote_id != account.remote_id) {
            let field = if change.token.is_some() { "token" } else { "code" };
            let why = "belongs to another account; add that as a channel of its own";
            return Err(Problem::field(field, Wrong::NotPossible { why }));
        }
        let sealed = self.seal(access.scope, id, &credential).await?;
        Ok(Some((account, facts, sealed)))
    }

    /// Asks the network whom the channel speaks for. A refusal is remembered, once a new
    /// credential could not be had or is refused too: the channel then needs a person.
    pub async fn test_channel(
        &self,
        access: Access<Manage>,
        id: ChannelId,
    ) -> Result<ChannelShown, Problem> {
        let (scope, correlation) = (access.scope, access.correlation);
        let found = self.found(&access, id).await?;
        if matches!(found.channel.state, ChannelState::Connecting { .. }) {
            return Err(Problem::field("code", Wrong::Missing));
        }
        let (opened, asked) = self.ask_whom(&scope, found, correlation).await?;
        match asked {
            Ok(_) => Ok(shown::channel(&opened.channel)),
            Err(CallError::Unauthorized(failure)) => {
                self.needs_reconnect(scope, id, &failure, correlation).await?;
                Err(told(CallError::Unauthorized(failure)))
            }
            Err(error) => Err(told(error)),
        }
    }

    /// Asks the network whom a channel speaks for, with a new credential if the one that is there is
    /// refused.
    pub(in crate::service) async fn ask_whom(
        &self,
        scope: &Scope,
        found: Found,
        correlation: CorrelationId,
    ) -> Result<(OpenedChannel, Result<Account, CallError>), Problem> {
        let mut opened = self.open_fresh(scope, found, correlation).await?;
        let mut asked = self.identify(&opened, correlation).await?;
        if matches!(asked, Err(CallError::Unauthorized(_))) {
            match self.renew(scope, &opened, correlation).await? {
                Renewal::Never => {}
                Renewal::Renewed(fresh) => {
                    opened = *fresh;
                    asked = self.identify(&opened, correlation).await?;
                }
                Renewal::Dead(failure) => asked = Err(CallError::Unauthorized(failure)),
                Renewal::Later(failure) => asked = Err(CallError::Unreachable(failure)),
            }
        }
        Ok((opened, asked))
    }

    async fn identify(
        &self,
        opened: &OpenedChannel,
        correlation: CorrelationId,
    ) -> Result<Result<Account, CallError>, Problem> {
        let network = network_named(&opened.channel.network)?;
        let instance = opened.channel.instance.as_deref().and_then(|url| Url::parse(url).ok());
        let asking = Asking {
            instance: instance.as_ref(),
            credential: opened.credential.as_ref(),
            account: opened.channel.account.as_ref(),
            facts: &opened.channel.facts,
            correlation,
        };
        Ok(network.identify(&self.call(&asking)).await)
    }

    /// Notes, once, that a channel needs a person.
    pub async fn needs_reconnect(
        &self,
        scope: Scope,
        id: ChannelId,
        failure: &Failure,
        correlation: CorrelationId,
    ) -> Result<(), Problem> {
        let (since, code) = (self.now(), failure.code.clone());
        self.store
            .write(move |tx| {
                let mut channel = must(tx, &scope, id)?;
                if !matches!(channel.state, ChannelState::Connected) {
                    return Ok(());
                }
                channel.state = ChannelState::ReconnectNeeded { since, code: code.clone() };
                channel.revision += 1;
                tx.put(&scope, &id, &channel)?;
                let event = Event {
                    at: since,
                    actor: Actor::System,
                    kind: "channel.reconnect_needed".to_owned(),
                    subject: id.to_string(),
                    data: BTreeMap::new(),
                    correlation,
                };
                Ok(tx.append_event(&scope, event)?)
            })
            .await
            .map_err(refused)
    }
}

/// A token alone, or a password with the name that it belongs to.
fn granted<'a>(identifier: Option<&'a str>, secret: &'a str) -> Grant<'a> {
    match identifier {
        Some(identifier) => Grant::Password { identifier, password: secret },
        None => Grant::Token(secret),
    }
}

fn identifier_for<'a>(
    network: &dyn Network,
    given: Option<&'a str>,
) -> Result<Option<&'a str>, Problem> {
    match (network.asks().identifier, given.map(str::trim)) {
        (false, None) => Ok(None),
        (false, Some(_)) => Err(Problem::field("identifier", Wrong::Unknown)),
        (true, None) => Err(Problem::field("identifier", Wrong::Missing)),
        (true, Some("")) => Err(Problem::field("identifier", Wrong::Empty)),
        (true, Some(text)) => {
            let (max, actual) = (limits::NAME_CHARS, text.chars().count());
            let wrong = Wrong::TooLong { max, actual, unit: "characters" };
            if actual > max { Err(Problem::field("identifier", wrong)) } else { Ok(Some(text)) }
        }
    }
}
