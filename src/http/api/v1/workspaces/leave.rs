//! Leaves a workspace.

use axum::extract::State;

use super::super::super::problems::WriteProblems;
use crate::domain::access::Read;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Repeatable};
use crate::http::problem::Refusal;

/// Leave a workspace
///
/// Ends one's own membership. The last owner stays.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{workspace}/leave",
    tag = "workspaces",
    params(Authorized<Read>, Repeatable),
    responses((status = 204, description = "It is left."), WriteProblems)
)]
pub async fn leave_workspace(
    State(face): State<Shared>,
    caller: Authorized<Read>,
) -> Result<Answer, Refusal> {
    let done = face.services.leave_workspace(caller.access).await?;
    Ok(Answer::done().replayed(done.replayed))
}
