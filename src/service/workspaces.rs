//! Workspaces: founded by operators and for new users, each with its own sealed data key.

use std::collections::BTreeMap;

use serde::Serialize;

use super::closing::is_closed;
use super::shown::{Page, WorkspaceShown};
use super::{Access, Principal, Services, no, refused, shown, trouble};
use crate::base::{Check, Code, CorrelationId, Problem, WorkspaceId, Wrong, limits};
use crate::domain::access::{Member, Read, Right};
use crate::domain::event::{Actor, Event};
use crate::domain::workspace::{Closing, Workspace, check_name, numbered, slug_of};
use crate::store::rows::WrappedKey;
use crate::store::{Operator, Scope, Tx, WriteError};

/// Workspaces of one name, beyond which a person must choose a slug.
const SAME_NAMES: u32 = 1_000;

/// A workspace in the operator's list, where those that were deleted are, too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WorkspaceListed {
    #[serde(flatten)]
    pub workspace: WorkspaceShown,
    /// `active` or `deleted`.
    pub state: &'static str,
    /// Until then one that was deleted can be had back.
    pub erased_after: Option<String>,
}

fn listed(workspace: &Workspace, closing: Option<&Closing>) -> WorkspaceListed {
    WorkspaceListed {
        workspace: shown::workspace(workspace),
        state: if closing.is_some() { "deleted" } else { "active" },
        erased_after: closing.map(|closing| closing.erased_at.to_string()),
    }
}

impl Services {
    /// Makes a workspace. The slug is made from the name when none is given.
    pub async fn create_workspace(
        &self,
        operator: Operator,
        name: &str,
        slug: Option<&str>,
        correlation: CorrelationId,
    ) -> Result<WorkspaceShown, Problem> {
        let founding = self.founding(name, slug)?;
        let founded = self.store.write(move |tx| {
            let (_, workspace) = founding.found(tx, &operator.actor(), correlation)?;
            Ok(shown::workspace(&workspace))
        });
        founded.await.map_err(refused)
    }

    /// Makes ready for a workspace, outside of the transaction that founds it.
    pub(super) fn founding(&self, name: &str, slug: Option<&str>) -> Result<Founding, Problem> {
        self.room_for_more()?;
        let name = check_name("name", name)?;
        let chosen = slug.is_some();
        let slug = match slug {
            Some(slug) => check_slug(slug)?,
            None => slug_of(&name),
        };
        let (now, rng) = (self.now(), self.rng.as_ref());
        let id = WorkspaceId::new(now, rng);
        let workspace = Workspace { id, slug, name, created_at: now, paused: false, grace: None };
        let wrapped = self.vault.new_workspace_key(rng, id, 1).map_err(|error| {
            tracing::error!(%error, "no data key could be made");
            Problem::new(Code::Internal)
        })?;
        Ok(Founding { workspace, key: WrappedKey { wrapped: wrapped.0 }, chosen })
    }

    /// Every workspace of the installation: names, and whether it was deleted; so no event.
    pub async fn all_workspaces(
        &self,
        operator: Operator,
        after: Option<String>,
        limit: usize,
    ) -> Result<Page<WorkspaceListed>, Problem> {
        let page = self.store.read(move |view| {
            let found = operator.overlook(view, after.as_ref(), limit)?;
            let last = found.last().filter(|_| found.len() >= limit);
            let next = last.map(|(workspace, _)| workspace.slug.clone());
            let mut items = Vec::with_capacity(found.len());
            for (workspace, scope) in &found {
                let closing = view.get::<Closing>(scope, &())?;
                items.push(listed(workspace, closing.as_ref()));
            }
            Ok(Page { items, next })
        });
        page.await.map_err(trouble)
    }

    /// The id behind what an operator typed: an id or a slug.
    pub async fn find_workspace(
        &self,
        operator: Operator,
        word: &str,
    ) -> Result<WorkspaceId, Problem> {
        if let Ok(id) = word.parse() {
            return Ok(id);
        }
        let slug = word.to_owned();
        let found = self.store.read(move |view| operator.by_slug(view, &slug)).await;
        found
            .map_err(trouble)?
            .ok_or_else(|| Problem::new(Code::NotFound).with("workspace", word.escape_debug()))
    }

