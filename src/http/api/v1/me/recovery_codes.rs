//! Makes new recovery codes.

use axum::extract::State;

use super::super::super::problems::WriteProblems;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::problem::Refusal;
use crate::http::visitor::Person;
use crate::service::RecoveryCodes;

/// Make new recovery codes
///
/// Those before are good no more. Asks for a fresh proof.
#[utoipa::path(
    post,
    path = "/api/v1/me/recovery-codes",
    tag = "people",
    responses((status = 200, description = "Ten codes, each good once.", body = RecoveryCodes), WriteProblems)
)]
pub async fn renew_recovery_codes(
    State(face): State<Shared>,
    person: Person,
) -> Result<Answer, Refusal> {
    let (who, visitor) = (&person.who, &person.visitor);
    Ok(Answer::json(&face.services.renew_recovery_codes(who, visitor).await?))
}
