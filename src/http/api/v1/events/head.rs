//! Says the end of a workspace's chain of events.

use axum::extract::State;

use super::super::super::problems::ReadProblems;
use crate::domain::access::Manage;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::Authorized;
use crate::http::problem::Refusal;
use crate::service::HeadShown;

/// Show the head of the chain
///
/// The number and hash of the last event. Noted down elsewhere, it shows later whether the end of
/// the chain was cut off, or all of it written anew.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/events/head",
    tag = "events",
    params(Authorized<Manage>),
    responses((status = 200, description = "The head.", body = HeadShown), ReadProblems)
)]
pub async fn show_event_head(
    State(face): State<Shared>,
    caller: Authorized<Manage>,
) -> Result<Answer, Refusal> {
    Ok(Answer::json(&face.services.event_head(&caller.access).await?))
}
