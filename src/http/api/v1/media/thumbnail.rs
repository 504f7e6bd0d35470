//! The small picture of an asset.

use axum::extract::State;
use axum::response::Response;

use super::super::super::problems::ReadProblems;
use crate::base::{Code, Problem, kind};
use crate::domain::access::Read;
use crate::http::Shared;
use crate::http::extract::{Authorized, Named};
use crate::http::file::Asked;
use crate::http::problem::Refusal;

/// Read an asset's thumbnail
///
/// A JPEG whose longer side has at most 480 pixels; 404 for videos, documents, and large
/// pictures that an older release kept without one. Takes `Range` and `If-Range`.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/media/{asset}/thumbnail",
    tag = "media",
    params(Authorized<Read>, Named<kind::Asset>),
    responses(
        (status = 200, description = "All of it.", content_type = "image/jpeg"),
        (status = 206, description = "The stretch that was asked for."),
        (status = 304, description = "The caller has it."),
        ReadProblems
    )
)]
pub async fn read_thumbnail(
    State(face): State<Shared>,
    caller: Authorized<Read>,
    asset: Named<kind::Asset>,
    asked: Asked,
) -> Result<Response, Refusal> {
    let (asset, blob) = face.services.asset_blob(&caller.access, asset.0, true).await?;
    let missing = || Refusal(Problem::new(Code::NotFound));
    asked.thumbnail(&asset, &blob).ok_or_else(missing)
}
