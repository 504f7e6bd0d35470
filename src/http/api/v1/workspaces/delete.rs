//! Deletes a workspace.

use axum::extract::State;

use super::super::super::problems::WriteProblems;
use crate::domain::access::Close;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Repeatable};
use crate::http::problem::Refusal;
use crate::service::DeletedShown;

/// Delete a workspace
///
/// At once nobody gets in but an owner who wants it back, and nothing goes out. A day later it is erased: posts,
/// media, credentials, keys, members. What stays is the record of events.
#[utoipa::path(
    delete,
    path = "/api/v1/workspaces/{workspace}",
    tag = "workspaces",
    params(Authorized<Close>, Repeatable),
    responses(
        (status = 200, description = "When it will be erased.", body = DeletedShown),
        WriteProblems
    )
)]
pub async fn delete_workspace(
    State(face): State<Shared>,
    caller: Authorized<Close>,
) -> Result<Answer, Refusal> {
    let done = face.services.delete_workspace(caller.access).await?;
    Ok(Answer::json(&done.value).replayed(done.replayed))
}
