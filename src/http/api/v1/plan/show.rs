//! Shows a workspace's plan and what it uses.

use axum::extract::State;

use super::super::super::problems::ReadProblems;
use crate::domain::access::Read;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::Authorized;
use crate::http::problem::Refusal;
use crate::service::PlanShown;

/// Show the plan
///
/// Its limits, and what is used of them. A post counts once, however many channels it goes to, in the
/// UTC month in which it is due; drafts, and what was cancelled or failed everywhere, do not count.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/plan",
    tag = "plan",
    params(Authorized<Read>),
    responses((status = 200, description = "The plan.", body = PlanShown), ReadProblems)
)]
pub async fn show_plan(
    State(face): State<Shared>,
    caller: Authorized<Read>,
) -> Result<Answer, Refusal> {
    Ok(Answer::json(&face.services.plan_of(&caller.access).await?))
}
