//! Changes the person who asks.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::problems::WriteProblems;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{IfMatch, Json};
use crate::http::json::present;
use crate::http::problem::Refusal;
use crate::http::visitor::Person;
use crate::service::{AccountChange, UserShown};

/// What is not given stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({ "name": "Ann Baker" })))]
pub struct MeChange {
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, min_length = 1, max_length = 100)]
    name: Option<String>,
}

/// Change yourself
#[utoipa::path(
    patch,
    path = "/api/v1/me",
    tag = "people",
    params(IfMatch),
    request_body = MeChange,
    responses((status = 200, description = "As it is now.", body = UserShown), WriteProblems)
)]
pub async fn change_me(
    State(face): State<Shared>,
    person: Person,
    IfMatch(revision): IfMatch,
    Json(change): Json<MeChange>,
) -> Result<Answer, Refusal> {
    let change = AccountChange { name: change.name, revision };
    let me = face.services.change_me(&person.who, change).await?;
    Ok(Answer::json(&me).tagged(me.revision))
}
