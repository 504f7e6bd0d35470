//! Lists the connections of a workspace.

use axum::extract::State;

use super::super::super::problems::ReadProblems;
use super::super::Paging;
use crate::domain::access::Manage;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Query};
use crate::http::problem::Refusal;
use crate::service::ConnectionShown;
use crate::service::shown::Page;
use crate::service::words::page_limit;

/// List connections
///
/// Newest first; those that are over for a month go.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/connections",
    tag = "channels",
    params(Authorized<Manage>, Paging),
    responses((status = 200, description = "One page.", body = Page<ConnectionShown>), ReadProblems)
)]
pub async fn list_connections(
    State(face): State<Shared>,
    caller: Authorized<Manage>,
    query: Query<Paging>,
) -> Result<Answer, Refusal> {
    let limit = page_limit(query.0.limit.as_deref())?;
    let page = face.services.connections(&caller.access, query.0.cursor.as_deref(), limit).await?;
    Ok(Answer::json(&page))
}
