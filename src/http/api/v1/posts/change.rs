//! Changes a post.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::problems::WriteProblems;
use super::super::schemas;
use super::shapes::{self, PartBody, ScheduleBody, Variants};
use crate::base::{Problem, kind};
use crate::domain::access::Write;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Body, IfMatch, Named, Repeatable};
use crate::http::json::{object, present, present_objects};
use crate::http::problem::Refusal;
use crate::service::PostChange;
use crate::service::shown::PostShown;

/// What changes; fields that are absent stay as they are, the others are replaced whole. What goes
/// to a channel that is left out is cancelled.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({ "schedule": { "at": "2026-12-01T10:00", "zone": "Europe/Berlin" } })))]
pub struct PostPatch {
    /// The root, then its replies.
    #[serde(default, deserialize_with = "present_objects")]
    #[schema(nullable = false, min_items = 1, max_items = 50)]
    parts: Option<Vec<PartBody>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = schemas::channels, required = false)]
    channels: Option<Vec<String>>,
    #[serde(default, deserialize_with = "object")]
    #[schema(nullable = false)]
    schedule: Option<ScheduleBody>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    variants: Option<Variants>,
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = schemas::tags, required = false)]
    tags: Option<Vec<String>>,
    /// `false` schedules a draft; `true` takes it back.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    draft: Option<bool>,
}

impl PostPatch {
    fn into_change(self, revision: Option<u64>) -> Result<PostChange, Problem> {
        Ok(PostChange {
            parts: self.parts.map(shapes::parts),
            channels: self.channels.as_deref().map(shapes::channels).transpose()?,
            when: self.schedule.map(ScheduleBody::into_when).transpose()?,
            variants: self.variants.map(shapes::variants).transpose()?,
            tags: self.tags,
            draft: self.draft,
            revision,
        })
    }
}

/// Change a post
///
/// Its deliveries follow at once. 409 while one is being sent, is in doubt, or is over.
#[utoipa::path(
    patch,
    path = "/api/v1/workspaces/{workspace}/posts/{post}",
    tag = "posts",
    params(Authorized<Write>, Named<kind::Post>, IfMatch, Repeatable),
    request_body = PostPatch,
    responses(
        (status = 200, description = "The post as it is now.", body = PostShown,
            headers(("ETag" = String))),
        WriteProblems
    )
)]
pub async fn change_post(
    State(face): State<Shared>,
    caller: Authorized<Write>,
    post: Named<kind::Post>,
    seen: IfMatch,
    body: Body<PostPatch>,
) -> Result<Answer, Refusal> {
    let (access, patch) = body.of(caller);
    let change = patch.into_change(seen.0)?;
    let done = face.services.change_post(access, post.0, change).await?;
    Ok(Answer::json(&done.value).tagged(done.value.revision).replayed(done.replayed))
}
