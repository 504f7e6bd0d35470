//! Erasing a person: their account, what proves who they are, and their e-mail and name wherever they stand.
//! What they did stays on record under their id, which from then on leads to nobody. Must not take a
//! workspace with them: what is theirs alone, they delete or hand over before.

use super::operators::named;
use super::sessions::end_others;
use super::{News, SignedIn, TOLD, Visitor, oidc};
use crate::base::{Code, CorrelationId, Problem, Timestamp, UserId, WorkspaceId, Wrong, limits};
use crate::domain::access::Member;
use crate::domain::event::Actor;
use crate::domain::host::EmbedSession;
use crate::domain::user::{Ended, Invitation, LinkTo, Proofs, User};
use crate::service::closing::is_closed;
use crate::service::{Services, approvals, members, no, not_found, refused, trouble};
use crate::store::rows::{Administers, Email, EmbedToken, HostedUser, Link, Membership};
use crate::store::{Error, Operator, Scope, Span, Tx, WriteError};

/// Invitations that are looked at in one go.
const STEP: usize = 200;

impl Services {
    /// Erases whoever asks for it, has typed their own e-mail, and has proved a moment ago who they are.
    pub async fn erase_me(
        &self,
        who: &SignedIn,
        email: &str,
        visitor: &Visitor,
    ) -> Result<(), Problem> {
        self.ask_fresh(who)?;
        if email.trim().to_lowercase() != who.user.email {
            let why = "is to be your own, so that nobody goes by mistake";
            return Err(Problem::field("email", Wrong::NotPossible { why }));
        }
        self.erase_person(&who.user, Actor::User(who.user.id), visitor.correlation).await
    }

    /// The same for somebody who asks the operator for it.
    pub async fn erase_user(
        &self,
        operator: Operator,
        name: &str,
        correlation: CorrelationId,
    ) -> Result<UserId, Problem> {
        let found = self.read_person(|view| named(view, name))?;
        let missing = || not_found().with("email", name.escape_debug());
        let (user, _) = found.ok_or_else(missing)?;
        self.erase_person(&user, operator.actor(), correlation).await?;
        Ok(user.id)
    }

    /// What lies elsewhere goes first, and the account last: after a crash it can be asked for again.
    async fn erase_person(
        &self,
        user: &User,
        actor: Actor,
        correlation: CorrelationId,
    ) -> Result<(), Problem> {
        let id = user.id;
        self.may_go(id).await?;
        // Whom a host made may have the e-mail of somebody else, whose invitations stay.
        let of_user = user.clone();
        let own = self.store.read(move |view| super::signs_in(view, &of_user)).await;
        let email = if own.map_err(trouble)? { user.email.clone() } else { String::new() };
        self.forget_invitations(&User { email, ..user.clone() }).await?;
        self.ways(move |row: &HostedUser| row.user == id, |_, _| {}).await?;
        let of_link = move |row: &Link| matches!(row.to, LinkTo::Reset { user, .. } if user == id);
        self.ways(of_link, |_, _| {}).await?;
        let tokens =
            |tx: &mut Tx<'_>, row: &EmbedSession| tx.delete_global::<EmbedToken>(&row.token);
        self.ways(move |row: &EmbedSession| row.user == id, tokens).await?;
        loop {
            let (services, actor) = (self.clone(), actor.clone());
            let leaving = self.store.write(move |tx| {
                let data = &[][..];
                let (kind, actor) = ("user.erased", actor.clone());
                let more = leave(tx, &services, id, &News { kind, actor, data, correlation })?;
                if !more {
                    end(tx, id, services.now())?;
                }
                Ok(more)
            });
            if !leaving.await.map_err(refused)? {
                return Ok(());
            }
        }
    }

