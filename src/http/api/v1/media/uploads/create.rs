//! Announces a file that comes in stretches.

use axum::extract::State;

use super::super::super::super::problems::WriteProblems;
use super::headers::{Announced, Tus};
use super::told;
use crate::domain::access::Write;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Repeatable};
use crate::http::problem::Refusal;
use crate::service::NewUpload;

/// Begin an upload
///
/// Resumable, as tus 1.0.0 has it; any client of that protocol will do. The asset that it becomes
/// has the id of the upload, and is there when the last stretch is answered with 204.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{workspace}/media/uploads",
    tag = "media",
    params(Authorized<Write>, Announced, Tus, Repeatable),
    responses(
        (status = 201, description = "The upload may begin.",
            headers(("Location" = String, description = "Where its bytes go."),
                ("Upload-Expires" = String), ("Tus-Resumable" = String))),
        WriteProblems
    )
)]
pub async fn create_upload(
    State(face): State<Shared>,
    caller: Authorized<Write>,
    announced: Announced,
    _: Tus,
) -> Result<Answer, Refusal> {
    let uploads = format!("/api/v1/workspaces/{}/media/uploads", caller.access.workspace());
    let Announced { bytes, metadata } = announced;
    let new = NewUpload { bytes, metadata };
    let done = face.services.create_upload(caller.access, new).await?;
    let answer = Answer::made(&format!("{uploads}/{}", done.value.id));
    Ok(told(answer, &done.value).replayed(done.replayed))
}
