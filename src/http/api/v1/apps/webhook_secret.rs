//! Sets the secret that a network signs webhooks with.

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

/// The secret that the network signs webhooks with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookSecret {
    #[schema(min_length = 1, max_length = 512, pattern = "^[!-~]+$")]
    webhook_secret: String,
}

/// Set the secret of webhooks
///
/// Only where it is not the client secret: for X, the API key secret of the app.
#[utoipa::path(
    put,
    path = "/api/v1/apps/{network}/webhook-secret",
    tag = "apps",
    params(WithApp),
    request_body = WebhookSecret,
    responses((status = 200, description = "As it is now.", body = AppShown), WriteProblems)
)]
pub async fn set_webhook_secret(
    State(face): State<Shared>,
    by: Administrator,
    network: WithApp,
    Json(given): Json<WebhookSecret>,
) -> Result<Answer, Refusal> {
    let secret = Secret::new(given.webhook_secret);
    Ok(Answer::json(&face.services.set_webhook_secret(by.0, network.0, secret).await?))
}
