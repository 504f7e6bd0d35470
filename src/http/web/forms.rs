//! Forms: how they look, and how they are read. Must not read one that another site sent.

use askama::Template;
use axum::extract::{FromRequest, Request};
use axum::response::Response;
use http::header::{CONTENT_TYPE, HOST, HeaderName, ORIGIN};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, Limited};

use super::oidc::Button;
use super::page::{Failure, STYLE, page, status_of, with_wait, words};
use crate::base::{Code, Problem, Secret};
use crate::http::{Face, Shared};

const FORM_BYTES: usize = 16 * 1024;
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// One thing to fill in.
#[derive(Clone, Default)]
pub(super) struct Field {
    /// Of the page, where several forms have a field of one name.
    pub id: &'static str,
    pub name: &'static str,
    pub label: &'static str,
    pub kind: &'static str,
    /// What browsers and password managers put in.
    pub autocomplete: &'static str,
    pub hint: &'static str,
    pub value: String,
    pub required: bool,
    /// It is only shown, so that a password manager knows whose password it is.
    pub fixed: bool,
    pub wrong: Option<String>,
}

/// A form of one page.
#[derive(Clone, Default)]
pub(super) struct Form {
    /// Empty: to where the page is, so that no page repeats the link that opened it.
    pub action: String,
    /// Empty: there is no form, only buttons.
    pub submit: &'static str,
    pub hidden: Vec<(&'static str, String)>,
    pub fields: Vec<Field>,
}

pub(super) fn text(name: &'static str, label: &'static str, autocomplete: &'static str) -> Field {
    Field { id: name, name, label, kind: "text", autocomplete, required: true, ..Field::default() }
}

pub(super) fn email() -> Field {
    Field { kind: "email", ..text("email", "E-mail", "username") }
}

pub(super) fn password(name: &'static str, label: &'static str, new: bool) -> Field {
    let autocomplete = if new { "new-password" } else { "current-password" };
    let hint = if new { "At least 12 characters; a few words will do." } else { "" };
    Field { kind: "password", hint, ..text(name, label, autocomplete) }
}

pub(super) fn code(hint: &'static str, required: bool) -> Field {
    Field { hint, required, ..text("code", "Code", "one-time-code") }
}

impl Form {
    /// The values as they were given, but for secrets.
    #[must_use]
    pub fn filled(mut self, given: &Given) -> Self {
        for field in self.fields.iter_mut().filter(|f| f.kind != "password" && f.name != "code") {
            field.value = given.text(field.name);
        }
        self
    }

    /// With what is wrong beside each field; `false` when nothing of it is about one of them.
    pub fn marked(&mut self, problem: &Problem) -> bool {
        let mut marked = false;
        for wrong in &problem.fields {
            let field = self.fields.iter_mut().find(|field| field.name == wrong.field);
            marked |= field.is_some();
            if let Some(field) = field {
                field.wrong = Some(format!("It {}.", wrong.wrong));
            }
        }
        marked
    }

    pub fn is_wrong(&self) -> bool {
        self.fields.iter().any(|field| field.wrong.is_some())
    }

    /// Each wrong field: its id, its label, and what is wrong.
    pub fn wrongs(&self) -> Vec<(&str, &str, &str)> {
        let wrong = |field: &'_ Field| field.wrong.is_some();
        let fields = self.fields.iter().filter(|field| wrong(field));
        fields.map(|f| (f.id, f.label, f.wrong.as_deref().unwrap_or_default())).collect()
    }
}

/// A page that is one form.
#[derive(Template)]
#[template(path = "web/form.html", config = "assets/askama.toml")]
pub(super) struct FormPage {
    pub style: &'static str,
    pub title: String,
    pub about: Vec<String>,
    pub problem: Option<String>,
    pub form: Form,
    /// Other ways, each a button of its own.
    pub buttons: Vec<Button>,
    pub links: Vec<(&'static str, &'static str)>,
}

impl FormPage {
    pub fn new(title: impl Into<String>, form: Form) -> Self {
        let (about, links, buttons) = (Vec::new(), Vec::new(), Vec::new());
        Self { style: STYLE, title: title.into(), about, problem: None, form, buttons, links }
    }

    pub fn show(&self) -> Response {
        self.show_as(StatusCode::OK)
    }

    pub fn show_as(&self, status: StatusCode) -> Response {
        page(status, self)
    }

    /// The page again, with what was wrong.
    pub fn refused(mut self, problem: &Problem) -> Response {
        if !self.form.marked(problem) {
            self.problem = Some(words(problem));
        }
        with_wait(page(status_of(problem), &self), problem)
    }
}

/// What somebody filled in.
pub(super) struct Given(Vec<(String, String)>);

impl Given {
    pub fn text(&self, name: &str) -> String {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// Every value of a name.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone()).collect()
    }

    pub fn secret(&self, name: &str) -> Secret<String> {
        Secret::new(self.text(name))
    }

    /// `None` when it was left empty.
    pub fn maybe(&self, name: &str) -> Option<String> {
        Some(self.text(name).trim().to_owned()).filter(|text| !text.is_empty())
    }
}

impl FromRequest<Shared> for Given {
    type Rejection = Failure;

    async fn from_request(request: Request, face: &Shared) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        if !is_ours(&parts.headers, face) {
            return Err(Problem::new(Code::CrossSite).into());
        }
        let kind = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_form =
            kind.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        let body = Limited::new(body, FORM_BYTES).collect().await;
        let Ok(body) = body else { return Err(Problem::new(Code::TooLarge).into()) };
        let bytes = body.to_bytes();
        // A button with no fields sends nothing, and some browsers no type with it.
        if !is_form && !bytes.is_empty() {
            return Err(Problem::new(Code::BadRequest).into());
        }
        Ok(Self(url::form_urlencoded::parse(&bytes).into_owned().collect()))
    }
}

/// Whether one of our own pages sent it. Browsers say so in a header that no page can change; a
/// request that says nothing was not sent by a browser that has our cookies.
fn is_ours(headers: &HeaderMap, face: &Face) -> bool {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    match (text(&FETCH_SITE), text(&ORIGIN)) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            let public = url::Url::parse(&face.services.public_url).ok();
            let public = public.map(|url| url.origin().ascii_serialization());
            (host.is_some() && host == text(&HOST)) || public.as_deref() == Some(origin)
        }
        (None, None) => false,
    }
}
