//! Takes a fresh proof of who it is.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::problems::WriteProblems;
use super::super::texts::{self, short};
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::Json;
use crate::http::json::present;
use crate::http::problem::Refusal;
use crate::http::visitor::Person;
use crate::service::Opened;

/// Who is signed in, once more.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    #[schema(max_length = 256)]
    password: String,
    /// Six digits of the authenticator, or a recovery code, where one is set up.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, max_length = 32)]
    code: Option<String>,
}

/// Prove who you are
///
/// For what asks for a fresh proof (403 `step_up_needed`): it counts for ten minutes. The session
/// gets a new token; the one before is good no more, and ends the session if it comes back later.
#[utoipa::path(
    post,
    path = "/api/v1/sessions/prove",
    tag = "sessions",
    request_body = Proof,
    responses((status = 200, description = "The session, with its new token.", body = Opened), WriteProblems)
)]
pub async fn prove_session(
    State(face): State<Shared>,
    person: Person,
    Json(proof): Json<Proof>,
) -> Result<Answer, Refusal> {
    short(&[
        ("password", Some(&proof.password), texts::PASSWORD),
        ("code", proof.code.as_deref(), texts::CODE),
    ])?;
    let password = texts::secret(proof.password);
    let (who, visitor) = (&person.who, &person.visitor);
    let opened = face.services.prove(who, &password, proof.code.as_deref(), visitor).await?;
    Ok(Answer::json(&opened))
}
