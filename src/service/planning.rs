//! From what a person wrote to what will be sent: the checks of every network, and one delivery
//! per channel. Must not write; the post use cases do, in their one transaction.

use std::collections::{BTreeMap, BTreeSet};

use super::Services;
use crate::base::{
    ChannelId, Check, Code, DeliveryId, FieldProblem, PartId, Problem, Timestamp, Wrong, limits,
};
use crate::domain::channel::{Channel, ChannelState};
use crate::domain::delivery::Delivery;
use crate::domain::media::Assets;
use crate::domain::post::{OptionValue, PartDraft, Post, check_parts};
use crate::domain::publish::Flow;
use crate::domain::schedule::Schedule;
use crate::networks;
use crate::store::{Error, Scope, View};

/// The channels of a post, as they are now.
/// Boxed: a map has room for eleven at once, and most posts have one.
pub(super) type Channels = BTreeMap<ChannelId, Box<Channel>>;

/// Reads the channels that `post` names; one that is not there is simply missing.
pub(super) fn channels_of(
    view: &View<'_>,
    scope: &Scope,
    ids: impl Iterator<Item = ChannelId>,
) -> Result<Channels, Error> {
    let mut found = Channels::new();
    for id in ids {
        if let Some(channel) = view.get::<Channel>(scope, &id)?
            && !matches!(channel.state, ChannelState::Removed { .. })
        {
            found.insert(id, Box::new(channel));
        }
    }
    Ok(found)
}

/// All that is wrong with `post`. For a draft, what a network would refuse is only a warning,
/// which is returned.
pub(super) fn check(
    post: &Post,
    channels: &Channels,
    assets: &Assets,
) -> Result<Vec<FieldProblem>, Problem> {
    let mut check = Check::default();
    shape(post, assets, &mut check);
    for (i, target) in post.targets.iter().enumerate() {
        match channels.get(&target.channel).map(|c| &c.state) {
            None => check.wrong(format!("channels[{i}]"), Wrong::NotFound),
            Some(ChannelState::Connecting { .. }) => {
                let why = "is not connected yet; bring the code first";
                check.wrong(format!("channels[{i}]"), Wrong::NotPossible { why });
            }
            Some(_) => {}
        }
    }
    check.finish()?;
    let mut networks_say = Check::default();
    for target in &post.targets {
        if let Some(channel) = channels.get(&target.channel) {
            ask_network(post, channel, assets, &mut networks_say);
        }
    }
    match networks_say.finish() {
        Ok(()) => Ok(oddities(post)),
        Err(problem) if post.draft => Ok([problem.fields, oddities(post)].concat()),
        Err(problem) => Err(problem),
    }
}

/// What can be done as it was asked for, and may still surprise.
fn oddities(post: &Post) -> Vec<FieldProblem> {
    let wrong = post.schedule.as_ref().and_then(Schedule::oddity);
    wrong.map(|wrong| FieldProblem { field: "schedule.at".to_owned(), wrong }).into_iter().collect()
}

/// What is wrong whatever the network.
fn shape(post: &Post, assets: &Assets, check: &mut Check) {
    check_parts("parts", &post.parts, check);
    for (channel, variant) in &post.variants {
        let field = format!("variants.{channel}");
        let known = post.targets.iter().any(|target| target.channel == *channel);
        check.that(known, &field, Wrong::NotPossible { why: "is not one of `channels`" });
        if let Some(parts) = &variant.parts {
            check_parts(&format!("{field}.parts"), parts, check);
            check_media(&format!("{field}.parts"), parts, assets, check);
        }
    }
    let actual = bytes_of(post);
    let max = limits::POST_BYTES;
    check.that(actual <= max, "parts", Wrong::TooLong { max, actual, unit: "bytes in all" });
    check_media("parts", &post.parts, assets, check);
    if !post.draft {
        check.that(!post.targets.is_empty(), "channels", Wrong::Empty);
        check.that(post.schedule.is_some(), "schedule", Wrong::Missing);
    }
}

/// All of a post that people write. Its row has room for more, such as what is said of it when it is approved.
fn bytes_of(post: &Post) -> usize {
    let variants = post.variants.values().filter_map(|v| v.parts.as_ref());
    let parts = std::iter::once(&post.parts).chain(variants).flatten();
    let parts = parts.map(|p| p.text.len() + p.media.iter().map(String::len).sum::<usize>());
    let options = post.variants.values().flat_map(|variant| &variant.options);
    let options = options.map(|(name, value)| match value {
        OptionValue::Flag(_) => name.len(),
        OptionValue::Text(text) => name.len() + text.len(),
    });
    let tags = post.tags.iter().map(String::len);
    parts.chain(options).chain(tags).sum()
}

