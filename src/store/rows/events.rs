//! Events in a chain: each row holds the SHA-256 of the stored bytes of the row before it, so that
//! a changed, lost or moved row shows. A change to the end shows only against an outside copy.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::event::Event;
use crate::store::record::{Row, Scoped};
use crate::store::schema::Table;
use crate::store::{Error, Scope, Span, View};

/// An event and the hash of the row before it; for the first, see [`chain_start`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainedEvent {
    pub previous: [u8; 32],
    pub event: Event,
}

impl Row for ChainedEvent {
    /// Counts from 1, without gaps.
    type Key = u64;
    const TABLE: Table = Table::Events;
    const VERSION: u8 = 1;
}

impl Scoped for ChainedEvent {}

/// What stands before the first row: the hash of the workspace's id, so that a whole chain cannot
/// be moved to another workspace.
pub fn chain_start(scope: &Scope) -> [u8; 32] {
    Sha256::digest(scope.workspace().as_bytes()).into()
}

/// The first row that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainFault {
    pub sequence: u64,
}

/// Walks a workspace's whole chain; the number of rows, or the first fault.
pub fn verify_chain(view: &View<'_>, scope: &Scope) -> Result<Result<u64, ChainFault>, Error> {
    const STEP: usize = 1_000;
    let (mut count, mut hash) = (0, chain_start(scope));
    loop {
        let span = Span::first(STEP).after((count > 0).then_some(&count));
        let rows = view.scan_hashed::<ChainedEvent>(scope, &span)?;
        let done = rows.len() < STEP;
        for (sequence, (row, own)) in rows {
            if sequence != count + 1 || row.previous != hash {
                return Ok(Err(ChainFault { sequence: count + 1 }));
            }
            (count, hash) = (sequence, own);
        }
        if done {
            return Ok(Ok(count));
        }
    }
}
