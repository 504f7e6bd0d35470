//! Lists what happened in a workspace, as people care about it.

use axum::extract::State;

use super::super::super::problems::ReadProblems;
use super::super::Paging;
use crate::domain::access::Read;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Query};
use crate::http::problem::Refusal;
use crate::service::ActivityShown;
use crate::service::shown::Page;
use crate::service::words::page_limit;

/// List activity
///
/// What was changed and what became of posts, newest first: events without those of looking and of
/// the program's own steps. A page may be empty and still have a `next`.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/activity",
    tag = "events",
    params(Authorized<Read>, Paging),
    responses((status = 200, description = "One page.", body = Page<ActivityShown>), ReadProblems)
)]
pub async fn list_activity(
    State(face): State<Shared>,
    caller: Authorized<Read>,
    query: Query<Paging>,
) -> Result<Answer, Refusal> {
    let limit = page_limit(query.0.limit.as_deref())?;
    let page = face.services.activity(&caller.access, query.0.cursor.as_deref(), limit).await?;
    Ok(Answer::json(&page))
}
