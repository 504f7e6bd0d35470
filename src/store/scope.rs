//! Handles: who may form which keys. A [`Scope`] is bound to one workspace and comes only from
//! proof: a key's hash, a membership, an invitation, a connection, a host's own name, a timer, a public feed, a signed
//! address, an [`Operator`], or the program's own rounds. Must not be made otherwise.

use std::collections::BTreeMap;

use crate::base::{
    AssetId, ChannelId, ConnectionId, DeliveryId, HostId, InvitationId, KeyId, UserId, WorkspaceId,
    limits,
};
use crate::domain::channel::{Channel, ChannelState};
use crate::domain::connection::Connection;
use crate::domain::event::{Actor, Event};
use crate::domain::publish::State;
use crate::domain::user::Invitation;
use crate::domain::workspace::Workspace;

use super::rows::{
    AssetHome, Attention, Feed, HostedWorkspace, Inflight, KeyHash, Membership, Slug,
};
use super::tx::{Span, Tx, View};
use super::{Error, WriteError};

/// The right to read and write the rows of one workspace, and of no other. With a holder, no more
/// of channels and what is for them than the holder may at the moment of each read and write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    workspace: WorkspaceId,
    holder: Option<Holder>,
}

/// On whose behalf a scope is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    Key(KeyId),
    Member(UserId),
}

impl Scope {
    pub(super) const fn of(workspace: WorkspaceId) -> Self {
        Self { workspace, holder: None }
    }

    #[cfg(test)]
    pub(crate) const fn for_tests(workspace: WorkspaceId) -> Self {
        Self::of(workspace)
    }

    pub fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    /// The same for a holder who is limited; there is no way back.
    #[must_use]
    pub fn held_by(self, holder: Holder) -> Self {
        Self { holder: Some(holder), ..self }
    }

    /// Whether it is used on behalf of somebody who is limited.
    pub fn is_held(&self) -> bool {
        self.holder.is_some()
    }

    pub(super) fn on_behalf_of(&self) -> Option<Holder> {
        self.holder
    }

    /// The workspace and key that a secret's hash belongs to.
    pub fn by_key_hash(view: &View<'_>, hash: &[u8; 32]) -> Result<Option<(Self, KeyId)>, Error> {
        let found = view.get_global::<KeyHash>(hash)?;
        Ok(found.map(|row| (Self::of(row.workspace), row.key)))
    }

    /// The workspace, for a user who has a member's row there; whether it counts, it says itself.
    pub fn by_member(
        view: &View<'_>,
        user: UserId,
        workspace: WorkspaceId,
    ) -> Result<Option<Self>, Error> {
        let found = view.get_global::<Membership>(&(user, workspace))?;
        Ok(found.map(|Membership| Self::of(workspace)))
    }

    /// The workspace that an invitation leads into, for whoever holds its link.
    pub fn by_invitation(
        view: &View<'_>,
        workspace: WorkspaceId,
        invitation: InvitationId,
    ) -> Result<Option<Self>, Error> {
        let scope = Self::of(workspace);
        Ok(view.get::<Invitation>(&scope, &invitation)?.map(|_| scope))
    }

    /// The workspace of a connection, for whoever holds its link, its state or its cookie; whether
    /// they do, the caller must see.
    pub fn by_connection(
        view: &View<'_>,
        workspace: WorkspaceId,
        connection: ConnectionId,
    ) -> Result<Option<Self>, Error> {
        let scope = Self::of(workspace);
        Ok(view.get::<Connection>(&scope, &connection)?.map(|_| scope))
    }

    /// The workspace that a host made under this name of its own.
    pub fn by_host(view: &View<'_>, host: HostId, external: &str) -> Result<Option<Self>, Error> {
        let found = view.get_global::<HostedWorkspace>(&(host, external.to_owned()))?;
        Ok(found.map(|row| Self::of(row.workspace)))
    }

