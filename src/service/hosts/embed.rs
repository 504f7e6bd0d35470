//! Pages inside a host: its backend says who comes, and gets a bearer for a quarter of an hour. The
//! first time, that makes the user and the workspace. Must not find anything by an e-mail or a slug:
//! a host reaches only what stands under its own names.

use std::collections::BTreeMap;

use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;
use utoipa::ToSchema;

use super::AsHost;
use crate::base::{Check, Code, HostId, Problem, SessionId, Timestamp, UserId, Wrong};
use crate::domain::access::{Grants, Member, Role};
use crate::domain::event::Event;
use crate::domain::host::{EMBED_LIFE, EmbedSession, Host, Theme, check_theme, external_id};
use crate::domain::plan::Entitlement;
use crate::domain::user::{Proofs, User, email};
use crate::domain::workspace::{Workspace, check_name};
use crate::service::access::key_hash;
use crate::service::closing::is_closed;
use crate::service::workspaces::Founding;
use crate::service::{
    Principal, Services, approvals, members, no, not_found, plans, refused, trouble,
};
use crate::store::rows::{EmbedToken, HostedUser, HostedWorkspace};
use crate::store::{Error, Scope, Tx, View, WriteError};

/// So that a bearer that leaked is recognized by scanners, and told from others.
pub const EMBED_PREFIX: &str = "ce_";
/// Sessions that are over, removed with each new one: more than come meanwhile.
const SWEPT: usize = 8;

/// Who comes, as the host knows them.
#[derive(Clone, Debug)]
pub struct Person {
    /// The host's own name for them.
    pub id: String,
    pub email: String,
    pub name: String,
}

/// A page that a host's backend asks for.
#[derive(Clone, Debug)]
pub struct NewEmbed {
    pub user: Person,
    /// The host's own name for the workspace.
    pub workspace: String,
    pub workspace_name: String,
    pub role: Role,
    /// `None`: it keeps the plan that it has.
    pub plan: Option<Entitlement>,
    pub theme: Theme,
    /// Where the page is; one of the host's.
    pub origin: String,
}

/// A bearer for one page.
#[derive(Debug, Serialize, ToSchema)]
pub struct EmbedOpened {
    /// For ending it.
    #[schema(format = "uuid")]
    pub id: String,
    /// To be sent as `Authorization: Bearer TOKEN`, by pages of `origin`. Shown once.
    pub token: String,
    pub expires_at: String,
    pub origin: String,
    #[schema(format = "uuid")]
    pub user: String,
    #[schema(format = "uuid")]
    pub workspace: String,
    pub role: String,
    /// The host came with this user for the first time.
    pub user_created: bool,
    /// The host came with this workspace for the first time.
    pub workspace_created: bool,
}

/// What a page knows of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct EmbedShown {
    #[schema(format = "uuid")]
    pub id: String,
    #[schema(format = "uuid")]
    pub user: String,
    pub name: String,
    #[schema(format = "uuid")]
    pub workspace: String,
    /// As it is now.
    pub role: String,
    pub origin: String,
    pub theme: BTreeMap<String, String>,
    pub expires_at: String,
}

/// Made ready outside of the transaction, which may run twice.
struct Ready {
    new: NewEmbed,
    founding: Option<Founding>,
    user: UserId,
    session: SessionId,
    token: [u8; 32],
    now: Timestamp,
}

impl Services {
    /// Opens a page for somebody of a host's, and makes what is missing. What the host says of
    /// name, role and plan counts from the next request on, also in pages that are open.
    pub async fn open_embed(&self, host: &AsHost, new: NewEmbed) -> Result<EmbedOpened, Problem> {
        let new = checked(new, &host.host)?;
        let (id, names) = (host.host.id, (new.workspace.clone(), new.user.id.clone()));
        let there = self.store.read(move |view| {
            let workspace = Scope::by_host(view, id, &names.0)?.is_some();
            Ok((workspace, view.get_global::<HostedUser>(&(id, names.1))?.is_some()))
        });
        let there = there.await.map_err(trouble)?;
        if there != (true, true) {
            self.room_for_more()?;
        }
        let missing = (!there.0).then(|| self.founding(&new.workspace_name, None));
        let founding = missing.transpose()?;
        let (now, rng) = (self.now(), self.rng.as_ref());
        let mut random = [0; 32];
        rng.fill(&mut random);
        let token = format!("{EMBED_PREFIX}{}", BASE64URL_NOPAD.encode(&random));
        let ready = Ready {
            new,
            founding,
            user: UserId::new(now, rng),
            session: SessionId::new(now, rng),
            token: key_hash(&token),
            now,
        };
        let (services, host) = (self.clone(), host.clone());
        let opened = self.store.write(move |tx| open(tx, &services, &host, &ready));
        let opened = opened.await.map_err(refused)?;
        Ok(EmbedOpened { token, ..opened })
    }

