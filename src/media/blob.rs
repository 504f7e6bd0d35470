//! One object, to be read.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};

use super::Error;

/// What is held in memory of an object at a time; each is a request where it is kept elsewhere.
const PIECE: u64 = 1024 * 1024;

/// A handle to the bytes of an asset.
#[derive(Clone)]
pub struct Blob {
    objects: Arc<dyn ObjectStore>,
    path: Path,
    bytes: u64,
}

impl Blob {
    pub(super) fn new(objects: Arc<dyn ObjectStore>, path: Path, bytes: u64) -> Self {
        Self { objects, path, bytes }
    }

    /// Its length, as it was put.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// All of it, for networks that want a small file in one piece. Fails when it is longer than
    /// `most`.
    pub async fn whole(&self, most: u64) -> Result<Bytes, Error> {
        if self.bytes > most {
            return Err(Error::Changed { expected: most, actual: self.bytes });
        }
        let mut whole = BytesMut::new();
        let mut pieces = self.pieces(0..self.bytes);
        while let Some(piece) = pieces.try_next().await? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    /// A stretch of it, in order, a piece at a time.
    pub fn pieces(&self, range: Range<u64>) -> BoxStream<'static, Result<Bytes, Error>> {
        let blob = self.clone();
        let end = range.end.min(self.bytes);
        let step = move |at: u64| {
            let blob = blob.clone();
            async move {
                if at >= end {
                    return Ok(None);
                }
                let next = end.min(at + PIECE);
                let piece = blob.objects.get_range(&blob.path, at..next).await?;
                let actual = u64::try_from(piece.len()).unwrap_or(u64::MAX);
                if actual != next - at {
                    return Err(Error::Changed { expected: next - at, actual });
                }
                Ok(Some((piece, next)))
            }
        };
        stream::try_unfold(range.start, step).boxed()
    }
}