    /// Workspaces where a user has a member's row, from the one after `after` on.
    pub fn of_user(
        view: &View<'_>,
        user: UserId,
        after: Option<WorkspaceId>,
        limit: usize,
    ) -> Result<Vec<Self>, Error> {
        let after = after.map(|workspace| (user, workspace));
        let span = Span::first(limit).under(&user).after(after.as_ref());
        let found = view.scan_global_span::<Membership>(&span)?;
        Ok(found.into_iter().map(|((_, workspace), Membership)| Self::of(workspace)).collect())
    }

    /// The scope of a workspace that is made in this transaction; `None` when it is there already.
    pub fn found(tx: &mut Tx<'_>, workspace: &Workspace) -> Result<Option<Self>, Error> {
        let scope = Self::of(workspace.id);
        if tx.get::<Workspace>(&scope, &())?.is_some()
            || tx.view().get_global::<Slug>(&workspace.slug)?.is_some()
        {
            return Ok(None);
        }
        tx.put_global(&workspace.slug, &Slug { workspace: workspace.id })?;
        tx.put(&scope, &(), workspace)?;
        Ok(Some(scope))
    }

    /// The installation, which is no workspace: its own chain of events, and nothing else. No request
    /// of a workspace leads here.
    pub const fn installation() -> Self {
        Self::of(WorkspaceId::from_bytes([0; 16]))
    }

    /// Workspaces in order of their slugs, from `after` on, for what the program does in all of them
    /// by itself. No request may lead here.
    pub fn rounds(
        view: &View<'_>,
        after: Option<&String>,
        limit: usize,
    ) -> Result<Vec<(String, Self)>, Error> {
        let page = view.scan_global::<Slug>(after, limit)?;
        Ok(page.into_iter().map(|(slug, row)| (slug, Self::of(row.workspace))).collect())
    }

    /// A workspace that somebody asked for who may not, so that the attempt is on record there.
    /// Nothing of it may be told.
    pub fn aimed_at(view: &View<'_>, workspace: WorkspaceId) -> Result<Option<Self>, Error> {
        let scope = Self::of(workspace);
        Ok(view.get::<Workspace>(&scope, &())?.map(|_| scope))
    }

    /// The workspace that holds what `has` looks for, for the same purpose. Looks in all of them, so
    /// that how long it takes tells nothing.
    pub fn holder(
        view: &View<'_>,
        has: impl Fn(&Self) -> Result<bool, Error>,
    ) -> Result<Option<Self>, Error> {
        let (mut found, mut after) = (None, None);
        loop {
            let page = Self::rounds(view, after.as_ref(), limits::PAGE_MAX)?;
            for (_, scope) in &page {
                if has(scope)? {
                    found = Some(*scope);
                }
            }
            match page.into_iter().last() {
                Some((slug, _)) => after = Some(slug),
                None => return Ok(found),
            }
        }
    }

    /// The workspace of an asset, for whoever holds a signed address of it.
    pub fn by_asset(view: &View<'_>, asset: AssetId) -> Result<Option<Self>, Error> {
        Ok(view.get_global::<AssetHome>(&asset)?.map(|row| Self::of(row.workspace)))
    }

    /// The workspace of a public feed.
    pub fn by_feed(view: &View<'_>, channel: ChannelId) -> Result<Option<Self>, Error> {
        Ok(view.get_global::<Feed>(&channel)?.map(|row| Self::of(row.workspace)))
    }
}

/// What waits, over all workspaces: numbers only, so it needs no proof and leaves no event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Deliveries that a person should see and nobody acknowledged, by state.
    pub attention: BTreeMap<State, u64>,
    /// Deliveries that are being sent or looked for.
    pub inflight: u64,
    pub reconnect_needed: u64,
    pub paused_workspaces: u64,
    pub paused_channels: u64,
}

impl Backlog {
    /// Counts at one moment; at most `SCAN_MAX` of a kind in a workspace.
    pub fn read(view: &View<'_>) -> Result<Self, Error> {
        let mut backlog = Self::default();
        let mut after = None;
        loop {
            let page = Scope::rounds(view, after.as_ref(), limits::PAGE_MAX)?;
            for (_, scope) in &page {
                backlog.add(view, scope)?;
            }
            match page.into_iter().last() {
                Some((slug, _)) => after = Some(slug),
                None => return Ok(backlog),
            }
        }
    }

