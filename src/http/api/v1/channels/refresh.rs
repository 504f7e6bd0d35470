//! Renews what a channel signs in with.

use axum::extract::State;

use super::super::super::problems::NetworkProblems;
use crate::base::kind;
use crate::domain::access::Manage;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Named};
use crate::http::problem::Refusal;
use crate::service::shown::ChannelShown;

/// Renew a channel's token
///
/// Now, whether its time has come or not. Nobody has to: tokens are renewed before they end. One that
/// the network calls dead, twice, makes the channel `reconnect_needed`.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{workspace}/channels/{channel}/refresh",
    tag = "channels",
    params(Authorized<Manage>, Named<kind::Channel>),
    responses(
        (status = 200, description = "It has a new one.", body = ChannelShown,
            headers(("ETag" = String))),
        NetworkProblems
    )
)]
pub async fn refresh_channel(
    State(face): State<Shared>,
    caller: Authorized<Manage>,
    channel: Named<kind::Channel>,
) -> Result<Answer, Refusal> {
    let shown = face.services.refresh_channel(caller.access, channel.0).await?;
    Ok(Answer::json(&shown).tagged(shown.revision))
}