/// Every asset must be there, and be named once in its part.
fn check_media(field: &str, parts: &[PartDraft], assets: &Assets, check: &mut Check) {
    for (i, part) in parts.iter().enumerate() {
        let mut seen = BTreeSet::new();
        for (j, id) in part.media.iter().take(limits::MEDIA_PER_PART).enumerate() {
            let field = format!("{field}[{i}].media[{j}]");
            match id.parse().ok().filter(|id| assets.contains_key(id)) {
                Some(id) => check.that(seen.insert(id), field, Wrong::Twice),
                None => check.wrong(field, Wrong::NotFound),
            }
        }
    }
}

/// Tags as they were given, which the post itself does not keep.
pub(super) fn check_tags(tags: &[String]) -> Result<(), Problem> {
    let mut check = Check::default();
    let (max, actual) = (limits::TAGS_PER_POST, tags.len());
    check.that(actual <= max, "tags", Wrong::TooLong { max, actual, unit: "tags" });
    for (i, tag) in tags.iter().take(max).enumerate() {
        let (max, actual) = (limits::TAG_CHARS, tag.chars().count());
        let wrong = Wrong::TooLong { max, actual, unit: "characters" };
        check.that(actual <= max, format!("tags[{i}]"), wrong);
        check.that(!tag.is_empty(), format!("tags[{i}]"), Wrong::Empty);
        let expected = "text without control characters".to_owned();
        let plain = !tag.chars().any(char::is_control);
        check.that(plain, format!("tags[{i}]"), Wrong::BadFormat { expected });
    }
    check.finish()
}

fn ask_network(post: &Post, channel: &Channel, assets: &Assets, check: &mut Check) {
    let Some(network) = networks::named(&channel.network) else { return };
    let capabilities = network.capabilities(&channel.facts);
    let own = post.variants.get(&channel.id);
    let field = match own {
        Some(variant) if variant.parts.is_some() => format!("variants.{}.parts", channel.id),
        _ => "parts".to_owned(),
    };
    let none = BTreeMap::new();
    let options = own.map_or(&none, |variant| &variant.options);
    capabilities.check_parts(&field, (post.parts_for(channel.id), options), assets, check);
    if let Some(variant) = own {
        let field = format!("variants.{}.options", channel.id);
        capabilities.check_options(&field, &variant.options, check);
    }
}

/// Ids for the deliveries of one request, made before the transaction, which may run twice.
#[derive(Clone)]
pub(super) struct Ids {
    delivery: DeliveryId,
    parts: Vec<PartId>,
}

impl Ids {
    pub(super) fn new(services: &Services, parts: usize) -> Self {
        let (now, rng) = (services.now(), services.rng.as_ref());
        let parts = (0..parts).map(|_| PartId::new(now, rng)).collect();
        Self { delivery: DeliveryId::new(now, rng), parts }
    }
}

/// The delivery of `post` to the target at `index`, waiting for its time.
pub(super) fn delivery(
    post: &Post,
    index: usize,
    channel: &Channel,
    due: Timestamp,
    ids: &Ids,
) -> Result<Delivery, Problem> {
    let target = post.targets.get(index).ok_or_else(|| Problem::new(Code::Internal))?;
    Ok(Delivery {
        id: ids.delivery,
        post: post.id,
        target: target.id,
        channel: target.channel,
        network: channel.network.clone(),
        revision: 1,
        content_revision: post.content_revision,
        correlation: post.correlation,
        due,
        finished_at: None,
        flow: flow(post, target.channel, due, &ids.parts),
        notes: Vec::new(),
    })
}

/// A fresh flow of the words that this channel gets.
pub(super) fn flow(post: &Post, channel: ChannelId, due: Timestamp, ids: &[PartId]) -> Flow {
    let delays = post
        .parts_for(channel)
        .iter()
        .map(|part| std::time::Duration::from_secs(u64::from(part.delay_minutes) * 60));
    Flow::new(due, ids.iter().copied().zip(delays))
}

impl Ids {
    pub(super) fn parts(&self) -> &[PartId] {
        &self.parts
    }
}
