//! Invites somebody.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::problems::WriteProblems;
use super::super::{schemas, texts};
use crate::domain::access::Manage;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Body, Repeatable};
use crate::http::json::{UniqueMap, present};
use crate::http::problem::Refusal;
use crate::service::{InvitationShown, NewInvitation, words};

/// Whom to invite, and as what.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewInvitation, examples(json!({ "email": "ben@example.org", "role": "editor" })))]
pub struct Invite {
    #[schema(min_length = 1, max_length = 254)]
    email: String,
    #[schema(schema_with = schemas::role)]
    role: String,
    /// Limits an editor or viewer to these channels; without it, all of them.
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = schemas::grants, required = false)]
    channels: Option<UniqueMap<String>>,
}

/// Invite somebody
///
/// The link is in this answer and in no other: hand it on. It is good once, for 72 hours, for this
/// address. A repeated request is answered without it.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{workspace}/invitations",
    tag = "people",
    params(Authorized<Manage>, Repeatable),
    request_body = Invite,
    responses(
        (status = 201, description = "The invitation, with its link.", body = InvitationShown,
            headers(("Location" = String, description = "Where it can be revoked."))),
        WriteProblems
    )
)]
pub async fn create_invitation(
    State(face): State<Shared>,
    caller: Authorized<Manage>,
    body: Body<Invite>,
) -> Result<Answer, Refusal> {
    let (access, new) = body.of(caller);
    texts::short(&[("email", Some(&new.email), texts::EMAIL)])?;
    let role = words::role("role", &new.role)?;
    let channels = words::grants("channels", new.channels.map(|map| map.0).as_ref())?;
    let all = format!("/api/v1/workspaces/{}/invitations", access.workspace());
    let new = NewInvitation { email: new.email, role, channels };
    let done = face.services.invite(access, new).await?;
    let location = format!("{all}/{}", done.value.id);
    Ok(Answer::created(&done.value, &location).replayed(done.replayed))
}
