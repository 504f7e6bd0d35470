//! Webhooks that networks send: no key, but a signature. Must not read what is in them before that is
//! checked; the use cases of `service` do both.

mod challenge;
mod deliver;

use axum::Router;
use axum::routing::get;

use super::Shared;

pub(super) fn hooks() -> Router<Shared> {
    Router::new().route("/hooks/{network}", get(challenge::answer).post(deliver::take))
}
