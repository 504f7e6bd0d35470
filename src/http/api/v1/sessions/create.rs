//! Signs somebody in.

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
use crate::http::visitor::Visit;
use crate::service::{Credentials, Opened};

/// Who somebody says they are.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({ "email": "ann@example.org", "password": "correct horse battery" })))]
pub struct NewSession {
    #[schema(max_length = 254)]
    email: String,
    #[schema(max_length = 256)]
    password: String,
    /// Six digits of the authenticator, or a recovery code; only who has set one up is asked.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, max_length = 32)]
    code: Option<String>,
    /// `device` of an earlier sign-in from here.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, max_length = 100)]
    device: Option<String>,
}

/// Sign in
///
/// Opens a session; its token is in this answer and in no other. An unknown address is answered
/// like a wrong password. After a few failures each next attempt waits longer (429), unless it comes
/// with `device`. 401 `code_needed`: the password was right, a code is missing.
#[utoipa::path(
    post,
    path = "/api/v1/sessions",
    tag = "sessions",
    security(()),
    request_body = NewSession,
    responses((status = 201, description = "The session, with its token.", body = Opened), WriteProblems)
)]
pub async fn create_session(
    State(face): State<Shared>,
    Visit(visitor): Visit,
    Json(new): Json<NewSession>,
) -> Result<Answer, Refusal> {
    short(&[
        ("email", Some(&new.email), texts::EMAIL),
        ("password", Some(&new.password), texts::PASSWORD),
        ("code", new.code.as_deref(), texts::CODE),
        ("device", new.device.as_deref(), texts::TOKEN),
    ])?;
    let password = texts::secret(new.password);
    let given = Credentials { email: new.email, password, code: new.code, device: new.device };
    let opened = face.services.sign_in(&given, &visitor).await?;
    let location = format!("/api/v1/sessions/{}", opened.session.id);
    Ok(Answer::created(&opened, &location))
}
