//! Removes a member.

use axum::extract::State;

use super::super::super::problems::WriteProblems;
use crate::base::kind;
use crate::domain::access::Manage;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Named, Repeatable};
use crate::http::problem::Refusal;

/// Remove a member
///
/// The workspace is gone for them with their next request; what they wrote stays. The last owner
/// stays, and only an owner removes an owner.
#[utoipa::path(
    delete,
    path = "/api/v1/workspaces/{workspace}/members/{user}",
    tag = "members",
    params(Authorized<Manage>, Named<kind::User>, Repeatable),
    responses((status = 204, description = "They are no member any more."), WriteProblems)
)]
pub async fn remove_member(
    State(face): State<Shared>,
    caller: Authorized<Manage>,
    user: Named<kind::User>,
) -> Result<Answer, Refusal> {
    let done = face.services.remove_member(caller.access, user.0).await?;
    Ok(Answer::done().replayed(done.replayed))
}
