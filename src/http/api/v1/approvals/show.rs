//! Shows whose word a workspace asks for.

use axum::extract::State;

use super::super::super::problems::ReadProblems;
use crate::domain::access::Read;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::Authorized;
use crate::http::problem::Refusal;
use crate::service::ApprovalRuleShown;

/// Show who must approve posts
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/approvals",
    tag = "posts",
    params(Authorized<Read>),
    responses((status = 200, description = "The rule.", body = ApprovalRuleShown), ReadProblems)
)]
pub async fn show_approvals(
    State(face): State<Shared>,
    caller: Authorized<Read>,
) -> Result<Answer, Refusal> {
    Ok(Answer::json(&face.services.approval_rule(&caller.access).await?))
}
