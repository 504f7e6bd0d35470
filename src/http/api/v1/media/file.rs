//! The bytes of an asset.

use axum::extract::State;
use axum::response::Response;

use super::super::super::problems::ReadProblems;
use crate::base::kind;
use crate::domain::access::Read;
use crate::http::Shared;
use crate::http::extract::{Authorized, Named};
use crate::http::file::Asked;
use crate::http::problem::Refusal;

/// Read an asset's file
///
/// As it is kept: without what told of its maker. Takes `Range` and `If-Range`.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/media/{asset}/file",
    tag = "media",
    params(Authorized<Read>, Named<kind::Asset>),
    responses(
        (status = 200, description = "All of it.", content_type = "application/octet-stream"),
        (status = 206, description = "The stretch that was asked for."),
        (status = 304, description = "The caller has it."),
        ReadProblems
    )
)]
pub async fn read_asset(
    State(face): State<Shared>,
    caller: Authorized<Read>,
    asset: Named<kind::Asset>,
    asked: Asked,
) -> Result<Response, Refusal> {
    let (asset, blob) = face.services.asset_blob(&caller.access, asset.0, false).await?;
    Ok(asked.answer(&asset, &blob))
}
