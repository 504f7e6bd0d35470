//! Tests a channel.

use axum::extract::State;

use super::super::super::problems::NetworkProblems;
use crate::base::kind;
use crate::domain::access::Manage;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Named};
use crate::http::problem::Refusal;
use crate::service::shown::ChannelShown;

/// Test a channel
///
/// Asks the network whom the channel speaks for; publishes nothing. A refused credential is
/// remembered: the channel then is `reconnect_needed`.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{workspace}/channels/{channel}/test",
    tag = "channels",
    params(Authorized<Manage>, Named<kind::Channel>),
    responses(
        (status = 200, description = "The network answered.", body = ChannelShown,
            headers(("ETag" = String))),
        NetworkProblems
    )
)]
pub async fn test_channel(
    State(face): State<Shared>,
    caller: Authorized<Manage>,
    channel: Named<kind::Channel>,
) -> Result<Answer, Refusal> {
    let shown = face.services.test_channel(caller.access, channel.0).await?;
    Ok(Answer::json(&shown).tagged(shown.revision))
}
