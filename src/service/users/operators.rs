//! What operators do about users: make, list, disable, sign out, help back in. Each is an event in
//! the workspaces of the user. They are named by their e-mail or their id. Must not show or set a
//! password of somebody who has one.

use std::collections::BTreeSet;

use serde::Serialize;

use super::administrators::PROMOTED;
use super::links::keep;
use super::sessions::{SIGNED_OUT, end_others};
use super::{LinkShown, NewUser, News, SessionShown, TOLD, UserShown, person, person_of, seen};
use crate::base::{Code, CorrelationId, Problem, UserId};
use crate::domain::user::{LinkTo, Proofs, RESET_LIFE, User, email as checked_email};
use crate::domain::workspace::Workspace;
use crate::service::closing::is_closed;
use crate::service::shown::{self, Page};
use crate::service::{Services, hosts, members, no, refused, trouble};
use crate::store::rows::{Email, Link};
use crate::store::{Error, Operator, Scope, Tx, View, WriteError};

/// A user, as operators see them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UserKnown {
    #[serde(flatten)]
    pub user: UserShown,
    /// The name of the host that made them; `None` for whoever signs in here.
    pub host: Option<String>,
}

fn nobody(name: &str) -> Problem {
    Problem::new(Code::NotFound).with("email", name.escape_debug())
}

/// Whom an operator names by their id or their e-mail. Whom a host made has an id only: the e-mail
/// may be another's.
pub(super) fn named(view: &View<'_>, name: &str) -> Result<Option<(User, Proofs)>, Error> {
    let name = name.trim();
    match name.parse::<UserId>() {
        Ok(id) => person(view, id),
        Err(_) => person_of(view, &name.to_lowercase()),
    }
}

/// The same for what changes them.
pub(super) fn found(tx: &Tx<'_>, name: &str) -> Result<(User, Proofs), WriteError<Problem>> {
    match named(&tx.view(), name)? {
        Some(found) => Ok(found),
        None => no(nobody(name)),
    }
}

/// Whether they sign in here themselves. Whom a host made comes by their host, with no e-mail or
/// password of their own here.
pub(in crate::service) fn signs_in(view: &View<'_>, user: &User) -> Result<bool, Error> {
    let row = view.get_global::<Email>(&user.email)?;
    Ok(row.is_some_and(|row| row.user == user.id))
}

fn known(view: &View<'_>, users: &[(User, Proofs)]) -> Result<Vec<UserKnown>, Error> {
    let mut hosted = BTreeSet::new();
    for (user, _) in users {
        if !signs_in(view, user)? {
            hosted.insert(user.id);
        }
    }
    let mut hosts = hosts::names_of_makers(view, hosted)?;
    let known = |(user, proofs): &(User, Proofs)| UserKnown {
        user: seen::user(user, proofs),
        host: hosts.remove(&user.id),
    };
    Ok(users.iter().map(known).collect())
}

/// Slugs of the workspaces where nobody who can come in may do everything, but for this user.
fn owned_alone(view: &View<'_>, user: UserId) -> Result<Vec<String>, Error> {
    let (mut slugs, mut after) = (Vec::new(), None);
    loop {
        let page = Scope::of_user(view, user, after, TOLD)?;
        let Some(last) = page.last().map(Scope::workspace) else { break };
        after = Some(last);
        for scope in &page {
            if !is_closed(view, scope)? && members::is_last_owner(view, scope, user)? {
                slugs.extend(view.get::<Workspace>(scope, &())?.map(|workspace| workspace.slug));
            }
        }
    }
    slugs.sort_unstable();
    Ok(slugs)
}

impl Services {
    /// Makes a user. Without a password they set one by the link in the answer. With `admin` they
    /// administer the installation, which is on its record, and own the workspaces that nobody
    /// belongs to.
    pub async fn create_user(
        &self,
        operator: Operator,
        email: &str,
        new: NewUser,
        admin: bool,
        correlation: CorrelationId,
    ) -> Result<(UserKnown, Option<LinkShown>), Problem> {
        let email = checked_email("email", email)?;
        let mut making = self.making(&email, &new, None).await?;
        making.administers = admin;
        let (link, hash) = self.new_link("reset");
        let (services, now, actor) = (self.clone(), self.now(), operator.actor());
        let expires_at = now.plus(RESET_LIFE);
        let wants_link = new.password.is_none();
        let made = self.store.write(move |tx| {
            making.make(tx, &actor, correlation)?;
            let id = making.user.id;
            if admin {
                let by = (actor.clone(), correlation);
                services.note_right(tx, by, id, true)?;
                let news = News { kind: PROMOTED, actor: actor.clone(), data: &[], correlation };
                services.tell(tx, id, &news)?;
            }
            let Some((user, proofs)) = person(&tx.view(), id)? else { return no(nobody("")) };
            if wants_link {
                let to = LinkTo::Reset { user: id, password_at: proofs.password_at };
                keep(tx, hash, &Link { expires_at, to }, now)?;
            }
            Ok(UserKnown { user: seen::user(&user, &proofs), host: None })
        });
        let made = made.await.map_err(refused)?;
        let link = LinkShown { link, expires_at: expires_at.to_string() };
        Ok((made, wants_link.then_some(link)))
    }

