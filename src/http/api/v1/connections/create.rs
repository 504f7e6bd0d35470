//! Begins to connect an account.

use std::time::Duration;

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::problems::NetworkProblems;
use super::super::{schemas, texts};
use crate::domain::access::Entrust;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Body, Repeatable};
use crate::http::json::present;
use crate::http::problem::Refusal;
use crate::service::{ConnectionShown, NewConnection, words};

/// What is to be connected.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewConnection, examples(json!({ "network": "x" }), json!({ "network": "x", "link": true })))]
pub struct Begin {
    /// One whose accounts are connected on its own page.
    #[schema(schema_with = schemas::consent)]
    network: String,
    /// The channel whose account is to be connected again; without it a new one.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, format = "uuid", max_length = 36)]
    channel: Option<String>,
    /// What a new channel is called; else as its account.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, min_length = 1, max_length = 100)]
    name: Option<String>,
    /// Make a link for whoever owns the account, though a person asks who could go on in this session.
    #[serde(default)]
    link: bool,
    /// How long that link is good; a day when not given.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, minimum = 1, maximum = 10080)]
    life_minutes: Option<u64>,
}

/// Begin to connect an account
///
/// For a person in a session the answer has `authorize_url`, which that session's browser opens: the
/// network asks for consent there, within 15 minutes. For keys, and where asked for, it has `link`: good
/// once, in any browser, also for somebody without an account here. Neither is in any other answer.
/// Whoever consented then confirms on a page which accounts become channels.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{workspace}/connections",
    tag = "channels",
    params(Authorized<Entrust>, Repeatable),
    request_body = Begin,
    responses(
        (status = 201, description = "The connection.", body = ConnectionShown,
            headers(("Location" = String, description = "Where it is."))),
        NetworkProblems
    )
)]
pub async fn begin_connection(
    State(face): State<Shared>,
    caller: Authorized<Entrust>,
    body: Body<Begin>,
) -> Result<Answer, Refusal> {
    let (access, new) = body.of(caller);
    texts::short(&[("name", new.name.as_deref(), texts::NAME)])?;
    let channel = new.channel.as_deref().map(|id| words::id("channel", id)).transpose()?;
    let all = format!("/api/v1/workspaces/{}/connections", access.workspace());
    let new = NewConnection {
        network: new.network,
        channel,
        name: new.name,
        link: new.link,
        life: new.life_minutes.map(|minutes| Duration::from_secs(minutes.saturating_mul(60))),
    };
    let done = face.services.begin_connection(access, new).await?;
    let location = format!("{all}/{}", done.value.id);
    Ok(Answer::created(&done.value, &location).replayed(done.replayed))
}
