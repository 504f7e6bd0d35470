//! Shows one application.

use axum::extract::State;

use super::super::super::problems::ReadProblems;
use crate::http::Shared;
use crate::http::administering::{Administrator, WithApp};
use crate::http::answer::Answer;
use crate::http::problem::Refusal;
use crate::service::AppShown;

/// Show an application
///
/// With the address that the network must send people back to. The secret is never shown.
#[utoipa::path(
    get,
    path = "/api/v1/apps/{network}",
    tag = "apps",
    params(WithApp),
    responses((status = 200, description = "As it is.", body = AppShown), ReadProblems)
)]
pub async fn show_app(
    State(face): State<Shared>,
    by: Administrator,
    network: WithApp,
) -> Result<Answer, Refusal> {
    Ok(Answer::json(&face.services.app(&by.0, network.0).await?))
}
