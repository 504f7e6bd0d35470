//! Shows one channel.

use axum::extract::State;

use super::super::super::problems::ReadProblems;
use crate::base::kind;
use crate::domain::access::Read;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Named, Seen};
use crate::http::problem::Refusal;
use crate::service::shown::ChannelShown;

/// Show a channel
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/channels/{channel}",
    tag = "channels",
    params(Authorized<Read>, Named<kind::Channel>, Seen),
    responses(
        (status = 200, description = "The channel.", body = ChannelShown,
            headers(("ETag" = String))),
        (status = 304, description = "The caller has this state."),
        ReadProblems
    )
)]
pub async fn show_channel(
    State(face): State<Shared>,
    caller: Authorized<Read>,
    channel: Named<kind::Channel>,
    seen: Seen,
) -> Result<Answer, Refusal> {
    let shown = face.services.channel(&caller.access, channel.0).await?;
    Ok(Answer::unless_seen(&shown, shown.revision, &seen))
}
