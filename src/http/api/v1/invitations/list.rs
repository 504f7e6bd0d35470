//! Lists the invitations of a workspace.

use axum::extract::State;

use super::super::super::problems::ReadProblems;
use super::super::Paging;
use crate::domain::access::Manage;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Query};
use crate::http::problem::Refusal;
use crate::service::InvitationShown;
use crate::service::shown::Page;
use crate::service::words::page_limit;

/// List invitations
///
/// Newest first, also those that are over; without their links.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/invitations",
    tag = "people",
    params(Authorized<Manage>, Paging),
    responses((status = 200, description = "One page.", body = Page<InvitationShown>), ReadProblems)
)]
pub async fn list_invitations(
    State(face): State<Shared>,
    caller: Authorized<Manage>,
    query: Query<Paging>,
) -> Result<Answer, Refusal> {
    let limit = page_limit(query.0.limit.as_deref())?;
    let page = face.services.invitations(&caller.access, query.0.cursor.as_deref(), limit).await?;
    Ok(Answer::json(&page))
}
