//! The bytes of an asset.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use utoipa::IntoResponses;
use utoipa::openapi::{self, Content, RefOr, ResponseBuilder};

use super::super::super::problems::ReadProblems;
use crate::base::kind;
use crate::domain::access::Read;
use crate::domain::media::MediaKind;
use crate::http::Shared;
use crate::http::extract::{Authorized, Named};
use crate::http::file::Asked;
use crate::http::problem::Refusal;

/// The bytes of an asset of any kind.
enum Bytes {}

impl IntoResponses for Bytes {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        let bytes = |description| {
            let answer = ResponseBuilder::new().description(description);
            let kinds = MediaKind::ALL.into_iter();
            kinds.fold(answer, |answer, kind| answer.content(kind.mime(), Content::default()))
        };
        let answers = [("200", "All of it."), ("206", "The stretch that was asked for.")];
        answers.map(|(status, what)| (status.to_owned(), bytes(what).build().into())).into()
    }
}

/// Read an asset's file
///
/// As it is kept: without what told of its maker. Takes `Range` and `If-Range`.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/media/{asset}/file",
    tag = "media",
    params(Authorized<Read>, Named<kind::Asset>),
    responses(
        Bytes,
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
