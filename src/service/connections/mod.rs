//! Connecting accounts on the network's own page: begun by a person in a session, or by a link for
//! somebody who has no account here; gone on with by whoever began it and nobody else.

mod apps;
mod back;
mod confirm;

use std::collections::BTreeMap;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;
use utoipa::ToSchema;

use super::channels::Asking;
use super::closing::is_closed;
use super::idempotency::{recall, remember};
use super::shown::{self, Page};
use super::users::{keep_link, new_token, take_link, token_hash};
use super::{Access, Done, Services, members, no, not_found, refused, trouble};
use crate::base::{
    ChannelId, Code, ConnectionId, CorrelationId, Problem, Rng, Secret, SessionId, Timestamp,
    UserId, WorkspaceId, Wrong, limits,
};
use crate::domain::access::{Entrust, Manage, Role};
use crate::domain::channel::{Channel, ChannelState};
use crate::domain::connection::{
    AWAY, Bound, Connection, LINK_LIFE, LINK_LIFE_MAX, Offer, Refused, Stage,
};
use crate::domain::event::{Actor, Event};
use crate::domain::user::LinkTo;
use crate::domain::workspace::{Workspace, check_name};
use crate::networks::{Call, Credential, Facts};
use crate::store::rows::Link;
use crate::store::{Error, Scope, Span, Tx, View, WriteError};

pub use apps::{AppShown, NewApp};
pub use back::{Back, CameBack};

use apps::by_consent;

/// Connections that are looked through for those that are long over, whenever one is begun.
const TIDIED: usize = 50;
/// They are shown for so long after their end.
const KEPT: Duration = Duration::from_hours(30 * 24);
const VERIFIER: &str = "verifier";

/// What is to be connected.
#[derive(Debug, Default)]
pub struct NewConnection {
    pub network: String,
    /// Connects its account again.
    pub channel: Option<ChannelId>,
    /// What a new channel is called; else as its account.
    pub name: Option<String>,
    /// Make a link even for somebody who is signed in.
    pub link: bool,
    /// How long the link is good.
    pub life: Option<Duration>,
}

/// A connection, as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ConnectionShown {
    #[schema(format = "uuid")]
    pub id: String,
    pub network: String,
    /// The channel whose account is connected again; null for a new one.
    #[schema(format = "uuid")]
    pub channel: Option<String>,
    /// open, away (somebody is on the network's page), granted (and to be confirmed), done, failed,
    /// expired or revoked.
    pub state: String,
    /// Why it failed.
    pub reason: Option<String>,
    /// The channels that came of it.
    pub channels: Vec<String>,
    pub created_at: String,
    pub expires_at: String,
    /// Where the network asks for consent, for the session that began this; in this answer only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorize_url: Option<String>,
    /// For whoever owns the account, in any browser; good once, and in this answer only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// Who goes on with a connection: what their browser brings.
#[derive(Debug, Default)]
pub struct Bearing<'a> {
    pub session: Option<(UserId, SessionId)>,
    /// What [`Gone::cookie`] gave.
    pub cookie: Option<&'a str>,
}

/// Somebody is to be sent to the network.
#[derive(Debug)]
pub struct Gone {
    pub workspace: WorkspaceId,
    pub connection: ConnectionId,
    pub network: &'static str,
    pub authorize_url: String,
    /// What the browser must bring back, if the connection became its own right now.
    pub cookie: Option<Secret<String>>,
}

/// What a page says of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub workspace: String,
    /// The network's word, and what people call it.
    pub network: &'static str,
    pub title: &'static str,
    /// The handle of the account that is to be connected again.
    pub again: Option<String>,
    pub state: &'static str,
    pub why: Option<Refused>,
    /// Whether it can be begun anew.
    pub open: bool,
    pub offers: Vec<Offer>,
    /// Of these, the handles that have a channel already, and its name: its credential is replaced.
    pub renews: Vec<(String, String)>,
    /// Scopes for reading numbers that were not granted.
    pub lacks: Vec<String>,
}

fn shown(connection: &Connection, now: Timestamp) -> ConnectionShown {
    let (reason, channels) = match &connection.stage {
        Stage::Failed { why, .. } => (Some(why.word().to_owned()), Vec::new()),
        Stage::Done { channels, .. } => (None, channels.iter().map(ToString::to_string).collect()),
        _ => (None, Vec::new()),
    };
    ConnectionShown {
        id: connection.id.to_string(),
        network: connection.network.clone(),
        channel: connection.channel.map(|id| id.to_string()),
        state: connection.state(now).to_owned(),
        reason,
        channels,
        created_at: connection.created_at.to_string(),
        expires_at: connection.expires_at.to_string(),
        authorize_url: None,
        link: None,
    }
}

