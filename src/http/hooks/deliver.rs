//! A network tells something. It is answered once that is durable.

use axum::extract::{Path, Request, State};
use http::{HeaderMap, StatusCode};

use crate::base::{Code, limits};
use crate::http::Shared;
use crate::http::extract::collect;
use crate::http::problem::Refusal;

pub(super) async fn take(
    State(face): State<Shared>,
    Path(network): Path<String>,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let header = face.services.hook_header(&network)?;
    let (parts, body) = request.into_parts();
    let body = collect(body, &face, limits::HOOK_BYTES).await.inspect_err(|problem| {
        if problem.code == Code::TooLarge {
            face.services.note_large_hook(&network);
        }
    })?;
    let signature = only_one(&parts.headers, header);
    face.services.take_hook(&network, signature, &body).await?;
    Ok(StatusCode::OK)
}

/// Two signatures are none.
fn only_one<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut given = headers.get_all(name).iter();
    given.next().filter(|_| given.next().is_none())?.to_str().ok()
}
