//! Begins to set up an authenticator.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::super::problems::WriteProblems;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::problem::Refusal;
use crate::http::visitor::Person;

/// What an app needs to make codes.
#[derive(Serialize, ToSchema)]
pub struct EnrolmentShown {
    /// To be typed in: base32.
    secret: String,
    /// To be shown as a QR code: `otpauth://totp/...`.
    address: String,
}

/// Begin to set up an authenticator
///
/// Its secret is in this answer and in no other; it counts for nothing until a code of it is given
/// (`PUT`). Asks for a fresh proof.
#[utoipa::path(
    post,
    path = "/api/v1/me/totp",
    tag = "people",
    responses((status = 201, description = "What an app needs.", body = EnrolmentShown), WriteProblems)
)]
pub async fn begin_totp(State(face): State<Shared>, person: Person) -> Result<Answer, Refusal> {
    let made = face.services.begin_totp(&person.who).await?;
    let (secret, address) = (made.secret.reveal().clone(), made.address.reveal().clone());
    Ok(Answer::created(&EnrolmentShown { secret, address }, "/api/v1/me/totp"))
}