/// Names its connection, and holds 256 random bits.
fn new_state(workspace: WorkspaceId, connection: ConnectionId, rng: &dyn Rng) -> String {
    let mut random = [0; 32];
    rng.fill(&mut random);
    let bytes = [&workspace.as_bytes()[..], connection.as_bytes(), &random].concat();
    BASE64URL_NOPAD.encode(&bytes)
}

/// The connection that a state names; whether it is its state, its hash says.
fn named_by(state: &str) -> Option<(WorkspaceId, ConnectionId)> {
    let bytes = BASE64URL_NOPAD.decode(state.as_bytes()).ok().filter(|b| b.len() == 64)?;
    let (workspace, rest) = bytes.split_first_chunk::<16>()?;
    let (connection, _) = rest.split_first_chunk::<16>()?;
    Some((WorkspaceId::from_bytes(*workspace), ConnectionId::from_bytes(*connection)))
}

impl Bound {
    /// Whether it is the same browser or session.
    fn is(&self, bearing: &Bearing<'_>) -> bool {
        match self {
            Self::Link(_) => false,
            Self::Session { user, session } => bearing.session == Some((*user, *session)),
            Self::Browser(hash) => bearing.cookie.is_some_and(|it| token_hash(it) == *hash),
        }
    }
}

/// Whether whoever began it may still connect accounts here.
fn may_still(view: &View<'_>, scope: &Scope, by: &Actor, now: Timestamp) -> Result<bool, Error> {
    if is_closed(view, scope)? {
        return Ok(false);
    }
    Ok(members::standing(view, scope, by, now)? >= Some(Role::Admin))
}

impl Services {
    /// Begins to connect an account. A person in a session gets the network's address; everybody
    /// else, and who asks for it, a link that anybody can use once.
    pub async fn begin_connection(
        &self,
        access: Access<Entrust>,
        new: NewConnection,
    ) -> Result<Done<ConnectionShown>, Problem> {
        let (network, _) = by_consent("network", &new.network)?;
        let (app, row) = self.opened_app(network.word()).await?;
        let name = new.name.as_deref().map(|name| check_name("name", name)).transpose()?;
        let life = new.life.unwrap_or(LINK_LIFE);
        if life > LINK_LIFE_MAX || life < Duration::from_mins(1) {
            let max = i64::try_from(LINK_LIFE_MAX.as_secs() / 60).unwrap_or(i64::MAX);
            return Err(Problem::field("life_minutes", Wrong::OutOfRange { min: 1, max }));
        }
        let (now, rng) = (self.now(), self.rng.as_ref());
        let id = ConnectionId::new(now, rng);
        let session = access.session.filter(|_| !new.link);
        let (link, token) = self.new_link("connect");
        let (bound, expires_at) = match session {
            Some((user, session)) => (Bound::Session { user, session }, now.plus(AWAY)),
            None => (Bound::Link(token), now.plus(life)),
        };
        let mut connection = Connection {
            id,
            network: network.word().to_owned(),
            channel: new.channel,
            name,
            by: access.actor.clone(),
            created_at: now,
            expires_at,
            bound,
            stage: Stage::Open,
            former: None,
        };
        let away = match session {
            Some(_) => Some(self.away(&access.scope, id, (&app, &row), &connection.network).await?),
            None => None,
        };
        if let Some((_, stage)) = &away {
            connection.stage = stage.clone();
        }
        let (services, room) = (self.clone(), self.room_for_more());
        let made = self.store.write(move |tx| {
            let scope = access.scope;
            if let Some(id) = recall(tx, &access, now)? {
                let id = id.parse().map_err(|_| WriteError::Refused(not_found()))?;
                let Some(row) = tx.get::<Connection>(&scope, &id)? else { return no(not_found()) };
                return Ok(Done { value: shown(&row, now), replayed: true });
            }
            room.clone().map_err(WriteError::Refused)?;
            fits(tx, &scope, &connection)?;
            tidy(tx, &scope, now)?;
            tx.put(&scope, &id, &connection)?;
            let via = if session.is_some() { "session" } else { "link" };
            if session.is_none() {
                let to = LinkTo::Connect { workspace: access.workspace(), connection: id };
                keep_link(tx, token, &Link { expires_at, to }, now)?;
            }
            remember(tx, &access, now, &id.to_string())?;
            let mut event = access.event(&services, "connection.begun", &id.to_string());
            event.data.insert("network".to_owned(), connection.network.clone());
            event.data.insert("via".to_owned(), via.to_owned());
            tx.append_event(&scope, event)?;
            Ok(Done { value: shown(&connection, now), replayed: false })
        });
        let mut made = made.await.map_err(refused)?;
        if !made.replayed {
            made.value.link = session.is_none().then_some(link);
            made.value.authorize_url = away.map(|(url, _)| url);
        }
        Ok(made)
    }

