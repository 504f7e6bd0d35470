//! Lets a host give a plan to a workspace that it made.

use axum::extract::State;

use super::super::super::problems::WriteProblems;
use super::super::plan::shapes::PlanGiven;
use crate::domain::access::Manage;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::Json;
use crate::http::hosting::Hosted;
use crate::http::problem::Refusal;
use crate::service::PlanShown;

/// Give a host's workspace a plan
///
/// Counts from the next request on. Nothing is deleted: what is over the limits stays and goes out, and
/// more is refused.
#[utoipa::path(
    put,
    path = "/api/v1/hosted-workspaces/{external}/plan",
    tag = "embedding",
    security(("host" = [])),
    params(Hosted<Manage>),
    request_body = PlanGiven,
    responses((status = 200, description = "The plan as it is now.", body = PlanShown), WriteProblems)
)]
pub async fn set_hosted_plan(
    State(face): State<Shared>,
    host: Hosted<Manage>,
    body: Json<PlanGiven>,
) -> Result<Answer, Refusal> {
    let given = body.0.read("")?;
    Ok(Answer::json(&face.services.set_plan(host.0, Some(given)).await?.value))
}
