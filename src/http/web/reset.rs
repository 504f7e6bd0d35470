//! A new password by a link. Must not sign anybody in: who has an authenticator is asked for it.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::cookies::Guest;
use super::forms::{Field, Form, FormPage, Given, password};
use super::page::{Failure, Path, message};
use crate::base::{Code, Problem};
use crate::http::Shared;
use crate::service::LinkLeads;

fn form(email: String) -> FormPage {
    // Password managers keep a new password with the name that stands beside it.
    let name = Field { value: email, fixed: true, ..super::forms::email() };
    let fields = vec![name, password("password", "New password", true)];
    let form = Form { submit: "Set it", fields, ..Form::default() };
    let mut page = FormPage::new("Choose a new password", form);
    page.about = vec!["You will be signed out everywhere.".to_owned()];
    page
}

async fn email_of(face: &Shared, token: &str) -> Result<String, Failure> {
    match face.services.link_leads(token).await? {
        LinkLeads::Reset { email } => Ok(email),
        _ => Err(Problem::new(Code::NotFound).into()),
    }
}

pub(super) async fn show(
    State(face): State<Shared>,
    Path(token): Path<String>,
) -> Result<Response, Failure> {
    let email = email_of(&face, &token).await?;
    Ok(form(email).show())
}

pub(super) async fn submit(
    State(face): State<Shared>,
    Path(token): Path<String>,
    guest: Guest,
    given: Given,
) -> Result<Response, Failure> {
    let email = email_of(&face, &token).await?;
    match face.services.reset_password(&token, &given.secret("password"), &guest.visitor).await {
        Ok(()) => Ok(message(
            StatusCode::OK,
            "Your new password is set",
            &[if face.services.oidc.passwords() {
                "You are signed out everywhere; sign in with it now."
            } else {
                "You are signed out everywhere. Sign in at the identity provider: this password is asked for \
                 once there, and for what needs a fresh proof."
            }],
            &[("Sign in", "/sign-in")],
        )),
        Err(problem) if problem.code == Code::NotFound => Err(problem.into()),
        Err(problem) => Ok(form(email).refused(&problem)),
    }
}
