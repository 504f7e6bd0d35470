//! Members: who belongs to a workspace, and as what. Who may change whom is decided in the
//! transaction that does it. Must not know how a person proves who they are; `users` does.

mod shown;

use std::collections::{BTreeMap, BTreeSet};

use super::idempotency::{recall, remember};
use super::shown::{Page, cursor_key, cursor_of};
use super::users::signs_in;
use super::{Access, Done, Services, approvals, hosts, no, not_found, refused, trouble};
use crate::base::{
    Check, Code, CorrelationId, InvitationId, Problem, Timestamp, UserId, Wrong, limits,
};
use crate::domain::access::{
    Grants, Key, Manage, Member, Own, Proof, Read, Right, Role, Scope as KeyScope,
};
use crate::domain::channel::{Channel, ChannelState};
use crate::domain::event::{Actor, Event};
use crate::domain::user::{Ended, Invitation, User};
use crate::store::rows::{Link, Membership};
use crate::store::{Error, Scope, Span, Tx, View, WriteError};

pub use shown::{KeyShown, MemberShown};
pub(super) use shown::{addresses, grants};

/// Invitations that are looked at in one go.
const STEP: usize = 200;

/// What changes of a member; `None` leaves it as it is.
#[derive(Clone, Debug, Default)]
pub struct MemberChange {
    pub role: Option<Role>,
    pub channels: Option<Grants>,
    pub suspended: Option<bool>,
    /// The revision that the person saw.
    pub revision: Option<u64>,
}

/// What is done to a member: what they are afterwards, or that they are none any more.
enum Deed {
    Change(MemberChange),
    Remove,
    Leave,
}

