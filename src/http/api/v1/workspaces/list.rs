//! Lists the workspaces of whoever asks.

use axum::extract::State;

use super::super::super::problems::ReadProblems;
use super::super::Paging;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Caller, Query};
use crate::http::problem::Refusal;
use crate::service::shown::{Page, WorkspaceShown};
use crate::service::words::page_limit;

/// List workspaces
///
/// The one that the key belongs to, or those where the person is a member.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces",
    tag = "workspaces",
    params(Paging),
    responses(
        (status = 200, description = "One page.", body = Page<WorkspaceShown>),
        ReadProblems
    )
)]
pub async fn list_workspaces(
    State(face): State<Shared>,
    caller: Caller,
    query: Query<Paging>,
) -> Result<Answer, Refusal> {
    let limit = page_limit(query.0.limit.as_deref())?;
    let Caller { principal, correlation } = caller;
    let cursor = query.0.cursor.as_deref();
    let page = face.services.workspaces_of(&principal, correlation, cursor, limit).await?;
    Ok(Answer::json(&page))
}
