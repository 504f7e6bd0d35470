//! Sealed credentials: the only place that opens, seals and renews them. Must not log or return a
//! secret in anything but a `Credential`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use url::Url;

use super::channels::Asking;
use super::{Limits, Services, refused, trouble};
use crate::base::{ChannelId, Code, CorrelationId, Problem, Timestamp, limits};
use crate::domain::channel::{Channel, ChannelState};
use crate::domain::connection::App;
use crate::domain::publish::Failure;
use crate::domain::rate::Purpose;
use crate::networks::{self, Call, CallError, Credential, oauth};
use crate::store::rows::{SealedCredential, WrappedKey};
use crate::store::{Key as _, Row as _, Scope, Span, View};
use crate::vault::{WorkspaceKey, WrappedKey as Wrapped};

/// A channel with what it takes to act for it.
pub struct OpenedChannel {
    pub channel: Channel,
    /// `None` for networks that need none.
    pub credential: Option<Credential>,
    /// What the credential was opened from, to see whether it is still the newest.
    sealed: Option<SealedCredential>,
}

/// What renewing a credential came to.
pub enum Renewal {
    /// Credentials of this network do not end.
    Never,
    /// Stored, and now to be used.
    Renewed(Box<OpenedChannel>),
    /// The network says that a person is needed, and said so more than once.
    Dead(Failure),
    /// No answer, or a passing fault: nothing is known, and the old one stays.
    Later(Failure),
}

/// One flight per credential: whoever comes second waits, and finds what the first one brought.
#[derive(Default)]
pub struct Renewals {
    /// Of those that must not end with whoever asked for them.
    tasks: TaskTracker,
    flights: Mutex<BTreeMap<ChannelId, Arc<tokio::sync::Mutex<()>>>>,
}

impl Renewals {
    /// Until none is under way.
    pub async fn settled(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Runs something that must not end with whoever asked for it.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.tasks.spawn(task)
    }

    pub(super) fn flight(&self, channel: ChannelId) -> Arc<tokio::sync::Mutex<()>> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        flights.retain(|_, flight| Arc::strong_count(flight) > 1);
        Arc::clone(flights.entry(channel).or_default())
    }

    /// Whether somebody is renewing it right now.
    pub(super) fn is_flying(&self, channel: ChannelId) -> bool {
        let flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        flights.get(&channel).is_some_and(|flight| Arc::strong_count(flight) > 1)
    }
}

/// What the sealed bytes are tied to: table, workspace and channel.
fn key_path(scope: &Scope, channel: ChannelId) -> Vec<u8> {
    let mut path = SealedCredential::TABLE.row().name.as_bytes().to_vec();
    path.push(0);
    path.extend((scope.workspace(), channel).to_bytes());
    path
}

fn broken(error: impl std::fmt::Display) -> Problem {
    tracing::error!(%error, "a credential cannot be opened or sealed");
    Problem::new(Code::Internal)
}

impl Services {
    fn workspace_key(&self, scope: &Scope, row: WrappedKey) -> Result<WorkspaceKey, Problem> {
        self.vault.open_workspace_key(scope.workspace(), &Wrapped(row.wrapped)).map_err(broken)
    }

    /// Seals a credential for a channel's row.
    pub(super) async fn seal(
        &self,
        scope: Scope,
        channel: ChannelId,
        credential: &Credential,
    ) -> Result<SealedCredential, Problem> {
        let sealed = self.seal_at(scope, &key_path(&scope, channel), credential).await?;
        Ok(SealedCredential { sealed })
    }

    /// Seals a credential under the workspace's key; it opens nowhere but at `place`.
    pub(super) async fn seal_at(
        &self,
        scope: Scope,
        place: &[u8],
        credential: &Credential,
    ) -> Result<Vec<u8>, Problem> {
        let key = self.key_of(&scope).await?;
        let plain = credential.to_bytes();
        key.seal(self.rng.as_ref(), place, plain.reveal()).map_err(broken)
    }

    /// Opens a credential that was a channel's.
    pub(super) async fn unseal(
        &self,
        scope: &Scope,
        channel: ChannelId,
        row: &SealedCredential,
    ) -> Result<Credential, Problem> {
        self.unseal_at(scope, &key_path(scope, channel), &row.sealed).await
    }

