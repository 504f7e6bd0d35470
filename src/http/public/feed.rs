//! A feed in its forms: pages, Atom (RFC 4287) and JSON Feed 1.1. Must not decide what is in it;
//! `service::feeds` does.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use super::html::{HTML, STYLE, document, fresh};
use super::item::{Item, Picture, Span, clean};
use crate::base::{Timestamp, kind};
use crate::http::Shared;
use crate::http::extract::{Named, Seen};
use crate::http::file::Asked;
use crate::http::problem::Refusal;
use crate::service::FeedPage;

/// What all forms show.
struct Feed {
    id: String,
    url: String,
    title: String,
    updated: Timestamp,
    items: Vec<Item>,
}

impl Feed {
    fn new(public_url: &str, page: &FeedPage) -> Self {
        let url = format!("{public_url}/feed/{}", page.channel);
        let latest = page.entries.iter().map(|entry| entry.updated_at).max();
        Self {
            id: page.channel.to_string(),
            title: clean(&page.title),
            updated: latest.unwrap_or(page.created_at),
            items: page.entries.iter().map(|entry| Item::new(&url, entry)).collect(),
            url,
        }
    }
}

#[derive(Template)]
#[template(path = "web/feed.html", config = "assets/askama.toml")]
struct Page {
    style: &'static str,
    feed: Feed,
    /// Only one entry, at its own address.
    single: bool,
}

#[derive(Template)]
#[template(path = "web/atom.xml", config = "assets/askama.toml")]
struct Atom {
    feed: Feed,
}

async fn read(face: &Shared, channel: &Named<kind::Channel>) -> Result<Feed, Refusal> {
    let page = face.services.feed(channel.0).await?;
    Ok(Feed::new(&face.services.public_url, &page))
}

pub(super) async fn page(
    State(face): State<Shared>,
    channel: Named<kind::Channel>,
    seen: Seen,
) -> Result<Response, Refusal> {
    let feed = read(&face, &channel).await?;
    document(&Page { style: STYLE, feed, single: false }, HTML, &seen)
}

pub(super) async fn entry(
    State(face): State<Shared>,
    channel: Named<kind::Channel>,
    delivery: Named<kind::Delivery>,
    seen: Seen,
) -> Result<Response, Refusal> {
    let page = face.services.feed_entry(channel.0, delivery.0).await?;
    let feed = Feed::new(&face.services.public_url, &page);
    document(&Page { style: STYLE, feed, single: true }, HTML, &seen)
}

pub(super) async fn atom(
    State(face): State<Shared>,
    channel: Named<kind::Channel>,
    seen: Seen,
) -> Result<Response, Refusal> {
    let feed = read(&face, &channel).await?;
    document(&Atom { feed }, "application/atom+xml; charset=utf-8", &seen)
}

fn attachment(picture: &Picture) -> serde_json::Value {
    json!({
        "url": picture.url,
        "mime_type": picture.mime,
        "title": picture.alt,
        "size_in_bytes": picture.bytes,
    })
}

/// The file of a picture that an entry shows.
pub(super) async fn media(
    State(face): State<Shared>,
    channel: Named<kind::Channel>,
    delivery: Named<kind::Delivery>,
    asset: Named<kind::Asset>,
    asked: Asked,
) -> Result<Response, Refusal> {
    let (asset, blob) = face.services.feed_asset(channel.0, delivery.0, asset.0).await?;
    Ok(asked.answer(&asset, &blob))
}

pub(super) async fn json(
    State(face): State<Shared>,
    channel: Named<kind::Channel>,
    seen: Seen,
) -> Result<Response, Refusal> {
    let feed = read(&face, &channel).await?;
    let item = |item: &Item| {
        json!({
            "id": format!("urn:uuid:{}", item.id),
            "url": item.url,
            "title": item.title,
            "content_html": item.html(),
            "date_published": item.published,
            "date_modified": item.updated,
            "tags": item.tags,
            "attachments": item.pictures().map(attachment).collect::<Vec<_>>(),
        })
    };
    let document = json!({
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "home_page_url": feed.url,
        "feed_url": format!("{}/feed.json", feed.url),
        "items": feed.items.iter().map(item).collect::<Vec<_>>(),
    });
    Ok(fresh(document.to_string(), "application/feed+json", &seen))
}
