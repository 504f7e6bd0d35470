//! Says what another plan would cut.

use axum::extract::State;

use super::super::super::problems::WriteProblems;
use super::shapes::PlanGiven;
use crate::domain::access::Read;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Json};
use crate::http::problem::Refusal;
use crate::service::PlanPreview;

/// Preview another plan
///
/// Which channels and how many posts of each month would be over its limits, and which features would
/// go. Nothing is changed, and a change would delete nothing either: what is over stays and goes out;
/// more is refused until there is room again.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{workspace}/plan/preview",
    tag = "plan",
    params(Authorized<Read>),
    request_body = PlanGiven,
    responses(
        (status = 200, description = "What the plan would cut.", body = PlanPreview),
        WriteProblems
    )
)]
pub async fn preview_plan(
    State(face): State<Shared>,
    caller: Authorized<Read>,
    body: Json<PlanGiven>,
) -> Result<Answer, Refusal> {
    let given = body.0.read("")?;
    Ok(Answer::json(&face.services.preview_plan(&caller.access, Some(given)).await?))
}
