//! Accepts an invitation.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::super::problems::WriteProblems;
use super::super::texts::{self, short};
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::Json;
use crate::http::json::present;
use crate::http::problem::Refusal;
use crate::http::visitor::MaybePerson;
use crate::service::{NewUser, Opened};

/// What the link gave; and who they are, if they are new.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// The last piece of the link's address.
    #[schema(max_length = 100)]
    token: String,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, max_length = 100)]
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, max_length = 256)]
    password: Option<String>,
}

/// Where they are a member now.
#[derive(Serialize, ToSchema)]
pub struct AcceptedShown {
    #[schema(format = "uuid")]
    workspace: String,
    /// The first session of somebody who is new.
    opened: Option<Opened>,
}

/// Accept an invitation
///
/// Somebody who has an account sends the token of a session; somebody who is new sends `name` and
/// `password`. 409 `sign_in_first`: there is an account with this address.
#[utoipa::path(
    post,
    path = "/api/v1/invitations/accept",
    tag = "people",
    security((), ("key" = [])),
    request_body = Acceptance,
    responses((status = 200, description = "They are a member.", body = AcceptedShown), WriteProblems)
)]
pub async fn accept_invitation(
    State(face): State<Shared>,
    person: MaybePerson,
    Json(given): Json<Acceptance>,
) -> Result<Answer, Refusal> {
    short(&[
        ("token", Some(&given.token), texts::TOKEN),
        ("name", given.name.as_deref(), crate::base::limits::NAME_CHARS),
        ("password", given.password.as_deref(), texts::PASSWORD),
    ])?;
    let new = given.name.map(|name| NewUser { name, password: given.password.map(texts::secret) });
    let (who, visitor) = (person.who.as_ref(), &person.visitor);
    let done = face.services.accept_invitation(&given.token, who, new.as_ref(), visitor).await?;
    let workspace = done.workspace.to_string();
    Ok(Answer::json(&AcceptedShown { workspace, opened: done.opened }))
}
