//! `Idempotency-Key`: a repeated request is answered with what the first one made, and does
//! nothing. Remembered in the transaction that does the thing, for 24 hours.

use sha2::{Digest, Sha256};

use super::{Access, no};
use crate::base::{Code, Problem, Timestamp, limits};
use crate::domain::access::Right;
use crate::store::rows::Remembered;
use crate::store::{Tx, WriteError};

/// A request as its caller may repeat it.
#[derive(Clone, Debug)]
pub struct Repeat {
    /// The caller's `Idempotency-Key`.
    pub key: String,
    /// SHA-256 of method, path and body.
    pub request: [u8; 32],
}

/// What was done, and whether it was done by an earlier request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done<T> {
    pub value: T,
    pub replayed: bool,
}

/// The id that the same request made before; or a refusal when it was another request.
pub(super) fn recall<R: Right>(
    tx: &Tx<'_>,
    access: &Access<R>,
    now: Timestamp,
) -> Result<Option<String>, WriteError<Problem>> {
    let Some(repeat) = &access.repeat else { return Ok(None) };
    let found = tx.get::<Remembered>(&access.scope, &row_key(access, repeat))?;
    match found.filter(|row| now < row.at.plus(limits::IDEMPOTENCY_LIFE)) {
        Some(row) if row.request == repeat.request => Ok(Some(row.object)),
        Some(_) => no(Problem::new(Code::IdempotencyMismatch)),
        None => Ok(None),
    }
}

/// Remembers what this request made.
pub(super) fn remember<R: Right>(
    tx: &mut Tx<'_>,
    access: &Access<R>,
    now: Timestamp,
    object: &str,
) -> Result<(), WriteError<Problem>> {
    let Some(repeat) = &access.repeat else { return Ok(()) };
    let row = Remembered { request: repeat.request, object: object.to_owned(), at: now };
    Ok(tx.put(&access.scope, &row_key(access, repeat), &row)?)
}

/// Two callers may use the same key for different things.
fn row_key<R: Right>(access: &Access<R>, repeat: &Repeat) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(access.actor.word());
    hash.update([0]);
    hash.update(&repeat.key);
    hash.finalize().into()
}