    /// Ends a page of the host's at once. One that is over, or another host's, is as good as none.
    pub async fn end_embed(&self, host: &AsHost, id: SessionId) -> Result<(), Problem> {
        let (host, now) = (host.clone(), self.now());
        let ended = self.store.write(move |tx| {
            let found = tx.view().get_global::<EmbedSession>(&id)?;
            let Some(session) = found.filter(|s| s.host == host.host.id && s.is_live(now)) else {
                return no(not_found());
            };
            remove(tx, &session);
            if let Some(scope) = Scope::by_member(&tx.view(), session.user, session.workspace)? {
                let event = event(&host, now, "embed.ended", session.user, &[]);
                tx.append_event(&scope, event)?;
            }
            Ok(())
        });
        ended.await.map_err(refused)
    }

    /// Who comes with this bearer, from a page at `origin` if the browser says so: that of the
    /// host, or our own inside of its frame.
    pub(in crate::service) fn by_embed(
        &self,
        token: &str,
        origin: Option<&str>,
    ) -> Result<Principal, Problem> {
        let now = self.now();
        let found = self.store.read_now(|view| {
            let Some(session) = session_of(view, token)?.filter(|s| s.is_live(now)) else {
                return Ok(None);
            };
            let host = view.get_global::<Host>(&session.host)?.is_some_and(|host| host.is_live());
            let user = view.get_global::<User>(&session.user)?;
            let well = host && user.is_some_and(|user| user.disabled_at.is_none());
            Ok(Some(session).filter(|_| well))
        });
        let here = |session: &EmbedSession| {
            origin.is_none_or(|origin| origin == session.origin || self.is_own_origin(origin))
        };
        let session = found.map_err(trouble)?.filter(here);
        let session = session.ok_or_else(|| Problem::new(Code::Unauthenticated))?;
        Ok(Principal::of_embed(session.user, session.id, session.workspace))
    }

    fn is_own_origin(&self, origin: &str) -> bool {
        url::Url::parse(&self.public_url)
            .is_ok_and(|own| own.origin().ascii_serialization() == origin)
    }

    /// Whether a page at `origin` may read the answer to a request with this bearer: it is bound to
    /// that origin; or it is good for nothing, which the page must learn to ask for another.
    pub fn may_read(&self, origin: &str, token: &str) -> Result<bool, Problem> {
        if !token.starts_with(EMBED_PREFIX) || !self.is_host_origin(origin)? {
            return Ok(false);
        }
        let session = self.store.read_now(|view| session_of(view, token)).map_err(trouble)?;
        Ok(session.is_none_or(|session| session.origin == origin))
    }

    /// What the page that asks knows of itself.
    pub async fn embed_session(&self, principal: &Principal) -> Result<EmbedShown, Problem> {
        let id = principal.session().ok_or_else(not_found)?;
        let found = self.store.read(move |view| {
            let Some(session) = view.get_global::<EmbedSession>(&id)? else { return Ok(None) };
            let scope = Scope::by_member(view, session.user, session.workspace)?;
            let member = match scope {
                // Once it was deleted, there is nothing to be a page of.
                Some(scope) if !is_closed(view, &scope)? => {
                    view.get::<Member>(&scope, &session.user)?
                }
                _ => None,
            };
            let user = view.get_global::<User>(&session.user)?;
            Ok(member.filter(Member::is_active).zip(user).map(|(m, user)| (session, m, user)))
        });
        let (session, member, user) = found.await.map_err(trouble)?.ok_or_else(not_found)?;
        Ok(EmbedShown {
            id: session.id.to_string(),
            user: user.id.to_string(),
            name: user.name,
            workspace: session.workspace.to_string(),
            role: member.role.word().to_owned(),
            origin: session.origin,
            theme: session.theme,
            expires_at: session.expires_at.to_string(),
        })
    }
}

