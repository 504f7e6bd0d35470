//! Versioned records: one version byte, then postcard, then nothing. Must not guess: unknown
//! versions and bytes left over are errors.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::key::Key;
use super::schema::Table;
use crate::domain::access::{Lack, Reach};

/// Why stored bytes are not a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("the record is empty")]
    Empty,
    #[error("version {0} of this record is not known to this program")]
    UnknownVersion(u8),
    #[error("the record does not parse")]
    Malformed,
    #[error("{0} bytes follow the record")]
    Trailing(usize),
}

/// Something that is stored under a key of its own table.
///
/// A released version never changes: fields are not reordered, added or removed. A change makes a
/// new `VERSION`, keeps the old struct beside the new one, and `upgrade` turns one into the other.
pub trait Row: Serialize + DeserializeOwned {
    /// What follows the workspace id (scoped tables), or the whole key (global ones).
    type Key: Key;
    const TABLE: Table;
    const VERSION: u8;

    /// Reads an older version.
    fn upgrade(version: u8, _body: &[u8]) -> Result<Self, DecodeError> {
        Err(DecodeError::UnknownVersion(version))
    }
}

/// The table's keys begin with a workspace id.
pub trait Scoped: Row {
    /// Whether it tells of channels, and so is not for everybody in the workspace.
    const OF_CHANNELS: bool = false;

    /// What somebody sees of it who reaches so far.
    fn within(self, _: &Reach) -> Option<Self> {
        Some(self)
    }

    /// What somebody lacks to write it who reaches so far.
    fn lacks(&self, _: &Reach) -> Option<Lack> {
        None
    }
}

/// The table belongs to the installation and holds ids only.
pub trait Global: Row {}

/// The stored form of `row`.
pub fn encode<R: Row>(row: &R) -> Result<Vec<u8>, DecodeError> {
    let mut bytes = Vec::new();
    encode_onto(row, &mut bytes)?;
    Ok(bytes)
}

/// Adds the stored form of `row` to `bytes`; after an error, a part of it.
pub(super) fn encode_onto<R: Row>(row: &R, bytes: &mut Vec<u8>) -> Result<(), DecodeError> {
    bytes.push(R::VERSION);
    postcard::to_extend(row, End(bytes)).map(drop).map_err(|_| DecodeError::Malformed)
}

/// Where a row is written: behind others, without bytes of its own.
struct End<'a>(&'a mut Vec<u8>);

impl Extend<u8> for End<'_> {
    fn extend<I: IntoIterator<Item = u8>>(&mut self, bytes: I) {
        self.0.extend(bytes);
    }
}

pub fn decode<R: Row>(bytes: &[u8]) -> Result<R, DecodeError> {
    let (version, body) = bytes.split_first().ok_or(DecodeError::Empty)?;
    if *version != R::VERSION {
        return R::upgrade(*version, body);
    }
    decode_body(body)
}

/// Reads postcard that must end where the record ends.
pub fn decode_body<T: DeserializeOwned>(body: &[u8]) -> Result<T, DecodeError> {
    let (row, rest) = postcard::take_from_bytes(body).map_err(|_| DecodeError::Malformed)?;
    if rest.is_empty() { Ok(row) } else { Err(DecodeError::Trailing(rest.len())) }
}
