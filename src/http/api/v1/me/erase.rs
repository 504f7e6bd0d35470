//! Erases a person.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::super::problems::WriteProblems;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::Query;
use crate::http::problem::Refusal;
use crate::http::visitor::Person;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Confirmed {
    /// Your own e-mail, so that nobody goes by mistake.
    #[param(max_length = 254)]
    email: String,
}

/// Erase yourself
///
/// For good, and at once: account, sessions, authenticator, and your name and e-mail wherever they stand. What you
/// did stays on record under an id that leads to nobody. 409 `last_owner` while a workspace has no other
/// owner: hand it over, or delete it. Asks for a fresh proof.
#[utoipa::path(
    delete,
    path = "/api/v1/me",
    tag = "people",
    params(Confirmed),
    responses((status = 204, description = "You are no more."), WriteProblems)
)]
pub async fn erase_me(
    State(face): State<Shared>,
    person: Person,
    query: Query<Confirmed>,
) -> Result<Answer, Refusal> {
    face.services.erase_me(&person.who, &query.0.email, &person.visitor).await?;
    Ok(Answer::done())
}
