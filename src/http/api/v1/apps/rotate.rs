//! Gives an application another secret.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::problems::WriteProblems;
use crate::base::Secret;
use crate::http::Shared;
use crate::http::administering::{Administrator, WithApp};
use crate::http::answer::Answer;
use crate::http::extract::Json;
use crate::http::problem::Refusal;
use crate::service::AppShown;

/// The secret that the network made anew.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AppSecret {
    #[schema(min_length = 1, max_length = 512, pattern = "^[!-~]+$")]
    client_secret: String,
}

/// Rotate an application's secret
///
/// Everything else stays, and everything goes on.
#[utoipa::path(
    put,
    path = "/api/v1/apps/{network}/secret",
    tag = "apps",
    params(WithApp),
    request_body = AppSecret,
    responses((status = 200, description = "As it is now.", body = AppShown), WriteProblems)
)]
pub async fn rotate_app(
    State(face): State<Shared>,
    by: Administrator,
    network: WithApp,
    Json(given): Json<AppSecret>,
) -> Result<Answer, Refusal> {
    let secret = Secret::new(given.client_secret);
    Ok(Answer::json(&face.services.rotate_app(by.0, network.0, secret).await?))
}
