//! Lists the networks.

use axum::extract::State;

use super::super::super::problems::ReadProblems;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::Caller;
use crate::http::problem::Refusal;
use crate::service::shown::{NetworkShown, Page};

/// List networks
///
/// What each asks for and what it takes.
#[utoipa::path(
    get,
    path = "/api/v1/networks",
    tag = "networks",
    responses((status = 200, description = "All of them.", body = Page<NetworkShown>), ReadProblems)
)]
pub async fn list_networks(State(face): State<Shared>, _caller: Caller) -> Result<Answer, Refusal> {
    Ok(Answer::json(&face.services.networks().await?))
}
