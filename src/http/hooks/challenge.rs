//! A network asks whether this address belongs to the application that it names.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use serde_json::Value;

use crate::http::Shared;
use crate::http::problem::Refusal;

pub(super) async fn answer(
    State(face): State<Shared>,
    Path(network): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Refusal> {
    let query = query.unwrap_or_default();
    let given: Vec<(String, String)> =
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    Ok(Json(face.services.answer_hook_challenge(&network, &given).await?))
}
