//! Shows one workspace.

use axum::extract::State;

use super::super::super::problems::ReadProblems;
use crate::domain::access::Read;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::Authorized;
use crate::http::problem::Refusal;
use crate::service::shown::WorkspaceShown;

/// Show a workspace
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}",
    tag = "workspaces",
    params(Authorized<Read>),
    responses((status = 200, description = "The workspace.", body = WorkspaceShown), ReadProblems)
)]
pub async fn show_workspace(
    State(face): State<Shared>,
    caller: Authorized<Read>,
) -> Result<Answer, Refusal> {
    Ok(Answer::json(&face.services.workspace(&caller.access).await?))
}
