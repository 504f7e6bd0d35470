//! Has a workspace back that was deleted.

use axum::extract::State;

use super::super::super::problems::WriteProblems;
use crate::domain::access::Close;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Repeatable};
use crate::http::problem::Refusal;
use crate::service::shown::WorkspaceShown;

/// Restore a deleted workspace
///
/// As it was, until it is erased. What was due meanwhile and is too late waits for a decision.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{workspace}/restore",
    tag = "workspaces",
    params(Authorized<Close>, Repeatable),
    responses(
        (status = 200, description = "The workspace.", body = WorkspaceShown),
        WriteProblems
    )
)]
pub async fn restore_workspace(
    State(face): State<Shared>,
    caller: Authorized<Close>,
) -> Result<Answer, Refusal> {
    let done = face.services.restore_workspace(caller.access).await?;
    Ok(Answer::json(&done.value).replayed(done.replayed))
}
