//! Deleting a workspace: at once nobody gets in and nothing goes out, and for a day it can be had back;
//! then it is erased, the key of its secrets first. Must not remove the record of events, which says what
//! became of it and names people and things by id.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::idempotency::{recall, remember};
use super::shown::{self, WorkspaceShown};
use super::{Access, Done, Services, certificates, no, not_found, refused, trouble};
use crate::base::{CorrelationId, Problem, Timestamp, limits};
use crate::domain::access::{Close, Member};
use crate::domain::channel::Channel;
use crate::domain::delivery::Delivery;
use crate::domain::event::{Actor, Event};
use crate::domain::host::EmbedSession;
use crate::domain::media::Asset;
use crate::domain::user::Invitation;
use crate::domain::workspace::{Closing, ERASED_AFTER, Workspace};
use crate::store::rows::{
    AssetHome, EmbedToken, Feed, HostedWorkspace, Inflight, KeyHash, Link, Membership, ObjectUse,
    OrphanKey, Slug, TimerKey, Upload, WrappedKey,
};
use crate::store::{CATALOGUE, Class, Error, Global, Scope, Span, Table, Tx, View, WriteError};
use crate::vault::Vault;

/// Rows of one transaction: others take their turn in between.
const STEP: usize = 200;
/// What stays: the record of events. The others here go last, together.
const LAST: [Table; 3] = [Table::Events, Table::Workspaces, Table::Closings];

/// Rows that went, by table.
type Gone = Vec<(Table, usize)>;
/// Removes the next few rows of a kind, and what leads to them.
type Step = fn(&mut Tx<'_>, &Scope, Timestamp) -> Result<Gone, Error>;

/// A workspace that was deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeletedShown {
    #[schema(format = "uuid")]
    pub workspace: String,
    pub deleted_at: String,
    /// Until then it can be had back.
    pub erased_at: String,
}

/// Whether it was deleted, so that nobody gets in.
pub(super) fn is_closed(view: &View<'_>, scope: &Scope) -> Result<bool, Error> {
    Ok(view.get::<Closing>(scope, &())?.is_some())
}

impl Services {
    /// Shuts a workspace at once, and for good after its grace. Doing it again changes nothing.
    pub async fn delete_workspace(
        &self,
        access: Access<Close>,
    ) -> Result<Done<DeletedShown>, Problem> {
        let (services, now) = (self.clone(), self.now());
        let deleted = self.store.write(move |tx| {
            let replayed = recall(tx, &access, now)?.is_some();
            let workspace = access.workspace();
            let closing = match tx.get::<Closing>(&access.scope, &())? {
                Some(closing) => closing,
                // It was had back since.
                None if replayed => return no(not_found()),
                None => {
                    let by = access.actor.clone();
                    let closing = Closing { at: now, by, erased_at: now.plus(ERASED_AFTER) };
                    tx.put(&access.scope, &(), &closing)?;
                    let mut event =
                        access.event(&services, "workspace.deleted", &workspace.to_string());
                    event.data.insert("erased_at".to_owned(), closing.erased_at.to_string());
                    tx.append_event(&access.scope, event)?;
                    closing
                }
            };
            if !replayed {
                remember(tx, &access, now, &workspace.to_string())?;
            }
            let value = DeletedShown {
                workspace: workspace.to_string(),
                deleted_at: closing.at.to_string(),
                erased_at: closing.erased_at.to_string(),
            };
            Ok(Done { value, replayed })
        });
        deleted.await.map_err(refused)
    }

    /// Takes that back, as long as nothing was erased. Of one that is not deleted it changes nothing.
    pub async fn restore_workspace(
        &self,
        access: Access<Close>,
    ) -> Result<Done<WorkspaceShown>, Problem> {
        let (services, now) = (self.clone(), self.now());
        let restored = self.store.write(move |tx| {
            let replayed = recall(tx, &access, now)?.is_some();
            let Some(workspace) = tx.get::<Workspace>(&access.scope, &())? else {
                return no(not_found());
            };
            if let Some(closing) = tx.get::<Closing>(&access.scope, &())? {
                if replayed || closing.erased_at <= now {
                    return no(not_found());
                }
                tx.delete::<Closing>(&access.scope, &());
                let event =
                    access.event(&services, "workspace.restored", &workspace.id.to_string());
                tx.append_event(&access.scope, event)?;
            }
            if !replayed {
                remember(tx, &access, now, &workspace.id.to_string())?;
            }
            Ok(Done { value: shown::workspace(&workspace), replayed })
        });
        restored.await.map_err(refused)
    }

