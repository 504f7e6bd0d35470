//! Lists the members of a workspace.

use axum::extract::State;

use super::super::super::problems::ReadProblems;
use super::super::Paging;
use crate::domain::access::Read;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Query};
use crate::http::problem::Refusal;
use crate::service::MemberShown;
use crate::service::shown::Page;
use crate::service::words::page_limit;

/// List members
///
/// The suspended ones too.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/members",
    tag = "members",
    params(Authorized<Read>, Paging),
    responses((status = 200, description = "One page.", body = Page<MemberShown>), ReadProblems)
)]
pub async fn list_members(
    State(face): State<Shared>,
    caller: Authorized<Read>,
    query: Query<Paging>,
) -> Result<Answer, Refusal> {
    let limit = page_limit(query.0.limit.as_deref())?;
    let page = face.services.members(&caller.access, query.0.cursor.as_deref(), limit).await?;
    Ok(Answer::json(&page))
}
