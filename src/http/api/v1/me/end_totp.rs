//! Takes an authenticator off.

use axum::extract::State;

use super::super::super::problems::WriteProblems;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::problem::Refusal;
use crate::http::visitor::Person;

/// Take the authenticator off
///
/// The recovery codes go with it. Asks for a fresh proof.
#[utoipa::path(
    delete,
    path = "/api/v1/me/totp",
    tag = "people",
    responses((status = 204, description = "No code is asked for any more."), WriteProblems)
)]
pub async fn end_totp(State(face): State<Shared>, person: Person) -> Result<Answer, Refusal> {
    face.services.end_totp(&person.who, &person.visitor).await?;
    Ok(Answer::done())
}
