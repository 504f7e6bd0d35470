//! Gives up an upload.

use axum::extract::State;

use super::super::super::super::problems::WriteProblems;
use super::headers::Tus;
use crate::base::kind;
use crate::domain::access::Write;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Named};
use crate::http::problem::Refusal;

/// Give up an upload
///
/// What of it came is removed. An asset that it became stays.
#[utoipa::path(
    delete,
    path = "/api/v1/workspaces/{workspace}/media/uploads/{asset}",
    tag = "media",
    params(Authorized<Write>, Named<kind::Asset>, Tus),
    responses((status = 204, description = "It is gone."), WriteProblems)
)]
pub async fn stop_upload(
    State(face): State<Shared>,
    caller: Authorized<Write>,
    upload: Named<kind::Asset>,
    _: Tus,
) -> Result<Answer, Refusal> {
    face.services.stop_upload(caller.access, upload.0).await?;
    Ok(Answer::done())
}