    /// Where to send somebody, and what their connection becomes by that.
    async fn away(
        &self,
        scope: &Scope,
        id: ConnectionId,
        (app, row): (&crate::networks::App, &crate::domain::connection::App),
        network: &str,
    ) -> Result<(String, Stage), Problem> {
        let (_, oauth) = by_consent("network", network)?;
        let rng = self.rng.as_ref();
        let state = new_state(scope.workspace(), id, rng);
        let facts = Facts::new();
        let asking = Asking {
            instance: None,
            credential: None,
            account: None,
            facts: &facts,
            correlation: CorrelationId::new(rng),
        };
        let call = Call { app: Some(app), ..self.call(&asking) };
        let asked = oauth.authorize(&call, &state, &oauth.scopes(&row.without), rng);
        let asked = asked.map_err(super::channels::told)?;
        let verifier = match &asked.verifier {
            Some(verifier) => {
                let kept = Credential::new([(VERIFIER, verifier.reveal().clone())]);
                Some(self.seal_at(*scope, &place(scope, id), &kept).await?)
            }
            None => None,
        };
        let until = self.now().plus(AWAY);
        Ok((asked.url.to_string(), Stage::Away { state: token_hash(&state), until, verifier }))
    }

    /// What the page of a link says. Unknown, used and old ones look the same.
    pub async fn connect_link(&self, token: &str) -> Result<Seen, Problem> {
        let (token, now) = (token.to_owned(), self.now());
        let found = self.store.read(move |view| {
            let link = view.get_global::<Link>(&token_hash(&token))?;
            let Some(Link { to: LinkTo::Connect { workspace, connection }, expires_at }) = link
            else {
                return Ok(None);
            };
            if now >= expires_at {
                return Ok(None);
            }
            let Some(found) = find(view, workspace, connection)? else { return Ok(None) };
            let live = found.1.is_open(now) && may_still(view, &found.0, &found.1.by, now)?;
            if live { seen(view, &found.0, &found.1, now) } else { Ok(None) }
        });
        found.await.map_err(trouble)?.ok_or_else(not_found)
    }

    /// Uses a link: the connection is this browser's from now on.
    pub async fn use_connect_link(&self, token: &str) -> Result<Gone, Problem> {
        let seen = self.connect_link(token).await?;
        // Looked at first: a link is not used up by what its owner cannot help.
        self.opened_app(seen.network).await?;
        let cookie = new_token(self.rng.as_ref(), "");
        let (hash, mine, now) = (token_hash(token), token_hash(cookie.reveal()), self.now());
        let written = self.store.write(move |tx| {
            let LinkTo::Connect { workspace, connection } = take_link(tx, hash, now)? else {
                return no(not_found());
            };
            let Some((scope, mut row)) = find(&tx.view(), workspace, connection)? else {
                return no(not_found());
            };
            if !row.is_open(now) || !may_still(&tx.view(), &scope, &row.by, now)? {
                return no(not_found());
            }
            row.bound = Bound::Browser(mine);
            tx.put(&scope, &connection, &row)?;
            Ok((workspace, connection))
        });
        let (workspace, connection) = written.await.map_err(refused)?;
        let bearing = Bearing { session: None, cookie: Some(cookie.reveal()) };
        let gone = self.go_again(workspace, connection, &bearing).await?;
        Ok(Gone { cookie: Some(cookie), ..gone })
    }

