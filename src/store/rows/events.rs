//! Events in a chain: each row holds the SHA-256 of the stored bytes of the row before it, so that
//! a changed, lost or moved row shows. A change to the end shows only against an outside copy.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::base::WorkspaceId;
use crate::domain::chain::{Check, Fault, Hash, Head, Link};
use crate::domain::event::Event;
use crate::store::record::{self, DecodeError, Row, Scoped};
use crate::store::schema::Table;
use crate::store::{Error, Scope, Span, View};

/// An event and the hash of the row before it; for the first, see [`chain_start`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainedEvent {
    pub previous: Hash,
    pub event: Event,
}

impl Row for ChainedEvent {
    /// Counts from 1, without gaps.
    type Key = u64;
    const TABLE: Table = Table::Events;
    const VERSION: u8 = 1;
}

impl Scoped for ChainedEvent {}

impl ChainedEvent {
    /// What the row after it holds: the hash of its bytes as they are stored.
    pub fn hash(&self) -> Result<Hash, DecodeError> {
        record::encode(self).map(|bytes| Sha256::digest(bytes).into())
    }
}

/// A row with its number, and the hash of its bytes as they are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chained {
    pub sequence: u64,
    pub row: ChainedEvent,
    pub hash: Hash,
}

impl Chained {
    pub fn link(&self) -> Link {
        let (previous, hash) = (self.row.previous, self.hash);
        Link { sequence: self.sequence, previous, hash, sound: true }
    }
}

/// What stands before the first row: the hash of the workspace's id, so that a whole chain cannot
/// be moved to another workspace.
pub fn chain_start(workspace: WorkspaceId) -> Head {
    Head { sequence: 0, hash: Sha256::digest(workspace.as_bytes()).into() }
}

/// Rows of a workspace's chain.
pub fn chain(view: &View<'_>, scope: &Scope, span: &Span) -> Result<Vec<Chained>, Error> {
    let rows = view.scan_hashed::<ChainedEvent>(scope, span)?;
    let whole = |(sequence, (row, hash))| Chained { sequence, row, hash };
    Ok(rows.into_iter().map(whole).collect())
}

/// The last row of a workspace's chain, or what stands before the first.
pub fn chain_head(view: &View<'_>, scope: &Scope) -> Result<Head, Error> {
    let last = chain(view, scope, &Span::last(1))?.pop();
    let head = last.map(|Chained { sequence, hash, .. }| Head { sequence, hash });
    Ok(head.unwrap_or_else(|| chain_start(scope.workspace())))
}

/// Walks a workspace's whole chain; its head, or what is wrong with it.
pub fn verify_chain(view: &View<'_>, scope: &Scope) -> Result<Result<Head, Fault>, Error> {
    const STEP: usize = 1_000;
    let mut check = Check::after(chain_start(scope.workspace()), None);
    let mut last = None;
    loop {
        let rows = chain(view, scope, &Span::first(STEP).after(last.as_ref()))?;
        for row in &rows {
            check.push(&row.link());
        }
        match rows.last() {
            Some(row) if rows.len() == STEP => last = Some(row.sequence),
            _ => return Ok(check.finish()),
        }
    }
}