    /// Erases every workspace whose grace is over; how many. After a crash it goes on from the start,
    /// which finds less to do.
    pub async fn erase_deleted(&self) -> Result<usize, Problem> {
        let (mut erased, mut after) = (0, None);
        loop {
            let from = after.clone();
            let now = self.now();
            let page = self.store.read(move |view| {
                let page = Scope::rounds(view, from.as_ref(), limits::PAGE_MAX)?;
                let last = page.last().map(|(slug, _)| slug.clone());
                let mut due = Vec::new();
                for (_, scope) in page {
                    let closing = view.get::<Closing>(&scope, &())?;
                    due.extend(closing.filter(|it| it.erased_at <= now).map(|_| scope));
                }
                Ok((due, last))
            });
            let (due, last) = page.await.map_err(trouble)?;
            for scope in due {
                if self.jobs.stops("erasure") {
                    return Ok(erased);
                }
                erased += usize::from(self.erase(scope).await?);
            }
            match last {
                Some(_) => after = last,
                None => return Ok(erased),
            }
        }
    }

    /// Whether it is erased; not while something of it may be out, nor when somebody stops it.
    async fn erase(&self, scope: Scope) -> Result<bool, Problem> {
        let now = self.now();
        if !self.steps(move |tx| begin(tx, &scope, now)).await? {
            return Ok(false);
        }
        let steps: [Step; 6] = [deliveries, objects, assets, channels, members, invitations];
        for step in steps {
            if !self.repeat(scope, move |tx| step(tx, &scope, now)).await? {
                return Ok(false);
            }
        }
        let workspace = scope.workspace();
        self.ways(move |row: &KeyHash| row.workspace == workspace, |_, _| {}).await?;
        self.ways(move |row: &HostedWorkspace| row.workspace == workspace, |_, _| {}).await?;
        let tokens =
            |tx: &mut Tx<'_>, row: &EmbedSession| tx.delete_global::<EmbedToken>(&row.token);
        self.ways(move |row: &EmbedSession| row.workspace == workspace, tokens).await?;
        let scoped = CATALOGUE.iter().filter(|row| row.class == Class::Scoped);
        for table in scoped.map(|row| row.table).filter(|table| !LAST.contains(table)) {
            let erase = move |tx: &mut Tx<'_>| Ok(vec![(table, tx.erase(&scope, table, STEP)?)]);
            if !self.repeat(scope, erase).await? {
                return Ok(false);
            }
        }
        let (correlation, vault) = (CorrelationId::new(self.rng.as_ref()), Arc::clone(&self.vault));
        self.steps(move |tx| finish(tx, &scope, &vault, (now, correlation))).await?;
        Ok(true)
    }

