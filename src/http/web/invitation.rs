//! Accepting an invitation, as somebody new or as who is signed in. Must not use the link up by a
//! look.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::cookies::{Guest, opened};
use super::forms::{Form, FormPage, Given, password, text};
use super::oidc;
use super::page::{Failure, Path, message, see};
use super::sign_in::{ACCOUNT, sign_in_for};
use crate::base::{Code, Problem};
use crate::http::Shared;
use crate::service::{LinkLeads, NewUser};

/// Sent by the button that leads to the identity provider: no page repeats the link that opened it.
const PROVIDER: &str = "provider";

/// What the page says before anything is filled in.
struct Invited {
    workspace: String,
    email: String,
    role: &'static str,
    known: bool,
}

async fn invited(face: &Shared, token: &str) -> Result<Invited, Failure> {
    match face.services.link_leads(token).await? {
        LinkLeads::Invitation { workspace, email, role, known } => {
            Ok(Invited { workspace, email, role, known })
        }
        _ => Err(Problem::new(Code::NotFound).into()),
    }
}

fn form(face: &Shared, invited: &Invited, signed_in: bool) -> FormPage {
    let (submit, fields) = if signed_in {
        ("Join", Vec::new())
    } else if !face.services.oidc.passwords() {
        ("", Vec::new())
    } else {
        let fields =
            vec![text("name", "Your name", "name"), password("password", "Password", true)];
        ("Make my account and join", fields)
    };
    let title = format!("Join {}", invited.workspace);
    let mut page = FormPage::new(title, Form { submit, fields, ..Form::default() });
    page.about = vec![format!("{} is invited as {}.", invited.email, invited.role)];
    if !signed_in {
        page.buttons = oidc::button(face, "Join with", ("", vec![("with", PROVIDER.to_owned())]));
    }
    page
}

/// An account that has to be signed in, or another than the one that is.
fn other(token: &str, invited: &Invited, guest: &Guest) -> Option<Response> {
    let path = format!("/invitations/{token}");
    let title = format!("Join {}", invited.workspace);
    match &guest.who {
        Some(who) if who.user.email != invited.email => {
            let for_whom = format!("The invitation is for {}.", invited.email);
            let as_whom = format!(
                "You are signed in as {}: sign out on your account page first.",
                who.user.email
            );
            let about = [for_whom.as_str(), as_whom.as_str()];
            Some(message(StatusCode::FORBIDDEN, &title, &about, &[("Your account", ACCOUNT)]))
        }
        None if invited.known => {
            let about = format!("There is an account for {}: sign in to accept.", invited.email);
            let link = sign_in_for(&path);
            Some(message(StatusCode::OK, &title, &[&about], &[("Sign in", &link)]))
        }
        _ => None,
    }
}

pub(super) async fn show(
    State(face): State<Shared>,
    Path(token): Path<String>,
    guest: Guest,
) -> Result<Response, Failure> {
    let invited = invited(&face, &token).await?;
    if let Some(response) = other(&token, &invited, &guest) {
        return Ok(response);
    }
    Ok(form(&face, &invited, guest.who.is_some()).show())
}

pub(super) async fn submit(
    State(face): State<Shared>,
    Path(token): Path<String>,
    guest: Guest,
    given: Given,
) -> Result<Response, Failure> {
    let invited = invited(&face, &token).await?;
    if let Some(response) = other(&token, &invited, &guest) {
        return Ok(response);
    }
    if guest.who.is_none() && given.text("with") == PROVIDER {
        return oidc::join(&face, &token, &guest.visitor).await;
    }
    let (who, visitor) = (guest.who.as_ref(), &guest.visitor);
    let new = NewUser { name: given.text("name"), password: Some(given.secret("password")) };
    let new = who.is_none().then_some(&new);
    match face.services.accept_invitation(&token, who, new, visitor).await {
        Ok(done) => {
            let cookies = done.opened.map(|new| opened(&face, &new)).unwrap_or_default();
            Ok(see("/account?done=joined", cookies))
        }
        Err(problem) if problem.code == Code::NotFound => Err(problem.into()),
        Err(problem) => {
            let mut page = form(&face, &invited, who.is_some());
            page.form = page.form.filled(&given);
            Ok(page.refused(&problem))
        }
    }
}
