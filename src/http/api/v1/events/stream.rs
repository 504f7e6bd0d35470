//! Streams what happens in a workspace, as it happens.

use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use http::HeaderName;
use http::request::Parts;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Type};

use super::super::super::problems::ReadProblems;
use crate::domain::access::Read;
use crate::http::Shared;
use crate::http::extract::{Authorized, Query, bad_header, header_parameter, only};
use crate::http::json::present;
use crate::http::live::{Presented, Watch, full, stream};
use crate::http::problem::Refusal;
use crate::service::words;

const LAST: HeaderName = HeaderName::from_static("last-event-id");

/// The last event that the caller has, as a browser says it when it comes back.
pub(in crate::http) struct Last(Option<u64>);

impl FromRequestParts<Shared> for Last {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Refusal> {
        let Some(text) = only(&parts.headers, &LAST)? else { return Ok(Self(None)) };
        let number = words::number("", Some(text));
        number.map(Self).map_err(|_| bad_header(&LAST, "the number of an event"))
    }
}

impl IntoParams for Last {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let about = "The last event that the caller has; the stream goes on after it.";
        let schema = ObjectBuilder::new().schema_type(Type::String).max_length(Some(16));
        vec![header_parameter("Last-Event-Id", about, schema.pattern(Some("^[0-9]{1,16}$")))]
    }
}

/// From where on.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StreamEvents {
    /// After the event of this number; without it, what happens from now on.
    #[serde(default, deserialize_with = "present")]
    #[param(value_type = u64, required = false, minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    after: Option<String>,
}

/// Stream activity
///
/// Server-sent events, each with its number as `id` and an item of `activity` as `data`. It ends
/// when the caller may not read any more; come back with `Last-Event-Id` to miss nothing.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/stream",
    tag = "events",
    params(Authorized<Read>, Last, StreamEvents),
    responses(
        (status = 200, description = "Without end.", body = String,
            content_type = "text/event-stream"),
        ReadProblems
    )
)]
pub async fn stream_events(
    State(face): State<Shared>,
    caller: Authorized<Read>,
    presented: Presented,
    last: Last,
    query: Query<StreamEvents>,
) -> Result<Response, Refusal> {
    let after = words::number("after", query.0.after.as_deref())?;
    let end = face.services.last_event(&caller.access).await?;
    // What is not there yet, after a restore say, is waited for from the end on.
    let after = last.0.or(after).unwrap_or(end).min(end);
    let place = face.limits.reader(caller.access.actor().word()).map_err(|limit| {
        face.services.metrics.http_refused("streams");
        full(limit)
    })?;
    Ok(stream(Watch::of(&face, presented, &caller.access), after, place))
}
