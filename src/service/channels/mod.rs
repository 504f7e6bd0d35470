//! Channels: connecting, testing, pausing, reconnecting and removing accounts.

mod change;
mod connect;
mod remove;
pub(super) mod shape;
mod withdraw;

use url::Url;

pub(super) use change::resume_held;

use super::grants::grant_shown;
use super::idempotency::recall;
use super::shown::{self, ChannelShown, Page};
use super::{Access, Done, Found, Limits, Services, no, not_found, refused, trouble, waits};
use crate::base::{ChannelId, Code, CorrelationId, DeliveryId, Problem, Secret, Wrong, limits};
use crate::domain::access::{Read, Right};
use crate::domain::channel::{Account, Channel, ChannelState};
use crate::domain::connection::Grant;
use crate::domain::delivery::Delivery;
use crate::domain::publish::{Failure, State};
use crate::networks::{self, Call, CallError, Credential, Facts, Network};
use crate::store::rows::Attention;
use crate::store::{Scope, Span, Tx, WriteError};

/// What a person brings to connect a channel.
#[derive(Debug)]
pub struct Brought {
    pub network: String,
    pub name: String,
    pub instance: Option<String>,
    /// The name to sign in with, where the token is a password.
    pub identifier: Option<String>,
    /// A whole address, for networks that post to one.
    pub url: Option<String>,
    pub token: Option<Secret<String>>,
}

/// What a person changes; `None` leaves it as it is.
#[derive(Debug, Default)]
pub struct ChannelChange {
    pub name: Option<String>,
    pub paused: Option<bool>,
    pub grace: Option<Grace>,
    /// A new token for the same account.
    pub token: Option<Secret<String>>,
    /// The code from the address that connecting named.
    pub code: Option<Secret<String>>,
    /// The revision that the person saw.
    pub revision: Option<u64>,
}

/// How late a post may still go out on a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grace {
    /// As the workspace says.
    Workspace,
    Minutes(u64),
}

/// What a network call needs besides the channel.
pub(super) struct Asking<'a> {
    pub instance: Option<&'a Url>,
    pub credential: Option<&'a Credential>,
    pub account: Option<&'a Account>,
    pub facts: &'a Facts,
    pub correlation: CorrelationId,
}

impl Services {
    pub(super) fn call<'a>(&'a self, asking: &Asking<'a>) -> Call<'a> {
        Call {
            transport: self.transport.as_ref(),
            instance: asking.instance,
            credential: asking.credential,
            account: asking.account,
            facts: asking.facts,
            hosts: &self.hosts,
            app: None,
            public_url: &self.public_url,
            now: self.now(),
            deadline: self.timing.get().deadline,
            correlation: asking.correlation,
        }
    }

    async fn done_before<R: Right>(
        &self,
        access: &Access<R>,
    ) -> Result<Option<Done<ChannelShown>>, Problem> {
        if access.repeat.is_none() {
            return Ok(None);
        }
        let (asked, now) = (access.again(), self.now());
        self.store
            .write(move |tx| match recall(tx, &asked, now)? {
                Some(id) => replayed(tx, &asked.scope, &id).map(Some),
                None => Ok(None),
            })
            .await
            .map_err(refused)
    }

