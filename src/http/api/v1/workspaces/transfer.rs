//! Hands a workspace over.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::problems::WriteProblems;
use super::super::schemas;
use crate::domain::access::Own;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Body, Repeatable};
use crate::http::problem::Refusal;
use crate::service::{MemberShown, words};

/// Who is to own it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOwner {
    /// Another member.
    #[schema(schema_with = schemas::id)]
    to: String,
}

/// Transfer a workspace
///
/// Another member becomes an owner in one's own place, and oneself an admin.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{workspace}/transfer",
    tag = "workspaces",
    params(Authorized<Own>, Repeatable),
    request_body = NewOwner,
    responses(
        (status = 200, description = "The new owner.", body = MemberShown,
            headers(("ETag" = String))),
        WriteProblems
    )
)]
pub async fn transfer_workspace(
    State(face): State<Shared>,
    caller: Authorized<Own>,
    body: Body<NewOwner>,
) -> Result<Answer, Refusal> {
    let (access, new) = body.of(caller);
    let to = words::id("to", &new.to)?;
    let done = face.services.transfer_workspace(access, to).await?;
    Ok(Answer::json(&done.value).tagged(done.value.revision).replayed(done.replayed))
}
