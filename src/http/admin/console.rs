//! A connection that becomes a console's line. Must not know what is said on it.

use std::io;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use futures_util::future::BoxFuture;
use http::StatusCode;
use http::header::{CONNECTION, HeaderValue, UPGRADE};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::super::problem::Refusal;
use super::super::{Peer, Shared};
use crate::base::{Code, Problem, Wrong};

/// What the connection is turned into.
pub const PROTOCOL: &str = "carillon-console/1";

/// Both directions of a console.
pub type Line = Box<dyn Duplex>;

pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// Takes the line of an operator with this uid once it is there; refuses one that is too many.
pub type Consoles =
    dyn Fn(u32, BoxFuture<'static, io::Result<Line>>) -> Result<(), Problem> + Send + Sync;

pub(super) async fn open(
    State(face): State<Shared>,
    peer: Option<Extension<Peer>>,
    request: Request,
) -> Result<Response, Refusal> {
    let Some(Extension(Peer::Unix { uid })) = peer else {
        return Err(Refusal(Problem::new(Code::Forbidden)));
    };
    if request.headers().get(UPGRADE).is_none_or(|asked| asked != PROTOCOL) {
        let expected = format!("`{PROTOCOL}`: use `carillon console`");
        return Err(Refusal(Problem::field("upgrade", Wrong::BadFormat { expected })));
    }
    let upgrade = hyper::upgrade::on(request);
    (face.consoles)(
        uid,
        Box::pin(async move {
            let line: Line = Box::new(TokioIo::new(upgrade.await.map_err(io::Error::other)?));
            Ok(line)
        }),
    )?;
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static(PROTOCOL));
    Ok(answer)
}