impl Services {
    /// The workspace's members, those first who are longest known to the installation.
    pub async fn members(
        &self,
        access: &Access<Read>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<MemberShown>, Problem> {
        let scope = access.scope;
        let after = cursor.map(cursor_key::<UserId>).transpose()?;
        let span = Span::first(limit).after(after.as_ref());
        let rows = self.store.read(move |view| view.scan::<Member>(&scope, &span)).await;
        let rows = rows.map_err(trouble)?;
        let next = rows.last().filter(|_| rows.len() == limit);
        let next = next.map(|(id, _)| cursor_of(id.as_bytes()));
        Ok(Page { items: rows.iter().map(|(_, member)| shown::member(member)).collect(), next })
    }

    pub async fn member(
        &self,
        access: &Access<Read>,
        user: UserId,
    ) -> Result<MemberShown, Problem> {
        let scope = access.scope;
        let found = self.store.read(move |view| view.get::<Member>(&scope, &user)).await;
        found.map_err(trouble)?.as_ref().map(shown::member).ok_or_else(not_found)
    }

    /// Makes somebody who has an account a member, without asking them.
    pub async fn add_member(
        &self,
        access: Access<Manage>,
        user: UserId,
        role: Role,
        channels: Grants,
    ) -> Result<Done<MemberShown>, Problem> {
        let now = self.now();
        let member = Member::new(user, role, channels, now);
        let done = self.store.write(move |tx| {
            if recall(tx, &access, now)?.is_some() {
                return done(tx, &access, user, true);
            }
            if tx.view().get_global::<User>(&user)?.is_none_or(|user| user.is_erased()) {
                return no(Problem::field("user", Wrong::NotFound));
            }
            allowed(acting(tx, &access)?, &[role])?;
            known_channels(tx, &access.scope, "channels", &member.channels)?;
            join(tx, &access.scope, &member, &access.actor, access.correlation)?;
            remember(tx, &access, now, &user.to_string())?;
            done(tx, &access, user, false)
        });
        done.await.map_err(refused)
    }

    /// Changes role, channels, or whether a member is suspended. Whoever does it gives and takes no
    /// role above their own, and no owner's unless they are one.
    pub async fn change_member(
        &self,
        access: Access<Manage>,
        user: UserId,
        change: MemberChange,
    ) -> Result<Done<MemberShown>, Problem> {
        let done = self.do_to_member(access, user, Deed::Change(change)).await?;
        let value = done.value.ok_or_else(not_found)?;
        Ok(Done { value, replayed: done.replayed })
    }

    /// Ends a membership: nothing is open to them at the next request.
    pub async fn remove_member(
        &self,
        access: Access<Manage>,
        user: UserId,
    ) -> Result<Done<()>, Problem> {
        let done = self.do_to_member(access, user, Deed::Remove).await?;
        Ok(Done { value: (), replayed: done.replayed })
    }

    /// Ends one's own membership, whatever the role.
    pub async fn leave_workspace(&self, access: Access<Read>) -> Result<Done<()>, Problem> {
        let Actor::User(user) = access.actor else { return Err(only_people()) };
        let done = self.do_to_member(access, user, Deed::Leave).await?;
        Ok(Done { value: (), replayed: done.replayed })
    }

    /// Makes another member an owner in one's own place, and oneself an admin.
    pub async fn transfer_workspace(
        &self,
        access: Access<Own>,
        to: UserId,
    ) -> Result<Done<MemberShown>, Problem> {
        let (services, now) = (self.clone(), self.now());
        let done = self.store.write(move |tx| {
            if recall(tx, &access, now)?.is_some() {
                return done(tx, &access, to, true);
            }
            let Actor::User(from) = access.actor else {
                return Err(WriteError::Refused(only_people()));
            };
            acting(tx, &access)?;
            let next = must(tx, &access.scope, to)?;
            if from == to || !next.is_active() || !comes_in(&tx.view(), to)? {
                let why = "is to be another member who can come in: neither suspended nor \
                           disabled, nor of a host that was revoked";
                return no(Problem::field("to", Wrong::NotPossible { why }));
            }
            let before = must(tx, &access.scope, from)?;
            for (before, role) in [(next, Role::Owner), (before, Role::Admin)] {
                let after = Member { role, channels: Grants::All, ..before.clone() };
                save(tx, &services, &access, &before, after)?;
            }
            remember(tx, &access, now, &to.to_string())?;
            done(tx, &access, to, false)
        });
        done.await.map_err(refused)
    }

    async fn do_to_member<R: Right>(
        &self,
        access: Access<R>,
        user: UserId,
        deed: Deed,
    ) -> Result<Done<Option<MemberShown>>, Problem> {
        let (services, now) = (self.clone(), self.now());
        let done = self.store.write(move |tx| {
            if recall(tx, &access, now)?.is_some() {
                let value = tx.get::<Member>(&access.scope, &user)?;
                return Ok(Done { value: value.as_ref().map(shown::member), replayed: true });
            }
            let before = must(tx, &access.scope, user)?;
            match &deed {
                Deed::Leave => {}
                Deed::Remove => allowed(acting(tx, &access)?, &[before.role])?,
                Deed::Change(change) => {
                    let roles = [before.role, change.role.unwrap_or(before.role)];
                    allowed(acting(tx, &access)?, &roles)?;
                    if roles[1] > roles[0] {
                        confirmed(&access, roles[1]).map_err(WriteError::Refused)?;
                    }
                }
            }
            let after = match &deed {
                Deed::Change(change) => Some(changed(tx, &access.scope, &before, change, now)?),
                Deed::Remove | Deed::Leave => None,
            };
            if rules(&before) && !after.as_ref().is_some_and(rules) {
                not_the_last(tx, &access.scope, user)?;
            }
            remember(tx, &access, now, &user.to_string())?;
            match after {
                Some(after) if after == before => {}
                Some(after) => save(tx, &services, &access, &before, after)?,
                None => end(tx, &services, &access, &before, matches!(deed, Deed::Leave))?,
            }
            let value = tx.get::<Member>(&access.scope, &user)?;
            Ok(Done { value: value.as_ref().map(shown::member), replayed: false })
        });
        done.await.map_err(refused)
    }
}

/// As whom somebody acts on members at this moment: a key or a host is what an admin is, and the operator of
/// the installation what an owner is.
fn acting<R: Right>(tx: &Tx<'_>, access: &Access<R>) -> Result<Role, WriteError<Problem>> {
    match access.actor {
        Actor::Key(_) | Actor::Host(_) => Ok(Role::Admin),
        Actor::Operator { .. } | Actor::System => Ok(Role::Owner),
        Actor::User(user) => {
            let own = tx.get::<Member>(&access.scope, &user)?.filter(Member::is_active);
            let own = own.ok_or_else(|| WriteError::Refused(not_found()))?;
            if own.role < R::ROLE {
                return no(Problem::new(Code::Forbidden).with("role", R::ROLE.word()));
            }
            Ok(own.role)
        }
    }
}

/// Refuses who may not give or take one of these roles.
fn allowed(by: Role, roles: &[Role]) -> Result<(), WriteError<Problem>> {
    match roles.iter().find(|role| !by.appoints(**role)) {
        Some(role) => no(Problem::new(Code::Forbidden).with("role", role.word())),
        None => Ok(()),
    }
}

/// Refuses to raise somebody to where they manage others, unless it was proved a moment ago who asks
/// for it: it must not come of a session that somebody left open.
pub(super) fn confirmed<R: Right>(access: &Access<R>, role: Role) -> Result<(), Problem> {
    if role >= Role::Admin { access.proved(Proof::Own) } else { Ok(()) }
}

/// Refuses to be without anybody who may do everything.
fn not_the_last(tx: &Tx<'_>, scope: &Scope, user: UserId) -> Result<(), WriteError<Problem>> {
    if others_own(&tx.view(), scope, user)? { Ok(()) } else { no(Problem::new(Code::LastOwner)) }
}

fn rules(member: &Member) -> bool {
    member.is_active() && member.role == Role::Owner
}

/// Whether somebody can come in at all: who is disabled can do nothing anywhere, nor can whom a
/// host made that was revoked.
fn comes_in(view: &View<'_>, user: UserId) -> Result<bool, Error> {
    any_comes_in(view, [user])
}

fn any_comes_in(view: &View<'_>, users: impl IntoIterator<Item = UserId>) -> Result<bool, Error> {
    let mut hosted = BTreeSet::new();
    for id in users {
        let user = view.get_global::<User>(&id)?.filter(|user| user.disabled_at.is_none());
        let Some(user) = user else { continue };
        if signs_in(view, &user)? {
            return Ok(true);
        }
        hosted.insert(id);
    }
    // Looked up together, and last: it takes longer.
    hosts::let_any_in(view, &hosted)
}

fn others_own(view: &View<'_>, scope: &Scope, user: UserId) -> Result<bool, Error> {
    let members = view.scan::<Member>(scope, &Span::first(limits::SCAN_MAX))?.into_iter();
    let owners = members.filter(|(id, member)| *id != user && rules(member));
    any_comes_in(view, owners.map(|(id, _)| id))
}

/// As what somebody could act here at `now`: what they handed out is good for no longer than that.
/// A key is live and may manage, or is nobody; a person is an active member who can come in.
pub(super) fn standing(
    view: &View<'_>,
    scope: &Scope,
    by: &Actor,
    now: Timestamp,
) -> Result<Option<Role>, Error> {
    Ok(match by {
        Actor::User(user) => {
            let own = view.get::<Member>(scope, user)?.filter(Member::is_active);
            if comes_in(view, *user)? { own.map(|member| member.role) } else { None }
        }
        Actor::Key(id) => {
            let key = view.get::<Key>(scope, id)?;
            key.filter(|key| key.is_live(now) && key.allows(KeyScope::Admin)).map(|_| Role::Admin)
        }
        Actor::Operator { .. } => Some(Role::Owner),
        Actor::System | Actor::Host(_) => None,
    })
}

/// Whether without them nobody might do everything there.
pub(super) fn is_last_owner(view: &View<'_>, scope: &Scope, user: UserId) -> Result<bool, Error> {
    let own = view.get::<Member>(scope, &user)?.is_some_and(|member| rules(&member));
    Ok(own && !others_own(view, scope, user)?)
}

fn changed(
    tx: &Tx<'_>,
    scope: &Scope,
    before: &Member,
    change: &MemberChange,
    now: Timestamp,
) -> Result<Member, WriteError<Problem>> {
    if let Some(seen) = change.revision.filter(|seen| *seen != before.revision) {
        let stale = Problem::new(Code::StaleRevision);
        return no(stale.with("etag", before.revision).with("seen", seen));
    }
    let mut after = before.clone();
    after.role = change.role.unwrap_or(before.role);
    if let Some(channels) = &change.channels {
        known_channels(tx, scope, "channels", channels)?;
        after.channels = channels.clone();
    }
    if !after.role.can_be_limited() {
        check_limit(after.role, change.channels.as_ref()).map_err(WriteError::Refused)?;
        after.channels = Grants::All;
    }
    match change.suspended {
        Some(true) => after.suspended_at = before.suspended_at.or(Some(now)),
        Some(false) => after.suspended_at = None,
        None => {}
    }
    Ok(after)
}

/// Whether a role can have these limits.
pub(super) fn check_limit(role: Role, channels: Option<&Grants>) -> Result<(), Problem> {
    let limited = channels.is_some_and(|channels| *channels != Grants::All);
    if limited && !role.can_be_limited() {
        let why = "cannot be: who manages members and channels could lift the limit";
        return Err(Problem::field("channels", Wrong::NotPossible { why }));
    }
    Ok(())
}

fn must(tx: &Tx<'_>, scope: &Scope, user: UserId) -> Result<Member, WriteError<Problem>> {
    tx.get::<Member>(scope, &user)?.ok_or_else(|| WriteError::Refused(not_found()))
}

/// How it is now.
fn done<R: Right>(
    tx: &Tx<'_>,
    access: &Access<R>,
    user: UserId,
    replayed: bool,
) -> Result<Done<MemberShown>, WriteError<Problem>> {
    let value = shown::member(&must(tx, &access.scope, user)?);
    Ok(Done { value, replayed })
}

fn save<R: Right>(
    tx: &mut Tx<'_>,
    services: &Services,
    access: &Access<R>,
    before: &Member,
    after: Member,
) -> Result<(), WriteError<Problem>> {
    let after = Member { revision: before.revision + 1, ..after };
    put(tx, &access.scope, &after)?;
    let mut event = access.event(services, "member.changed", &after.user.to_string());
    event.data = before_and_after(before, Some(&after));
    tx.append_event(&access.scope, event.clone())?;
    if after.role == Role::Viewer {
        approvals::unname(tx, &access.scope, after.user, &event)?;
    }
    Ok(())
}

fn end<R: Right>(
    tx: &mut Tx<'_>,
    services: &Services,
    access: &Access<R>,
    before: &Member,
    left: bool,
) -> Result<(), WriteError<Problem>> {
    tx.delete::<Member>(&access.scope, &before.user);
    tx.delete_global::<Membership>(&(before.user, access.workspace()));
    // Whom a host made may have the e-mail of somebody else.
    if let Some(user) = tx.view().get_global::<User>(&before.user)?
        && signs_in(&tx.view(), &user)?
    {
        let by = (&access.actor, services.now(), access.correlation);
        uninvite(tx, &access.scope, &user.email, by)?;
    }
    let kind = if left { "member.left" } else { "member.removed" };
    let mut event = access.event(services, kind, &before.user.to_string());
    event.data = before_and_after(before, None);
    tx.append_event(&access.scope, event.clone())?;
    Ok(approvals::unname(tx, &access.scope, before.user, &event)?)
}

/// Only what differs: `role.before`, `role.after` and so on.
fn before_and_after(before: &Member, after: Option<&Member>) -> BTreeMap<String, String> {
    type Facet = (&'static str, fn(&Member) -> String);
    let facets: [Facet; 3] = [
        ("role", |member| member.role.word().to_owned()),
        ("channels", |member| member.channels.to_string()),
        ("suspended", |member| member.suspended_at.is_some().to_string()),
    ];
    let mut data = BTreeMap::new();
    for (name, facet) in facets {
        let (old, new) = (facet(before), after.map(facet));
        if new.as_ref() != Some(&old) {
            data.insert(format!("{name}.before"), old);
            data.extend(new.map(|new| (format!("{name}.after"), new)));
        }
    }
    data
}

fn only_people() -> Problem {
    Problem::new(Code::PersonNeeded)
}

/// Makes somebody a member, by whoever asked them in; refuses who is one already. Their right to
/// give this role is to be checked before.
pub(super) fn join(
    tx: &mut Tx<'_>,
    scope: &Scope,
    member: &Member,
    by: &Actor,
    correlation: CorrelationId,
) -> Result<(), WriteError<Problem>> {
    if tx.get::<Member>(scope, &member.user)?.is_some() {
        return no(Problem::new(Code::AlreadyMember));
    }
    check_limit(member.role, Some(&member.channels)).map_err(WriteError::Refused)?;
    put(tx, scope, member)?;
    let event = Event {
        at: member.joined_at,
        actor: by.clone(),
        kind: "member.joined".to_owned(),
        subject: member.user.to_string(),
        data: [
            ("role".to_owned(), member.role.word().to_owned()),
            ("channels".to_owned(), member.channels.to_string()),
        ]
        .into(),
        correlation,
    };
    Ok(tx.append_event(scope, event)?)
}

/// Takes back whatever else invites this address here: by a link that is left over, who is out
/// would let themselves in again.
pub(super) fn uninvite(
    tx: &mut Tx<'_>,
    scope: &Scope,
    email: &str,
    (by, at, correlation): (&Actor, Timestamp, CorrelationId),
) -> Result<(), Error> {
    let mut after: Option<InvitationId> = None;
    loop {
        let page = tx.view().scan::<Invitation>(scope, &Span::last(STEP).after(after.as_ref()))?;
        // The newest come first: none after one whose time is over can be open.
        let last = page.last().filter(|(_, row)| at < row.expires_at);
        after = last.filter(|_| page.len() == STEP).map(|(id, _)| *id);
        for (id, mut row) in page {
            if row.email != email || !row.is_open(at) {
                continue;
            }
            row.ended = Some(Ended::Revoked { at });
            tx.put(scope, &id, &row)?;
            tx.delete_global::<Link>(&row.token);
            let event = Event {
                at,
                actor: by.clone(),
                kind: "invitation.revoked".to_owned(),
                subject: id.to_string(),
                data: BTreeMap::new(),
                correlation,
            };
            tx.append_event(scope, event)?;
        }
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Refuses grants for what is no channel of the workspace.
pub(super) fn known_channels(
    tx: &Tx<'_>,
    scope: &Scope,
    field: &str,
    grants: &Grants,
) -> Result<(), WriteError<Problem>> {
    let Grants::Only(channels) = grants else { return Ok(()) };
    let mut check = Check::default();
    for id in channels.keys() {
        let channel = tx.get::<Channel>(scope, id)?;
        let there = channel.is_some_and(|c| !matches!(c.state, ChannelState::Removed { .. }));
        check.that(there, format!("{field}.{id}"), Wrong::NotFound);
    }
    check.finish().map_err(WriteError::Refused)
}

/// The row and the way to it are one.
fn put(tx: &mut Tx<'_>, scope: &Scope, member: &Member) -> Result<(), Error> {
    tx.put(scope, &member.user, member)?;
    tx.put_global(&(member.user, scope.workspace()), &Membership)
}
