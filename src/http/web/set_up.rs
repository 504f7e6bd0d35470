//! The first user. Must be there for nobody but the holder of a set-up link.

use axum::extract::State;
use axum::response::Response;

use super::cookies::{Guest, opened};
use super::forms::{Form, FormPage, Given, email, password, text};
use super::page::{Failure, Path, see};
use super::sign_in::ACCOUNT;
use crate::base::{Code, Problem};
use crate::http::Shared;
use crate::service::{LinkLeads, NewUser};

fn form(owns: &[String]) -> FormPage {
    let mut fields =
        vec![email(), text("name", "Your name", "name"), password("password", "Password", true)];
    let about = if owns.is_empty() {
        let mut workspace = text("workspace", "Name of your workspace", "organization");
        workspace.hint = "Your company or team.";
        fields.push(workspace);
        "You are the first here. Your account will own the first workspace.".to_owned()
    } else {
        format!("You are the first here. Your account will own: {}.", owns.join(", "))
    };
    let form = Form { submit: "Make my account", fields, ..Form::default() };
    let mut page = FormPage::new("Set up Carillon", form);
    page.about = vec![about];
    page
}

async fn live(face: &Shared, token: &str) -> Result<Vec<String>, Failure> {
    match face.services.link_leads(token).await? {
        LinkLeads::SetUp { owns } => Ok(owns),
        _ => Err(Problem::new(Code::NotFound).into()),
    }
}

pub(super) async fn show(
    State(face): State<Shared>,
    Path(token): Path<String>,
) -> Result<Response, Failure> {
    let owns = live(&face, &token).await?;
    Ok(form(&owns).show())
}

pub(super) async fn submit(
    State(face): State<Shared>,
    Path(token): Path<String>,
    guest: Guest,
    given: Given,
) -> Result<Response, Failure> {
    let owns = live(&face, &token).await?;
    let new = NewUser { name: given.text("name"), password: Some(given.secret("password")) };
    let email = given.text("email");
    let workspace = owns.is_empty().then(|| given.text("workspace"));
    match face.services.set_up(&token, &email, &new, workspace.as_deref(), &guest.visitor).await {
        Ok(new) => Ok(see(ACCOUNT, opened(&face, &new))),
        Err(problem) if problem.code == Code::NotFound => Err(problem.into()),
        Err(problem) => {
            let mut page = form(&owns);
            page.form = page.form.filled(&given);
            Ok(page.refused(&problem))
        }
    }
}
