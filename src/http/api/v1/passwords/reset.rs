//! Sets a password by a link.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::problems::WriteProblems;
use super::super::texts::{self, short};
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::Json;
use crate::http::problem::Refusal;
use crate::http::visitor::Visit;

/// What the link gave, and the new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordReset {
    /// The last piece of the link's address.
    #[schema(max_length = 100)]
    token: String,
    /// At least 12 characters; none that is in every list of leaked ones.
    #[schema(min_length = 12, max_length = 256)]
    password: String,
}

/// Set a new password by a link
///
/// The link is good once. All sessions of its user end; an authenticator stays.
#[utoipa::path(
    post,
    path = "/api/v1/password-resets",
    tag = "people",
    security(()),
    request_body = PasswordReset,
    responses((status = 204, description = "It is set; sign in with it."), WriteProblems)
)]
pub async fn reset_password(
    State(face): State<Shared>,
    Visit(visitor): Visit,
    Json(given): Json<PasswordReset>,
) -> Result<Answer, Refusal> {
    short(&[
        ("token", Some(&given.token), texts::TOKEN),
        ("password", Some(&given.password), texts::PASSWORD),
    ])?;
    let password = texts::secret(given.password);
    face.services.reset_password(&given.token, &password, &visitor).await?;
    Ok(Answer::done())
}
