//! Shows a host the plan of a workspace that it made.

use axum::extract::State;

use super::super::super::problems::ReadProblems;
use crate::domain::access::Read;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::hosting::Hosted;
use crate::http::problem::Refusal;
use crate::service::PlanShown;

/// Show the plan of a host's workspace
#[utoipa::path(
    get,
    path = "/api/v1/hosted-workspaces/{external}/plan",
    tag = "embedding",
    security(("host" = [])),
    params(Hosted<Read>),
    responses((status = 200, description = "The plan.", body = PlanShown), ReadProblems)
)]
pub async fn show_hosted_plan(
    State(face): State<Shared>,
    host: Hosted<Read>,
) -> Result<Answer, Refusal> {
    Ok(Answer::json(&face.services.plan_of(&host.0).await?))
}
