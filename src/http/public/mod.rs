//! What anybody may see: feeds, health, and a first page. Must not show what has not gone out.

mod feed;
mod home;
mod html;
mod item;
mod media;
mod probes;

use axum::Router;
use axum::routing::get;

use super::Shared;

pub(super) use probes::probes;

/// Pages for people and feed readers.
pub(super) fn pages() -> Router<Shared> {
    Router::new()
        .route("/", get(home::home))
        .route("/m/{asset}/{delivery}/{until}/{signature}", get(media::linked))
        .route("/feed/{channel}", get(feed::page))
        .route("/feed/{channel}/atom.xml", get(feed::atom))
        .route("/feed/{channel}/feed.json", get(feed::json))
        .route("/feed/{channel}/{delivery}", get(feed::entry))
        .route("/feed/{channel}/{delivery}/media/{asset}", get(feed::media))
}
