//! Ends a session.

use axum::extract::State;

use super::super::super::problems::WriteProblems;
use crate::base::kind;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::Named;
use crate::http::problem::Refusal;
use crate::http::visitor::Person;

/// End a session
///
/// One of your own, also the one that asks. The next request with its token is refused.
#[utoipa::path(
    delete,
    path = "/api/v1/sessions/{session}",
    tag = "sessions",
    params(Named<kind::Session>),
    responses((status = 204, description = "It is over."), WriteProblems)
)]
pub async fn end_session(
    State(face): State<Shared>,
    person: Person,
    session: Named<kind::Session>,
) -> Result<Answer, Refusal> {
    let Person { who, visitor } = &person;
    face.services.end_session(who, session.0, visitor.correlation).await?;
    Ok(Answer::done())
}
