//! Makes a key.

use std::collections::BTreeSet;

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::problems::WriteProblems;
use super::super::schemas;
use crate::base::{Problem, Wrong};
use crate::domain::access::{HandOut, Scope};
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Body, Repeatable};
use crate::http::json::{UniqueMap, present};
use crate::http::problem::Refusal;
use crate::service::shown::KeyShown;
use crate::service::{self, words};

/// A key to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({ "name": "Reports", "scopes": ["read"] })))]
pub struct NewKey {
    /// What it is for.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    #[schema(schema_with = schemas::scopes)]
    scopes: Vec<String>,
    /// When it ends by itself.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, format = DateTime, max_length = 64)]
    expires_at: Option<String>,
    /// The channels that it is limited to, and what it may do there; without it, every channel.
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = schemas::grants, required = false)]
    channels: Option<UniqueMap<String>>,
    /// Where alone it is good; without it, anywhere.
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = schemas::addresses, required = false)]
    addresses: Option<Vec<String>>,
}

fn scopes(given: &[String]) -> Result<BTreeSet<Scope>, Problem> {
    let (max, actual) = (Scope::ALL.len(), given.len());
    if actual > max {
        return Err(Problem::field("scopes", Wrong::TooLong { max, actual, unit: "scopes" }));
    }
    let scope = |(i, word): (usize, &String)| words::scope(&format!("scopes[{i}]"), word);
    given.iter().enumerate().map(scope).collect()
}

/// Make a key
///
/// The key itself is in this answer and in no other; a repeated request is answered without it.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{workspace}/keys",
    tag = "keys",
    params(Authorized<HandOut>, Repeatable),
    request_body = NewKey,
    responses(
        (status = 201, description = "The key, with its secret.", body = KeyShown,
            headers(("Location" = String, description = "Where it can be revoked."))),
        WriteProblems
    )
)]
pub async fn create_key(
    State(face): State<Shared>,
    caller: Authorized<HandOut>,
    body: Body<NewKey>,
) -> Result<Answer, Refusal> {
    let (access, new) = body.of(caller);
    let keys = format!("/api/v1/workspaces/{}/keys", access.workspace());
    let scopes = scopes(&new.scopes)?;
    let instant = |text: &str| words::instant("expires_at", text);
    let expires = new.expires_at.as_deref().map(instant).transpose()?;
    let channels = words::grants("channels", new.channels.map(|map| map.0).as_ref())?;
    let addresses = words::addresses("addresses", new.addresses.as_deref())?;
    let new = service::NewKey { name: new.name, scopes, expires_at: expires, channels, addresses };
    let done = face.services.create_key(access, new).await?;
    let location = format!("{keys}/{}", done.value.id);
    Ok(Answer::created(&done.value, &location).replayed(done.replayed))
}
