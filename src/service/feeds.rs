//! Public feeds: a read of published deliveries, for anybody. Must not show anything that has not
//! gone out, nor anything of another channel.

use super::closing::is_closed;
use super::{Services, not_found, trouble};
use crate::base::{AssetId, ChannelId, DeliveryId, Problem, Timestamp, limits};
use crate::domain::channel::{Channel, ChannelState};
use crate::domain::delivery::Delivery;
use crate::domain::media::Asset;
use crate::domain::post::Post;
use crate::domain::publish::Phase;
use crate::media::Blob;
use crate::store::rows::PublishedEntry;
use crate::store::{Error, Scope, Span, View};

/// A feed, newest entry first.
#[derive(Clone, Debug)]
pub struct FeedPage {
    pub channel: ChannelId,
    pub title: String,
    pub created_at: Timestamp,
    pub entries: Vec<FeedEntry>,
}

/// One published delivery.
#[derive(Clone, Debug)]
pub struct FeedEntry {
    pub delivery: DeliveryId,
    pub published_at: Timestamp,
    /// When its last part went out.
    pub updated_at: Timestamp,
    /// The parts that are out.
    pub parts: Vec<FeedPart>,
    pub tags: Vec<String>,
}

/// One part of an entry.
#[derive(Clone, Debug)]
pub struct FeedPart {
    pub text: String,
    pub media: Vec<Asset>,
}

impl Services {
    /// The newest entries of a feed.
    pub async fn feed(&self, channel: ChannelId) -> Result<FeedPage, Problem> {
        let found = self.store.read(move |view| {
            let Some((scope, channel)) = open(view, channel)? else { return Ok(None) };
            let span = Span::last(limits::PAGE_DEFAULT).under(&channel.id);
            let mut page = page_of(&channel);
            for ((_, _, delivery), PublishedEntry) in view.scan::<PublishedEntry>(&scope, &span)? {
                page.entries.extend(entry(view, &scope, channel.id, delivery)?);
            }
            Ok(Some(page))
        });
        found.await.map_err(trouble)?.ok_or_else(not_found)
    }

    /// A feed with one entry: what a permalink shows.
    pub async fn feed_entry(
        &self,
        channel: ChannelId,
        delivery: DeliveryId,
    ) -> Result<FeedPage, Problem> {
        let found = self.store.read(move |view| {
            let Some((scope, channel)) = open(view, channel)? else { return Ok(None) };
            let entry = entry(view, &scope, channel.id, delivery)?;
            Ok(entry.map(|entry| FeedPage { entries: vec![entry], ..page_of(&channel) }))
        });
        found.await.map_err(trouble)?.ok_or_else(not_found)
    }
}

impl Services {
    /// An asset that an entry shows. What is not out yet is as good as missing.
    pub async fn feed_asset(
        &self,
        channel: ChannelId,
        delivery: DeliveryId,
        asset: AssetId,
    ) -> Result<(Asset, Blob), Problem> {
        let found = self.store.read(move |view| {
            let Some((scope, channel)) = open(view, channel)? else { return Ok(None) };
            let entry = entry(view, &scope, channel.id, delivery)?;
            let mut media = entry.into_iter().flat_map(|e| e.parts).flat_map(|part| part.media);
            Ok(media.find(|one| one.id == asset).map(|asset| (scope, asset)))
        });
        let (scope, asset) = found.await.map_err(trouble)?.ok_or_else(not_found)?;
        let blob = self.blobs.blob(scope.workspace(), &asset.object, asset.shape.bytes);
        Ok((asset, blob))
    }
}

fn page_of(channel: &Channel) -> FeedPage {
    FeedPage {
        channel: channel.id,
        title: channel.name.clone(),
        created_at: channel.created_at,
        entries: Vec::new(),
    }
}

fn open(view: &View<'_>, id: ChannelId) -> Result<Option<(Scope, Channel)>, Error> {
    let Some(scope) = Scope::by_feed(view, id)? else { return Ok(None) };
    if is_closed(view, &scope)? {
        return Ok(None);
    }
    let channel = view.get::<Channel>(&scope, &id)?;
    let there = channel.filter(|c| !matches!(c.state, ChannelState::Removed { .. }));
    Ok(there.map(|channel| (scope, channel)))
}

fn entry(
    view: &View<'_>,
    scope: &Scope,
    channel: ChannelId,
    id: DeliveryId,
) -> Result<Option<FeedEntry>, Error> {
    let Some(row) = view.get::<Delivery>(scope, &id)?.filter(|d| d.channel == channel) else {
        return Ok(None);
    };
    // Also of a deleted post: what is out stays out, here as on any network.
    let Some(post) = view.get::<Post>(scope, &row.post)? else {
        return Ok(None);
    };
    let mut out = Vec::new();
    let mut parts = Vec::new();
    for (part, words) in row.flow.parts.iter().zip(post.parts_for(channel)) {
        if let Phase::Published(receipt) = &part.phase {
            out.push(receipt.at);
            let mut media = Vec::new();
            for id in words.media.iter().filter_map(|id| id.parse().ok()) {
                media.extend(view.get::<Asset>(scope, &id)?);
            }
            parts.push(FeedPart { text: words.text.clone(), media });
        }
    }
    let (Some(first), Some(last)) = (out.first(), out.last()) else { return Ok(None) };
    Ok(Some(FeedEntry {
        delivery: id,
        published_at: *first,
        updated_at: *last,
        parts,
        tags: post.tags.iter().cloned().collect(),
    }))
}
