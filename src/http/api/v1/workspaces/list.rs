//! Lists the workspaces that the key may see.

use axum::extract::State;

use super::super::super::problems::ReadProblems;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::Caller;
use crate::http::problem::Refusal;
use crate::service::shown::{Page, WorkspaceShown};

/// List workspaces
///
/// The one that the key belongs to.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces",
    tag = "workspaces",
    responses(
        (status = 200, description = "All that the key may see.", body = Page<WorkspaceShown>),
        ReadProblems
    )
)]
pub async fn list_workspaces(
    State(face): State<Shared>,
    caller: Caller,
) -> Result<Answer, Refusal> {
    let page = face.services.workspaces_of(&caller.principal, caller.correlation).await?;
    Ok(Answer::json(&page))
}
