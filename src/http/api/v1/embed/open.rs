//! Opens a page inside a host.

use std::collections::BTreeMap;

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::problems::WriteProblems;
use super::super::plan::shapes::PlanGiven;
use super::super::schemas;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::Json;
use crate::http::hosting::HostCaller;
use crate::http::json::{object, present, whole};
use crate::http::problem::Refusal;
use crate::service::{EmbedOpened, EmbedPerson, NewEmbed, words};

/// Who comes, to which workspace, and how the page is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({
    "user": { "id": "crm-17", "email": "ann@example.org", "name": "Ann" },
    "workspace": { "id": "account-4711", "name": "Acme" },
    "role": "editor",
    "origin": "https://crm.example",
})))]
pub struct NewEmbedSession {
    #[serde(deserialize_with = "whole")]
    user: EmbedUser,
    #[serde(deserialize_with = "whole")]
    workspace: EmbedWorkspace,
    #[schema(schema_with = schemas::role)]
    role: String,
    /// What it has from now on; left out, it keeps what it has.
    #[serde(default, deserialize_with = "object")]
    #[schema(nullable = false)]
    plan: Option<PlanGiven>,
    /// How the page is to look.
    #[serde(default, deserialize_with = "object")]
    #[schema(nullable = false)]
    theme: Option<ThemeGiven>,
    /// Where the page is, as browsers send it; one of the host's origins.
    #[schema(min_length = 1, max_length = 2048)]
    origin: String,
}

/// The host's person.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmbedUser {
    /// The host's own name for them; stays the same.
    #[schema(min_length = 1, max_length = 200)]
    id: String,
    #[schema(schema_with = schemas::email)]
    email: String,
    #[schema(min_length = 1, max_length = 100)]
    name: String,
}

/// The host's customer, or whatever has a workspace of its own there.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmbedWorkspace {
    /// The host's own name for it; stays the same.
    #[schema(min_length = 1, max_length = 200)]
    id: String,
    #[schema(min_length = 1, max_length = 100)]
    name: String,
}

/// CSS values; what is left out is as Carillon looks.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ThemeGiven {
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = schemas::style, required = false)]
    accent: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = schemas::style, required = false)]
    radius: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = schemas::style, required = false)]
    font: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = schemas::style, required = false)]
    color_scheme: Option<String>,
}

impl ThemeGiven {
    fn read(self) -> BTreeMap<String, String> {
        let given = [
            ("accent", self.accent),
            ("radius", self.radius),
            ("font", self.font),
            ("color_scheme", self.color_scheme),
        ];
        let named = |(name, value): (&str, Option<String>)| Some((name.to_owned(), value?));
        given.into_iter().filter_map(named).collect()
    }
}

/// Open a page inside a host
///
/// For the host's backend, with the host's key. The user and the workspace are made when the host
/// comes with them for the first time; they stand under its own names, and it never gets anything that
/// it did not make. Calling again gives another bearer: that is how a page goes on after 15 minutes.
/// Name, role and plan count from the next request on, also in pages that are open. A lower role for the
/// only owner is refused (409 `last_owner`): name another owner first.
#[utoipa::path(
    post,
    path = "/api/v1/embed-sessions",
    tag = "embedding",
    security(("host" = [])),
    request_body = NewEmbedSession,
    responses(
        (status = 201, description = "The bearer, for pages of this origin.", body = EmbedOpened,
            headers(("Location" = String, description = "Where it can be ended."))),
        WriteProblems
    )
)]
pub async fn open_embed_session(
    State(face): State<Shared>,
    host: HostCaller,
    body: Json<NewEmbedSession>,
) -> Result<Answer, Refusal> {
    let given = body.0;
    let plan = given.plan.map(|plan| plan.read("plan.")).transpose()?;
    let EmbedUser { id, email, name } = given.user;
    let new = NewEmbed {
        user: EmbedPerson { id, email, name },
        workspace: given.workspace.id,
        workspace_name: given.workspace.name,
        role: words::role("role", &given.role)?,
        plan,
        theme: given.theme.map(ThemeGiven::read).unwrap_or_default(),
        origin: given.origin,
    };
    let opened = face.services.open_embed(&host.0, new).await?;
    Ok(Answer::created(&opened, &format!("/api/v1/embed-sessions/{}", opened.id)))
}