    /// Sends somebody to the network, perhaps once more.
    pub async fn go_again(
        &self,
        workspace: WorkspaceId,
        connection: ConnectionId,
        bearing: &Bearing<'_>,
    ) -> Result<Gone, Problem> {
        let (scope, row) = self.held(workspace, connection, bearing).await?;
        let (network, _) = by_consent("network", &row.network)?;
        let (app, app_row) = self.opened_app(network.word()).await?;
        let (authorize_url, stage) =
            self.away(&scope, connection, (&app, &app_row), network.word()).await?;
        let now = self.now();
        let written = self.store.write(move |tx| {
            let Some(mut row) = tx.get::<Connection>(&scope, &connection)? else {
                return no(not_found());
            };
            if !row.is_open(now) || !may_still(&tx.view(), &scope, &row.by, now)? {
                return no(Problem::new(Code::ConnectionOver));
            }
            row.stage = stage.clone();
            Ok(tx.put(&scope, &connection, &row)?)
        });
        written.await.map_err(refused)?;
        let network = network.word();
        Ok(Gone { workspace, connection, network, authorize_url, cookie: None })
    }

    /// The connection, for whoever it is bound to; to all others there is none.
    async fn held(
        &self,
        workspace: WorkspaceId,
        connection: ConnectionId,
        bearing: &Bearing<'_>,
    ) -> Result<(Scope, Connection), Problem> {
        let found = self.store.read(move |view| find(view, workspace, connection)).await;
        let found = found.map_err(trouble)?.filter(|(_, row)| row.bound.is(bearing));
        found.ok_or_else(not_found)
    }

    /// What the page of a connection says to whoever it is bound to.
    pub async fn connection_page(
        &self,
        workspace: WorkspaceId,
        connection: ConnectionId,
        bearing: &Bearing<'_>,
    ) -> Result<Seen, Problem> {
        let (scope, row) = self.held(workspace, connection, bearing).await?;
        let now = self.now();
        let found = self.store.read(move |view| seen(view, &scope, &row, now)).await;
        found.map_err(trouble)?.ok_or_else(not_found)
    }

