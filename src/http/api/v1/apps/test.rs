//! Tests an application.

use axum::extract::State;

use super::super::super::problems::NetworkProblems;
use crate::http::Shared;
use crate::http::administering::{Administrator, WithApp};
use crate::http::answer::Answer;
use crate::http::problem::Refusal;
use crate::service::AppShown;

/// Test an application
///
/// Asks the network whether it knows it; 422 `app_refused` when it does not.
#[utoipa::path(
    post,
    path = "/api/v1/apps/{network}/test",
    tag = "apps",
    params(WithApp),
    responses((status = 200, description = "The network knows it.", body = AppShown), NetworkProblems)
)]
pub async fn test_app(
    State(face): State<Shared>,
    by: Administrator,
    network: WithApp,
) -> Result<Answer, Refusal> {
    Ok(Answer::json(&face.services.test_app(&by.0, network.0).await?))
}
