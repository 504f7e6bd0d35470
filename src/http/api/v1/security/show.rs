//! Shows what a workspace asks of people.

use axum::extract::State;

use super::super::super::problems::ReadProblems;
use crate::domain::access::Read;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::Authorized;
use crate::http::problem::Refusal;
use crate::service::SecurityShown;

/// Show what a workspace asks of its members
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/security",
    tag = "people",
    params(Authorized<Read>),
    responses((status = 200, description = "The rules.", body = SecurityShown), ReadProblems)
)]
pub async fn show_security(
    State(face): State<Shared>,
    caller: Authorized<Read>,
) -> Result<Answer, Refusal> {
    Ok(Answer::json(&face.services.security(&caller.access).await?))
}