    /// Refuses while somebody is the last owner of a workspace that is not deleted, before anything is done.
    async fn may_go(&self, user: UserId) -> Result<(), Problem> {
        let mut after = None;
        loop {
            let page = self.store.read(move |view| {
                let page = Scope::of_user(view, user, after, TOLD)?;
                let mut last = None;
                for scope in &page {
                    if !is_closed(view, scope)? && members::is_last_owner(view, scope, user)? {
                        last = Some(scope.workspace());
                    }
                }
                Ok((page.last().map(Scope::workspace), last))
            });
            let (seen, last) = page.await.map_err(trouble)?;
            if let Some(workspace) = last {
                return Err(last_owner(workspace));
            }
            match seen {
                Some(workspace) => after = Some(workspace),
                None => return Ok(()),
            }
        }
    }

    /// Takes their e-mail out of every invitation, wherever they were invited; open ones end.
    async fn forget_invitations(&self, user: &User) -> Result<(), Problem> {
        let mut after: Option<String> = None;
        loop {
            let from = after.take();
            let page = self.store.read(move |v| Scope::rounds(v, from.as_ref(), limits::PAGE_MAX));
            let page = page.await.map_err(trouble)?;
            for (_, scope) in &page {
                self.forget_invitations_in(*scope, user).await?;
            }
            match page.into_iter().last() {
                Some((slug, _)) => after = Some(slug),
                None => return Ok(()),
            }
        }
    }

    async fn forget_invitations_in(&self, scope: Scope, user: &User) -> Result<(), Problem> {
        let mut after = None;
        loop {
            let span = Span::first(STEP).after(after.as_ref());
            let page = self.store.read(move |view| view.scan::<Invitation>(&scope, &span)).await;
            let page = page.map_err(trouble)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(*last);
            let theirs = |row: &Invitation| {
                let by_them =
                    matches!(row.ended, Some(Ended::Accepted { by, .. }) if by == user.id);
                by_them || (row.email == user.email && !user.email.is_empty())
            };
            let found: Vec<_> = page.into_iter().filter(|(_, row)| theirs(row)).collect();
            if found.is_empty() {
                continue;
            }
            let now = self.now();
            let written = self.store.write(move |tx| {
                for (id, _) in &found {
                    // It may have been accepted meanwhile.
                    let Some(mut row) = tx.get::<Invitation>(&scope, id)? else { continue };
                    row.email.clear();
                    row.ended = row.ended.or(Some(Ended::Revoked { at: now }));
                    tx.delete_global::<Link>(&row.token);
                    tx.put(&scope, id, &row)?;
                }
                Ok::<_, WriteError<Problem>>(())
            });
            written.await.map_err(refused)?;
        }
    }
}

fn last_owner(workspace: WorkspaceId) -> Problem {
    Problem::new(Code::LastOwner).with("workspace", workspace)
}

/// Ends the next few memberships, each with an event; whether there are more.
fn leave(
    tx: &mut Tx<'_>,
    services: &Services,
    user: UserId,
    news: &News<'_>,
) -> Result<bool, WriteError<Problem>> {
    let page = Scope::of_user(&tx.view(), user, None, TOLD)?;
    for scope in &page {
        let view = tx.view();
        if !is_closed(&view, scope)? && members::is_last_owner(&view, scope, user)? {
            return no(last_owner(scope.workspace()));
        }
        tx.delete::<Member>(scope, &user);
        tx.delete_global::<Membership>(&(user, scope.workspace()));
        let event = news.event(services, user);
        tx.append_event(scope, event.clone())?;
        approvals::unname(tx, scope, user, &event)?;
    }
    Ok(page.len() == TOLD)
}

/// What was them. The row stays without a name, so that their id is not one that never was.
fn end(tx: &mut Tx<'_>, user: UserId, now: Timestamp) -> Result<(), Error> {
    let Some(row) = tx.view().get_global::<User>(&user)? else { return Ok(()) };
    end_others(tx, user, None)?;
    if let Some(mut proofs) = tx.view().get_global::<Proofs>(&user)? {
        oidc::let_go(tx, &mut proofs);
    }
    tx.delete_global::<Proofs>(&user);
    tx.delete_global::<Administers>(&user);
    // A host keeps no address of its people here: it may be another's.
    if tx.view().get_global::<Email>(&row.email)?.is_some_and(|email| email.user == user) {
        tx.delete_global::<Email>(&row.email);
    }
    tx.put_global(&user, &row.erased(now))
}
