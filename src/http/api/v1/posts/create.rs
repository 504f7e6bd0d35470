//! Schedules a post, or keeps a draft.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::problems::WriteProblems;
use super::super::schemas;
use super::shapes::{self, PartBody, ScheduleBody, Variants};
use crate::base::Problem;
use crate::domain::access::Write;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Body, Repeatable};
use crate::http::json::{object, objects};
use crate::http::problem::Refusal;
use crate::service::NewPost;
use crate::service::shown::PostShown;

/// A post as a person writes it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(
    json!({
        "parts": [{ "text": "Good morning!" }, { "text": "And a reply.", "delay_minutes": 5 }],
        "channels": ["019b2a3c-5d6e-7f80-9a0b-1c2d3e4f5061"],
        "schedule": { "at": "2026-12-01T09:00", "zone": "Europe/Berlin" },
        "tags": ["news"],
    }),
))]
pub struct PostBody {
    /// The root, then its replies.
    #[serde(deserialize_with = "objects")]
    #[schema(min_items = 1, max_items = 50)]
    parts: Vec<PartBody>,
    #[serde(default)]
    #[schema(schema_with = schemas::channels)]
    channels: Vec<String>,
    /// A draft may have none yet.
    #[serde(default, deserialize_with = "object")]
    #[schema(nullable = false)]
    schedule: Option<ScheduleBody>,
    #[serde(default)]
    variants: Variants,
    #[serde(default)]
    #[schema(schema_with = schemas::tags)]
    tags: Vec<String>,
    /// Keeps it without sending it; what a network would refuse is only a warning.
    #[serde(default)]
    draft: bool,
}

impl PostBody {
    fn into_post(self) -> Result<NewPost, Problem> {
        Ok(NewPost {
            parts: shapes::parts(self.parts),
            channels: shapes::channels(&self.channels)?,
            when: self.schedule.map(ScheduleBody::into_when).transpose()?,
            variants: shapes::variants(self.variants)?,
            tags: self.tags,
            draft: self.draft,
        })
    }
}

/// Write a post
///
/// The post, one delivery per channel and their timers are durable when this answers.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{workspace}/posts",
    tag = "posts",
    params(Authorized<Write>, Repeatable),
    request_body = PostBody,
    responses(
        (status = 201, description = "The post with its deliveries.", body = PostShown,
            headers(("Location" = String, description = "Where it is."), ("ETag" = String))),
        WriteProblems
    )
)]
pub async fn create_post(
    State(face): State<Shared>,
    caller: Authorized<Write>,
    body: Body<PostBody>,
) -> Result<Answer, Refusal> {
    let (access, new) = body.of(caller);
    let posts = format!("/api/v1/workspaces/{}/posts", access.workspace());
    let done = face.services.create_post(access, new.into_post()?).await?;
    let location = format!("{posts}/{}", done.value.id);
    let answer = Answer::created(&done.value, &location);
    Ok(answer.tagged(done.value.revision).replayed(done.replayed))
}
