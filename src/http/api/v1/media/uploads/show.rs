//! Says how far an upload is.

use axum::extract::State;

use super::super::super::super::problems::VersionProblems;
use super::headers::Tus;
use super::{LENGTH, METADATA, told};
use crate::base::kind;
use crate::domain::access::Write;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Named};
use crate::http::problem::Refusal;

/// Ask for an upload's offset
///
/// How much of it is there, and so where to go on. 404 once its time is over.
#[utoipa::path(
    head,
    path = "/api/v1/workspaces/{workspace}/media/uploads/{asset}",
    tag = "media",
    params(Authorized<Write>, Named<kind::Asset>, Tus),
    responses(
        (status = 200, description = "How far it is.",
            headers(("Upload-Offset" = String), ("Upload-Length" = String),
                ("Upload-Metadata" = String), ("Upload-Expires" = String),
                ("Tus-Resumable" = String))),
        VersionProblems
    )
)]
pub async fn show_upload(
    State(face): State<Shared>,
    caller: Authorized<Write>,
    upload: Named<kind::Asset>,
    _: Tus,
) -> Result<Answer, Refusal> {
    let shown = face.services.upload(&caller.access, upload.0).await?;
    let mut answer = told(Answer::empty(), &shown).header(LENGTH, &shown.bytes.to_string());
    if !shown.metadata.is_empty() {
        answer = answer.header(METADATA, &shown.metadata);
    }
    Ok(answer)
}
