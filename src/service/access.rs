//! Who asks, and with which right: the only way to a workspace's data. An [`Access`] cannot be
//! made without a live key of that workspace, an active member, or an operator, who leaves an event.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::net::IpAddr;

use sha2::{Digest, Sha256};

use super::attempts::Attempt;
use super::closing::is_closed;
use super::hosts::EMBED_PREFIX;
use super::idempotency::Marked;
use super::users::{SESSION_PREFIX, door_stands_open};
use super::{Repeat, Services, no, not_found, refused, trouble};
use crate::base::{
    Code, CorrelationId, HostId, KeyId, Problem, SessionId, Timestamp, UserId, WorkspaceId,
};
use crate::domain::access::{
    Entrust, Key, Manage, Member, Proof, Publish, Reach, Right, Scope as KeyScope, Write,
};
use crate::domain::event::{Actor, Event};
use crate::domain::user::FRESH;
use crate::store::{Error, Holder, Operator, Scope, View};

/// Proof that somebody may do what right `R` allows, in one workspace. Who may write, may write:
///
/// ```
/// # use carillon::domain::access::Write;
/// # use carillon::service::{Access, NewPost, Services};
/// async fn write(services: &Services, access: Access<Write>, new: NewPost) {
///     drop(services.create_post(access, new).await);
/// }
/// ```
///
/// and who may only read, cannot be passed on to what writes:
///
/// ```compile_fail,E0308
/// # use carillon::domain::access::Read;
/// # use carillon::service::{Access, NewPost, Services};
/// async fn write(services: &Services, access: Access<Read>, new: NewPost) {
///     drop(services.create_post(access, new).await);
/// }
/// ```
pub struct Access<R: Right> {
    pub(crate) scope: Scope,
    pub(crate) actor: Actor,
    pub(crate) correlation: CorrelationId,
    pub(crate) repeat: Option<Marked>,
    /// That of a person who asks by one, not within another's pages.
    pub(crate) session: Option<(UserId, SessionId)>,
    proof: Proof,
    right: PhantomData<fn() -> R>,
}

impl<R: Right> Access<R> {
    /// That of a host to a workspace which it made.
    pub(super) fn of_host(scope: Scope, actor: Actor, correlation: CorrelationId) -> Self {
        Self::with(scope, actor, correlation, Proof::Vouched)
    }

    /// That of whoever handed a link out, for the one thing that it is for.
    pub(super) fn of_link(scope: Scope, by: Actor, correlation: CorrelationId) -> Self {
        Self::with(scope, by, correlation, Proof::Own)
    }

    fn with(scope: Scope, actor: Actor, correlation: CorrelationId, proof: Proof) -> Self {
        let (repeat, session) = (None, None);
        Self { scope, actor, correlation, repeat, session, proof, right: PhantomData }
    }

    pub fn correlation(&self) -> CorrelationId {
        self.correlation
    }

    pub fn workspace(&self) -> WorkspaceId {
        self.scope.workspace()
    }

    /// Who it is, as events name them.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The request as its caller may repeat it.
    #[must_use]
    pub fn repeatable(mut self, repeat: Option<Repeat>) -> Self {
        self.repeat = repeat.map(|repeat| Marked::new(&self.actor, &repeat));
        self
    }

    /// The same request is one with the same of these, where its body's bytes do not say it.
    #[must_use]
    pub(crate) fn about(mut self, pieces: &[&[u8]]) -> Self {
        if let Some(repeat) = &mut self.repeat {
            repeat.about(pieces);
        }
        self
    }

    /// The same proof, for a second look in the same request.
    pub(crate) fn again(&self) -> Self {
        self.turned()
    }

    fn turned<L: Right>(&self) -> Access<L> {
        Access {
            scope: self.scope,
            actor: self.actor.clone(),
            correlation: self.correlation,
            repeat: self.repeat.clone(),
            session: self.session,
            proof: self.proof,
            right: PhantomData,
        }
    }

    /// Refuses a person of whom less is known at this moment.
    pub(crate) fn proved(&self, least: Proof) -> Result<(), Problem> {
        if self.proof >= least { Ok(()) } else { Err(step_up()) }
    }

    pub(crate) fn event(&self, services: &Services, kind: &str, subject: &str) -> Event {
        self.event_at(services.now(), kind, subject)
    }

