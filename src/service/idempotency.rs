//! `Idempotency-Key`: a repeated request is answered with what the first one made, and does
//! nothing. Remembered in the transaction that does the thing, for 24 hours. No worker forgets
//! them: now and then whoever remembers one more removes some that are over.

use sha2::{Digest, Sha256};

use super::{Access, no};
use crate::base::{Code, Problem, Timestamp, limits};
use crate::domain::access::Right;
use crate::domain::event::Actor;
use crate::store::rows::Remembered;
use crate::store::{Span, Tx, WriteError};

/// One of so many looks for what is over.
const TIDIES: u8 = 16;
/// How many that are over it removes: more than come meanwhile, so that they never pile up.
const FORGET: usize = 64;
const DAY_MILLIS: u64 = 24 * 60 * 60 * 1_000;

/// A request as its caller may repeat it.
#[derive(Clone, Debug)]
pub struct Repeat {
    /// The caller's `Idempotency-Key`.
    pub key: String,
    /// SHA-256 of method, path and body.
    pub request: [u8; 32],
}

/// A [`Repeat`] as it is stored: two callers may use the same key for different things.
#[derive(Clone, Debug)]
pub(crate) struct Marked {
    mark: [u8; 16],
    request: [u8; 32],
}

impl Marked {
    pub(super) fn new(actor: &Actor, repeat: &Repeat) -> Self {
        let mut hash = Sha256::new();
        hash.update(actor.word());
        hash.update([0]);
        hash.update(&repeat.key);
        Self { mark: half(hash.finalize().into()), request: repeat.request }
    }

    /// The same request is one with the same of these, too.
    pub(super) fn about(&mut self, pieces: &[&[u8]]) {
        let mut hash = Sha256::new();
        hash.update(self.request);
        for piece in pieces {
            hash.update(u64::try_from(piece.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(piece);
        }
        self.request = hash.finalize().into();
    }
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
    let mut found = tx.get::<Remembered>(&access.scope, &(day(now), repeat.mark))?;
    if found.is_none() {
        let yesterday = day(now.minus(limits::IDEMPOTENCY_LIFE));
        found = tx.get::<Remembered>(&access.scope, &(yesterday, repeat.mark))?;
    }
    match found.filter(|row| now < row.at.plus(limits::IDEMPOTENCY_LIFE)) {
        Some(row) if row.request == half(repeat.request) => Ok(Some(row.object)),
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
    if repeat.mark[0].is_multiple_of(TIDIES) {
        let over = Span::first(FORGET).to(&day(now.minus(limits::IDEMPOTENCY_LIFE)));
        for (key, _) in tx.view().scan::<Remembered>(&access.scope, &over)? {
            tx.delete::<Remembered>(&access.scope, &key);
        }
    }
    let row = Remembered { request: half(repeat.request), object: object.to_owned(), at: now };
    Ok(tx.put(&access.scope, &(day(now), repeat.mark), &row)?)
}

/// The start of the UTC day. A day is no shorter than the life of a key: it is found under today or
/// yesterday.
fn day(at: Timestamp) -> Timestamp {
    let millis = at.as_millis();
    Timestamp::from_millis(millis - millis % DAY_MILLIS)
}

/// Half a digest: a row that comes with every request must be narrow, and 128 bits tell them apart.
fn half(hash: [u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&hash[..16]);
    half
}