    /// Opens what [`Services::seal_at`] has sealed.
    pub(super) async fn unseal_at(
        &self,
        scope: &Scope,
        place: &[u8],
        sealed: &[u8],
    ) -> Result<Credential, Problem> {
        let key = self.key_of(scope).await?;
        let plain = key.open(place, sealed).map_err(broken)?;
        Credential::from_bytes(plain.reveal()).ok_or_else(|| broken("not a credential"))
    }

    async fn key_of(&self, scope: &Scope) -> Result<WorkspaceKey, Problem> {
        let of = *scope;
        let wrapped = self.store.read(move |view| view.get::<WrappedKey>(&of, &())).await;
        let wrapped = wrapped.map_err(trouble)?.ok_or_else(|| broken("no data key"))?;
        self.workspace_key(scope, wrapped)
    }

    /// Opens what was read of a channel.
    pub fn open(&self, scope: &Scope, found: Found) -> Result<OpenedChannel, Problem> {
        let Found { channel, sealed, wrapped } = found;
        let credential = match (&sealed, wrapped) {
            (Some(row), Some(wrapped)) => {
                let key = self.workspace_key(scope, wrapped)?;
                let plain = key.open(&key_path(scope, channel.id), &row.sealed).map_err(broken)?;
                let credential = Credential::from_bytes(plain.reveal());
                Some(credential.ok_or_else(|| broken("not a credential"))?)
            }
            (Some(_), None) => return Err(broken("no data key")),
            (None, _) => None,
        };
        Ok(OpenedChannel { channel, credential, sealed })
    }

    /// Opens what was read of a channel to act for it now: a credential near its end is renewed
    /// first. When that does not work, the old one is still the best there is.
    pub async fn open_fresh(
        &self,
        scope: &Scope,
        found: Found,
        correlation: CorrelationId,
    ) -> Result<OpenedChannel, Problem> {
        let opened = self.open(scope, found)?;
        let network = networks::named(&opened.channel.network);
        let credential = opened.credential.as_ref();
        let from = network.and_then(|network| network.renew_from(credential?));
        if from.is_none_or(|from| self.now() < from) {
            return Ok(opened);
        }
        match self.renew_ahead(scope, &opened, correlation).await? {
            Renewal::Renewed(fresh) => Ok(*fresh),
            Renewal::Never | Renewal::Dead(_) | Renewal::Later(_) => Ok(opened),
        }
    }

    /// The same as [`Services::renew`] for a credential that still works. One whose last renewal
    /// nobody knows the end of is used up first: to try once more may end it at once.
    pub(super) async fn renew_ahead(
        &self,
        scope: &Scope,
        opened: &OpenedChannel,
        correlation: CorrelationId,
    ) -> Result<Renewal, Problem> {
        match self.in_doubt(scope, opened).await? {
            Some(until) => {
                let detail = format!("the last renewal is in doubt; works until {until}");
                Ok(Renewal::Later(Failure::new("renewal_in_doubt", detail)))
            }
            None => self.renew(scope, opened, correlation).await,
        }
    }

    /// Gets a new credential in place of `opened`'s, unless somebody has done so since it was
    /// read. The new one is durable before anybody sees it.
    pub async fn renew(
        &self,
        scope: &Scope,
        opened: &OpenedChannel,
        correlation: CorrelationId,
    ) -> Result<Renewal, Problem> {
        let id = opened.channel.id;
        let renewable = networks::named(&opened.channel.network)
            .zip(opened.credential.as_ref())
            .filter(|(network, credential)| network.renew_from(credential).is_some());
        let Some((network, _)) = renewable else { return Ok(Renewal::Never) };
        if network.oauth().is_none() {
            return self.renew_alone(scope, (id, opened.sealed.clone()), correlation).await;
        }
        // Whoever asked may go away; an answer that carries the next token must not go with them.
        let (services, scope, seen) = (self.clone(), *scope, opened.sealed.clone());
        let flight = self
            .renewals
            .spawn(async move { services.renew_alone(&scope, (id, seen), correlation).await });
        flight.await.unwrap_or_else(|error| Err(broken(error)))
    }

