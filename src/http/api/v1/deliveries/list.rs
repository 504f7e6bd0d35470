//! Lists the deliveries of a workspace.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::super::problems::ReadProblems;
use super::super::schemas;
use crate::domain::access::Read;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Query};
use crate::http::json::present;
use crate::http::problem::Refusal;
use crate::service::DeliveryFilter;
use crate::service::shown::{DeliveryShown, Page};
use crate::service::words;

/// Which deliveries, and which page.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListDeliveries {
    /// Only those in this state.
    #[serde(default, deserialize_with = "present")]
    #[param(schema_with = schemas::delivery_state, required = false)]
    state: Option<String>,
    /// Rows of the page.
    #[serde(default, deserialize_with = "present")]
    #[param(value_type = u32, required = false, minimum = 1, maximum = 200, default = 50)]
    limit: Option<String>,
    /// `next` of the page before.
    #[serde(default, deserialize_with = "present")]
    #[param(nullable = false, max_length = 64)]
    cursor: Option<String>,
}

/// List deliveries
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/deliveries",
    tag = "deliveries",
    params(Authorized<Read>, ListDeliveries),
    responses((status = 200, description = "One page.", body = Page<DeliveryShown>), ReadProblems)
)]
pub async fn list_deliveries(
    State(face): State<Shared>,
    caller: Authorized<Read>,
    query: Query<ListDeliveries>,
) -> Result<Answer, Refusal> {
    let ListDeliveries { state, limit, cursor } = query.0;
    let filter = DeliveryFilter {
        state: state.as_deref().map(words::delivery_state).transpose()?,
        limit: words::page_limit(limit.as_deref())?,
        cursor,
    };
    Ok(Answer::json(&face.services.deliveries(&caller.access, filter).await?))
}
