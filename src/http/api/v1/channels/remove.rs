//! Disconnects a channel.

use axum::extract::State;

use super::super::super::problems::WriteProblems;
use crate::base::kind;
use crate::domain::access::Entrust;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Named, Repeatable};
use crate::http::problem::Refusal;

/// Remove a channel
///
/// What waits for it is cancelled; 409 while something is being sent or is in doubt.
#[utoipa::path(
    delete,
    path = "/api/v1/workspaces/{workspace}/channels/{channel}",
    tag = "channels",
    params(Authorized<Entrust>, Named<kind::Channel>, Repeatable),
    responses((status = 204, description = "It is disconnected."), WriteProblems)
)]
pub async fn remove_channel(
    State(face): State<Shared>,
    caller: Authorized<Entrust>,
    channel: Named<kind::Channel>,
) -> Result<Answer, Refusal> {
    let done = face.services.remove_channel(caller.access, channel.0).await?;
    Ok(Answer::done().replayed(done.replayed))
}
