//! Accounts: how users are made, and what they change about themselves. Must not let anybody in;
//! `sign_in` does.

use super::sessions::{begin, change_token, end_others, rotate};
use super::{
    News, Opened, SignedIn, UserShown, Visitor, new_token, oidc, person, seen, token_hash,
};
use crate::base::{Check, Code, CorrelationId, Problem, Secret, Timestamp, UserId};
use crate::domain::access::{Grants, Member, Role};
use crate::domain::event::Actor;
use crate::domain::user::{Identity, Proofs, Session, User, check_password};
use crate::domain::workspace::{Workspace, check_name};
use crate::service::workspaces::Founding;
use crate::service::{Services, members, no, refused};
use crate::store::rows::{Administers, Email};
use crate::store::{Error, Scope, Span, Tx, View, WriteError};

/// What a new user says of themselves.
pub struct NewUser {
    pub name: String,
    /// `None`: they set one by a link.
    pub password: Option<Secret<String>>,
}

/// What a user changes; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct AccountChange {
    pub name: Option<String>,
    /// The revision that the change is meant for.
    pub revision: Option<u64>,
}

/// A user who is about to be made, with a workspace of their own.
#[derive(Clone)]
pub(super) struct Making {
    pub user: User,
    proofs: Proofs,
    founding: Founding,
    /// They may change what is the whole installation's; and own what operators made and nobody
    /// belongs to, instead of a new workspace.
    pub administers: bool,
}

/// Workspaces that are looked at for those without members.
const ADOPTED: usize = 100;

impl Services {
    /// Checks and hashes, outside of the transaction that makes the user. Every new user gets a
    /// workspace, of their own name if no other is given.
    pub(super) async fn making(
        &self,
        email: &str,
        new: &NewUser,
        workspace: Option<&str>,
    ) -> Result<Making, Problem> {
        let mut check = Check::default();
        let mut keep = |checked: Result<(), Problem>| {
            let fields = checked.err().map(|problem| problem.fields).unwrap_or_default();
            for field in fields {
                check.wrong(field.field, field.wrong);
            }
        };
        let name = check_name("name", &new.name);
        keep(name.as_ref().map(drop).map_err(Clone::clone));
        if let Some(password) = &new.password {
            keep(check_password("password", password, &[email, &new.name]));
        }
        if let Some(workspace) = workspace {
            keep(check_name("workspace", workspace).map(drop));
        }
        check.finish()?;
        let name = name?;
        let founding = self.founding(workspace.unwrap_or(&name), None)?;
        let password = match &new.password {
            Some(password) => Some(self.people.passwords.hash(self.rng.as_ref(), password).await?),
            None => None,
        };
        let now = self.now();
        let id = UserId::new(now, self.rng.as_ref());
        let email = email.to_owned();
        let user = User { id, revision: 1, email, name, created_at: now, disabled_at: None };
        let (authenticator, recovery, identity) = (None, Vec::new(), None);
        let proofs = Proofs { password, password_at: now, authenticator, recovery, identity };
        Ok(Making { user, proofs, founding, administers: false })
    }

    /// Opens the first session of a user who was just made.
    pub(super) fn first_session(&self, made: &Making, visitor: &Visitor) -> (Session, Opened) {
        let (session, token) = self.new_session(made.user.id, visitor);
        let opened = self.opened(token, &session, (&made.user, &made.proofs));
        (session, opened)
    }

    /// Changes what a person may change about themselves.
    pub async fn change_me(
        &self,
        who: &SignedIn,
        change: AccountChange,
    ) -> Result<UserShown, Problem> {
        let name = change.name.map(|name| check_name("name", &name)).transpose()?;
        let (id, revision) = (who.user.id, change.revision);
        let written = self.store.write(move |tx| {
            let Some((mut user, proofs)) = person(&tx.view(), id)? else {
                return no(Problem::new(Code::Unauthenticated));
            };
            if revision.is_some_and(|revision| revision != user.revision) {
                return no(Problem::new(Code::StaleRevision).with("revision", user.revision));
            }
            if let Some(name) = name.as_ref().filter(|name| **name != user.name) {
                user.name.clone_from(name);
                user.revision += 1;
                tx.put_global(&id, &user)?;
            }
            Ok(seen::user(&user, &proofs))
        });
        written.await.map_err(refused)
    }

