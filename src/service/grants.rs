//! What accounts have granted: how long it lasts, whether a renewal is in doubt, and renewing on
//! demand. Must not renew by itself; `credentials` does, one flight per credential.

use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use utoipa::ToSchema;

use super::channels::must;
use super::shown::{self, ChannelShown};
use super::{Access, Found, OpenedChannel, Renewal, Services, not_found, refused, trouble};
use crate::base::{ChannelId, Code, CorrelationId, Problem, Timestamp, Wrong, limits};
use crate::domain::access::Manage;
use crate::domain::channel::{Channel, ChannelState};
use crate::domain::connection::Grant;
use crate::domain::event::{Actor, Event};
use crate::networks::oauth::{self, Refresh};
use crate::networks::{self, CallError, Credential, Network};
use crate::store::{Error, Scope, Span, Tx, View};

/// Channels of one batch.
const BATCH: usize = 50;
/// Of those at a time.
const AT_ONCE: usize = 4;

/// What an account has granted, as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct GrantShown {
    pub scopes: Vec<String>,
    /// Asked for and not granted: what they are for is not there.
    pub lacks: Vec<String>,
    /// When the account was connected, or connected again.
    pub granted_at: String,
    /// When a person must connect it again at the latest; null when nobody knows.
    pub ends_at: Option<String>,
    /// That is near.
    pub ends_soon: bool,
}

/// What became of one channel of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RefreshShown {
    #[schema(format = "uuid")]
    pub channel: String,
    pub network: String,
    /// renewed, unneeded (it does not end, or not soon), later (the network did not do it now; it works
    /// as before) or `reconnect_needed`.
    pub result: String,
    pub code: Option<String>,
}

/// A batch of renewals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RefreshedShown {
    pub items: Vec<RefreshShown>,
    /// How many more there are whose time has come; ask again for them.
    pub left: usize,
}

pub(super) fn grant_shown(grant: &Grant, now: Timestamp) -> GrantShown {
    GrantShown {
        scopes: grant.scopes.clone(),
        lacks: grant.lacks.clone(),
        granted_at: grant.at.to_string(),
        ends_at: grant.ends_at.map(|at| at.to_string()),
        ends_soon: grant.near_from().is_some_and(|near| near <= now),
    }
}

/// A renewal went well: the grant is as it was, but for what the answer said.
pub(super) fn renewed(
    tx: &mut Tx<'_>,
    scope: &Scope,
    channel: ChannelId,
    new: &Grant,
) -> Result<(), Error> {
    let Some(old) = tx.get::<Grant>(scope, &channel)? else { return Ok(()) };
    // A scope can be lost on the way; none can come.
    let lost = old.scopes.iter().filter(|scope| !new.scopes.contains(scope)).cloned();
    let mut lacks = old.lacks.clone();
    lacks.extend(lost);
    let ends_at = new.ends_at.or(old.ends_at);
    let grant =
        Grant { scopes: new.scopes.clone(), lacks, ends_at, renewing_since: None, ..old.clone() };
    if grant == old { Ok(()) } else { tx.put(scope, &channel, &grant) }
}

fn rotates_once(network: &dyn Network) -> bool {
    network.oauth().is_some_and(|oauth| oauth.refresh == Refresh::RotatesOnce)
}

/// Whether the network has seen the refresh token, for all that is known.
fn may_be_used(error: &CallError) -> bool {
    match error {
        CallError::Unreachable(said) => said.code != "unreachable" && said.status != Some(429),
        _ => false,
    }
}

impl Services {
    /// Until when a credential works whose last renewal nobody knows the end of.
    pub(super) async fn in_doubt(
        &self,
        scope: &Scope,
        opened: &OpenedChannel,
    ) -> Result<Option<Timestamp>, Problem> {
        let Some(ends) = opened.credential.as_ref().and_then(oauth::access_ends) else {
            return Ok(None);
        };
        let (of, id) = (*scope, opened.channel.id);
        let grant = self.store.read(move |view| view.get::<Grant>(&of, &id)).await;
        let doubt = grant.map_err(trouble)?.is_some_and(|grant| grant.renewing_since.is_some());
        // A renewal that is under way right now is none: its flight is waited for.
        let alone = !self.renewals.is_flying(opened.channel.id);
        Ok(Some(ends).filter(|ends| doubt && alone && self.now() < *ends))
    }

