//! Lists where a person is signed in.

use axum::extract::State;

use super::super::super::problems::ReadProblems;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::problem::Refusal;
use crate::http::visitor::Person;
use crate::service::SessionShown;
use crate::service::shown::Page;

/// List sessions
///
/// Your own that are live, newest first; there are 50 at most.
#[utoipa::path(
    get,
    path = "/api/v1/sessions",
    tag = "sessions",
    responses((status = 200, description = "All of them.", body = Page<SessionShown>), ReadProblems)
)]
pub async fn list_sessions(State(face): State<Shared>, person: Person) -> Result<Answer, Refusal> {
    Ok(Answer::json(&face.services.sessions(&person.who)?))
}
