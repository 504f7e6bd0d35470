//! Cancels what of a post has not gone out.

use axum::extract::State;

use super::super::super::problems::WriteProblems;
use crate::base::kind;
use crate::domain::access::Publish;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, IfMatch, Named, Repeatable};
use crate::http::problem::Refusal;
use crate::service::shown::PostShown;

/// Cancel a post
///
/// Cancels every delivery that has not gone out. 409 while one is being sent or is in doubt.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{workspace}/posts/{post}/cancel",
    tag = "posts",
    params(Authorized<Publish>, Named<kind::Post>, IfMatch, Repeatable),
    responses(
        (status = 200, description = "The post as it is now.", body = PostShown,
            headers(("ETag" = String))),
        WriteProblems
    )
)]
pub async fn cancel_post(
    State(face): State<Shared>,
    caller: Authorized<Publish>,
    post: Named<kind::Post>,
    seen: IfMatch,
) -> Result<Answer, Refusal> {
    let done = face.services.cancel_post(caller.access, post.0, seen.0).await?;
    Ok(Answer::json(&done.value).tagged(done.value.revision).replayed(done.replayed))
}
