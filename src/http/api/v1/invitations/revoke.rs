//! Revokes an invitation.

use axum::extract::State;

use super::super::super::problems::WriteProblems;
use crate::base::kind;
use crate::domain::access::Manage;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Named, Repeatable};
use crate::http::problem::Refusal;

/// Revoke an invitation
///
/// Its link leads nowhere any more. It stays on the list. One that was accepted is 404: whoever came by
/// it is a member, and is removed as one.
#[utoipa::path(
    delete,
    path = "/api/v1/workspaces/{workspace}/invitations/{invitation}",
    tag = "people",
    params(Authorized<Manage>, Named<kind::Invitation>, Repeatable),
    responses((status = 204, description = "It is revoked."), WriteProblems)
)]
pub async fn revoke_invitation(
    State(face): State<Shared>,
    caller: Authorized<Manage>,
    invitation: Named<kind::Invitation>,
) -> Result<Answer, Refusal> {
    let done = face.services.revoke_invitation(caller.access, invitation.0).await?;
    Ok(Answer::done().replayed(done.replayed))
}