fn session_of(view: &View<'_>, token: &str) -> Result<Option<EmbedSession>, Error> {
    match view.get_global::<EmbedToken>(&key_hash(token))? {
        Some(EmbedToken { session }) => view.get_global::<EmbedSession>(&session),
        None => Ok(None),
    }
}

/// The request in the form in which it is kept; all that is wrong with it at once.
fn checked(new: NewEmbed, host: &Host) -> Result<NewEmbed, Problem> {
    let mut check = Check::default();
    let mut keep = |checked: Result<String, Problem>| {
        checked.unwrap_or_else(|problem| {
            for one in problem.fields {
                check.wrong(one.field, one.wrong);
            }
            String::new()
        })
    };
    let user = Person {
        id: keep(external_id("user.id", &new.user.id)),
        email: keep(email("user.email", &new.user.email)),
        name: keep(check_name("user.name", &new.user.name)),
    };
    let workspace = keep(external_id("workspace.id", &new.workspace));
    let workspace_name = keep(check_name("workspace.name", &new.workspace_name));
    check_theme(&new.theme, &mut check);
    let allowed = || host.origins.iter().cloned().collect::<Vec<_>>().join(", ");
    let known = host.origins.contains(&new.origin);
    check.that(known, "origin", Wrong::NotOneOf { allowed: allowed() });
    check.finish()?;
    Ok(NewEmbed { user, workspace, workspace_name, ..new })
}

fn event(host: &AsHost, at: Timestamp, kind: &str, user: UserId, data: &[(&str, &str)]) -> Event {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Event {
        at,
        actor: host.actor(),
        kind: kind.to_owned(),
        subject: user.to_string(),
        data: data.iter().map(own).collect(),
        correlation: host.correlation,
    }
}

fn open(
    tx: &mut Tx<'_>,
    services: &Services,
    host: &AsHost,
    ready: &Ready,
) -> Result<EmbedOpened, WriteError<Problem>> {
    let (new, now, id) = (&ready.new, ready.now, host.host.id);
    if tx.view().get_global::<Host>(&id)?.is_none_or(|host| !host.is_live()) {
        return no(Problem::new(Code::Unauthenticated));
    }
    let (scope, workspace_created) = workspace(tx, host, ready)?;
    let (user, user_created) = user(tx, id, ready)?;
    appoint(tx, &scope, host, (user, new.role, now))?;
    if let Some(plan) = &new.plan {
        let by = (host.actor(), host.correlation);
        plans::give(tx, &scope, &services.plans.get(), Some(plan), (by, now))?;
    }
    sweep(tx, now)?;
    let session = EmbedSession {
        id: ready.session,
        host: id,
        user,
        workspace: scope.workspace(),
        origin: new.origin.clone(),
        theme: new.theme.clone(),
        created_at: now,
        expires_at: now.plus(EMBED_LIFE),
        token: ready.token,
    };
    tx.put_global(&session.id, &session)?;
    tx.put_global(&session.token, &EmbedToken { session: session.id })?;
    let role = new.role.word();
    tx.append_event(&scope, event(host, now, "embed.opened", user, &[("role", role)]))?;
    Ok(EmbedOpened {
        id: session.id.to_string(),
        token: String::new(),
        expires_at: session.expires_at.to_string(),
        origin: session.origin,
        user: user.to_string(),
        workspace: scope.workspace().to_string(),
        role: role.to_owned(),
        user_created,
        workspace_created,
    })
}