    /// The workspace's channels, oldest first.
    pub async fn channels<R: Right>(
        &self,
        access: &Access<R>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<ChannelShown>, Problem> {
        let scope = access.scope;
        let after = cursor.map(shown::cursor_key::<ChannelId>).transpose()?;
        let span = Span::first(limit).after(after.as_ref());
        let rows = self.store.read(move |view| view.page::<Channel>(&scope, &span)).await;
        let rows = rows.map_err(trouble)?;
        let next = rows.last().filter(|_| rows.len() == limit);
        let next = next.map(|(id, _)| shown::cursor_of(id.as_bytes()));
        let there = |c: &&Channel| !matches!(c.state, ChannelState::Removed { .. });
        let items =
            rows.iter().filter_map(|(_, c)| c.as_ref()).filter(there).map(shown::channel).collect();
        Ok(Page { items, next })
    }

    pub async fn channel(
        &self,
        access: &Access<Read>,
        id: ChannelId,
    ) -> Result<ChannelShown, Problem> {
        let (scope, now) = (access.scope, self.now());
        let read = self.store.read(move |view| {
            let found = view.get::<Channel>(&scope, &id)?;
            let there = found.filter(|c| !matches!(c.state, ChannelState::Removed { .. }));
            let Some(channel) = there else { return Ok(None) };
            let limits = Limits::read(view, &scope, &channel)?;
            Ok(Some((channel, limits, view.get::<Grant>(&scope, &id)?)))
        });
        let found = read.await.map_err(trouble)?;
        let (channel, limits, grant) = found.ok_or_else(not_found)?;
        let mut shown = shown::channel(&channel);
        shown.rate_limits = waits::limits(&limits, now);
        shown.grant = grant.map(|grant| grant_shown(&grant, now));
        Ok(shown)
    }

    async fn found<R: Right>(&self, access: &Access<R>, id: ChannelId) -> Result<Found, Problem> {
        let scope = access.scope;
        let found = self.store.read(move |view| Found::read(view, &scope, id)).await;
        let found = found.map_err(trouble)?.ok_or_else(not_found)?;
        match found.channel.state {
            ChannelState::Removed { .. } => Err(not_found()),
            _ => Ok(found),
        }
    }
}

/// Notes a token or code that no network could have given.
fn check_secret(field: &str, secret: Option<&Secret<String>>) -> Result<(), Problem> {
    let Some(secret) = secret.map(Secret::reveal) else { return Ok(()) };
    let (max, actual) = (limits::TOKEN_BYTES, secret.len());
    if actual == 0 {
        return Err(Problem::field(field, Wrong::Empty));
    }
    if actual > max {
        return Err(Problem::field(field, Wrong::TooLong { max, actual, unit: "bytes" }));
    }
    if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        let expected = "visible ASCII characters without spaces".to_owned();
        return Err(Problem::field(field, Wrong::BadFormat { expected }));
    }
    Ok(())
}

fn network_named(word: &str) -> Result<&'static dyn Network, Problem> {
    networks::named(word).ok_or_else(|| {
        let known: Vec<_> = networks::REGISTRY.iter().map(|n| n.word()).collect();
        Problem::field("network", Wrong::NotOneOf { allowed: known.join(", ") })
    })
}

pub(super) fn must(
    tx: &Tx<'_>,
    scope: &Scope,
    id: ChannelId,
) -> Result<Channel, WriteError<Problem>> {
    match tx.get::<Channel>(scope, &id)? {
        Some(channel) if !matches!(channel.state, ChannelState::Removed { .. }) => Ok(channel),
        _ => no(not_found()),
    }
}

fn replayed(
    tx: &Tx<'_>,
    scope: &Scope,
    id: &str,
) -> Result<Done<ChannelShown>, WriteError<Problem>> {
    let id = id.parse().map_err(|_| WriteError::Refused(not_found()))?;
    Ok(Done { value: shown::channel(&must(tx, scope, id)?), replayed: true })
}

/// What a network's refusal means to the person who connects.
pub(super) fn told(error: CallError) -> Problem {
    let because = |code, failure: Failure| {
        let mut problem = Problem::new(code).with("code", failure.code);
        if !failure.detail.is_empty() {
            problem = problem.with("said", failure.detail);
        }
        match failure.status {
            Some(status) => problem.with("status", status),
            None => problem,
        }
    };
    match error {
        CallError::Missing(what) => Problem::field(what, Wrong::Missing),
        CallError::Address { host } => Problem::new(Code::AddressRefused).with("host", host),
        CallError::Unauthorized(failure) | CallError::Refused(failure) => {
            because(Code::ChannelRefused, failure)
        }
        CallError::Unreachable(failure) => because(Code::NetworkUnreachable, failure),
    }
}

/// Held deliveries of one channel.
fn attention_of(
    tx: &Tx<'_>,
    scope: &Scope,
    channel: ChannelId,
) -> Result<Vec<DeliveryId>, WriteError<Problem>> {
    let view = tx.view();
    let mut found = Vec::new();
    for (id, row) in view.scan::<Attention>(scope, &Span::first(limits::SWEEP_MAX))? {
        if row.state == State::Held
            && view.get::<Delivery>(scope, &id)?.is_some_and(|d| d.channel == channel)
        {
            found.push(id);
        }
    }
    Ok(found)
}