    /// Notes, before the network is asked, that a token may be used up which is good once.
    pub(super) async fn renewal_begins(
        &self,
        scope: &Scope,
        network: &dyn Network,
        channel: ChannelId,
    ) -> Result<(), Problem> {
        if rotates_once(network) {
            self.mark_renewal(scope, channel, Some(self.now())).await?;
        }
        Ok(())
    }

    /// Takes the note back where the network has surely not used it up. Of a renewal that went well
    /// it goes with the new token, and in the same transaction.
    pub(super) async fn renewal_ended(
        &self,
        scope: &Scope,
        network: &dyn Network,
        channel: ChannelId,
        renewed: &Result<Credential, CallError>,
    ) -> Result<(), Problem> {
        match renewed {
            Err(error) if rotates_once(network) && !may_be_used(error) => {
                self.mark_renewal(scope, channel, None).await
            }
            _ => Ok(()),
        }
    }

    async fn mark_renewal(
        &self,
        scope: &Scope,
        channel: ChannelId,
        since: Option<Timestamp>,
    ) -> Result<(), Problem> {
        let of = *scope;
        let written = self.store.write(move |tx| {
            if let Some(grant) = tx.get::<Grant>(&of, &channel)? {
                tx.put(&of, &channel, &Grant { renewing_since: since, ..grant })?;
            }
            Ok(())
        });
        written.await.map_err(refused)
    }

    async fn grant_of(
        &self,
        scope: Scope,
        channel: ChannelId,
    ) -> Result<Option<GrantShown>, Problem> {
        let grant = self.store.read(move |view| view.get::<Grant>(&scope, &channel)).await;
        let now = self.now();
        Ok(grant.map_err(trouble)?.map(|grant| grant_shown(&grant, now)))
    }

    /// Renews a channel's credential now, whether its time has come or not.
    pub async fn refresh_channel(
        &self,
        access: Access<Manage>,
        id: ChannelId,
    ) -> Result<ChannelShown, Problem> {
        let (scope, correlation) = (access.scope, access.correlation);
        let opened = self.opened_channel(&scope, id).await?;
        let network = opened.channel.network.clone();
        match self.renew_ahead(&scope, &opened, correlation).await? {
            Renewal::Never => {
                let why = "has a credential that is not renewed; test it instead";
                Err(Problem::field("channel", Wrong::NotPossible { why }))
            }
            Renewal::Renewed(fresh) => {
                let grant = self.grant_of(scope, id).await?;
                Ok(ChannelShown { grant, ..shown::channel(&fresh.channel) })
            }
            Renewal::Dead(failure) => {
                self.needs_reconnect(scope, id, &failure, correlation).await?;
                Err(super::channels::told(CallError::Unauthorized(failure)))
            }
            Renewal::Later(failure) => Err(match failure.code.as_str() {
                "app_missing" => Problem::new(Code::AppMissing).with("network", network),
                "app_refused" => Problem::new(Code::AppRefused).with("network", network),
                "renewal_in_doubt" | "other_application" => {
                    super::channels::told(CallError::Refused(failure))
                }
                _ => super::channels::told(CallError::Unreachable(failure)),
            }),
        }
    }

    async fn opened_channel(&self, scope: &Scope, id: ChannelId) -> Result<OpenedChannel, Problem> {
        let of = *scope;
        let found = self.store.read(move |view| Found::read(view, &of, id)).await;
        let found = found.map_err(trouble)?.ok_or_else(not_found)?;
        if matches!(found.channel.state, ChannelState::Removed { .. }) {
            return Err(not_found());
        }
        self.open(scope, found)
    }

