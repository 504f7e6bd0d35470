//! Says to a host what another plan would cut.

use axum::extract::State;

use super::super::super::problems::WriteProblems;
use super::super::plan::shapes::PlanGiven;
use crate::domain::access::Read;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::Json;
use crate::http::hosting::Hosted;
use crate::http::problem::Refusal;
use crate::service::PlanPreview;

/// Preview another plan for a host's workspace
#[utoipa::path(
    post,
    path = "/api/v1/hosted-workspaces/{external}/plan/preview",
    tag = "embedding",
    security(("host" = [])),
    params(Hosted<Read>),
    request_body = PlanGiven,
    responses(
        (status = 200, description = "What the plan would cut.", body = PlanPreview),
        WriteProblems
    )
)]
pub async fn preview_hosted_plan(
    State(face): State<Shared>,
    host: Hosted<Read>,
    body: Json<PlanGiven>,
) -> Result<Answer, Refusal> {
    let given = body.0.read("")?;
    Ok(Answer::json(&face.services.preview_plan(&host.0, Some(given)).await?))
}