    /// The workspace's connections, newest first.
    pub async fn connections(
        &self,
        access: &Access<Manage>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<ConnectionShown>, Problem> {
        let (scope, now) = (access.scope, self.now());
        let before = cursor.map(shown::cursor_key::<ConnectionId>).transpose()?;
        let mut span = Span::last(limit);
        if let Some(before) = &before {
            span = span.to(before);
        }
        let rows = self.store.read(move |view| view.scan::<Connection>(&scope, &span)).await;
        let rows = rows.map_err(trouble)?;
        let next = rows.last().filter(|_| rows.len() == limit);
        let next = next.map(|(id, _)| shown::cursor_of(id.as_bytes()));
        Ok(Page { items: rows.iter().map(|(_, row)| self::shown(row, now)).collect(), next })
    }

    pub async fn connection(
        &self,
        access: &Access<Manage>,
        id: ConnectionId,
    ) -> Result<ConnectionShown, Problem> {
        let scope = access.scope;
        let found = self.store.read(move |view| view.get::<Connection>(&scope, &id)).await;
        let found = found.map_err(trouble)?.ok_or_else(not_found)?;
        Ok(self::shown(&found, self.now()))
    }

    /// Takes a connection back that is not done yet; its link leads nowhere from now on.
    pub async fn revoke_connection(
        &self,
        access: Access<Manage>,
        id: ConnectionId,
    ) -> Result<Done<ConnectionShown>, Problem> {
        let (services, now) = (self.clone(), self.now());
        let written = self.store.write(move |tx| {
            let scope = access.scope;
            let Some(mut row) = tx.get::<Connection>(&scope, &id)? else { return no(not_found()) };
            if recall(tx, &access, now)?.is_some() {
                return Ok(Done { value: self::shown(&row, now), replayed: true });
            }
            match row.stage {
                Stage::Done { .. } => return no(Problem::new(Code::ConnectionOver)),
                Stage::Revoked { .. } => {}
                _ => {
                    if let Bound::Link(token) = row.bound {
                        tx.delete_global::<Link>(&token);
                    }
                    row.stage = Stage::Revoked { at: now };
                    tx.put(&scope, &id, &row)?;
                    let event = access.event(&services, "connection.revoked", &id.to_string());
                    tx.append_event(&scope, event)?;
                }
            }
            remember(tx, &access, now, &id.to_string())?;
            Ok(Done { value: self::shown(&row, now), replayed: false })
        });
        written.await.map_err(refused)
    }
}

/// What a connection's secrets are sealed to.
fn place(scope: &Scope, id: ConnectionId) -> Vec<u8> {
    [b"connections\0".as_slice(), scope.workspace().as_bytes(), id.as_bytes()].concat()
}

fn find(
    view: &View<'_>,
    workspace: WorkspaceId,
    id: ConnectionId,
) -> Result<Option<(Scope, Connection)>, Error> {
    let Some(scope) = Scope::by_connection(view, workspace, id)? else { return Ok(None) };
    Ok(view.get::<Connection>(&scope, &id)?.map(|row| (scope, row)))
}

fn seen(
    view: &View<'_>,
    scope: &Scope,
    row: &Connection,
    now: Timestamp,
) -> Result<Option<Seen>, Error> {
    let Some(workspace) = view.get::<Workspace>(scope, &())? else { return Ok(None) };
    let Ok((network, _)) = by_consent("network", &row.network) else { return Ok(None) };
    let channel = match row.channel {
        Some(id) => view.get::<Channel>(scope, &id)?,
        None => None,
    };
    let again = channel.and_then(|channel| channel.account).map(|account| account.handle);
    let (why, offers, lacks) = match &row.stage {
        Stage::Failed { why, .. } => (Some(*why), Vec::new(), Vec::new()),
        Stage::Granted { offers, grant, .. } => (None, offers.clone(), grant.lacks.clone()),
        _ => (None, Vec::new(), Vec::new()),
    };
    let renews = confirm::renewed(view, scope, &row.network, &offers)?;
    Ok(Some(Seen {
        workspace: workspace.name,
        network: network.word(),
        title: network.title(),
        again,
        state: row.state(now),
        why,
        open: row.is_open(now),
        offers,
        renews,
        lacks,
    }))
}

/// Whether the channel, if one is named, is there and of this network, and there is room.
fn fits(tx: &Tx<'_>, scope: &Scope, new: &Connection) -> Result<(), WriteError<Problem>> {
    if let Some(id) = new.channel {
        let channel = tx.get::<Channel>(scope, &id)?;
        let channel = channel.filter(|it| !matches!(it.state, ChannelState::Removed { .. }));
        match channel {
            None => return no(Problem::field("channel", Wrong::NotFound)),
            Some(channel) if channel.network != new.network => {
                let why = "is a channel of another network";
                return no(Problem::field("channel", Wrong::NotPossible { why }));
            }
            Some(_) => {}
        }
    }
    let open = tx.view().scan::<Connection>(scope, &Span::last(limits::CONNECTIONS_OPEN))?;
    let open = open.iter().filter(|(_, row)| row.is_open(new.created_at)).count();
    if open >= limits::CONNECTIONS_OPEN {
        let why = "would be one too many that is open; take some back first";
        return no(Problem::field("network", Wrong::NotPossible { why }));
    }
    Ok(())
}

/// Some that are long over go.
fn tidy(tx: &mut Tx<'_>, scope: &Scope, now: Timestamp) -> Result<(), Error> {
    for (id, old) in tx.view().scan::<Connection>(scope, &Span::first(TIDIED))? {
        if old.expires_at.plus(KEPT) <= now {
            tx.delete::<Connection>(scope, &id);
        }
    }
    Ok(())
}

/// Something that happened to a connection.
fn event(
    row: &Connection,
    kind: &str,
    (at, correlation): (Timestamp, CorrelationId),
    data: &[(&str, &str)],
) -> Event {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let mut data: BTreeMap<_, _> = data.iter().map(own).collect();
    data.insert("network".to_owned(), row.network.clone());
    Event {
        at,
        actor: row.by.clone(),
        kind: kind.to_owned(),
        subject: row.id.to_string(),
        data,
        correlation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SeededRng;

    #[test]
    fn a_state_names_its_connection_and_nothing_else_does() {
        let rng = SeededRng::new(1);
        let ids = (WorkspaceId::from_bytes([1; 16]), ConnectionId::from_bytes([2; 16]));
        let state = new_state(ids.0, ids.1, &rng);
        assert!(state.len() < 500, "the longest that X takes");
        assert_eq!(named_by(&state), Some(ids));
        assert_ne!(state, new_state(ids.0, ids.1, &rng));
        let short = state.replacen('A', "", 1);
        for bad in ["", "x", &short, "%00", &format!("{state}A")] {
            assert_eq!(named_by(bad), None, "{bad}");
        }
    }
}