    /// Renews the credentials of these channels, or of all whose time has come.
    pub async fn refresh_channels(
        &self,
        access: Access<Manage>,
        channels: Option<Vec<ChannelId>>,
    ) -> Result<RefreshedShown, Problem> {
        let (scope, correlation) = (access.scope, access.correlation);
        let named = channels.is_some();
        let mut ids = match channels {
            Some(ids) => ids,
            None => self.due_for_renewal(&scope).await?,
        };
        if named && ids.len() > BATCH {
            let (max, actual) = (BATCH, ids.len());
            return Err(Problem::field("channels", Wrong::TooLong { max, actual, unit: "items" }));
        }
        let left = ids.len().saturating_sub(BATCH);
        ids.truncate(BATCH);
        ids.sort_unstable();
        ids.dedup();
        let mut opened = Vec::new();
        for (i, id) in ids.into_iter().enumerate() {
            match self.opened_channel(&scope, id).await {
                Ok(channel) => opened.push(channel),
                Err(problem) if problem.code == Code::NotFound => {
                    return Err(Problem::field(format!("channels[{i}]"), Wrong::NotFound));
                }
                Err(problem) => return Err(problem),
            }
        }
        let each = opened.into_iter().map(|one| self.refresh_one(scope, one, correlation));
        let items = stream::iter(each).buffered(AT_ONCE).collect::<Vec<_>>().await;
        Ok(RefreshedShown { items: items.into_iter().collect::<Result<_, _>>()?, left })
    }

    async fn refresh_one(
        &self,
        scope: Scope,
        opened: OpenedChannel,
        correlation: CorrelationId,
    ) -> Result<RefreshShown, Problem> {
        let id = opened.channel.id;
        let (result, code) = match self.renew_ahead(&scope, &opened, correlation).await? {
            Renewal::Never => ("unneeded", None),
            Renewal::Renewed(_) => ("renewed", None),
            Renewal::Later(failure) => ("later", Some(failure.code)),
            Renewal::Dead(failure) => {
                self.needs_reconnect(scope, id, &failure, correlation).await?;
                ("reconnect_needed", Some(failure.code))
            }
        };
        let (channel, network) = (id.to_string(), opened.channel.network);
        Ok(RefreshShown { channel, network, result: result.to_owned(), code })
    }

    async fn due_for_renewal(&self, scope: &Scope) -> Result<Vec<ChannelId>, Problem> {
        let (of, now) = (*scope, self.now());
        let found = self.store.read(move |view| renewable(view, &of)).await;
        let mut due = Vec::new();
        for found in found.map_err(trouble)? {
            let network = networks::named(&found.channel.network);
            let Ok(opened) = self.open(scope, found) else { continue };
            let from = network.zip(opened.credential.as_ref()).and_then(|(n, c)| n.renew_from(c));
            if from.is_some_and(|from| from <= now) {
                due.push(opened.channel.id);
            }
        }
        Ok(due)
    }

    /// Tells, once for each, of grants that end soon; how many.
    pub async fn tell_of_endings(&self, scope: Scope) -> Result<usize, Problem> {
        let now = self.now();
        let correlation = CorrelationId::new(self.rng.as_ref());
        let near = move |grant: &Grant| {
            grant.warned_at.is_none() && grant.near_from().is_some_and(|near| near <= now)
        };
        let looked = self.store.read(move |view| {
            let rows = view.scan::<Grant>(&scope, &Span::first(limits::SCAN_MAX))?;
            Ok(rows.into_iter().filter(|(_, g)| near(g)).map(|(id, _)| id).collect::<Vec<_>>())
        });
        let ids = looked.await.map_err(trouble)?;
        if ids.is_empty() {
            return Ok(0);
        }
        let written = self.store.write(move |tx| {
            let mut told = 0;
            for id in &ids {
                let Some(grant) = tx.get::<Grant>(&scope, id)?.filter(near) else { continue };
                let channel = must(tx, &scope, *id)?;
                let ends = grant.ends_at.map(|at| at.to_string()).unwrap_or_default();
                tx.put(&scope, id, &Grant { warned_at: Some(now), ..grant })?;
                let event = Event {
                    at: now,
                    actor: Actor::System,
                    kind: "channel.grant_ending".to_owned(),
                    subject: id.to_string(),
                    data: [("network".to_owned(), channel.network), ("ends_at".to_owned(), ends)]
                        .into(),
                    correlation,
                };
                tx.append_event(&scope, event)?;
                told += 1;
            }
            Ok(told)
        });
        written.await.map_err(refused)
    }
}

/// Connected channels of networks whose credentials are renewed.
fn renewable(view: &View<'_>, scope: &Scope) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    for (id, channel) in view.scan::<Channel>(scope, &Span::first(limits::SCAN_MAX))? {
        if channel.state == ChannelState::Connected {
            found.extend(Found::read(view, scope, id)?);
        }
    }
    Ok(found)
}
