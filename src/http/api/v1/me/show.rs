//! Shows the person who asks.

use axum::extract::State;

use super::super::super::problems::ReadProblems;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::Seen;
use crate::http::problem::Refusal;
use crate::http::visitor::Person;
use crate::service::UserShown;

/// Show yourself
#[utoipa::path(
    get,
    path = "/api/v1/me",
    tag = "people",
    params(Seen),
    responses(
        (status = 200, description = "The person whose session it is.", body = UserShown,
            headers(("ETag" = String, description = "Its revision."))),
        (status = 304, description = "Nothing has changed."),
        ReadProblems
    )
)]
pub async fn show_me(
    State(face): State<Shared>,
    person: Person,
    seen: Seen,
) -> Result<Answer, Refusal> {
    let me = face.services.me(&person.who)?;
    Ok(Answer::unless_seen(&me, me.revision, &seen))
}
