//! Exports the chain of events of a workspace.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::super::problems::ReadProblems;
use super::super::schemas;
use crate::domain::access::HandOut;
use crate::http::Shared;
use crate::http::export;
use crate::http::extract::{Authorized, Query};
use crate::http::json::present;
use crate::http::live::{Presented, Watch};
use crate::http::problem::Refusal;
use crate::service::{ExportFormat, words};

/// How, and from where on.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportEvents {
    #[serde(default, deserialize_with = "present")]
    #[param(schema_with = schemas::export_format, required = false)]
    format: Option<String>,
    /// Only those after the event of this number.
    #[serde(default, deserialize_with = "present")]
    #[param(value_type = u64, required = false, minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    after: Option<String>,
}

/// Export events
///
/// The chain, oldest first, up to the event that this export leaves. Each row has the hashes, so
/// that `carillon event verify FILE` can check it without a server.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/events/export",
    tag = "events",
    params(Authorized<HandOut>, ExportEvents),
    responses(
        (status = 200, description = "A row for each event.", content(
            (String = "application/jsonl"), (String = "text/csv")
        )),
        ReadProblems
    )
)]
pub async fn export_events(
    State(face): State<Shared>,
    caller: Authorized<HandOut>,
    presented: Presented,
    query: Query<ExportEvents>,
) -> Result<Response, Refusal> {
    let format = ExportFormat::from_word(query.0.format.as_deref())?;
    let after = words::number("after", query.0.after.as_deref())?.unwrap_or(0);
    let events = face.services.export_events(&caller.access, format, after).await?;
    Ok(export::answer(events, Some(Watch::of(&face, presented, &caller.access))))
}
