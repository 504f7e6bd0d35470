//! Revokes a key.

use axum::extract::State;

use super::super::super::problems::WriteProblems;
use crate::base::kind;
use crate::domain::access::Manage;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Named, Repeatable};
use crate::http::problem::Refusal;

/// Revoke a key
///
/// The next request with it is refused. It stays on the list.
#[utoipa::path(
    delete,
    path = "/api/v1/workspaces/{workspace}/keys/{key}",
    tag = "keys",
    params(Authorized<Manage>, Named<kind::Key>, Repeatable),
    responses((status = 204, description = "It is revoked."), WriteProblems)
)]
pub async fn revoke_key(
    State(face): State<Shared>,
    caller: Authorized<Manage>,
    key: Named<kind::Key>,
) -> Result<Answer, Refusal> {
    let done = face.services.revoke_key(caller.access, key.0).await?;
    Ok(Answer::done().replayed(done.replayed))
}
