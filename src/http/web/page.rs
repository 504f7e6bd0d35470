//! What all pages have: the style, the policy, the answers. Must not pass text on unescaped; the
//! templates escape it.

use std::sync::LazyLock;

use askama::Template;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64;
use http::StatusCode;
use http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, REFERRER_POLICY,
    RETRY_AFTER, SET_COOKIE,
};
use http::request::Parts;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::base::{Code, Problem};
use crate::http::Shared;

/// Inside every page, so that a page is one request; the policy names it by its hash.
pub(super) const STYLE: &str = include_str!("../../../assets/web/app.css");

static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = BASE64.encode(&Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// Sends a browser on. A redirect would do, if the policy let forms lead to other sites.
const REFRESH: HeaderName = HeaderName::from_static("refresh");
const FRAMES: HeaderName = HeaderName::from_static("x-frame-options");
const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

fn dressed(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    // Not `no-referrer`: with it, browsers hide the origin of our own forms from us.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(FRAMES, HeaderValue::from_static("DENY"));
    headers.insert(OPENER, HeaderValue::from_static("same-origin"));
    headers.insert(RESOURCE, HeaderValue::from_static("same-origin"));
    response
}

/// A whole page.
pub(super) fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => {
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            let mut response = (status, text).into_response();
            response.headers_mut().insert(CONTENT_TYPE, html);
            dressed(response)
        }
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            dressed(StatusCode::INTERNAL_SERVER_ERROR.into_response())
        }
    }
}

/// On to another page of ours, after a form.
pub(super) fn see(path: &str, cookies: Vec<HeaderValue>) -> Response {
    let mut response = dressed(StatusCode::SEE_OTHER.into_response());
    let to = HeaderValue::try_from(path).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(LOCATION, to);
    with_cookies(response, cookies)
}

pub(super) fn with_cookies(mut response: Response, cookies: Vec<HeaderValue>) -> Response {
    for cookie in cookies {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

#[derive(Template)]
#[template(path = "web/message.html", config = "assets/askama.toml")]
struct Message<'a> {
    style: &'static str,
    title: &'a str,
    about: &'a [&'a str],
    links: &'a [(&'a str, &'a str)],
}

/// A page with nothing to fill in.
pub(super) fn message(
    status: StatusCode,
    title: &str,
    about: &[&str],
    links: &[(&str, &str)],
) -> Response {
    page(status, &Message { style: STYLE, title, about, links })
}

/// On to a page of somebody else's, after a form.
pub(super) fn away(url: &str, title: &str, about: &str, cookies: Vec<HeaderValue>) -> Response {
    let mut response = message(StatusCode::OK, title, &[about], &[("Go on", url)]);
    if let Ok(value) = HeaderValue::try_from(format!("0; url={url}")) {
        response.headers_mut().insert(REFRESH, value);
    }
    with_cookies(response, cookies)
}

/// What the address names. One that is no text leads nowhere, and people get a page that says so.
pub(super) struct Path<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<Shared> for Path<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, face: &Shared) -> Result<Self, Failure> {
        let named = axum::extract::Path::<T>::from_request_parts(parts, face).await;
        let named = named.map_err(|_| Failure(Problem::new(Code::NotFound)))?;
        Ok(Self(named.0))
    }
}

/// A request that ends in a page that says why.
#[derive(Debug)]
pub(super) struct Failure(Problem);

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

pub(super) fn status_of(problem: &Problem) -> StatusCode {
    match problem.row().status {
        // There is no challenge to answer: the form is on the page.
        401 => StatusCode::UNPROCESSABLE_ENTITY,
        status => StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// When it may be tried again, for those who are told to wait.
pub(super) fn with_wait(mut response: Response, problem: &Problem) -> Response {
    let seconds = match problem.code {
        Code::TooManyAttempts => problem.params.get("retry_after_seconds").cloned(),
        _ if response.status() == StatusCode::SERVICE_UNAVAILABLE => Some("1".to_owned()),
        _ => None,
    };
    if let Some(value) = seconds.and_then(|seconds| HeaderValue::try_from(seconds).ok()) {
        response.headers_mut().insert(RETRY_AFTER, value);
    }
    response
}

/// What to do, and the facts that this speaks of, each on a line of its own.
fn told(problem: &Problem) -> Vec<String> {
    let remedy = problem.row().remedy;
    let facts = problem.params.iter().map(|(name, value)| format!("{name}: {value}"));
    if problem.params.is_empty() {
        return vec![remedy.to_owned()];
    }
    // On a page they stand right there, under no name.
    std::iter::once(remedy.replace("under `params`", "below")).chain(facts).collect()
}

/// What a problem is called on a page.
pub(super) fn words(problem: &Problem) -> String {
    match (problem.code, problem.params.get("retry_after_seconds")) {
        (Code::TooManyAttempts, Some(seconds)) => {
            format!("Too many attempts. Try again in {seconds} seconds.")
        }
        (Code::SignInRefused, _) => "The e-mail, the password or the code is not right.".to_owned(),
        (Code::CodeNeeded, _) => {
            "Your account asks for a code, too: six digits of your authenticator, or a recovery code."
                .to_owned()
        }
        _ => format!("{}. {}", problem.row().title, told(problem).join("\n")),
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = status_of(&self.0);
        let back = [("Sign in", "/sign-in")];
        let response = if self.0.code == Code::NotFound {
            let about = [
                "It may have been used already, taken back, or be too old: links are good once, and \
                 for a while.",
                "Ask whoever gave it to you for a new one.",
            ];
            message(status, "This link leads nowhere", &about, &back)
        } else {
            let about = told(&self.0);
            let about: Vec<&str> = about.iter().map(String::as_str).collect();
            message(status, self.0.row().title, &about, &back)
        };
        with_wait(response, &self.0)
    }
}
