//! Changes the password.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::problems::WriteProblems;
use super::super::texts::{self, short};
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::Json;
use crate::http::problem::Refusal;
use crate::http::visitor::Person;
use crate::service::Opened;

/// The present password and the one that takes its place.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    #[schema(max_length = 256)]
    password: String,
    /// At least 12 characters; none that is in every list of leaked ones.
    #[schema(min_length = 12, max_length = 256)]
    new_password: String,
}

/// Change the password
///
/// All other sessions end. The one that asks gets a new token.
#[utoipa::path(
    put,
    path = "/api/v1/me/password",
    tag = "people",
    request_body = NewPassword,
    responses((status = 200, description = "The session, with its new token.", body = Opened), WriteProblems)
)]
pub async fn change_password(
    State(face): State<Shared>,
    person: Person,
    Json(given): Json<NewPassword>,
) -> Result<Answer, Refusal> {
    short(&[
        ("password", Some(&given.password), texts::PASSWORD),
        ("new_password", Some(&given.new_password), texts::PASSWORD),
    ])?;
    let [present, new] = [given.password, given.new_password].map(texts::secret);
    let (who, visitor) = (&person.who, &person.visitor);
    Ok(Answer::json(&face.services.change_password(who, &present, &new, visitor).await?))
}
