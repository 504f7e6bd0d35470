//! Signing in and out. Must not lead away from this installation.

use axum::extract::{RawQuery, State};
use axum::response::Response;

use super::cookies::{Guest, ended, opened};
use super::forms::{Form, FormPage, Given, code, email, password};
use super::oidc;
use super::page::{Failure, see};
use crate::base::Code;
use crate::http::Shared;
use crate::service::Credentials;

pub(super) const ACCOUNT: &str = "/account";

/// Where to go afterwards: a path of ours, or nowhere.
pub(super) fn next(text: Option<&str>) -> String {
    let own = |text: &&str| {
        let base = url::Url::parse("http://own.invalid").ok();
        let joined = base.and_then(|base| base.join(text).ok());
        let stays =
            joined.is_some_and(|url| url.origin().ascii_serialization() == "http://own.invalid");
        text.starts_with('/') && stays && text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
    };
    text.filter(own).unwrap_or(ACCOUNT).to_owned()
}

fn next_in(query: Option<&str>) -> String {
    let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let found = pairs.into_iter().find(|(name, _)| name == "next");
    next(found.as_ref().map(|(_, value)| value.as_ref()))
}

/// The address of the form, for somebody who wants to go on to `path`.
pub(super) fn sign_in_for(path: &str) -> String {
    let next =
        url::form_urlencoded::Serializer::new(String::new()).append_pair("next", path).finish();
    format!("/sign-in?{next}")
}

fn form(face: &Shared, next: String) -> FormPage {
    let buttons = oidc::button(face, "Sign in with", (oidc::BEGIN, vec![("next", next.clone())]));
    let fields = vec![
        email(),
        password("password", "Password", false),
        code("Only if you have set up an authenticator.", false),
    ];
    let (action, hidden) = ("/sign-in".to_owned(), vec![("next", next)]);
    let mut page = FormPage::new("Sign in", Form { action, submit: "Sign in", hidden, fields });
    page.buttons = buttons;
    if !face.services.oidc.passwords() {
        page.about = vec!["Passwords are taken of administrators only.".to_owned()];
    }
    page
}

pub(super) async fn show(
    State(face): State<Shared>,
    guest: Guest,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let next = next_in(query.as_deref());
    if guest.who.is_some() {
        return Ok(see(&next, Vec::new()));
    }
    let mut page = form(&face, next);
    if !face.services.is_set_up()? {
        page.about = vec![
            "Nobody has an account yet. Whoever runs this server makes the first one \
            with: carillon setup-link"
                .to_owned(),
        ];
    }
    Ok(page.show())
}

pub(super) async fn submit(
    State(face): State<Shared>,
    guest: Guest,
    given: Given,
) -> Result<Response, Failure> {
    let next = next(Some(&given.text("next")));
    let credentials = Credentials {
        email: given.text("email"),
        password: given.secret("password"),
        code: given.maybe("code"),
        device: guest.device,
    };
    match face.services.sign_in(&credentials, &guest.visitor).await {
        Ok(new) => {
            // What the browser had before is not kept beside it.
            if let Some(before) = &guest.who {
                let correlation = guest.visitor.correlation;
                match face.services.end_session(before, before.session.id, correlation).await {
                    // It has ended meanwhile.
                    Err(problem) if problem.code != Code::NotFound => return Err(problem.into()),
                    _ => {}
                }
            }
            Ok(see(&next, opened(&face, &new)))
        }
        Err(problem) => {
            let mut page = form(&face, next);
            page.form = page.form.filled(&given);
            Ok(page.refused(&problem))
        }
    }
}

pub(super) async fn sign_out(
    State(face): State<Shared>,
    guest: Guest,
    _: Given,
) -> Result<Response, Failure> {
    if let Some(who) = &guest.who {
        face.services.end_session(who, who.session.id, guest.visitor.correlation).await?;
    }
    Ok(see("/sign-in", ended(&face)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_on_stays_here() {
        for own in ["/account", "/invitations/abc", "/a?b=c&d=/e//f", "/a//b", "/@x"] {
            assert_eq!(next(Some(own)), own);
            let query = sign_in_for(own);
            assert_eq!(next_in(query.split_once('?').map(|(_, query)| query)), own);
        }
        for away in [
            "",
            "account",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            " //evil.example",
            "javascript:alert(1)",
            "///evil.example",
            "/%0d%0aSet-Cookie: a=b",
            "/a b",
            "http:/account",
            "/.//evil.example/..//\\",
        ] {
            assert_eq!(next(Some(away)), ACCOUNT, "{away:?}");
        }
        assert_eq!(next_in(Some("x=1")), ACCOUNT);
    }
}