/// The workspace under the host's name for it, and whether it was made just now.
fn workspace(
    tx: &mut Tx<'_>,
    host: &AsHost,
    ready: &Ready,
) -> Result<(Scope, bool), WriteError<Problem>> {
    let new = &ready.new;
    if let Some(scope) = Scope::by_host(&tx.view(), host.host.id, &new.workspace)? {
        if is_closed(&tx.view(), &scope)? {
            return no(Problem::new(Code::Forbidden).with("workspace", "deleted"));
        }
        if let Some(mut workspace) = tx.get::<Workspace>(&scope, &())?
            && workspace.name != new.workspace_name
        {
            workspace.name.clone_from(&new.workspace_name);
            tx.put(&scope, &(), &workspace)?;
        }
        return Ok((scope, false));
    }
    let founding = ready.founding.as_ref();
    let founding = founding.ok_or_else(|| WriteError::Refused(Problem::new(Code::Internal)))?;
    let (scope, workspace) = founding.found(tx, &host.actor(), host.correlation)?;
    let row = HostedWorkspace { workspace: workspace.id };
    tx.put_global(&(host.host.id, new.workspace.clone()), &row)?;
    Ok((scope, true))
}

/// The user under the host's name for them, and whether they were made just now. Such a user has no
/// password and does not take the e-mail: whoever it belongs to can still make an account with it.
fn user(
    tx: &mut Tx<'_>,
    host: HostId,
    ready: &Ready,
) -> Result<(UserId, bool), WriteError<Problem>> {
    let Person { id, email, name } = &ready.new.user;
    let key = (host, id.clone());
    if let Some(HostedUser { user }) = tx.view().get_global::<HostedUser>(&key)? {
        let Some(mut row) = tx.view().get_global::<User>(&user)? else { return no(not_found()) };
        if row.disabled_at.is_some() {
            return no(Problem::new(Code::Forbidden).with("user", "disabled"));
        }
        if (&row.email, &row.name) != (email, name) {
            row.email.clone_from(email);
            row.name.clone_from(name);
            row.revision += 1;
            tx.put_global(&user, &row)?;
        }
        return Ok((user, false));
    }
    let row = User {
        id: ready.user,
        revision: 1,
        email: email.clone(),
        name: name.clone(),
        created_at: ready.now,
        disabled_at: None,
    };
    let proofs = Proofs {
        password: None,
        password_at: ready.now,
        authenticator: None,
        recovery: Vec::new(),
        identity: None,
    };
    tx.put_global(&row.id, &row)?;
    tx.put_global(&row.id, &proofs)?;
    tx.put_global(&key, &HostedUser { user: row.id })?;
    Ok((row.id, true))
}

/// Makes the user a member with this role, or gives the member this one. Who is suspended stays so,
/// and who alone may do everything there stays who they are: a host's word is no better than a member's.
fn appoint(
    tx: &mut Tx<'_>,
    scope: &Scope,
    host: &AsHost,
    (user, role, now): (UserId, Role, Timestamp),
) -> Result<(), WriteError<Problem>> {
    let Some(mut member) = tx.get::<Member>(scope, &user)? else {
        let member = Member::new(user, role, Grants::All, now);
        return members::join(tx, scope, &member, &host.actor(), host.correlation);
    };
    if !member.is_active() {
        return no(Problem::new(Code::Forbidden).with("member", "suspended"));
    }
    if member.role == role {
        return Ok(());
    }
    if members::is_last_owner(&tx.view(), scope, user)? {
        return no(Problem::new(Code::LastOwner));
    }
    let before = member.role.word();
    member.role = role;
    member.revision += 1;
    if !role.can_be_limited() {
        member.channels = Grants::All;
    }
    tx.put(scope, &user, &member)?;
    let data = [("before", before), ("role", role.word())];
    let event = event(host, now, "member.changed", user, &data);
    tx.append_event(scope, event.clone())?;
    if role == Role::Viewer {
        approvals::unname(tx, scope, user, &event)?;
    }
    Ok(())
}

fn remove(tx: &mut Tx<'_>, session: &EmbedSession) {
    tx.delete_global::<EmbedSession>(&session.id);
    tx.delete_global::<EmbedToken>(&session.token);
}

/// Removes some of what is over.
fn sweep(tx: &mut Tx<'_>, now: Timestamp) -> Result<(), Error> {
    for (_, session) in tx.view().scan_global::<EmbedSession>(None, SWEPT)? {
        if !session.is_live(now) {
            remove(tx, &session);
        }
    }
    Ok(())
}
