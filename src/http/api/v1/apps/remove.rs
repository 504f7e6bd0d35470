//! Forgets an application.

use axum::extract::State;

use super::super::super::problems::WriteProblems;
use crate::http::Shared;
use crate::http::administering::{Administrator, WithApp};
use crate::http::answer::Answer;
use crate::http::problem::Refusal;

/// Remove an application
///
/// Channels stay connected until their tokens end. 409 `app_missing` when none is set.
#[utoipa::path(
    delete,
    path = "/api/v1/apps/{network}",
    tag = "apps",
    params(WithApp),
    responses((status = 204, description = "It is forgotten."), WriteProblems)
)]
pub async fn remove_app(
    State(face): State<Shared>,
    by: Administrator,
    network: WithApp,
) -> Result<Answer, Refusal> {
    face.services.remove_app(by.0, network.0).await?;
    Ok(Answer::done())
}
