//! Deletes a post.

use axum::extract::State;

use super::super::super::problems::WriteProblems;
use crate::base::kind;
use crate::domain::access::Write;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, IfMatch, Named, Repeatable};
use crate::http::problem::Refusal;

/// Delete a post
///
/// Cancels what has not gone out, and takes the post off every list. What is out stays out. 409
/// while something is being sent or is in doubt.
#[utoipa::path(
    delete,
    path = "/api/v1/workspaces/{workspace}/posts/{post}",
    tag = "posts",
    params(Authorized<Write>, Named<kind::Post>, IfMatch, Repeatable),
    responses((status = 204, description = "It is deleted."), WriteProblems)
)]
pub async fn delete_post(
    State(face): State<Shared>,
    caller: Authorized<Write>,
    post: Named<kind::Post>,
    seen: IfMatch,
) -> Result<Answer, Refusal> {
    let done = face.services.delete_post(caller.access, post.0, seen.0).await?;
    Ok(Answer::done().replayed(done.replayed))
}
