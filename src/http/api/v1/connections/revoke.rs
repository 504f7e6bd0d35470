//! Takes a connection back.

use axum::extract::State;

use super::super::super::problems::WriteProblems;
use crate::base::kind;
use crate::domain::access::Manage;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Named, Repeatable};
use crate::http::problem::Refusal;

/// Take a connection back
///
/// Its link leads nowhere from now on. 409 for one that is done: remove its channels instead.
#[utoipa::path(
    delete,
    path = "/api/v1/workspaces/{workspace}/connections/{connection}",
    tag = "channels",
    params(Authorized<Manage>, Named<kind::Connection>, Repeatable),
    responses((status = 204, description = "It is taken back."), WriteProblems)
)]
pub async fn revoke_connection(
    State(face): State<Shared>,
    caller: Authorized<Manage>,
    connection: Named<kind::Connection>,
) -> Result<Answer, Refusal> {
    let done = face.services.revoke_connection(caller.access, connection.0).await?;
    Ok(Answer::done().replayed(done.replayed))
}
