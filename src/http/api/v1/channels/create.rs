//! Connects an account.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::problems::NetworkProblems;
use super::super::schemas;
use super::secret;
use crate::domain::access::Entrust;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Body, Repeatable};
use crate::http::json::present;
use crate::http::problem::Refusal;
use crate::service::Brought;
use crate::service::shown::ChannelShown;

/// An account to connect.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(
    json!({ "network": "feed", "name": "News" }),
    json!({ "network": "mastodon", "name": "Our account", "instance": "https://example.social" }),
    json!({ "network": "webhook", "name": "Our site", "url": "https://example.org/hook" }),
))]
pub struct NewChannel {
    #[schema(schema_with = schemas::network)]
    network: String,
    /// What people call it.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// The server's address, for networks that have many.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, min_length = 1, max_length = 2048)]
    instance: Option<String>,
    /// The name to sign in with, for networks where `token` is a password: a handle, say.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, min_length = 1, max_length = 100)]
    identifier: Option<String>,
    /// The address that a webhook posts to.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, min_length = 1, max_length = 2048)]
    url: Option<String>,
    /// An access token, for networks that take one. Without it the channel is `connecting`, and
    /// its `authorize_url` leads to a code that completes it. For a webhook its signing secret
    /// (`whsec_...`); without it one is made, and shown as `secret` in this answer only.
    #[serde(default, deserialize_with = "present")]
    #[schema(
        nullable = false,
        write_only,
        min_length = 1,
        max_length = 4096,
        pattern = "^[!-~]+$"
    )]
    token: Option<String>,
}

/// Connect an account
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{workspace}/channels",
    tag = "channels",
    params(Authorized<Entrust>, Repeatable),
    request_body = NewChannel,
    responses(
        (status = 201, description = "The channel, connected or waiting for a code.",
            body = ChannelShown,
            headers(("Location" = String, description = "Where it is."), ("ETag" = String))),
        NetworkProblems
    )
)]
pub async fn create_channel(
    State(face): State<Shared>,
    caller: Authorized<Entrust>,
    body: Body<NewChannel>,
) -> Result<Answer, Refusal> {
    let (access, new) = body.of(caller);
    let channels = format!("/api/v1/workspaces/{}/channels", access.workspace());
    let brought = Brought {
        network: new.network,
        name: new.name,
        instance: new.instance,
        identifier: new.identifier,
        url: new.url,
        token: new.token.as_deref().map(secret),
    };
    let done = face.services.add_channel(access, brought).await?;
    let location = format!("{channels}/{}", done.value.id);
    let answer = Answer::created(&done.value, &location);
    Ok(answer.tagged(done.value.revision).replayed(done.replayed))
}
