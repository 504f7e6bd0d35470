//! The pages a person sees: the practice timeline, one status, and the consent to an application.
//! Must not hold a script, and never passes text on unescaped.

use askama::Template;
use serde::Serialize;

use super::Answer;
use crate::base::Timestamp;

/// Statuses of one instance on a page.
const PAGE_STATUSES: usize = 100;

/// What one instance shows, newest first.
#[derive(Clone, Debug, Serialize)]
pub struct ShownInstance {
    pub host: String,
    pub title: String,
    pub base_url: String,
    pub statuses: Vec<Shown>,
}

/// One status as a person sees it.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    pub id: String,
    pub account: String,
    pub created_at: Timestamp,
    pub edited: bool,
    pub text: String,
    pub spoiler_text: String,
    pub visibility: String,
    pub url: String,
    pub in_reply_to_id: Option<String>,
    pub in_reply_to_url: Option<String>,
    pub media: Vec<ShownMedia>,
}

#[derive(Clone, Debug, Serialize)]
pub struct ShownMedia {
    pub url: String,
    pub image: bool,
    pub description: String,
}

impl Shown {
    fn clock(&self) -> String {
        self.created_at.to_jiff().strftime("%F %T UTC").to_string()
    }

    fn initial(&self) -> String {
        self.account.chars().take(1).flat_map(char::to_uppercase).collect()
    }
}

#[derive(Template)]
#[template(path = "practice/timeline.html", config = "assets/askama.toml")]
struct Timeline {
    instances: Vec<ShownInstance>,
}

#[derive(Template)]
#[template(path = "practice/status.html", config = "assets/askama.toml")]
struct One {
    status: Shown,
    title: String,
}

/// The question whether an application may act for an account.
#[derive(Template)]
#[template(path = "practice/authorize.html", config = "assets/askama.toml")]
pub(super) struct Authorize {
    pub title: String,
    pub app: String,
    /// Where the answer goes.
    pub action: String,
    pub scopes: Vec<String>,
    pub accounts: Vec<String>,
    /// The parameters of the request, which the answer repeats.
    pub fields: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "practice/code.html", config = "assets/askama.toml")]
struct Code {
    code: String,
    title: String,
}

/// The newest statuses of each instance; the page is fetched again every few seconds.
pub(super) fn timeline(mut instances: Vec<ShownInstance>) -> Answer {
    for instance in &mut instances {
        instance.statuses.truncate(PAGE_STATUSES);
    }
    render(&Timeline { instances })
}

pub(super) fn status(status: Shown, title: &str) -> Answer {
    let title = title.to_owned();
    render(&One { status, title })
}

pub(super) fn authorize(page: &Authorize) -> Answer {
    render(page)
}

/// The code, to be copied by hand into the application.
pub(super) fn code(code: String, title: String) -> Answer {
    render(&Code { code, title })
}

fn render(page: &impl Template) -> Answer {
    let html = page.render().unwrap_or_else(|error| format!("The page cannot be shown: {error}"));
    let policy = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; \
        base-uri 'none'; frame-ancestors 'none'";
    Answer::html(200, html)
        .with("content-security-policy", policy)
        .with("x-content-type-options", "nosniff")
        .with("referrer-policy", "no-referrer")
}
