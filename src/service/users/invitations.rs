//! Invitations into a workspace: a link for one use, bound to an address, that ends by itself. What
//! the inviter could not give when it is accepted, it does not give.

use super::accounts::Making;
use super::links::{keep, take};
use super::{
    InvitationShown, LinkLeads, NewUser, Opened, SignedIn, Visitor, person_of, seen, token_hash,
};
use crate::base::{
    Check, Code, CorrelationId, InvitationId, Problem, Timestamp, UserId, WorkspaceId, Wrong,
    limits,
};
use crate::domain::access::{Grants, Manage, Member, Role};
use crate::domain::event::Actor;
use crate::domain::user::{Ended, INVITATION_LIFE, Invitation, LinkTo, Session, email};
use crate::domain::workspace::Workspace;
use crate::service::closing::is_closed;
use crate::service::idempotency::{recall, remember};
use crate::service::shown::{self, Page};
use crate::service::{Access, Done, Services, members, no, not_found, refused, trouble};
use crate::store::rows::Link;
use crate::store::{Error, Scope, Span, Tx, View, WriteError};

/// Whom to invite, and as what.
pub struct NewInvitation {
    pub email: String,
    pub role: Role,
    pub channels: Grants,
}

/// What accepting came to.
pub struct Accepted {
    pub workspace: WorkspaceId,
    /// Of the user who was made by it; `None` for one who was signed in.
    pub opened: Option<Opened>,
}

/// An invitation that can be accepted now, and the way to its workspace.
fn open(
    view: &View<'_>,
    (workspace, id): (WorkspaceId, InvitationId),
    now: Timestamp,
) -> Result<Option<(Scope, Invitation)>, Error> {
    let Some(scope) = Scope::by_invitation(view, workspace, id)? else { return Ok(None) };
    if is_closed(view, &scope)? {
        return Ok(None);
    }
    let invitation = view.get::<Invitation>(&scope, &id)?.filter(|it| it.is_open(now));
    let Some(invitation) = invitation else { return Ok(None) };
    let may = appointed(view, &scope, &invitation, now)?;
    Ok(may.then_some((scope, invitation)))
}

/// Whether the inviter may give this role here, as they are at this moment.
fn appointed(
    view: &View<'_>,
    scope: &Scope,
    invitation: &Invitation,
    now: Timestamp,
) -> Result<bool, Error> {
    let own = members::standing(view, scope, &invitation.by, now)?;
    Ok(own.is_some_and(|own| own.appoints(invitation.role)))
}

pub(super) fn leads(
    view: &View<'_>,
    id: (WorkspaceId, InvitationId),
    now: Timestamp,
) -> Result<Option<LinkLeads>, Error> {
    let Some((scope, invitation)) = open(view, id, now)? else { return Ok(None) };
    let Some(workspace) = view.get::<Workspace>(&scope, &())? else { return Ok(None) };
    let known = person_of(view, &invitation.email)?.is_some();
    let role = invitation.role.word();
    let (workspace, email) = (workspace.name, invitation.email);
    Ok(Some(LinkLeads::Invitation { workspace, email, role, known }))
}

impl Services {
    /// Invites somebody; the link is in the answer and nowhere else.
    pub async fn invite(
        &self,
        access: Access<Manage>,
        new: NewInvitation,
    ) -> Result<Done<InvitationShown>, Problem> {
        let email = email("email", &new.email)?;
        if new.channels != Grants::All && !new.role.can_be_limited() {
            let why = "limits nothing for this role: it manages channels";
            return Err(Problem::field("channels", Wrong::NotPossible { why }));
        }
        members::confirmed(&access, new.role)?;
        let (link, token) = self.new_link("invitations");
        let now = self.now();
        let id = InvitationId::new(now, self.rng.as_ref());
        let expires_at = now.plus(INVITATION_LIFE);
        let invitation = Invitation {
            id,
            email,
            role: new.role,
            channels: new.channels,
            by: access.actor.clone(),
            created_at: now,
            expires_at,
            ended: None,
            token,
        };
        let (services, room) = (self.clone(), self.room_for_more());
        let made = self.store.write(move |tx| {
            if let Some(id) = recall(tx, &access, now)? {
                return replayed(tx, &access.scope, &id, now);
            }
            room.clone().map_err(WriteError::Refused)?;
            let scope = access.scope;
            admissible(tx, &scope, &invitation, now)?;
            tx.put(&scope, &id, &invitation)?;
            let to = LinkTo::Invitation { workspace: access.workspace(), invitation: id };
            keep(tx, token, &Link { expires_at, to }, now)?;
            remember(tx, &access, now, &id.to_string())?;
            let mut event = access.event(&services, "invitation.created", &id.to_string());
            event.data.insert("role".to_owned(), invitation.role.word().to_owned());
            tx.append_event(&scope, event)?;
            Ok(Done { value: seen::invitation(&invitation, now), replayed: false })
        });
        let made = made.await.map_err(refused)?;
        let link = (!made.replayed).then_some(link);
        Ok(Done { value: InvitationShown { link, ..made.value }, replayed: made.replayed })
    }

