//! Changes the words of an asset.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::problems::WriteProblems;
use crate::base::kind;
use crate::domain::access::Write;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Body, IfMatch, Named, Repeatable};
use crate::http::json::present;
use crate::http::problem::Refusal;
use crate::service::{AssetChange, AssetShown};

/// What changes; fields that are absent stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({ "alt": "A red bicycle against a wall" })))]
pub struct AssetPatch {
    /// What it shows, for those who do not see it.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, max_length = 10000)]
    alt: Option<String>,
}

/// Change an asset
///
/// Posts that have not gone out take the new words, which is refused when one could not go out
/// with them. On other networks, what is out keeps the old words; the pages of a feed have the new
/// ones.
#[utoipa::path(
    patch,
    path = "/api/v1/workspaces/{workspace}/media/{asset}",
    tag = "media",
    params(Authorized<Write>, Named<kind::Asset>, IfMatch, Repeatable),
    request_body = AssetPatch,
    responses(
        (status = 200, description = "The asset as it is now.", body = AssetShown,
            headers(("ETag" = String))),
        WriteProblems
    )
)]
pub async fn change_asset(
    State(face): State<Shared>,
    caller: Authorized<Write>,
    asset: Named<kind::Asset>,
    seen: IfMatch,
    body: Body<AssetPatch>,
) -> Result<Answer, Refusal> {
    let (access, patch) = body.of(caller);
    let change = AssetChange { alt: patch.alt, revision: seen.0 };
    let done = face.services.change_asset(access, asset.0, change).await?;
    Ok(Answer::json(&done.value).tagged(done.value.revision).replayed(done.replayed))
}