    /// Sets a new password for whoever knows the present one. All other sessions end, the one that
    /// asks gets a new token, and known devices are known no more.
    pub async fn change_password(
        &self,
        who: &SignedIn,
        present: &Secret<String>,
        new: &Secret<String>,
        visitor: &Visitor,
    ) -> Result<Opened, Problem> {
        check_password("new_password", new, &[&who.user.email, &who.user.name])?;
        let (stored, attempt) = self.check_again(who, present, visitor).await?;
        let hash = self.people.passwords.hash(self.rng.as_ref(), new).await?;
        let token = new_token(self.rng.as_ref(), super::SESSION_PREFIX);
        let token_hash = token_hash(token.reveal());
        let (services, now, correlation) = (self.clone(), self.now(), visitor.correlation);
        let (id, session) = (who.user.id, who.session.clone());
        let written = self.store.write(move |tx| {
            let found = person(&tx.view(), id)?.filter(|(_, proofs)| proofs.password == stored);
            let Some((user, proofs)) = found else { return no(Problem::new(Code::SignInRefused)) };
            let proofs = set_password(tx, id, proofs, &hash, now)?;
            end_others(tx, id, Some(session.id))?;
            // Where a code is asked for, too, a password alone proves nothing anew.
            let renew = if proofs.has_totp() { change_token } else { rotate };
            let session = renew(tx, &session, token_hash, now)?;
            let (kind, actor) = ("user.password_changed", Actor::User(id));
            services.tell(tx, id, &News { kind, actor, data: &[], correlation })?;
            Ok((user, proofs, session))
        });
        let (user, proofs, session) = written.await.map_err(refused)?;
        attempt.succeed();
        Ok(self.opened(token, &session, (&user, &proofs)))
    }
}

/// Stores a new password; its time is another than that of the one before, even within a
/// millisecond.
pub(super) fn set_password(
    tx: &mut Tx<'_>,
    id: UserId,
    proofs: Proofs,
    hash: &str,
    now: Timestamp,
) -> Result<Proofs, Error> {
    let next = proofs.password_at.plus(std::time::Duration::from_millis(1));
    let proofs = Proofs { password: Some(hash.to_owned()), password_at: now.max(next), ..proofs };
    tx.put_global(&id, &proofs)?;
    Ok(proofs)
}

/// Whether there is anybody yet who can sign in, or could with a password. Whom a host brought is
/// none: it keeps no address of theirs here.
pub(super) fn any(view: &View<'_>) -> Result<bool, Error> {
    Ok(!view.scan_global::<Email>(None, 1)?.is_empty())
}

impl Making {
    /// They are who the provider calls so, and come in by it.
    pub(super) fn known_by(&mut self, identity: Identity) {
        self.proofs.identity = Some(identity);
    }

    /// That they came by the provider, if they did: in each workspace of theirs.
    pub(super) fn tell(
        &self,
        tx: &mut Tx<'_>,
        services: &Services,
        session: &Session,
        correlation: CorrelationId,
    ) -> Result<(), Error> {
        if self.proofs.identity.is_none() {
            return Ok(());
        }
        let (id, session) = (self.user.id, session.id.to_string());
        let came = [("session", session.as_str()), ("by", "oidc")];
        for (kind, data) in [(oidc::LINKED, &[][..]), ("user.signed_in", &came[..])] {
            services.tell(tx, id, &News { kind, actor: Actor::User(id), data, correlation })?;
        }
        Ok(())
    }

    /// Makes the user and what belongs to them; refuses an address that somebody has.
    pub(super) fn make(
        &self,
        tx: &mut Tx<'_>,
        by: &Actor,
        correlation: CorrelationId,
    ) -> Result<(), WriteError<Problem>> {
        let user = &self.user;
        if tx.view().get_global::<Email>(&user.email)?.is_some() {
            return no(Problem::new(Code::EmailTaken));
        }
        tx.put_global(&user.id, user)?;
        tx.put_global(&user.email, &Email { user: user.id })?;
        match self.proofs.identity.clone() {
            Some(identity) => oidc::keep(tx, user.id, &mut self.proofs.clone(), identity)?,
            None => tx.put_global(&user.id, &self.proofs)?,
        }
        if self.administers {
            tx.put_global(&user.id, &Administers { since: user.created_at })?;
        }
        let homes = if self.administers { ownerless(&tx.view())? } else { Vec::new() };
        let mut homes: Vec<Scope> = homes.into_iter().map(|(scope, _)| scope).collect();
        if homes.is_empty() {
            homes.push(self.founding.found(tx, by, correlation)?.0);
        }
        for scope in homes {
            let owner = Member::new(user.id, Role::Owner, Grants::All, user.created_at);
            members::join(tx, &scope, &owner, by, correlation)?;
        }
        Ok(())
    }

    /// Makes the user and opens their first session.
    pub(super) fn make_and_open(
        &self,
        tx: &mut Tx<'_>,
        session: &Session,
        correlation: CorrelationId,
    ) -> Result<(), WriteError<Problem>> {
        self.make(tx, &Actor::User(self.user.id), correlation)?;
        Ok(begin(tx, session, session.created_at)?)
    }
}

/// Workspaces that nobody belongs to: operators made them before there were users.
pub(super) fn ownerless(view: &View<'_>) -> Result<Vec<(Scope, Workspace)>, Error> {
    let mut found = Vec::new();
    for (_, scope) in Scope::rounds(view, None, ADOPTED)? {
        if view.scan::<Member>(&scope, &Span::first(1))?.is_empty()
            && let Some(workspace) = view.get::<Workspace>(&scope, &())?
        {
            found.push((scope, workspace));
        }
    }
    Ok(found)
}
