//! Renews what several channels sign in with.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::problems::NetworkProblems;
use super::super::schemas;
use crate::domain::access::Manage;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Body};
use crate::http::json::present;
use crate::http::problem::Refusal;
use crate::service::{RefreshedShown, words};

/// Which channels.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({})))]
pub struct Refresh {
    /// Ids of channels; without it, all whose time has come.
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = schemas::refreshed, required = false)]
    channels: Option<Vec<String>>,
}

/// Renew tokens of many channels
///
/// At most 50 at a time; what became of each is in the answer.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{workspace}/channels/refresh",
    tag = "channels",
    params(Authorized<Manage>),
    request_body = Refresh,
    responses(
        (status = 200, description = "What became of each.", body = RefreshedShown),
        NetworkProblems
    )
)]
pub async fn refresh_channels(
    State(face): State<Shared>,
    caller: Authorized<Manage>,
    body: Body<Refresh>,
) -> Result<Answer, Refusal> {
    let (access, asked) = body.of(caller);
    let ids = asked.channels.map(|ids| {
        let ids = ids.iter().enumerate();
        ids.map(|(i, id)| words::id(&format!("channels[{i}]"), id)).collect::<Result<Vec<_>, _>>()
    });
    let done = face.services.refresh_channels(access, ids.transpose()?).await?;
    Ok(Answer::json(&done))
}
