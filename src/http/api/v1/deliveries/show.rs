//! Shows one delivery.

use axum::extract::State;

use super::super::super::problems::ReadProblems;
use crate::base::kind;
use crate::domain::access::Read;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Named};
use crate::http::problem::Refusal;
use crate::service::shown::DeliveryShown;

/// Show a delivery
///
/// With its parts, attempts, and what was learnt otherwise.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/deliveries/{delivery}",
    tag = "deliveries",
    params(Authorized<Read>, Named<kind::Delivery>),
    responses((status = 200, description = "The delivery.", body = DeliveryShown), ReadProblems)
)]
pub async fn show_delivery(
    State(face): State<Shared>,
    caller: Authorized<Read>,
    delivery: Named<kind::Delivery>,
) -> Result<Answer, Refusal> {
    Ok(Answer::json(&face.services.delivery(&caller.access, delivery.0).await?))
}
