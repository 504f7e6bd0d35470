//! Ends all other sessions.

use axum::extract::State;

use super::super::super::problems::WriteProblems;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::problem::Refusal;
use crate::http::visitor::Person;

/// End all other sessions
///
/// All of your own but the one that asks.
#[utoipa::path(
    delete,
    path = "/api/v1/sessions",
    tag = "sessions",
    responses((status = 204, description = "They are over."), WriteProblems)
)]
pub async fn end_other_sessions(
    State(face): State<Shared>,
    person: Person,
) -> Result<Answer, Refusal> {
    let Person { who, visitor } = &person;
    face.services.end_other_sessions(who, visitor.correlation).await?;
    Ok(Answer::done())
}
