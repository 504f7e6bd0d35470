//! Lists the keys of a workspace.

use axum::extract::State;

use super::super::super::problems::ReadProblems;
use super::super::Paging;
use crate::domain::access::Manage;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Query};
use crate::http::problem::Refusal;
use crate::service::shown::{KeyShown, Page};
use crate::service::words::page_limit;

/// List keys
///
/// Newest first, the revoked ones too, with when each was last used, to the hour; without the keys
/// themselves.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/keys",
    tag = "keys",
    params(Authorized<Manage>, Paging),
    responses((status = 200, description = "One page.", body = Page<KeyShown>), ReadProblems)
)]
pub async fn list_keys(
    State(face): State<Shared>,
    caller: Authorized<Manage>,
    query: Query<Paging>,
) -> Result<Answer, Refusal> {
    let limit = page_limit(query.0.limit.as_deref())?;
    let page = face.services.keys(&caller.access, query.0.cursor.as_deref(), limit).await?;
    Ok(Answer::json(&page))
}
