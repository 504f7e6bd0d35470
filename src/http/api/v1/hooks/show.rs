//! Shows one webhook.

use axum::extract::State;

use super::super::super::problems::ReadProblems;
use crate::base::kind;
use crate::http::Shared;
use crate::http::administering::Administrator;
use crate::http::answer::Answer;
use crate::http::extract::Named;
use crate::http::problem::Refusal;
use crate::service::HookShown;

/// Show a webhook
///
/// With what came, as it came.
#[utoipa::path(
    get,
    path = "/api/v1/hooks/{hook}",
    tag = "hooks",
    params(Named<kind::Hook>),
    responses((status = 200, description = "As it is.", body = HookShown), ReadProblems)
)]
pub async fn show_hook(
    State(face): State<Shared>,
    by: Administrator,
    hook: Named<kind::Hook>,
) -> Result<Answer, Refusal> {
    Ok(Answer::json(&face.services.hook(&by.0, hook.0).await?))
}