    pub(crate) fn event_at(&self, at: Timestamp, kind: &str, subject: &str) -> Event {
        Event {
            at,
            actor: self.actor.clone(),
            kind: kind.to_owned(),
            subject: subject.to_owned(),
            data: BTreeMap::new(),
            correlation: self.correlation,
        }
    }
}

impl Access<Publish> {
    /// Who decides what goes out may write it, too.
    pub fn to_write(&self) -> Access<Write> {
        self.turned()
    }
}

impl Access<Entrust> {
    /// Who may connect accounts may manage them, too.
    pub fn to_manage(&self) -> Access<Manage> {
        self.turned()
    }
}

pub(super) fn step_up() -> Problem {
    Problem::new(Code::StepUpNeeded).with("minutes", FRESH.as_secs() / 60)
}

/// Who asks: proved by a secret, which is not kept.
#[derive(Clone)]
pub struct Principal(Who);

#[derive(Clone)]
enum Who {
    /// A live key, and the workspace it belongs to.
    Key { scope: Scope, key: Box<Key> },
    /// A person, by a session of theirs: in every workspace where they are a member.
    User { user: UserId, session: SessionId, proved_at: Timestamp },
    /// A person in a page that a host embeds: in one workspace.
    Embed { user: UserId, session: SessionId, workspace: WorkspaceId },
}

/// Whose requests are counted and logged together; not a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bearer {
    Key(KeyId),
    User(UserId),
    Host(HostId),
}

impl Principal {
    /// The person whose live session it is, and when they last proved in it who they are.
    pub fn of_user(user: UserId, session: SessionId, proved_at: Timestamp) -> Self {
        Self(Who::User { user, session, proved_at })
    }

    /// The person whom a host lets into one workspace.
    pub fn of_embed(user: UserId, session: SessionId, workspace: WorkspaceId) -> Self {
        Self(Who::Embed { user, session, workspace })
    }

    pub fn bearer(&self) -> Bearer {
        match &self.0 {
            Who::Key { key, .. } => Bearer::Key(key.id),
            Who::User { user, .. } | Who::Embed { user, .. } => Bearer::User(*user),
        }
    }

    pub fn user(&self) -> Option<UserId> {
        match self.bearer() {
            Bearer::Key(_) | Bearer::Host(_) => None,
            Bearer::User(user) => Some(user),
        }
    }

    pub fn session(&self) -> Option<SessionId> {
        match &self.0 {
            Who::Key { .. } => None,
            Who::User { session, .. } | Who::Embed { session, .. } => Some(*session),
        }
    }

    /// A person, by a session of their own.
    pub(super) fn own_session(&self) -> Option<(UserId, SessionId)> {
        match &self.0 {
            Who::User { user, session, .. } => Some((*user, *session)),
            Who::Key { .. } | Who::Embed { .. } => None,
        }
    }

    /// The only workspace that it leads to; `None` for a person, who may be in many.
    pub fn only_workspace(&self) -> Option<WorkspaceId> {
        match &self.0 {
            Who::Key { scope, .. } => Some(scope.workspace()),
            Who::Embed { workspace, .. } => Some(*workspace),
            Who::User { .. } => None,
        }
    }

    pub fn actor(&self) -> Actor {
        match self.bearer() {
            Bearer::Key(key) => Actor::Key(key),
            Bearer::User(user) => Actor::User(user),
            Bearer::Host(host) => Actor::Host(host),
        }
    }

    /// The way into `workspace`, and what it lacks for right `R`; `None` when it leads nowhere.
    fn enter<R: Right>(
        &self,
        view: &View<'_>,
        workspace: WorkspaceId,
    ) -> Result<Option<Entry>, Error> {
        if self.only_workspace().is_some_and(|only| only != workspace) {
            return Ok(None);
        }
        let closed = |scope: &Scope| Ok::<_, Error>(!R::OF_CLOSED && is_closed(view, scope)?);
        match &self.0 {
            Who::Key { scope, key } => {
                let lacks = match R::SCOPE {
                    _ if closed(scope)? => Some(CLOSED),
                    Some(needed) if key.allows(needed) => None,
                    Some(needed) => Some(("scope", needed.word())),
                    None => Some((PERSON, "person")),
                };
                Ok(Some(Entry { scope: held(*scope, &key.reach(), Holder::Key(key.id)), lacks }))
            }
            Who::User { user, .. } | Who::Embed { user, .. } => {
                let Some(scope) = Scope::by_member(view, *user, workspace)? else {
                    return Ok(None);
                };
                let member = view.get::<Member>(&scope, user)?.filter(Member::is_active);
                let Some(member) = member else { return Ok(None) };
                let lacks = match () {
                    () if closed(&scope)? => Some(CLOSED),
                    () => (member.role < R::ROLE).then(|| ("role", R::ROLE.word())),
                };
                let scope = held(scope, &member.reach(), Holder::Member(*user));
                Ok(Some(Entry { scope, lacks }))
            }
        }
    }

