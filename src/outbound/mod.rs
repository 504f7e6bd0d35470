//! Calls to other people's servers: one HTTP client over a `Transport`, the guard against private
//! addresses, redaction, and mail. Must not know any network's protocol.

mod body;
pub mod client;
pub mod download;
pub mod form;
pub mod guard;
pub mod mail;
pub mod oauth;
pub mod oidc;
pub mod redact;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, Method};
use url::Url;

use crate::base::CorrelationId;

pub use body::{Body, Pieces};

/// One call. The address and headers may hold secrets: nothing of it is printed whole.
#[derive(Clone)]
pub struct Request {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Body,
    /// For the whole exchange, from the first connection attempt to the last byte of the answer.
    pub deadline: Duration,
    pub origin: Origin,
    pub correlation: CorrelationId,
}

/// Who chose the address. Operators are trusted; members of a workspace are not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    Configured,
    /// The server is a workspace's choice; what follows is its network's.
    Workspace,
    /// The whole address is a workspace's: its path may be a secret, and is nobody's to log.
    Whole,
}

/// A whole answer; its body is at most `limits::ANSWER_BYTES`.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// An answer of any length, whose body is read as it comes.
pub struct Incoming {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Pieces,
}

/// Why there is no whole answer. The difference between the variants decides whether a post may
/// be sent again, so an implementation that is in doubt must say `Lost`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The guard refused the address; nothing was sent.
    Refused { host: String },
    /// Nothing of the request left this machine (name, connection or TLS failed).
    NotSent { why: &'static str },
    /// The request may have arrived. `status` is what was read before the answer broke off.
    Lost { status: Option<u16>, why: &'static str },
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { host } => write!(f, "{host} may not be called from here"),
            Self::NotSent { why } => write!(f, "not sent: {why}"),
            Self::Lost { status: None, why } => write!(f, "no answer: {why}"),
            Self::Lost { status: Some(status), why } => {
                write!(f, "the answer broke off after status {status}: {why}")
            }
        }
    }
}

impl std::error::Error for SendError {}

/// Carries a request to a server: over sockets in production, by a call to a practice network in
/// the simulator. Follows no redirect and repeats nothing.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    async fn send(&self, request: Request) -> Result<Response, SendError>;

    /// Like [`Transport::send`], for an answer that may be longer than is held in memory. The
    /// deadline counts to its last byte. What has no wire has it whole.
    async fn open(&self, request: Request) -> Result<Incoming, SendError> {
        let Response { status, headers, body } = self.send(request).await?;
        let body = stream::once(std::future::ready(Ok(body))).boxed();
        Ok(Incoming { status, headers, body })
    }
}
