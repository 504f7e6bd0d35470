//! Lists the networks that ask for an application.

use axum::extract::State;

use super::super::super::problems::ReadProblems;
use crate::http::Shared;
use crate::http::administering::Administrator;
use crate::http::answer::Answer;
use crate::http::problem::Refusal;
use crate::service::AppShown;
use crate::service::shown::Page;

/// List applications
///
/// Every network that asks for one, with what is set. For administrators of the installation, by a
/// session of their own.
#[utoipa::path(
    get,
    path = "/api/v1/apps",
    tag = "apps",
    responses((status = 200, description = "All of them.", body = Page<AppShown>), ReadProblems)
)]
pub async fn list_apps(State(face): State<Shared>, by: Administrator) -> Result<Answer, Refusal> {
    Ok(Answer::json(&face.services.apps(&by.0).await?))
}
