//! Handles: who may form which keys. A [`Scope`] is bound to one workspace and comes only from
//! proof: a key's hash, a timer, a public feed, or an [`Operator`]. Must not be made otherwise.

use crate::base::{ChannelId, KeyId, WorkspaceId};
use crate::domain::event::{Actor, Event};
use crate::domain::publish::State;
use crate::domain::workspace::Workspace;

use super::rows::{Attention, Feed, KeyHash, Slug};
use super::tx::{Span, Tx, View};
use super::{Error, WriteError};

/// The right to read and write the rows of one workspace, and of no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope(WorkspaceId);

impl Scope {
    pub(super) const fn of(workspace: WorkspaceId) -> Self {
        Self(workspace)
    }

    #[cfg(test)]
    pub(crate) const fn for_tests(workspace: WorkspaceId) -> Self {
        Self(workspace)
    }

    pub fn workspace(&self) -> WorkspaceId {
        self.0
    }

    /// The workspace and key that a secret's hash belongs to.
    pub fn by_key_hash(view: &View<'_>, hash: &[u8; 32]) -> Result<Option<(Self, KeyId)>, Error> {
        let found = view.get_global::<KeyHash>(hash)?;
        Ok(found.map(|row| (Self(row.workspace), row.key)))
    }

    /// The workspace of a public feed.
    pub fn by_feed(view: &View<'_>, channel: ChannelId) -> Result<Option<Self>, Error> {
        Ok(view.get_global::<Feed>(&channel)?.map(|row| Self(row.workspace)))
    }
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
        let scope = Scope(workspace);
        if tx.get::<Workspace>(&scope, &())?.is_none() {
            return Ok(None);
        }
        tx.append_event(&scope, event)?;
        Ok(Some(scope))
    }

    /// The scope of a workspace that is being made in this transaction.
    pub fn create<E>(
        &self,
        tx: &mut Tx<'_>,
        workspace: &Workspace,
    ) -> Result<Scope, WriteError<E>> {
        let scope = Scope(workspace.id);
        tx.put_global(&workspace.slug, &Slug { workspace: workspace.id })?;
        tx.put(&scope, &(), workspace)?;
        Ok(scope)
    }

    pub fn by_slug(&self, view: &View<'_>, slug: &str) -> Result<Option<WorkspaceId>, Error> {
        Ok(view.get_global::<Slug>(&slug.to_owned())?.map(|row| row.workspace))
    }

    /// The states of what a person should see, in all workspaces, at most so many; no more is told
    /// than how many, so no event.
    pub fn attention(&self, view: &View<'_>, limit: usize) -> Result<Vec<State>, Error> {
        let mut found = Vec::new();
        for (_, slug) in view.scan_global::<Slug>(None, limit)? {
            let left = limit.saturating_sub(found.len());
            let rows = view.scan::<Attention>(&Scope(slug.workspace), &Span::first(left))?;
            found.extend(rows.into_iter().map(|(_, row)| row.state));
        }
        Ok(found)
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
            found.extend(view.get::<Workspace>(&Scope(slug.workspace), &())?);
        }
        Ok(found)
    }
}
