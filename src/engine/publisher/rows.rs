//! Everything a run needs of the store, read at one moment.

use std::time::Duration;

use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};

use super::super::lanes::Ticket;
use crate::base::{Problem, Timestamp};
use crate::domain::approval::begins;
use crate::domain::delivery::Delivery;
use crate::domain::media::Asset;
use crate::domain::post::{PartDraft, Post};
use crate::domain::publish::{Doubt, Phase, Policy, Receipt};
use crate::networks::{self, Media, Network, PartCall};
use crate::service::{Found, Limits, Pauses, Services, lane_blocker, policy, trouble};
use crate::store::rows::{Preparation, PublishedEntry};
use crate::store::{Error, Scope, Span, View};

/// Published deliveries of a channel that are looked through for remote ids.
const KNOWN_MAX: usize = 500;

pub(super) struct Rows {
    pub delivery: Delivery,
    pub post: Post,
    pub found: Found,
    pub policy: Policy,
    pub network: &'static dyn Network,
    pub waits: Waits,
    /// What the current part shows; `None` when one of its assets is gone.
    pub media: Option<Vec<Media>>,
    /// What its network noted last.
    pub noted: Option<Preparation>,
    /// The channel's other parts, newest first, when this one is in doubt.
    pub known: Vec<Receipt>,
}

impl Rows {
    /// Until when its network takes no post of it.
    pub fn limited(&self, now: Timestamp) -> Option<Timestamp> {
        let uploads = self.media.as_ref().is_some_and(|media| !media.is_empty());
        self.waits.limits.holds_post(uploads, now).map(|limit| limit.until)
    }
}

/// What holds it back.
pub(super) struct Waits {
    pub paused: bool,
    /// Nobody has let its post out as it is now.
    pub approval: bool,
    /// Another delivery holds the lane; look again then.
    pub blocked: Option<Timestamp>,
    /// What its network has told of how often it may be called.
    pub limits: Limits,
}

/// `None` when the delivery is gone.
pub(super) async fn read(services: &Services, ticket: &Ticket) -> Result<Option<Rows>, Problem> {
    let (scope, id, now) = (ticket.timer.scope, ticket.delivery(), services.now());
    let (timing, handle) = (services.timing.get(), services.clone());
    let read = services.store.read(move |view| {
        let Some(delivery) = view.get::<Delivery>(&scope, &id)? else { return Ok(None) };
        let Some(post) = view.get::<Post>(&scope, &delivery.post)? else { return Ok(None) };
        let Some(found) = Found::read(view, &scope, delivery.channel)? else { return Ok(None) };
        let Some(network) = networks::named(&delivery.network) else { return Ok(None) };
        let policy = policy(view, &scope, (&found.channel, &delivery.flow), &timing)?;
        let pauses = Pauses::read(view, &scope)?;
        let blocker = lane_blocker(view, &scope, &delivery, &policy)?;
        // Its timer, but soon enough to notice when a person moves it.
        let soon = now.plus(std::time::Duration::from_secs(1));
        let late = now.plus(std::time::Duration::from_secs(30));
        let blocked = blocker.map(|other| other.flow.wake.unwrap_or(late).clamp(soon, late));
        let spaced = spaced(view, &scope, &delivery, (now, timing.spacing))?;
        let blocked = blocked.max(spaced);
        let known = known(view, &scope, &delivery)?;
        let paused = pauses.hold_back(Some(&found.channel), &delivery.network).is_some();
        let media = media(view, &scope, &handle, (&delivery, &post))?;
        let noted = view.get::<Preparation>(&scope, &id)?;
        let limits = Limits::read(view, &scope, &found.channel)?;
        let approval = begins(&delivery.flow) && !post.may_go_out();
        let waits = Waits { paused, approval, blocked, limits };
        Ok(Some(Rows { delivery, post, found, policy, network, waits, media, noted, known }))
    });
    read.await.map_err(trouble)
}

/// Until when a late post waits because another of its channel went out just now. By what is stored,
/// so that a restart makes no burst.
fn spaced(
    view: &View<'_>,
    scope: &Scope,
    delivery: &Delivery,
    (now, spacing): (Timestamp, Duration),
) -> Result<Option<Timestamp>, Error> {
    if now.since(delivery.flow.due) <= spacing {
        return Ok(None);
    }
    let span = Span::last(1).under(&delivery.channel);
    let last = view.scan::<PublishedEntry>(scope, &span)?.into_iter().next();
    // One from the future was written before the clock went back.
    let out = last.map(|((_, out, _), PublishedEntry)| out).filter(|out| *out <= now);
    Ok(out.map(|out| out.plus(spacing)).filter(|until| *until > now))
}

