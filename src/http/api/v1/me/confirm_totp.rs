//! Confirms an authenticator.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::super::problems::WriteProblems;
use super::super::texts::{self, short};
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::Json;
use crate::http::problem::Refusal;
use crate::http::visitor::Person;
use crate::service::{Opened, RecoveryCodes};

/// A code of the authenticator.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FirstCode {
    /// Six digits.
    #[schema(max_length = 32)]
    code: String,
}

/// The session with its new token, and the recovery codes.
#[derive(Serialize, ToSchema)]
pub struct Confirmed {
    #[serde(flatten)]
    opened: Opened,
    #[serde(flatten)]
    codes: RecoveryCodes,
}

/// Confirm an authenticator
///
/// From now on a code is asked for at sign-in. The answer has ten recovery codes, each good once, and
/// a new token for the session. Asks for a fresh proof.
#[utoipa::path(
    put,
    path = "/api/v1/me/totp",
    tag = "people",
    request_body = FirstCode,
    responses((status = 200, description = "It is set up.", body = Confirmed), WriteProblems)
)]
pub async fn confirm_totp(
    State(face): State<Shared>,
    person: Person,
    Json(given): Json<FirstCode>,
) -> Result<Answer, Refusal> {
    short(&[("code", Some(&given.code), texts::CODE)])?;
    let (who, visitor) = (&person.who, &person.visitor);
    let (opened, codes) = face.services.confirm_totp(who, &given.code, visitor).await?;
    Ok(Answer::json(&Confirmed { opened, codes }))
}