    /// Does a step until it finds less than it could, and counts what went in the same transactions.
    /// `false` when somebody stopped the round: what is left is for the next one.
    async fn repeat(
        &self,
        scope: Scope,
        step: impl Fn(&mut Tx<'_>) -> Result<Gone, Error> + Clone + Send + 'static,
    ) -> Result<bool, Problem> {
        loop {
            if self.jobs.stops("erasure") {
                return Ok(false);
            }
            let step = step.clone();
            let gone = self.steps(move |tx| {
                let gone = step(tx)?;
                certificates::count(tx, scope.workspace(), &gone)?;
                Ok(gone)
            });
            if gone.await?.iter().all(|(_, rows)| *rows < STEP) {
                return Ok(true);
            }
        }
    }

    async fn steps<T: Send + 'static>(
        &self,
        step: impl Fn(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Problem> {
        let written = self.store.write(move |tx| Ok::<_, WriteError<Problem>>(step(tx)?));
        written.await.map_err(refused)
    }

    /// Removes the rows of a table of the installation that are `meant`.
    pub(super) async fn ways<R>(
        &self,
        meant: impl Fn(&R) -> bool,
        with: fn(&mut Tx<'_>, &R),
    ) -> Result<(), Problem>
    where
        R: Global + Clone + Send + Sync + 'static,
        R::Key: Clone + Send + Sync + 'static,
    {
        let mut after: Option<R::Key> = None;
        loop {
            let from = after.clone();
            let page = self.store.read(move |view| view.scan_global::<R>(from.as_ref(), STEP));
            let page = page.await.map_err(trouble)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            let mut found = page;
            found.retain(|(_, row)| meant(row));
            if !found.is_empty() {
                let remove = move |tx: &mut Tx<'_>| {
                    for (key, row) in &found {
                        tx.delete_global::<R>(key);
                        with(tx, row);
                    }
                    Ok(())
                };
                self.steps(remove).await?;
            }
        }
    }
}

/// Destroys the key, unless it is not time or something of it may be out.
fn begin(tx: &mut Tx<'_>, scope: &Scope, now: Timestamp) -> Result<bool, Error> {
    let closing = tx.get::<Closing>(scope, &())?.filter(|closing| closing.erased_at <= now);
    let Some(closing) = closing else { return Ok(false) };
    if !tx.view().scan::<Inflight>(scope, &Span::first(1))?.is_empty() {
        return Ok(false);
    }
    certificates::open(tx, scope.workspace(), closing.at)?;
    if tx.get::<WrappedKey>(scope, &())?.is_some() {
        tx.delete::<WrappedKey>(scope, &());
        certificates::count(tx, scope.workspace(), &[(Table::WorkspaceKeys, 1)])?;
    }
    Ok(true)
}

fn deliveries(tx: &mut Tx<'_>, scope: &Scope, _: Timestamp) -> Result<Gone, Error> {
    let rows = tx.view().scan::<Delivery>(scope, &Span::first(STEP))?;
    for (id, row) in &rows {
        if let Some(due) = row.flow.wake {
            tx.delete_timer(&TimerKey::of_delivery(due, *scope, *id));
        }
        tx.delete::<Delivery>(scope, id);
    }
    Ok(vec![(Table::Deliveries, rows.len())])
}

/// The bytes of media follow as those of any object that nothing needs.
fn objects(tx: &mut Tx<'_>, scope: &Scope, now: Timestamp) -> Result<Gone, Error> {
    let rows = tx.view().scan::<ObjectUse>(scope, &Span::first(STEP))?;
    for (key, _) in &rows {
        tx.put_orphan(&OrphanKey { due: now, scope: *scope, object: key.0 })?;
        tx.delete::<ObjectUse>(scope, key);
    }
    Ok(vec![(Table::ObjectUses, rows.len())])
}

fn assets(tx: &mut Tx<'_>, scope: &Scope, _: Timestamp) -> Result<Gone, Error> {
    let uploads = tx.view().scan::<Upload>(scope, &Span::first(STEP))?;
    for (id, _) in &uploads {
        tx.delete_global::<AssetHome>(id);
        tx.delete::<Upload>(scope, id);
    }
    let rows = tx.view().scan::<Asset>(scope, &Span::first(STEP))?;
    for (id, _) in &rows {
        tx.delete_global::<AssetHome>(id);
        tx.delete::<Asset>(scope, id);
    }
    Ok(vec![(Table::Uploads, uploads.len()), (Table::Assets, rows.len())])
}

fn channels(tx: &mut Tx<'_>, scope: &Scope, _: Timestamp) -> Result<Gone, Error> {
    let rows = tx.view().scan::<Channel>(scope, &Span::first(STEP))?;
    for (id, _) in &rows {
        tx.delete_global::<Feed>(id);
        tx.delete::<Channel>(scope, id);
    }
    Ok(vec![(Table::Channels, rows.len())])
}

fn members(tx: &mut Tx<'_>, scope: &Scope, _: Timestamp) -> Result<Gone, Error> {
    let rows = tx.view().scan::<Member>(scope, &Span::first(STEP))?;
    for (id, _) in &rows {
        tx.delete_global::<Membership>(&(*id, scope.workspace()));
        tx.delete::<Member>(scope, id);
    }
    Ok(vec![(Table::Members, rows.len())])
}

fn invitations(tx: &mut Tx<'_>, scope: &Scope, _: Timestamp) -> Result<Gone, Error> {
    let rows = tx.view().scan::<Invitation>(scope, &Span::first(STEP))?;
    for (id, row) in &rows {
        tx.delete_global::<Link>(&row.token);
        tx.delete::<Invitation>(scope, id);
    }
    Ok(vec![(Table::Invitations, rows.len())])
}

/// Its name goes last, and what became of it is on record.
fn finish(
    tx: &mut Tx<'_>,
    scope: &Scope,
    vault: &Vault,
    (at, correlation): (Timestamp, CorrelationId),
) -> Result<(), Error> {
    if let Some(workspace) = tx.get::<Workspace>(scope, &())? {
        tx.delete_global::<Slug>(&workspace.slug);
        certificates::count(tx, workspace.id, &[(Table::Workspaces, 1)])?;
    }
    tx.delete::<Workspace>(scope, &());
    tx.delete::<Closing>(scope, &());
    let certificate = certificates::seal(tx, scope, vault, at)?;
    let event = Event {
        at,
        actor: Actor::System,
        kind: "workspace.erased".to_owned(),
        subject: scope.workspace().to_string(),
        data: BTreeMap::from([("certificate".to_owned(), certificate)]),
        correlation,
    };
    tx.append_event(scope, event)
}
