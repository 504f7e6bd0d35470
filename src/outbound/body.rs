//! The body of a request: bytes at hand, or pieces of known length that are read as they are sent.

use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;

/// The pieces of a body, in order.
pub type Pieces = BoxStream<'static, io::Result<Bytes>>;

/// What a request carries. A clone of a stream begins at its start.
#[derive(Clone)]
pub enum Body {
    Whole(Bytes),
    Stream { bytes: u64, open: Arc<dyn Fn() -> Pieces + Send + Sync> },
}

impl Body {
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Stream { bytes, .. } => *bytes == 0,
        }
    }

    /// All of it at once, for transports that have no wire.
    pub async fn collect(&self) -> io::Result<Bytes> {
        match self {
            Self::Whole(bytes) => Ok(bytes.clone()),
            Self::Stream { open, .. } => {
                let mut whole = BytesMut::new();
                let mut pieces = open();
                while let Some(piece) = pieces.next().await {
                    whole.extend_from_slice(&piece?);
                }
                Ok(whole.freeze())
            }
        }
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::Whole(Bytes::new())
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        Self::Whole(bytes.into())
    }
}

/// Its length only: it may hold anything.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Stream { bytes, .. } => write!(f, "{bytes} bytes, streamed"),
        }
    }
}
