//! Signing in at the identity provider: on to it, the way back, and what is asked for then. Must not
//! send anybody there but for a form of our own pages.

use axum::extract::{RawQuery, State};
use axum::response::Response;

use super::cookies::{Guest, Holder, at_provider, back_from_provider, opened};
use super::forms::{Form, FormPage, Given, code, email, password};
use super::page::{Failure, away, message, see, status_of, with_cookies, with_wait, words};
use super::sign_in::{ACCOUNT, next};
use crate::base::{Code, Problem};
use crate::http::Shared;
use crate::service::{OidcAnswer, OidcAsks, OidcFor, OidcGiven, OidcStep, Visitor};

pub(super) const BEGIN: &str = "/sign-in/oidc";
const FINISH: &str = "/sign-in/oidc/finish";
/// Sent by the button of those who were refused as whom they came.
const CHOOSE: &str = "choose";

/// A button of its own, below a form.
pub(super) struct Button {
    /// Empty: to where the page is, as with forms.
    pub action: &'static str,
    pub label: String,
    pub hidden: Vec<(&'static str, String)>,
}

/// The button that leads to the provider, if there is one.
pub(super) fn button(
    face: &Shared,
    label: &str,
    (action, hidden): (&'static str, Vec<(&'static str, String)>),
) -> Vec<Button> {
    let name = face.services.oidc.name();
    let button = |name| Button { action, label: format!("{label} {name}"), hidden };
    name.map(button).into_iter().collect()
}

async fn go(face: &Shared, why: OidcFor<'_>, visitor: &Visitor) -> Result<Response, Failure> {
    let gone = face.services.begin_oidc(why, visitor).await?;
    let name = face.services.oidc.name().unwrap_or_default();
    let about = format!("You prove who you are at {name}. It sends you back here.");
    let cookies = at_provider(face, gone.cookie.reveal());
    Ok(away(&gone.url, &format!("On to {name}"), &about, cookies))
}

/// Somebody who loads anew what led there.
pub(super) async fn begin_anew() -> Response {
    see("/sign-in", Vec::new())
}

pub(super) async fn begin(
    State(face): State<Shared>,
    guest: Guest,
    given: Given,
) -> Result<Response, Failure> {
    if !given.text(CHOOSE).is_empty() {
        return go(&face, OidcFor::Another(guest.provider.as_deref()), &guest.visitor).await;
    }
    let next = next(Some(&given.text("next")));
    go(&face, OidcFor::SignIn { next: &next, invitation: None }, &guest.visitor).await
}

/// The same by the link of an invitation.
pub(super) async fn join(
    face: &Shared,
    token: &str,
    visitor: &Visitor,
) -> Result<Response, Failure> {
    let path = format!("/invitations/{token}");
    go(face, OidcFor::SignIn { next: &path, invitation: Some(token) }, visitor).await
}

pub(super) async fn link(
    State(face): State<Shared>,
    Holder { who, visitor }: Holder,
    _: Given,
) -> Result<Response, Failure> {
    go(&face, OidcFor::Link(&who), &visitor).await
}

pub(super) async fn prove(
    State(face): State<Shared>,
    Holder { who, visitor }: Holder,
    _: Given,
) -> Result<Response, Failure> {
    go(&face, OidcFor::Prove(&who), &visitor).await
}

pub(super) async fn unlink(
    State(face): State<Shared>,
    Holder { who, visitor }: Holder,
    _: Given,
) -> Result<Response, Failure> {
    face.services.unlink_identity(&who, &visitor).await?;
    Ok(see("/account?done=unlinked", Vec::new()))
}

/// The way back.
pub(super) async fn callback(
    State(face): State<Shared>,
    RawQuery(query): RawQuery,
    guest: Guest,
) -> Result<Response, Failure> {
    let mut answer = OidcAnswer::default();
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let slot = match name.as_ref() {
            "state" => &mut answer.state,
            "code" => &mut answer.code,
            "error" => &mut answer.error,
            "iss" => &mut answer.iss,
            _ => continue,
        };
        *slot = Some(value.into_owned());
    }
    let with = (guest.provider.as_deref(), guest.who.as_ref());
    match face.services.oidc_back(&answer, with, &guest.visitor).await {
        // The code does not stay in the address.
        Ok(OidcStep::Asks(cookie)) => Ok(see(FINISH, at_provider(&face, cookie.reveal()))),
        Ok(step) => on(&face, &guest, step).await,
        // It was answered already: the page was loaded anew.
        Err(problem) if guest.who.is_some() && is_stray(&problem) => Ok(see(ACCOUNT, Vec::new())),
        Err(problem) => Ok(refused(&face, &problem)),
    }
}

