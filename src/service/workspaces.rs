//! Workspaces: made by operators, each with its own sealed data key.

use super::shown::{Page, WorkspaceShown};
use super::{Access, Principal, Services, no, refused, shown, trouble};
use crate::base::{Check, Code, CorrelationId, Problem, WorkspaceId, Wrong, limits};
use crate::domain::access::{Read, Right};
use crate::domain::event::Event;
use crate::domain::workspace::{Workspace, check_name, numbered, slug_of};
use crate::store::rows::WrappedKey;
use crate::store::{Operator, Scope};

/// Workspaces of one name, beyond which a person must choose a slug.
const SAME_NAMES: u32 = 1_000;

impl Services {
    /// Makes a workspace. The slug is made from the name when none is given.
    pub async fn create_workspace(
        &self,
        operator: Operator,
        name: &str,
        slug: Option<&str>,
        correlation: CorrelationId,
    ) -> Result<WorkspaceShown, Problem> {
        self.room_for_more()?;
        let name = check_name("name", name)?;
        let chosen = slug.is_some();
        let slug = match slug {
            Some(slug) => check_slug(slug)?,
            None => slug_of(&name),
        };
        let (now, rng) = (self.now(), self.rng.as_ref());
        let id = WorkspaceId::new(now, rng);
        let workspace =
            Workspace { id, slug: slug.clone(), name, created_at: now, paused: false, grace: None };
        let wrapped = self.vault.new_workspace_key(rng, id, 1).map_err(|error| {
            tracing::error!(%error, "no data key could be made");
            Problem::new(Code::Internal)
        })?;
        let key = WrappedKey { wrapped: wrapped.0 };
        let event = Event {
            at: now,
            actor: operator.actor(),
            kind: "workspace.created".to_owned(),
            subject: id.to_string(),
            data: std::collections::BTreeMap::new(),
            correlation,
        };
        self.store
            .write(move |tx| {
                let mut workspace = workspace.clone();
                for n in 2.. {
                    if operator.by_slug(&tx.view(), &workspace.slug)?.is_none() {
                        break;
                    }
                    if chosen || n > SAME_NAMES {
                        return no(Problem::new(Code::SlugTaken).with("slug", &workspace.slug));
                    }
                    workspace.slug = numbered(&slug, n);
                }
                let scope = operator.create(tx, &workspace)?;
                tx.put(&scope, &(), &key)?;
                tx.append_event(&scope, event.clone())?;
                Ok(shown::workspace(&workspace))
            })
            .await
            .map_err(refused)
    }

    /// Every workspace of the installation.
    pub async fn all_workspaces(
        &self,
        operator: Operator,
        after: Option<String>,
        limit: usize,
    ) -> Result<Page<WorkspaceShown>, Problem> {
        let found = self
            .store
            .read(move |view| operator.workspaces(view, after.as_ref(), limit))
            .await
            .map_err(trouble)?;
        let next = if found.len() < limit { None } else { found.last().map(|w| w.slug.clone()) };
        Ok(Page { items: found.iter().map(shown::workspace).collect(), next })
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

    /// The workspaces that a key may see: its own.
    pub async fn workspaces_of(
        &self,
        principal: &Principal,
        correlation: CorrelationId,
    ) -> Result<Page<WorkspaceShown>, Problem> {
        let own = principal.workspace();
        let access: Access<Read> = self.access(principal, own, correlation).await?;
        let items = vec![self.workspace(&access).await?];
        Ok(Page { items, next: None })
    }

    pub async fn workspace<R: Right>(&self, access: &Access<R>) -> Result<WorkspaceShown, Problem> {
        let scope: Scope = access.scope;
        let found = self.store.read(move |view| view.get::<Workspace>(&scope, &())).await;
        found.map_err(trouble)?.as_ref().map(shown::workspace).ok_or_else(super::not_found)
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
