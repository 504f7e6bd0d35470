//! Deletes an asset.

use axum::extract::State;

use super::super::super::problems::WriteProblems;
use crate::base::kind;
use crate::domain::access::Write;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Named, Repeatable};
use crate::http::problem::Refusal;

/// Delete an asset
///
/// 409 while a post names it. Its bytes are removed when nothing else needs them.
#[utoipa::path(
    delete,
    path = "/api/v1/workspaces/{workspace}/media/{asset}",
    tag = "media",
    params(Authorized<Write>, Named<kind::Asset>, Repeatable),
    responses((status = 204, description = "It is deleted."), WriteProblems)
)]
pub async fn delete_asset(
    State(face): State<Shared>,
    caller: Authorized<Write>,
    asset: Named<kind::Asset>,
) -> Result<Answer, Refusal> {
    let done = face.services.delete_asset(caller.access, asset.0).await?;
    Ok(Answer::done().replayed(done.replayed))
}
