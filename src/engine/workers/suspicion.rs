//! Judges what happens in every workspace, soon after it happened.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::rest;
use crate::base::{WorkspaceId, limits};
use crate::service::Services;
use crate::store::{Changes, Scope};

/// What happens within it is judged together.
const LOT: Duration = Duration::from_millis(200);
/// After trouble.
const SOON: Duration = Duration::from_secs(5);

pub(super) async fn run(services: Arc<Services>, stop: CancellationToken) {
    let mut changes = services.store.changes();
    let mut reached = BTreeMap::new();
    // What happened while nobody judged.
    let mut waiting = None;
    loop {
        let judged = match waiting {
            None => everywhere(&services, &mut reached).await,
            Some(scopes) => some(&services, &mut reached, scopes).await,
        };
        waiting = if judged {
            tokio::select! {
                scopes = next(&mut changes) => scopes,
                () = stop.cancelled() => return,
            }
        } else {
            if !rest(&services, &stop, ("suspicion", SOON)).await {
                return;
            }
            None
        };
        let more = pin!(collect(&mut changes, &mut waiting));
        match select(more, services.clock.sleep(LOT)).await {
            Either::Left(_) | Either::Right(_) => {}
        }
        if stop.is_cancelled() {
            return;
        }
    }
}

/// How far each workspace was judged.
type Reached = BTreeMap<WorkspaceId, u64>;

/// Whether all went well.
async fn everywhere(services: &Services, reached: &mut Reached) -> bool {
    let (mut after, mut all) = (None, true);
    loop {
        match services.workspaces_in_turn(after, limits::PAGE_MAX).await {
            Ok(page) if page.is_empty() => return all,
            Ok(page) => {
                after = page.last().map(|(slug, _)| slug.clone());
                let scopes = page.into_iter().map(|(_, scope)| scope).collect();
                all &= some(services, reached, scopes).await;
            }
            Err(problem) => {
                tracing::error!(%problem, "what happened could not be judged");
                return false;
            }
        }
    }
}

async fn some(services: &Services, reached: &mut Reached, scopes: BTreeSet<Scope>) -> bool {
    let mut all = true;
    for scope in scopes {
        let from = reached.get(&scope.workspace()).copied();
        match services.judge(scope, from).await {
            Ok(to) => drop(reached.insert(scope.workspace(), to)),
            Err(problem) => {
                // What is wrong with one workspace must not leave the others unjudged.
                tracing::error!(%problem, "what happened could not be judged");
                all = false;
            }
        }
    }
    all
}

/// The workspaces of the next commit with events; `None` when it is not known which they are.
async fn next(changes: &mut Receiver<Arc<Changes>>) -> Option<BTreeSet<Scope>> {
    loop {
        match changes.recv().await {
            Ok(changes) if changes.eventful.as_ref().is_some_and(BTreeSet::is_empty) => {}
            Ok(changes) => return changes.eventful.clone(),
            Err(RecvError::Lagged(_)) => return None,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// Takes in what else comes, until it is dropped.
#[expect(clippy::infinite_loop, reason = "who waits beside it drops it")]
async fn collect(changes: &mut Receiver<Arc<Changes>>, waiting: &mut Option<BTreeSet<Scope>>) {
    loop {
        let more = next(changes).await;
        match (&mut *waiting, more) {
            (Some(known), Some(more)) => known.extend(more),
            _ => *waiting = None,
        }
    }
}