fn is_stray(problem: &Problem) -> bool {
    problem.params.get("reason").is_some_and(|reason| reason == "nothing_begun")
}

/// On to where they wanted to go.
async fn on(face: &Shared, guest: &Guest, step: OidcStep) -> Result<Response, Failure> {
    let OidcStep::Opened { opened: new, to } = step else { return Ok(see(FINISH, Vec::new())) };
    if let Some(before) =
        guest.who.as_ref().filter(|who| who.session.id.to_string() != new.session.id)
    {
        // What the browser had before is not kept beside it.
        let correlation = guest.visitor.correlation;
        match face.services.end_session(before, before.session.id, correlation).await {
            // It has ended meanwhile.
            Err(problem) if problem.code != Code::NotFound => return Err(problem.into()),
            _ => {}
        }
    }
    let cookies = [opened(face, &new), back_from_provider(face)].concat();
    Ok(see(&to, cookies))
}

/// Why not, in words. What the browser kept is over, unless this was not about it.
fn refused(face: &Shared, problem: &Problem) -> Response {
    let reason = problem.params.get("reason").map(String::as_str);
    let name = face.services.oidc.name().unwrap_or_default();
    let about = match (problem.code, reason) {
        (Code::OidcRefused, Some(reason)) => told(reason).to_owned(),
        (Code::OidcNoAccount, _) => {
            let shown = problem.params.get("known_there_as").map_or("", String::as_str);
            match problem.params.get("e_mail").map(String::as_str) {
                Some("not_verified") => format!(
                    "You are {shown} there, but your e-mail is not verified there, so that nobody here \
                     can be found by it. If you have an account with a password, connect it on your account \
                     page; else tell whoever runs this server (oidc.trust_email)."
                ),
                _ => format!(
                    "You are {shown} there, and nobody here has that e-mail. If you were invited, open the \
                     link that you were given; else ask an admin of your workspace for an invitation. If \
                     you have another account at {name}, choose that."
                ),
            }
        }
        (Code::OtherEmail, _) => {
            let shown = problem.params.get("known_there_as").map_or("", String::as_str);
            format!(
                "You are {shown} there. Choose the account that the invitation is for, or ask for one to \
                 this address."
            )
        }
        _ => words(problem),
    };
    let title = problem.row().title;
    let links = [("Sign in", "/sign-in"), ("Your account", ACCOUNT)];
    // Without being asked, the provider brings the same person back: what the browser kept leads on as another.
    if is_of_whom(problem) {
        let mut page = FormPage::new(title, Form::default());
        let hidden = vec![(CHOOSE, "1".to_owned())];
        page.buttons = button(face, "Choose another account at", (BEGIN, hidden));
        (page.about, page.links) = (vec![about], links.to_vec());
        return page.show_as(status_of(problem));
    }
    let response = message(status_of(problem), title, &[&about], &links);
    let response = with_wait(response, problem);
    // A stray answer does not end what was begun, perhaps in another tab.
    if is_stray(problem) || problem.code == Code::TooManyAttempts {
        return response;
    }
    with_cookies(response, back_from_provider(face))
}

/// Whether somebody else may come in where this person may not.
fn is_of_whom(problem: &Problem) -> bool {
    let reason = problem.params.get("reason").map(String::as_str);
    matches!(problem.code, Code::OidcNoAccount | Code::OtherEmail)
        || matches!(reason, Some("another_identity" | "shut_out"))
}

