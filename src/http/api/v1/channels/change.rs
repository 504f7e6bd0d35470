//! Changes a channel, or connects its account again.

use axum::extract::State;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::super::super::problems::NetworkProblems;
use super::secret;
use crate::base::kind;
use crate::domain::access::Manage;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Body, IfMatch, Named, Repeatable};
use crate::http::json::present;
use crate::http::problem::Refusal;
use crate::service::shown::ChannelShown;
use crate::service::{ChannelChange, Grace};

/// What changes; fields that are absent stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({ "paused": true }), json!({ "grace_minutes": null })))]
pub struct ChannelPatch {
    /// What people call it.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, min_length = 1, max_length = 100)]
    name: Option<String>,
    /// Holds back what is due.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    paused: Option<bool>,
    /// How late a post may still go out; null: as the workspace says.
    #[serde(default, deserialize_with = "grace")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 10080)]
    grace_minutes: Option<Grace>,
    /// A new access token of the same account, or a new signing secret of a webhook.
    #[serde(default, deserialize_with = "present")]
    #[schema(
        nullable = false,
        write_only,
        min_length = 1,
        max_length = 4096,
        pattern = "^[!-~]+$"
    )]
    token: Option<String>,
    /// The code that `authorize_url` led to.
    #[serde(default, deserialize_with = "present")]
    #[schema(
        nullable = false,
        write_only,
        min_length = 1,
        max_length = 4096,
        pattern = "^[!-~]+$"
    )]
    code: Option<String>,
}

/// Any number becomes minutes; the use case knows which are allowed.
fn grace<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Grace>, D::Error> {
    Ok(Some(match Option::<i64>::deserialize(d)? {
        None => Grace::Workspace,
        Some(minutes) => Grace::Minutes(u64::try_from(minutes).unwrap_or(0)),
    }))
}

/// Change a channel
///
/// With a token or code its account is connected again, and what was held for it goes on.
#[utoipa::path(
    patch,
    path = "/api/v1/workspaces/{workspace}/channels/{channel}",
    tag = "channels",
    params(Authorized<Manage>, Named<kind::Channel>, IfMatch, Repeatable),
    request_body = ChannelPatch,
    responses(
        (status = 200, description = "The channel as it is now.", body = ChannelShown,
            headers(("ETag" = String))),
        NetworkProblems
    )
)]
pub async fn change_channel(
    State(face): State<Shared>,
    caller: Authorized<Manage>,
    channel: Named<kind::Channel>,
    seen: IfMatch,
    body: Body<ChannelPatch>,
) -> Result<Answer, Refusal> {
    let (access, patch) = body.of(caller);
    let change = ChannelChange {
        name: patch.name,
        paused: patch.paused,
        grace: patch.grace_minutes,
        token: patch.token.as_deref().map(secret),
        code: patch.code.as_deref().map(secret),
        revision: seen.0,
    };
    let done = face.services.change_channel(access, channel.0, change).await?;
    Ok(Answer::json(&done.value).tagged(done.value.revision).replayed(done.replayed))
}