    /// How well it is known at this moment that it is them.
    pub(super) fn proof(&self, now: Timestamp) -> Proof {
        match &self.0 {
            Who::User { proved_at, .. } if now >= proved_at.plus(FRESH) => Proof::Entered,
            Who::User { .. } | Who::Key { .. } => Proof::Own,
            Who::Embed { .. } => Proof::Vouched,
        }
    }

    /// A workspace of its own, where its attempts at others are on record.
    pub(super) fn home(&self, view: &View<'_>) -> Result<Option<Scope>, Error> {
        match &self.0 {
            Who::Key { scope, .. } => Ok(Some(*scope)),
            Who::Embed { user, workspace, .. } => Scope::by_member(view, *user, *workspace),
            Who::User { user, .. } => Ok(Scope::of_user(view, *user, None, 1)?.into_iter().next()),
        }
    }
}

/// The scope of whoever is limited; others need not be looked up with each row.
fn held(scope: Scope, reach: &Reach, holder: Holder) -> Scope {
    if reach.is_whole() { scope } else { scope.held_by(holder) }
}

/// What a key lacks where a person is needed.
const PERSON: &str = "who";
/// What everybody lacks in a workspace that was deleted: it is as good as missing, and to ask for it is
/// no attempt.
const CLOSED: (&str, &str) = ("workspace", "deleted");

fn forbidden((what, word): (&'static str, &'static str)) -> Problem {
    if what == PERSON {
        return Problem::new(Code::PersonNeeded);
    }
    Problem::new(Code::Forbidden).with(what, word)
}

struct Entry {
    scope: Scope,
    lacks: Option<(&'static str, &'static str)>,
}

/// How a key's secret is stored. It has 256 random bits, so one round of a fast hash is enough.
pub(crate) fn key_hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// From where somebody asks.
#[derive(Clone, Copy, Debug)]
pub struct Whence<'a> {
    /// That of the page that asks, if a browser says one.
    pub origin: Option<&'a str>,
    /// Behind a proxy of ours the one that it saw. `None` for the admin socket, where nobody needs a key,
    /// and for who asks within the program.
    pub address: Option<IpAddr>,
    pub correlation: CorrelationId,
}

impl Services {
    /// Whose key this is, and that it was used. Unknown, expired and revoked keys look the same, and one
    /// that is limited to addresses where it is shown from another, or from nobody knows where: that is
    /// on record in its workspace.
    pub async fn authenticate(
        &self,
        secret: &str,
        whence: Whence<'_>,
    ) -> Result<Principal, Problem> {
        if secret.starts_with(EMBED_PREFIX) {
            return self.by_embed(secret, whence.origin);
        }
        if secret.starts_with(SESSION_PREFIX) {
            let who = self.signed_in(secret).await?;
            return Ok(Principal::of_user(who.user.id, who.session.id, who.session.proved_at));
        }
        let hash = key_hash(secret);
        let found = self
            .store
            .read_now(|view| {
                let Some((scope, id)) = Scope::by_key_hash(view, &hash)? else { return Ok(None) };
                Ok(view.get::<Key>(&scope, &id)?.map(|key| (scope, key)))
            })
            .map_err(trouble)?;
        let now = self.now();
        let unknown = || Problem::new(Code::Unauthenticated);
        let live = found.filter(|(_, key)| key.is_live(now));
        let (scope, key) = live.ok_or_else(unknown)?;
        if !key.is_good_from(whence.address) {
            self.note_elsewhere(scope, key.id, whence).await;
            return Err(unknown());
        }
        self.note_key_use(scope, key.id).await;
        Ok(Principal(Who::Key { scope, key: Box::new(key) }))
    }

