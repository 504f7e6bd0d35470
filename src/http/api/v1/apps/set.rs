//! Sets an application.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::problems::WriteProblems;
use super::super::schemas;
use crate::base::Secret;
use crate::http::Shared;
use crate::http::administering::{Administrator, WithApp};
use crate::http::answer::Answer;
use crate::http::extract::Json;
use crate::http::problem::Refusal;
use crate::service::{AppShown, NewApp};

/// What the network gave this installation.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AppGiven {
    #[schema(min_length = 1, max_length = 512, pattern = "^[!-~]+$")]
    client_id: String,
    #[schema(min_length = 1, max_length = 512, pattern = "^[!-~]+$")]
    client_secret: String,
    /// Scopes that the network does not let it ask for.
    #[serde(default)]
    #[schema(schema_with = schemas::without, required = false)]
    without: Vec<String>,
}

/// Set an application
///
/// Counts from the next call on. Channels that were connected by another one must be connected
/// again when their tokens end.
#[utoipa::path(
    put,
    path = "/api/v1/apps/{network}",
    tag = "apps",
    params(WithApp),
    request_body = AppGiven,
    responses((status = 200, description = "As it is now.", body = AppShown), WriteProblems)
)]
pub async fn set_app(
    State(face): State<Shared>,
    by: Administrator,
    network: WithApp,
    Json(given): Json<AppGiven>,
) -> Result<Answer, Refusal> {
    let AppGiven { client_id, client_secret, without } = given;
    let new = NewApp { client_id, client_secret: Secret::new(client_secret), without };
    Ok(Answer::json(&face.services.set_app(by.0, network.0, new).await?))
}
