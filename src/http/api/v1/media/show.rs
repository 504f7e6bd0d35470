//! Shows one asset.

use axum::extract::State;

use super::super::super::problems::ReadProblems;
use crate::base::kind;
use crate::domain::access::Read;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Named, Seen};
use crate::http::problem::Refusal;
use crate::service::AssetShown;

/// Show an asset
///
/// What it is, and which networks would take it.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/media/{asset}",
    tag = "media",
    params(Authorized<Read>, Named<kind::Asset>, Seen),
    responses(
        (status = 200, description = "The asset.", body = AssetShown, headers(("ETag" = String))),
        (status = 304, description = "The caller has this state."),
        ReadProblems
    )
)]
pub async fn show_asset(
    State(face): State<Shared>,
    caller: Authorized<Read>,
    asset: Named<kind::Asset>,
    seen: Seen,
) -> Result<Answer, Refusal> {
    let shown = face.services.asset(&caller.access, asset.0).await?;
    Ok(Answer::unless_seen(&shown, shown.revision, &seen))
}
