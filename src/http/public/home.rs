//! The first page: what this is. Must not say anything of what is in it.

use askama::Template;
use axum::response::Response;

use super::html::{HTML, STYLE, document};
use crate::http::extract::Seen;
use crate::http::problem::Refusal;

#[derive(Template)]
#[template(path = "web/home.html", config = "assets/askama.toml")]
struct Home {
    style: &'static str,
}

pub(super) async fn home(seen: Seen) -> Result<Response, Refusal> {
    document(&Home { style: STYLE }, HTML, &seen)
}