fn told(reason: &str) -> &'static str {
    match reason {
        "nothing_begun" => {
            "This answer belongs to nothing that was begun in this browser, it was answered already, or \
             something else was begun since, perhaps in another tab. Begin again."
        }
        "over" => "That took more than a quarter of an hour. Begin again.",
        "other_provider" => {
            "Another provider answered than the one that was asked. Nothing was changed."
        }
        "denied" => "You, or the provider, said no. Nothing was changed.",
        "provider" => {
            "The provider reported an error of its own. Try again; if it stays so, tell whoever runs \
             this server."
        }
        "code" => "The provider does not know this answer (any more). Begin again.",
        "token" => {
            "What the provider said of you could not be trusted. Try again; if it stays so, tell whoever \
             runs this server: the log says why."
        }
        "another_identity" => {
            "There is an account with your e-mail, but somebody else at the provider is known by it. Ask \
             whoever runs this server (carillon user unlink EMAIL)."
        }
        "not_set_up" => {
            "Nobody has set this up yet: whoever runs this server makes the first account (carillon \
             setup-link)."
        }
        "shut_out" => "This account is shut out. Ask whoever runs this server.",
        "taken" => "This identity is that of another account here. Nothing was changed.",
        "other_session" => {
            "This was begun in another browser or session than this one, so nothing was changed. If you \
             did not begin it yourself, close this page."
        }
        "somebody_else" => {
            "At the provider you are somebody else than this account. Sign out there, and try again."
        }
        "not_anew" => {
            "The provider did not ask you anew who you are, or does not say so: this proves nothing. Give \
             your password on your account page instead. Without one, sign out, come in again and set up an \
             authenticator within ten minutes; or ask whoever runs this server for a link to set a \
             password (carillon user reset-link)."
        }
        _ => "Nothing was changed. Begin again.",
    }
}

/// What is still asked of somebody who is back.
fn question(asks: &OidcAsks, name: &str) -> FormPage {
    let mut fixed = email();
    fixed.fixed = true;
    let (title, submit, about, fields) = match asks {
        OidcAsks::Code { email } => {
            fixed.value.clone_from(email);
            let about = "Your account asks for a code of your authenticator, too.".to_owned();
            ("Your code".to_owned(), "Go on", about, vec![fixed, code("", true)])
        }
        OidcAsks::Password { email, code: has_code } => {
            fixed.value.clone_from(email);
            let mut fields = vec![fixed, password("password", "Password", false)];
            fields.extend(has_code.then(|| code("", true)));
            let about = format!(
                "There is an account with this e-mail. Give its password this once: from then on {name} \
                 is enough. Whoever runs this server makes a link for a new one (carillon user reset-link)."
            );
            (format!("Connect {name}"), "Connect and sign in", about, fields)
        }
        OidcAsks::Confirm { shown, email } => {
            let about = format!(
                "From then on, whoever is {shown} there can sign in here as {email}. If that is not you, \
                 close this page."
            );
            (format!("Connect {shown}?"), "Connect", about, Vec::new())
        }
    };
    let (action, hidden) = (FINISH.to_owned(), Vec::new());
    let mut page = FormPage::new(title, Form { action, submit, hidden, fields });
    page.about = vec![about];
    page.links = vec![("Not now", "/sign-in")];
    page
}

pub(super) async fn show(State(face): State<Shared>, guest: Guest) -> Result<Response, Failure> {
    let name = face.services.oidc.name().unwrap_or_default();
    match face.services.oidc_asks(guest.provider.as_deref()) {
        Ok(asks) => Ok(question(&asks, name).show()),
        Err(problem) => Ok(refused(&face, &problem)),
    }
}

pub(super) async fn finish(
    State(face): State<Shared>,
    guest: Guest,
    given: Given,
) -> Result<Response, Failure> {
    let (cookie, services) = (guest.provider.as_deref(), &face.services);
    let asks = match services.oidc_asks(cookie) {
        Ok(asks) => asks,
        Err(problem) => return Ok(refused(&face, &problem)),
    };
    let answer = OidcGiven {
        password: given.maybe("password").map(|_| given.secret("password")),
        code: given.maybe("code"),
        device: guest.device.clone(),
        confirmed: matches!(asks, OidcAsks::Confirm { .. }),
    };
    match services.oidc_finish(&answer, (cookie, guest.who.as_ref()), &guest.visitor).await {
        Ok(step) => on(&face, &guest, step).await,
        Err(problem) => match problem.code {
            Code::SignInRefused | Code::CodeNeeded | Code::TooManyAttempts | Code::Overloaded => {
                Ok(question(&asks, services.oidc.name().unwrap_or_default()).refused(&problem))
            }
            _ => Ok(refused(&face, &problem)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_words_of_its_own() {
        let reasons = [
            "nothing_begun",
            "over",
            "other_provider",
            "denied",
            "provider",
            "code",
            "token",
            "another_identity",
            "taken",
            "other_session",
            "not_set_up",
            "shut_out",
            "somebody_else",
            "not_anew",
        ];
        let words: std::collections::BTreeSet<_> = reasons.iter().map(|it| told(it)).collect();
        assert_eq!(words.len(), reasons.len());
        assert!(!words.contains(told("anything else")));
    }
}