    /// Users, in order of their making.
    pub async fn users(
        &self,
        _: Operator,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<UserKnown>, Problem> {
        let after = cursor.map(shown::cursor_key::<UserId>).transpose()?;
        let rows = self.store.read(move |view| {
            let users = view.scan_global::<User>(after.as_ref(), limit)?;
            // Of whoever was erased there is a row, which counts for the page and is not shown.
            let last = users.last().filter(|_| users.len() == limit).map(|(id, _)| *id);
            let mut found = Vec::with_capacity(users.len());
            for (id, user) in users {
                let proofs = view.get_global::<Proofs>(&id)?;
                found.extend(proofs.map(|proofs| (user, proofs)));
            }
            Ok((known(view, &found)?, last))
        });
        let (items, last) = rows.await.map_err(trouble)?;
        Ok(Page { next: last.map(|id| shown::cursor_of(id.as_bytes())), items })
    }

    pub fn user(&self, _: Operator, name: &str) -> Result<UserKnown, Problem> {
        let found = self.read_person(|view| {
            let Some(found) = named(view, name)? else { return Ok(None) };
            Ok(known(view, &[found])?.pop())
        })?;
        found.ok_or_else(|| nobody(name))
    }

    pub fn user_sessions(&self, _: Operator, name: &str) -> Result<Page<SessionShown>, Problem> {
        let found = self.read_person(|view| named(view, name))?;
        let (user, _) = found.ok_or_else(|| nobody(name))?;
        self.sessions_of(user.id, None)
    }

    /// Shuts a user out, everywhere and at once; or lets them in again. With the slugs of workspaces
    /// that are left without anybody who may do everything there.
    pub async fn disable_user(
        &self,
        operator: Operator,
        name: &str,
        disable: bool,
        correlation: CorrelationId,
    ) -> Result<(UserShown, Vec<String>), Problem> {
        let now = self.now();
        let kind = if disable { "user.disabled" } else { "user.enabled" };
        self.change_user(operator, name, kind, correlation, move |tx, user, proofs| {
            user.disabled_at = if disable { user.disabled_at.or(Some(now)) } else { None };
            user.revision += 1;
            tx.put_global(&user.id, user)?;
            let ownerless = if disable {
                end_others(tx, user.id, None)?;
                owned_alone(&tx.view(), user.id)?
            } else {
                Vec::new()
            };
            Ok((seen::user(user, proofs), ownerless))
        })
        .await
    }

    /// Ends all sessions of a user.
    pub async fn sign_out_user(
        &self,
        operator: Operator,
        name: &str,
        correlation: CorrelationId,
    ) -> Result<usize, Problem> {
        let end =
            |tx: &mut Tx<'_>, user: &mut User, _: &mut Proofs| Ok(end_others(tx, user.id, None)?);
        self.change_user(operator, name, SIGNED_OUT, correlation, end).await
    }

    /// Takes off the authenticator of a user who has lost it.
    pub async fn reset_totp(
        &self,
        operator: Operator,
        name: &str,
        correlation: CorrelationId,
    ) -> Result<UserShown, Problem> {
        let kind = "user.totp_disabled";
        self.change_user(operator, name, kind, correlation, |tx, user, proofs| {
            proofs.authenticator = None;
            proofs.recovery.clear();
            tx.put_global(&user.id, proofs)?;
            Ok(seen::user(user, proofs))
        })
        .await
    }

    pub(super) async fn change_user<T: Send + 'static>(
        &self,
        operator: Operator,
        name: &str,
        kind: &'static str,
        correlation: CorrelationId,
        change: impl Fn(&mut Tx<'_>, &mut User, &mut Proofs) -> Result<T, WriteError<Problem>>
        + Send
        + 'static,
    ) -> Result<T, Problem> {
        let (services, name) = (self.clone(), name.to_owned());
        let written = self.store.write(move |tx| {
            let (mut user, mut proofs) = found(tx, &name)?;
            let changed = change(tx, &mut user, &mut proofs)?;
            let news = News { kind, actor: operator.actor(), data: &[], correlation };
            services.tell(tx, user.id, &news)?;
            Ok(changed)
        });
        written.await.map_err(refused)
    }
}