    fn add(&mut self, view: &View<'_>, scope: &Scope) -> Result<(), Error> {
        let all = Span::first(limits::SCAN_MAX);
        for (_, row) in view.scan::<Attention>(scope, &all)? {
            if !row.acknowledged {
                *self.attention.entry(row.state).or_default() += 1;
            }
        }
        self.inflight += count(view.scan::<Inflight>(scope, &all)?.len());
        let workspace = view.get::<Workspace>(scope, &())?;
        self.paused_workspaces += u64::from(workspace.is_some_and(|w| w.paused));
        for (_, channel) in view.scan::<Channel>(scope, &all)? {
            let needed = matches!(channel.state, ChannelState::ReconnectNeeded { .. });
            self.reconnect_needed += u64::from(needed);
            self.paused_channels += u64::from(channel.paused);
        }
        Ok(())
    }
}

/// Every delivery that may be out, and those that are held, for the engine, which must look at all of
/// them; at most `SCAN_MAX` of each in a workspace.
pub fn in_doubt(view: &View<'_>) -> Result<Vec<(Scope, DeliveryId)>, Error> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = view.scan_global::<Slug>(after.as_ref(), limits::PAGE_MAX)?;
        for (_, slug) in &page {
            let scope = Scope::of(slug.workspace);
            let rows = view.scan::<Inflight>(&scope, &Span::first(limits::SCAN_MAX))?;
            found.extend(rows.into_iter().map(|((_, delivery), Inflight)| (scope, delivery)));
            let rows = view.scan::<Attention>(&scope, &Span::last(limits::SCAN_MAX))?;
            let held = rows.into_iter().filter(|(_, row)| row.state == State::Held);
            found.extend(held.map(|(delivery, _)| (scope, delivery)));
        }
        match page.into_iter().last() {
            Some((slug, _)) => after = Some(slug),
            None => return Ok(found),
        }
    }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// Whoever administers the installation, by the uid that the kernel vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operator {
    uid: u32,
}

impl Operator {
    pub const fn new(uid: u32) -> Self {
        Self { uid }
    }

    pub fn actor(&self) -> Actor {
        Actor::Operator { uid: self.uid }
    }

    /// Enters a workspace; the use is an event there. `None` when there is no such workspace.
    pub fn enter<E>(
        &self,
        tx: &mut Tx<'_>,
        workspace: WorkspaceId,
        event: Event,
    ) -> Result<Option<Scope>, WriteError<E>> {
        let scope = Scope::of(workspace);
        if tx.get::<Workspace>(&scope, &())?.is_none() {
            return Ok(None);
        }
        tx.append_event(&scope, event)?;
        Ok(Some(scope))
    }

    /// Workspaces by slug, each with its scope, for what shows all of them at once. Whoever looks is
    /// noted in each by [`Operator::enter`] when that begins, not with every look.
    pub fn overlook(
        &self,
        view: &View<'_>,
        after: Option<&String>,
        limit: usize,
    ) -> Result<Vec<(Workspace, Scope)>, Error> {
        let found = self.workspaces(view, after, limit)?;
        Ok(found
            .into_iter()
            .map(|workspace| {
                let scope = Scope::of(workspace.id);
                (workspace, scope)
            })
            .collect())
    }

    pub fn by_slug(&self, view: &View<'_>, slug: &str) -> Result<Option<WorkspaceId>, Error> {
        Ok(view.get_global::<Slug>(&slug.to_owned())?.map(|row| row.workspace))
    }

    /// Every workspace by slug, from `after` on; names only, so no event.
    pub fn workspaces(
        &self,
        view: &View<'_>,
        after: Option<&String>,
        limit: usize,
    ) -> Result<Vec<Workspace>, Error> {
        let slugs = view.scan_global::<Slug>(after, limit)?;
        let mut found = Vec::with_capacity(slugs.len());
        for (_, slug) in slugs {
            found.extend(view.get::<Workspace>(&Scope::of(slug.workspace), &())?);
        }
        Ok(found)
    }
}
