//! Shows a page inside a host what it is.

use axum::extract::State;

use super::super::super::problems::ReadProblems;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::Caller;
use crate::http::problem::Refusal;
use crate::service::EmbedShown;

/// Show the page that asks
///
/// With the bearer of the page: whose it is, what they may do, and how it is to look.
#[utoipa::path(
    get,
    path = "/api/v1/embed-sessions/current",
    tag = "embedding",
    responses((status = 200, description = "The page.", body = EmbedShown), ReadProblems)
)]
pub async fn show_embed_session(
    State(face): State<Shared>,
    caller: Caller,
) -> Result<Answer, Refusal> {
    Ok(Answer::json(&face.services.embed_session(&caller.principal).await?))
}