/// The assets of the current part, in its order.
fn media(
    view: &View<'_>,
    scope: &Scope,
    services: &Services,
    (delivery, post): (&Delivery, &Post),
) -> Result<Option<Vec<Media>>, Error> {
    let index = delivery.flow.current().unwrap_or(0);
    let Some(part) = post.parts_for(delivery.channel).get(index) else {
        return Ok(Some(Vec::new()));
    };
    let mut media = Vec::with_capacity(part.media.len());
    for id in &part.media {
        let asset = match id.parse() {
            Ok(id) => view.get::<Asset>(scope, &id)?,
            Err(_) => None,
        };
        let Some(asset) = asset else { return Ok(None) };
        let blob = services.blobs.blob(scope.workspace(), &asset.object, asset.shape.bytes);
        let url = services.media_link(asset.id, delivery.id);
        media.push(Media { asset, blob, url });
    }
    Ok(Some(media))
}

/// Only a part in doubt is looked for, and only there do other parts matter.
fn known(view: &View<'_>, scope: &Scope, delivery: &Delivery) -> Result<Vec<Receipt>, Error> {
    let doubt = delivery.flow.current_part().map(|part| part.doubt);
    if !matches!(doubt, Some(Doubt::Open { .. })) {
        return Ok(Vec::new());
    }
    let span = Span::last(KNOWN_MAX).under(&delivery.channel);
    let mut parts = Vec::new();
    for ((_, _, other), PublishedEntry) in view.scan::<PublishedEntry>(scope, &span)? {
        if let Some(row) = view.get::<Delivery>(scope, &other)? {
            parts.extend(row.flow.parts.iter().filter_map(|part| match &part.phase {
                Phase::Published(receipt) => Some(receipt.clone()),
                _ => None,
            }));
        }
    }
    Ok(parts)
}

/// What is derived of the current part for its call.
pub(super) struct PartFacts {
    index: usize,
    key: String,
    ticket: Vec<u8>,
    before: Vec<Receipt>,
    in_doubt: bool,
}

/// `None` when the post has no words for the current part.
pub(super) fn part_facts(
    delivery: &Delivery,
    post: &Post,
    noted: Option<Preparation>,
) -> Option<PartFacts> {
    let index = delivery.flow.current()?;
    post.parts_for(delivery.channel).get(index)?;
    let part = delivery.flow.parts.get(index)?;
    let before = delivery.flow.parts.iter().take(index).filter_map(|p| match &p.phase {
        Phase::Published(receipt) => Some(receipt.clone()),
        _ => None,
    });
    let these = (part.id, delivery.content_revision);
    let noted = noted.filter(|noted| (noted.part, noted.content_revision) == these);
    let ticket = noted.map(|noted| noted.ticket).unwrap_or_default();
    // The same for every attempt of these words, and new after an edit.
    let mut hash = Sha256::new();
    hash.update(delivery.id.as_bytes());
    hash.update(part.id.as_bytes());
    hash.update(delivery.content_revision.to_be_bytes());
    let key = BASE32_NOPAD.encode(&hash.finalize()).to_lowercase();
    let in_doubt = matches!(part.doubt, Doubt::Open { .. });
    Some(PartFacts { index, key, ticket, before: before.collect(), in_doubt })
}

impl PartFacts {
    pub(super) fn call<'a>(
        &'a self,
        delivery: &Delivery,
        post: &'a Post,
        (media, known): (&'a [Media], &'a [Receipt]),
    ) -> PartCall<'a> {
        static NOTHING: PartDraft =
            PartDraft { text: String::new(), media: Vec::new(), delay_minutes: 0 };
        PartCall {
            channel: delivery.channel,
            delivery: delivery.id,
            index: self.index,
            due: delivery.flow.due,
            // `part_facts` has seen to it that the words are there.
            draft: post.parts_for(delivery.channel).get(self.index).unwrap_or(&NOTHING),
            media,
            options: post.options_for(delivery.channel),
            key: &self.key,
            ticket: &self.ticket,
            before: &self.before,
            known,
            in_doubt: self.in_doubt,
        }
    }
}
