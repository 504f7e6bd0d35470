//! Assets on their way to a network: what each is, and its bytes, read as they are sent.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;

use crate::domain::media::{Asset, MediaKind};
use crate::media::Blob;
use crate::outbound::form::File;
use crate::outbound::{Body, Pieces};

/// One asset of a part.
#[derive(Clone)]
pub struct Media {
    pub asset: Asset,
    /// Its bytes, as they are kept.
    pub blob: Blob,
    /// Where the network may fetch it, for two hours, and while the delivery is not over: for networks
    /// that take an address instead of bytes.
    pub url: String,
}

/// The slowest line to a network that is waited for, in bytes a second.
const SLOWEST: u64 = 256 * 1024;

impl Media {
    pub fn kind(&self) -> MediaKind {
        self.asset.shape.kind
    }

    pub fn bytes(&self) -> u64 {
        self.blob.bytes()
    }

    /// How much longer than any call the sending of this may take.
    pub fn time(&self) -> Duration {
        Duration::from_secs(self.bytes() / SLOWEST)
    }

    /// The bytes as the body of a request. Set `Content-Type` with it.
    pub fn body(&self) -> Body {
        Body::Stream { bytes: self.bytes(), open: self.open(0..self.bytes()) }
    }

    /// The bytes as a file of a form.
    pub fn file(&self) -> File {
        let ending = self.kind().endings().first().copied().unwrap_or_default();
        File {
            // What a person calls a file is nobody else's business.
            name: format!("{}.{ending}", self.asset.id),
            mime: self.kind().mime(),
            bytes: self.bytes(),
            open: self.open(0..self.bytes()),
        }
    }

    /// A stretch of the bytes as the body of a request.
    pub fn stretch_body(&self, range: Range<u64>) -> Body {
        let bytes = range.end.saturating_sub(range.start);
        Body::Stream { bytes, open: self.open(range) }
    }

    /// A stretch of the bytes as a file of a form.
    pub fn stretch(&self, range: Range<u64>) -> File {
        let bytes = range.end.saturating_sub(range.start);
        File { bytes, open: self.open(range), ..self.file() }
    }

    fn open(&self, range: Range<u64>) -> Arc<dyn Fn() -> Pieces + Send + Sync> {
        let blob = self.blob.clone();
        Arc::new(move || {
            let pieces = blob.pieces(range.clone());
            pieces.map(|piece| piece.map_err(io::Error::other)).boxed()
        })
    }
}