    /// The workspaces of whoever asks: a key's own, and those where a person is a member.
    pub async fn workspaces_of(
        &self,
        principal: &Principal,
        correlation: CorrelationId,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<WorkspaceShown>, Problem> {
        let after = cursor.map(shown::cursor_key::<WorkspaceId>).transpose()?;
        if let Some(own) = principal.only_workspace() {
            let access: Access<Read> = self.access(principal, own, correlation).await?;
            let items = vec![self.workspace(&access).await?];
            return Ok(Page { items, next: None });
        }
        let Some(user) = principal.user() else { return Err(super::not_found()) };
        let found = self.store.read(move |view| {
            let scopes = Scope::of_user(view, user, after, limit)?;
            let mut items = Vec::new();
            for scope in &scopes {
                let active = view.get::<Member>(scope, &user)?.is_some_and(|m| m.is_active())
                    && !is_closed(view, scope)?;
                let workspace = view.get::<Workspace>(scope, &())?.filter(|_| active);
                items.extend(workspace.as_ref().map(shown::workspace));
            }
            let last = scopes.last().filter(|_| scopes.len() == limit);
            let next = last.map(|scope| shown::cursor_of(scope.workspace().as_bytes()));
            Ok(Page { items, next })
        });
        found.await.map_err(trouble)
    }

    pub async fn workspace<R: Right>(&self, access: &Access<R>) -> Result<WorkspaceShown, Problem> {
        let scope: Scope = access.scope;
        let found = self.store.read(move |view| view.get::<Workspace>(&scope, &())).await;
        found.map_err(trouble)?.as_ref().map(shown::workspace).ok_or_else(super::not_found)
    }
}

/// A workspace that is about to be made.
#[derive(Clone)]
pub(super) struct Founding {
    workspace: Workspace,
    key: WrappedKey,
    /// The slug was asked for, so no other will do.
    chosen: bool,
}

impl Founding {
    /// Makes it, with an event; its members are for the caller to add.
    pub(super) fn found(
        &self,
        tx: &mut Tx<'_>,
        by: &Actor,
        correlation: CorrelationId,
    ) -> Result<(Scope, Workspace), WriteError<Problem>> {
        let mut workspace = self.workspace.clone();
        let most = if self.chosen { 1 } else { SAME_NAMES };
        for n in 1..=most {
            if n > 1 {
                workspace.slug = numbered(&self.workspace.slug, n);
            }
            let Some(scope) = Scope::found(tx, &workspace)? else { continue };
            tx.put(&scope, &(), &self.key)?;
            let event = Event {
                at: workspace.created_at,
                actor: by.clone(),
                kind: "workspace.created".to_owned(),
                subject: workspace.id.to_string(),
                data: BTreeMap::new(),
                correlation,
            };
            tx.append_event(&scope, event)?;
            return Ok((scope, workspace));
        }
        no(Problem::new(Code::SlugTaken).with("slug", &workspace.slug))
    }
}

fn check_slug(slug: &str) -> Result<String, Problem> {
    let mut check = Check::default();
    let (max, actual) = (limits::SLUG_CHARS, slug.chars().count());
    check.that(actual <= max, "slug", Wrong::TooLong { max, actual, unit: "characters" });
    let plain = slug.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && slug.starts_with(|c: char| c.is_ascii_alphanumeric());
    let expected = "lower-case letters, digits and hyphens, beginning with a letter or digit";
    check.that(plain, "slug", Wrong::BadFormat { expected: expected.to_owned() });
    let id = slug.parse::<WorkspaceId>().is_ok();
    check.that(!id, "slug", Wrong::NotPossible { why: "looks like an id; choose a word" });
    check.finish().map(|()| slug.to_owned())
}