    async fn renew_alone(
        &self,
        scope: &Scope,
        (id, seen): (ChannelId, Option<SealedCredential>),
        correlation: CorrelationId,
    ) -> Result<Renewal, Problem> {
        let flight = self.renewals.flight(id);
        let _alone = flight.lock().await;
        let now = self.read_opened(scope, id).await?;
        let Some(network) = networks::named(&now.channel.network) else {
            return Ok(Renewal::Never);
        };
        if now.sealed != seen {
            return Ok(Renewal::Renewed(Box::new(now)));
        }
        let instance = now.channel.instance.as_deref().and_then(|url| Url::parse(url).ok());
        let asking = Asking {
            instance: instance.as_ref(),
            credential: now.credential.as_ref(),
            account: now.channel.account.as_ref(),
            facts: &now.channel.facts,
            correlation,
        };
        if let Some(until) = self.no_reads_before(scope, &now.channel).await? {
            return Ok(Renewal::Later(Failure::new("rate_limited", format!("until {until}"))));
        }
        let app = match network.oauth() {
            Some(_) => match self.opened_app(network.word()).await {
                Ok((app, row)) => Some((app, row)),
                Err(problem) if problem.code == Code::AppMissing => {
                    let failure = Failure::new("app_missing", String::new());
                    return Ok(Renewal::Later(failure));
                }
                Err(problem) => return Err(problem),
            },
            None => None,
        };
        let way = self.watched(scope, &now.channel, Purpose::Read);
        self.renewal_begins(scope, network, id).await?;
        let by = app.as_ref().map(|(app, _)| app);
        let call = Call { transport: &way, app: by, ..self.call(&asking) };
        let renewed = network.renew(&call).await;
        self.renewal_ended(scope, network, id, &renewed).await?;
        let said = |result: &str, failure: &Failure| {
            let (network, code) = (&now.channel.network, &failure.code);
            tracing::warn!(
                correlation_id = %correlation, channel = %id, network, result, code,
                "a credential was not renewed"
            );
        };
        match renewed {
            Ok(credential) => {
                self.put_renewed(scope, &now, &credential).await?;
                let refused = |row: &App| row.heard.is_some_and(|heard| !heard.known);
                if let Some((_, row)) = app.filter(|(_, row)| refused(row)) {
                    self.app_heard(network.word(), row.revision, true).await?;
                }
                Ok(Renewal::Renewed(Box::new(self.read_opened(scope, id).await?)))
            }
            Err(CallError::Unauthorized(failure)) => {
                said("dead", &failure);
                Ok(Renewal::Dead(failure))
            }
            Err(error) => {
                let failure = error.into_failure();
                if let Some((_, row)) = app.filter(|_| failure.code == "app_refused") {
                    self.app_heard(network.word(), row.revision, false).await?;
                }
                said("later", &failure);
                Ok(Renewal::Later(failure))
            }
        }
    }

    /// Renews the sessions that would end for want of use, one after the other; how many there
    /// were, and how many of them were renewed.
    pub async fn renew_idle(&self) -> Result<(usize, usize), Problem> {
        let (mut found, mut renewed) = (0, 0);
        let mut after = None;
        loop {
            let from: Option<String> = after;
            let page = self.store.read(move |v| Scope::rounds(v, from.as_ref(), limits::PAGE_MAX));
            let page = page.await.map_err(trouble)?;
            for (_, scope) in &page {
                if self.jobs.stops("sessions") {
                    return Ok((found, renewed));
                }
                self.tell_of_endings(*scope).await?;
                for opened in self.idle(scope).await? {
                    found += 1;
                    renewed += usize::from(self.keep(scope, &opened).await);
                }
            }
            match page.into_iter().last() {
                Some((slug, _)) => after = Some(slug),
                None => return Ok((found, renewed)),
            }
        }
    }

