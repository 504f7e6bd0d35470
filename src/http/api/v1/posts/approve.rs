//! Takes a person's word on a post that waits for it.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::problems::WriteProblems;
use crate::base::kind;
use crate::domain::access::Approve;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Body, IfMatch, Named, Repeatable};
use crate::http::problem::Refusal;
use crate::service::Word;
use crate::service::shown::PostShown;

/// What is said with it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({ "note": "The price is not right." })))]
pub struct ApprovalNote {
    /// For whoever wrote it: one line. Whoever declines must say something.
    #[serde(default)]
    #[schema(max_length = 500)]
    note: String,
}

/// Approve a post
///
/// Lets it out as it is; with `If-Match` as it was seen. A change by somebody who is not asked asks again. 409
/// when it waits for nobody.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{workspace}/posts/{post}/approve",
    tag = "posts",
    params(Authorized<Approve>, Named<kind::Post>, IfMatch, Repeatable),
    request_body = ApprovalNote,
    responses(
        (status = 200, description = "The post as it is now.", body = PostShown,
            headers(("ETag" = String))),
        WriteProblems
    )
)]
pub async fn approve_post(
    face: State<Shared>,
    caller: Authorized<Approve>,
    post: Named<kind::Post>,
    seen: IfMatch,
    body: Body<ApprovalNote>,
) -> Result<Answer, Refusal> {
    say(face, caller, (post, seen), body, Word::Approve).await
}

/// Decline a post
///
/// It stays in until it is changed, which asks again. One that was approved can be declined as long as nothing
/// of it is being sent (409 `delivery_in_flight`).
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{workspace}/posts/{post}/decline",
    tag = "posts",
    params(Authorized<Approve>, Named<kind::Post>, IfMatch, Repeatable),
    request_body = ApprovalNote,
    responses(
        (status = 200, description = "The post as it is now.", body = PostShown,
            headers(("ETag" = String))),
        WriteProblems
    )
)]
pub async fn decline_post(
    face: State<Shared>,
    caller: Authorized<Approve>,
    post: Named<kind::Post>,
    seen: IfMatch,
    body: Body<ApprovalNote>,
) -> Result<Answer, Refusal> {
    say(face, caller, (post, seen), body, Word::Decline).await
}

async fn say(
    State(face): State<Shared>,
    caller: Authorized<Approve>,
    (post, seen): (Named<kind::Post>, IfMatch),
    body: Body<ApprovalNote>,
    word: Word,
) -> Result<Answer, Refusal> {
    let (access, said) = body.of(caller);
    let done = face.services.approve_post(access, (post.0, seen.0), word, &said.note).await?;
    Ok(Answer::json(&done.value).tagged(done.value.revision).replayed(done.replayed))
}
