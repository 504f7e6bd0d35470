//! Takes a stretch of an upload.

use axum::extract::{Request, State};
use futures_util::future::{Either, select};
use http::header::CONTENT_TYPE;
use http_body_util::BodyExt as _;

use super::super::super::super::problems::UploadProblems;
use super::headers::{Offset, Tus};
use super::told;
use crate::base::{Code, Problem, kind};
use crate::domain::access::Write;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Named};
use crate::http::problem::Refusal;
use crate::service::Coming;

/// Of every stretch.
pub const STRETCH: &str = "application/offset+octet-stream";

/// Go on with an upload
///
/// However the request ends, what came of it counts, unless it brings more than was announced, of
/// which nothing is kept. With the last byte the file is looked into,
/// and is an asset when this is answered with 204; a file that is refused takes its upload along.
#[utoipa::path(
    patch,
    path = "/api/v1/workspaces/{workspace}/media/uploads/{asset}",
    tag = "media",
    params(Authorized<Write>, Named<kind::Asset>, Offset, Tus),
    request_body(content = Vec<u8>, content_type = "application/offset+octet-stream"),
    responses(
        (status = 204, description = "It came.",
            headers(("Upload-Offset" = String), ("Upload-Expires" = String),
                ("Tus-Resumable" = String))),
        UploadProblems
    )
)]
pub async fn write_upload(
    State(face): State<Shared>,
    caller: Authorized<Write>,
    upload: Named<kind::Asset>,
    offset: Offset,
    _: Tus,
    request: Request,
) -> Result<Answer, Refusal> {
    if request.headers().get(CONTENT_TYPE).is_none_or(|kind| kind != STRETCH) {
        return Err(Refusal(Problem::new(Code::UnsupportedMediaType)));
    }
    let mut coming = face.services.go_on(&caller.access, upload.0, offset.0).await?;
    let came = fill(&face, &mut coming, request).await;
    let ended = face.services.end_stretch(caller.access, coming).await?;
    came?;
    Ok(told(Answer::done(), &ended))
}

async fn fill(face: &Shared, coming: &mut Coming, request: Request) -> Result<(), Problem> {
    let mut body = request.into_body();
    loop {
        let pause = face.services.clock.sleep(face.settings.body_timeout);
        let frame = match select(body.frame(), pause).await {
            Either::Left((None, _)) => return Ok(()),
            Either::Left((Some(frame), _)) => frame,
            Either::Right(_) => return Err(Problem::new(Code::TooSlow)),
        };
        let piece = frame.map_err(|_| Problem::new(Code::BadRequest))?.into_data();
        face.services.add(coming, &piece.unwrap_or_default()).await?;
    }
}
