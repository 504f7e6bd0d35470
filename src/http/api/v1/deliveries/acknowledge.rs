//! Takes note that a person saw a delivery that failed.

use axum::extract::State;

use super::super::super::problems::WriteProblems;
use crate::base::kind;
use crate::domain::access::Publish;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Named, Repeatable};
use crate::http::problem::Refusal;
use crate::service::shown::DeliveryShown;

/// Acknowledge a failed delivery
///
/// It stays what it is, and waits for nobody any more. 409 unless it failed, wholly or in part.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{workspace}/deliveries/{delivery}/acknowledge",
    tag = "deliveries",
    params(Authorized<Publish>, Named<kind::Delivery>, Repeatable),
    responses(
        (status = 200, description = "The delivery as it is now.", body = DeliveryShown),
        WriteProblems
    )
)]
pub async fn acknowledge_delivery(
    State(face): State<Shared>,
    caller: Authorized<Publish>,
    delivery: Named<kind::Delivery>,
) -> Result<Answer, Refusal> {
    let done = face.services.acknowledge_delivery(caller.access, delivery.0).await?;
    Ok(Answer::json(&done.value).replayed(done.replayed))
}