    /// The workspace's invitations, newest first.
    pub async fn invitations(
        &self,
        access: &Access<Manage>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<InvitationShown>, Problem> {
        let (scope, now) = (access.scope, self.now());
        let after = cursor.map(shown::cursor_key::<InvitationId>).transpose()?;
        let span = Span::last(limit).after(after.as_ref());
        let rows = self.store.read(move |view| view.scan::<Invitation>(&scope, &span)).await;
        let rows = rows.map_err(trouble)?;
        let next = rows.last().filter(|_| rows.len() == limit);
        let next = next.map(|(id, _)| shown::cursor_of(id.as_bytes()));
        Ok(Page { items: rows.iter().map(|(_, it)| seen::invitation(it, now)).collect(), next })
    }

    /// Takes an invitation back: its link leads nowhere from now on. One that was accepted cannot
    /// be: whom it let in stays a member.
    pub async fn revoke_invitation(
        &self,
        access: Access<Manage>,
        id: InvitationId,
    ) -> Result<Done<InvitationShown>, Problem> {
        let (services, now) = (self.clone(), self.now());
        let written = self.store.write(move |tx| {
            if let Some(id) = recall(tx, &access, now)? {
                return replayed(tx, &access.scope, &id, now);
            }
            let Some(mut invitation) = tx.get::<Invitation>(&access.scope, &id)? else {
                return no(not_found());
            };
            if matches!(invitation.ended, Some(Ended::Accepted { .. })) {
                return no(not_found());
            }
            if invitation.ended.is_none() {
                invitation.ended = Some(Ended::Revoked { at: now });
                tx.put(&access.scope, &id, &invitation)?;
                tx.delete_global::<Link>(&invitation.token);
                let event = access.event(&services, "invitation.revoked", &id.to_string());
                tx.append_event(&access.scope, event)?;
            }
            remember(tx, &access, now, &id.to_string())?;
            Ok(Done { value: seen::invitation(&invitation, now), replayed: false })
        });
        written.await.map_err(refused)
    }

    /// Accepts an invitation: as the person who is signed in, or as a new one.
    pub async fn accept_invitation(
        &self,
        token: &str,
        who: Option<&SignedIn>,
        new: Option<&NewUser>,
        visitor: &Visitor,
    ) -> Result<Accepted, Problem> {
        let LinkLeads::Invitation { email, known, .. } = self.link_leads(token).await? else {
            return Err(not_found());
        };
        match who {
            Some(who) if who.user.email == email => self.join_by(token, who, visitor).await,
            Some(_) => Err(Problem::new(Code::OtherEmail)),
            None if known => Err(Problem::new(Code::SignInFirst)),
            None => self.make_by(token, &email, new, visitor).await,
        }
    }

    async fn join_by(
        &self,
        token: &str,
        who: &SignedIn,
        visitor: &Visitor,
    ) -> Result<Accepted, Problem> {
        let (token, now, correlation) = (token_hash(token), self.now(), visitor.correlation);
        let user = who.user.id;
        let written = self.store.write(move |tx| {
            let (scope, invitation) = taken(tx, token, now)?;
            let member = Member::new(user, invitation.role, invitation.channels.clone(), now);
            members::join(tx, &scope, &member, &Actor::User(user), correlation)?;
            accepted(tx, &scope, invitation, (user, now, correlation))?;
            Ok(scope.workspace())
        });
        Ok(Accepted { workspace: written.await.map_err(refused)?, opened: None })
    }

    async fn make_by(
        &self,
        token: &str,
        email: &str,
        new: Option<&NewUser>,
        visitor: &Visitor,
    ) -> Result<Accepted, Problem> {
        let mut check = Check::default();
        check.that(new.is_some(), "name", Wrong::Missing);
        check.that(new.is_some_and(|new| new.password.is_some()), "password", Wrong::Missing);
        check.finish()?;
        let Some(new) = new else { return Err(not_found()) };
        if !self.oidc.passwords() {
            return Err(Problem::new(Code::OidcOnly));
        }
        let making = self.making(email, new, None).await?;
        let (session, opened): (Session, Opened) = self.first_session(&making, visitor);
        let workspace = self.join_as(token, making, session, visitor).await?;
        Ok(Accepted { workspace, opened: Some(opened) })
    }

    /// Makes whom an invitation is for, and lets them in.
    pub(super) async fn join_as(
        &self,
        token: &str,
        making: Making,
        session: Session,
        visitor: &Visitor,
    ) -> Result<WorkspaceId, Problem> {
        let (token, now, correlation) = (token_hash(token), self.now(), visitor.correlation);
        let services = self.clone();
        let written = self.store.write(move |tx| {
            let (scope, invitation) = taken(tx, token, now)?;
            if invitation.email != making.user.email {
                return no(not_found());
            }
            let user = making.user.id;
            making.make_and_open(tx, &session, correlation)?;
            let member = Member::new(user, invitation.role, invitation.channels.clone(), now);
            members::join(tx, &scope, &member, &Actor::User(user), correlation)?;
            accepted(tx, &scope, invitation, (user, now, correlation))?;
            making.tell(tx, &services, &session, correlation)?;
            Ok(scope.workspace())
        });
        written.await.map_err(refused)
    }
}

/// Whether this invitation may be made.
fn admissible(
    tx: &Tx<'_>,
    scope: &Scope,
    invitation: &Invitation,
    now: Timestamp,
) -> Result<(), WriteError<Problem>> {
    let view = tx.view();
    if !appointed(&view, scope, invitation, now)? {
        return no(Problem::new(Code::Forbidden).with("role", Role::Owner.word()));
    }
    members::known_channels(tx, scope, "channels", &invitation.channels)?;
    if let Some((user, _)) = person_of(&view, &invitation.email)?
        && view.get::<Member>(scope, &user.id)?.is_some()
    {
        return no(Problem::new(Code::AlreadyMember));
    }
    let all = view.scan::<Invitation>(scope, &Span::last(limits::INVITATIONS_OPEN))?;
    if all.iter().filter(|(_, it)| it.is_open(now)).count() >= limits::INVITATIONS_OPEN {
        let why = "are too many: revoke some of those that are open";
        return no(Problem::field("", Wrong::NotPossible { why }));
    }
    Ok(())
}

/// Uses up the link of an invitation.
fn taken(
    tx: &mut Tx<'_>,
    token: [u8; 32],
    now: Timestamp,
) -> Result<(Scope, Invitation), WriteError<Problem>> {
    let LinkTo::Invitation { workspace, invitation } = take(tx, token, now)? else {
        return no(not_found());
    };
    match open(&tx.view(), (workspace, invitation), now)? {
        Some(found) => Ok(found),
        None => no(not_found()),
    }
}

/// Notes who accepted it, and ends what else invites them here.
fn accepted(
    tx: &mut Tx<'_>,
    scope: &Scope,
    invitation: Invitation,
    (by, at, correlation): (UserId, Timestamp, CorrelationId),
) -> Result<(), Error> {
    let invitation = Invitation { ended: Some(Ended::Accepted { by, at }), ..invitation };
    tx.put(scope, &invitation.id, &invitation)?;
    members::uninvite(tx, scope, &invitation.email, (&Actor::User(by), at, correlation))
}

fn replayed(
    tx: &Tx<'_>,
    scope: &Scope,
    id: &str,
    now: Timestamp,
) -> Result<Done<InvitationShown>, WriteError<Problem>> {
    let id = id.parse().map_err(|_| WriteError::Refused(not_found()))?;
    match tx.get::<Invitation>(scope, &id)? {
        Some(row) => Ok(Done { value: seen::invitation(&row, now), replayed: true }),
        None => no(not_found()),
    }
}