    /// Whether it is a key for metrics, of a workspace that is still there.
    pub fn may_read_metrics(&self, principal: &Principal) -> Result<(), Problem> {
        let scope = match &principal.0 {
            Who::Key { scope, key } if key.allows(KeyScope::Metrics) => scope,
            _ => return Err(forbidden(("scope", KeyScope::Metrics.word()))),
        };
        let closed = self.store.read_now(|view| is_closed(view, scope)).map_err(trouble)?;
        if closed { Err(Problem::new(Code::Unauthenticated)) } else { Ok(()) }
    }

    /// The access of whoever asks to `workspace`, as it is at this moment: who was suspended or
    /// removed has none. Another's workspace is as good as missing, and the attempt is an event in
    /// a workspace of who tried.
    pub async fn access<R: Right>(
        &self,
        principal: &Principal,
        workspace: WorkspaceId,
        correlation: CorrelationId,
    ) -> Result<Access<R>, Problem> {
        let entered = self.store.read_now(|view| {
            let entry = principal.enter::<R>(view, workspace)?;
            let open = match (&entry, &principal.0) {
                (Some(entry), Who::User { user, .. }) => {
                    door_stands_open(view, &entry.scope, *user)?
                }
                _ => true,
            };
            Ok((entry, open))
        });
        let actor = principal.actor();
        let (entered, open) = entered.map_err(trouble)?;
        if !open {
            return Err(Problem::new(Code::TotpNeeded));
        }
        let proof = principal.proof(self.now());
        match entered {
            Some(Entry { lacks: Some(CLOSED), .. }) => Err(not_found()),
            Some(Entry { lacks: None, .. }) if proof < R::PROOF => Err(step_up()),
            Some(Entry { scope, lacks: None }) => {
                let session = principal.own_session();
                let (repeat, right) = (None, PhantomData);
                Ok(Access { scope, actor, correlation, repeat, session, proof, right })
            }
            Some(Entry { scope, lacks: Some(lacks) }) => {
                let denied = Attempt::denied([lacks]);
                self.note_attempt(Some(scope), actor, denied, correlation).await?;
                Err(forbidden(lacks))
            }
            None => {
                let home = self.store.read_now(|view| principal.home(view)).map_err(trouble)?;
                let attempt = Attempt::of_workspace(workspace);
                self.note_attempt(home, actor, attempt, correlation).await?;
                Err(not_found())
            }
        }
    }

    /// The access as it is now, for who goes on reading; `None` when it was lost. No attempt: it
    /// was a right once.
    pub fn still<R: Right>(
        &self,
        principal: &Principal,
        workspace: WorkspaceId,
        correlation: CorrelationId,
    ) -> Option<Access<R>> {
        let entered = self.store.read_now(|view| {
            let Some(entry) = principal.enter::<R>(view, workspace)? else { return Ok(None) };
            let open = match &principal.0 {
                Who::User { user, .. } => door_stands_open(view, &entry.scope, *user)?,
                _ => true,
            };
            Ok(Some(entry).filter(|_| open))
        });
        let entered = entered.ok()??;
        let actor = principal.actor();
        let Entry { scope, lacks: None } = entered else { return None };
        let proof = principal.proof(self.now());
        let (repeat, session, right) = (None, principal.own_session(), PhantomData);
        Some(Access { scope, actor, correlation, repeat, session, proof, right })
    }

    /// An operator's access: any workspace, every right, and an event that names the `verb`.
    pub async fn operate<R: Right>(
        &self,
        operator: Operator,
        workspace: WorkspaceId,
        verb: &str,
        correlation: CorrelationId,
    ) -> Result<Access<R>, Problem> {
        let event = Event {
            at: self.now(),
            actor: operator.actor(),
            kind: "operator.entered".to_owned(),
            subject: workspace.to_string(),
            data: BTreeMap::from([("verb".to_owned(), verb.to_owned())]),
            correlation,
        };
        let scope = self
            .store
            .write(move |tx| match operator.enter(tx, workspace, event.clone())? {
                Some(scope) => Ok(scope),
                None => no(not_found()),
            })
            .await
            .map_err(refused)?;
        Ok(Access::with(scope, operator.actor(), correlation, Proof::Own))
    }
}
