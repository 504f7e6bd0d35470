//! Takes a person's decision on a held delivery.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::problems::WriteProblems;
use super::super::schemas;
use crate::base::kind;
use crate::domain::access::Publish;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Body, Named, Repeatable};
use crate::http::json::present;
use crate::http::problem::Refusal;
use crate::service::shown::DeliveryShown;
use crate::service::words;

/// A decision.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(
    json!({ "decision": "it_is_there", "url": "https://example.social/@us/1" }),
    json!({ "decision": "send_again" }),
))]
pub struct Resolution {
    #[schema(schema_with = schemas::decision)]
    decision: String,
    /// Where it is, when it is there.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, format = "uri", min_length = 1, max_length = 2048)]
    url: Option<String>,
}

/// Decide on a held delivery
///
/// 409 unless it is held.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{workspace}/deliveries/{delivery}/resolve",
    tag = "deliveries",
    params(Authorized<Publish>, Named<kind::Delivery>, Repeatable),
    request_body = Resolution,
    responses(
        (status = 200, description = "The delivery as it is now.", body = DeliveryShown),
        WriteProblems
    )
)]
pub async fn resolve_delivery(
    State(face): State<Shared>,
    caller: Authorized<Publish>,
    delivery: Named<kind::Delivery>,
    body: Body<Resolution>,
) -> Result<Answer, Refusal> {
    let (access, resolution) = body.of(caller);
    let decision = words::decision("decision", &resolution.decision, resolution.url.as_deref())?;
    let done = face.services.resolve_delivery(access, delivery.0, decision).await?;
    Ok(Answer::json(&done.value).replayed(done.replayed))
}
