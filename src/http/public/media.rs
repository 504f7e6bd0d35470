//! Assets at signed addresses, for networks that fetch what they show. Must not list anything, nor
//! say why something is not there.

use axum::extract::{Path, State};
use axum::response::Response;

use crate::base::{Code, Problem};
use crate::http::Shared;
use crate::http::file::Asked;
use crate::http::problem::Refusal;

pub(super) async fn linked(
    State(face): State<Shared>,
    Path((asset, delivery, until, signature)): Path<(String, String, String, String)>,
    asked: Asked,
) -> Result<Response, Refusal> {
    let missing = || Refusal(Problem::new(Code::NotFound));
    let (Ok(asset), Ok(delivery)) = (asset.parse(), delivery.parse()) else {
        return Err(missing());
    };
    let (asset, blob) = face.services.linked_asset(asset, delivery, &until, &signature).await?;
    Ok(asked.answer(&asset, &blob))
}
