//! Takes a file from an address.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::problems::WriteProblems;
use crate::domain::access::Write;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Body, Repeatable};
use crate::http::json::present;
use crate::http::problem::Refusal;
use crate::service::{AssetShown, NewImport};

/// Where a file is, and what it shows.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({ "url": "https://example.org/picture.jpg", "alt": "A red bicycle" })))]
pub struct AssetAddress {
    /// A public https address. At most three redirects are followed, each to such an address.
    #[schema(max_length = 2048)]
    url: String,
    /// What it shows, for those who do not see it.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, max_length = 10000)]
    alt: Option<String>,
}

/// Import an asset
///
/// Fetches the file and keeps it as an upload would be. What the server says of its type does not
/// count.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{workspace}/media/import",
    tag = "media",
    params(Authorized<Write>, Repeatable),
    request_body = AssetAddress,
    responses(
        (status = 201, description = "The asset.", body = AssetShown,
            headers(("Location" = String, description = "Where it is."), ("ETag" = String))),
        WriteProblems
    )
)]
pub async fn import_asset(
    State(face): State<Shared>,
    caller: Authorized<Write>,
    body: Body<AssetAddress>,
) -> Result<Answer, Refusal> {
    let (access, AssetAddress { url, alt }) = body.of(caller);
    let media = format!("/api/v1/workspaces/{}/media", access.workspace());
    let new = NewImport { url, alt: alt.unwrap_or_default() };
    let done = face.services.import_asset(access, new).await?;
    let answer = Answer::created(&done.value, &format!("{media}/{}", done.value.id));
    Ok(answer.tagged(done.value.revision).replayed(done.replayed))
}
