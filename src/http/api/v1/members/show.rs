//! Shows one member.

use axum::extract::State;

use super::super::super::problems::ReadProblems;
use crate::base::kind;
use crate::domain::access::Read;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Named, Seen};
use crate::http::problem::Refusal;
use crate::service::MemberShown;

/// Show a member
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/members/{user}",
    tag = "members",
    params(Authorized<Read>, Named<kind::User>, Seen),
    responses(
        (status = 200, description = "The member.", body = MemberShown, headers(("ETag" = String))),
        (status = 304, description = "Nothing has changed."),
        ReadProblems
    )
)]
pub async fn show_member(
    State(face): State<Shared>,
    caller: Authorized<Read>,
    user: Named<kind::User>,
    seen: Seen,
) -> Result<Answer, Refusal> {
    let member = face.services.member(&caller.access, user.0).await?;
    Ok(Answer::unless_seen(&member, member.revision, &seen))
}
