//! Shows one post with its deliveries.

use axum::extract::State;

use super::super::super::problems::ReadProblems;
use crate::base::kind;
use crate::domain::access::Read;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Named, Seen};
use crate::http::problem::Refusal;
use crate::service::shown::{DeliveryShown, PostShown};

/// Show a post
///
/// 304 is possible until a delivery moves: the tag is the post's revision, and does not follow
/// its deliveries.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/posts/{post}",
    tag = "posts",
    params(Authorized<Read>, Named<kind::Post>, Seen),
    responses(
        (status = 200, description = "The post.", body = PostShown, headers(("ETag" = String))),
        (status = 304, description = "The caller has this state."),
        ReadProblems
    )
)]
pub async fn show_post(
    State(face): State<Shared>,
    caller: Authorized<Read>,
    post: Named<kind::Post>,
    seen: Seen,
) -> Result<Answer, Refusal> {
    let shown = face.services.post(&caller.access, post.0).await?;
    if shown.deliveries.iter().all(untouched) {
        return Ok(Answer::unless_seen(&shown, shown.revision, &seen));
    }
    Ok(Answer::json(&shown).tagged(shown.revision))
}

/// Whether it looks as it did when the post had just been written.
fn untouched(delivery: &DeliveryShown) -> bool {
    delivery.state == "scheduled"
        && delivery.reason.as_deref() != Some("paused")
        && delivery.attempts.is_empty()
        && delivery.evidence.is_empty()
}