    /// The channels of a workspace whose sessions should be renewed though nobody uses them.
    async fn idle(&self, scope: &Scope) -> Result<Vec<OpenedChannel>, Problem> {
        let of = *scope;
        let channels = self.store.read(move |view| connected(view, &of)).await;
        let mut idle = Vec::new();
        for found in channels.map_err(trouble)? {
            let network = networks::named(&found.channel.network);
            let Ok(opened) = self.open(scope, found) else { continue };
            let from = network.zip(opened.credential.as_ref()).and_then(|(n, c)| n.keep_from(c));
            if from.is_some_and(|from| from <= self.now()) {
                idle.push(opened);
            }
        }
        Ok(idle)
    }

    /// Whether the session was renewed. One that the network has ended needs a person.
    async fn keep(&self, scope: &Scope, opened: &OpenedChannel) -> bool {
        let (channel, correlation) = (opened.channel.id, CorrelationId::new(self.rng.as_ref()));
        let kept = match self.renew_ahead(scope, opened, correlation).await {
            Ok(Renewal::Renewed(_)) => return true,
            Ok(Renewal::Never | Renewal::Later(_)) => Ok(()),
            Ok(Renewal::Dead(why)) => {
                self.needs_reconnect(*scope, channel, &why, correlation).await
            }
            Err(problem) => Err(problem),
        };
        if let Err(problem) = kept {
            tracing::error!(%channel, %problem, "an idle session could not be renewed");
        }
        false
    }

    pub(super) async fn no_reads_before(
        &self,
        scope: &Scope,
        channel: &Channel,
    ) -> Result<Option<Timestamp>, Problem> {
        let (of, channel, now) = (*scope, channel.clone(), self.now());
        let limits = self.store.read(move |view| Limits::read(view, &of, &channel)).await;
        Ok(limits.map_err(trouble)?.holds(Purpose::Read, now).map(|limit| limit.until))
    }

    async fn read_opened(&self, scope: &Scope, id: ChannelId) -> Result<OpenedChannel, Problem> {
        let of = *scope;
        let found = self.store.read(move |view| Found::read(view, &of, id)).await;
        self.open(scope, found.map_err(trouble)?.ok_or_else(super::not_found)?)
    }

    /// Puts the new credential where the old one was, unless a person has put another one there.
    async fn put_renewed(
        &self,
        scope: &Scope,
        old: &OpenedChannel,
        credential: &Credential,
    ) -> Result<(), Problem> {
        let (of, id, before) = (*scope, old.channel.id, old.sealed.clone());
        let sealed = self.seal(of, id, credential).await?;
        let grant = networks::named(&old.channel.network)
            .and_then(networks::Network::oauth)
            .map(|_| oauth::grant(credential, &[], self.now()));
        let written = self.store.write(move |tx| {
            if tx.get::<SealedCredential>(&of, &id)? == before {
                tx.put(&of, &id, &sealed)?;
                if let Some(grant) = &grant {
                    super::grants::renewed(tx, &of, id, grant)?;
                }
            }
            Ok(())
        });
        written.await.map_err(refused)
    }
}

/// The connected channels of a workspace that have a credential.
fn connected(view: &View<'_>, scope: &Scope) -> Result<Vec<Found>, crate::store::Error> {
    let mut found = Vec::new();
    for (id, channel) in view.scan::<Channel>(scope, &Span::first(limits::SCAN_MAX))? {
        if channel.state == ChannelState::Connected {
            found.extend(Found::read(view, scope, id)?.filter(|found| found.sealed.is_some()));
        }
    }
    Ok(found)
}

/// The rows that make an [`OpenedChannel`].
#[derive(Clone)]
pub struct Found {
    pub channel: Channel,
    sealed: Option<SealedCredential>,
    wrapped: Option<WrappedKey>,
}

impl Found {
    pub fn read(
        view: &View<'_>,
        scope: &Scope,
        id: ChannelId,
    ) -> Result<Option<Self>, crate::store::Error> {
        let Some(channel) = view.get::<Channel>(scope, &id)? else { return Ok(None) };
        let sealed = view.get::<SealedCredential>(scope, &id)?;
        let wrapped = view.get::<WrappedKey>(scope, &())?;
        Ok(Some(Self { channel, sealed, wrapped }))
    }
}
