//! Verbs that write posts and change them. Must not judge what is written.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::shown::{PartText, PostShown};
use super::super::{Access, PostChange};
use super::options::Options;
use super::run::{Answer, Caller, Words, new_post, post_change, shown};
use crate::base::{ChannelId, Check, Problem, WorkspaceId, Wrong, limits};
use crate::domain::access::Write;
use crate::domain::post::{OptionValue, PartDraft, Variant};

impl Caller<'_> {
    pub(super) async fn create_post(&self, workspace: WorkspaceId, words: &Words<'_>) -> Answer {
        let (mut new, mut options) = (new_post(words)?, Options::read(words)?);
        let access = self.enter::<Write>(workspace).await?;
        if !options.is_empty() {
            let (networks, gone) = self.networks_of(&access, &new.channels).await?;
            gone?;
            options.networks = networks;
            options.apply(&mut new.variants)?;
        }
        let made = self.services.create_post(access, new).await;
        shown(made.map_err(|problem| options.in_own_words(problem))?.value)
    }

    pub(super) async fn edit_post(&self, workspace: WorkspaceId, words: &Words<'_>) -> Answer {
        let (mut change, mut options) = (post_change(words)?, Options::read(words)?);
        let id = words.id("id")?;
        let access = self.enter::<Write>(workspace).await?;
        let keeps_media = change.parts.is_some() && !words.has("media");
        if keeps_media || !options.is_empty() {
            // What is not given stays: as long as nobody changes it meanwhile.
            let now = self.services.post(&access, id).await?;
            change.revision = Some(now.revision);
            if keeps_media {
                keep_media(&mut change, &now);
            }
            if !options.is_empty() {
                let had = || now.targets.iter().filter_map(|t| t.channel.parse().ok()).collect();
                let channels: Vec<ChannelId> = change.channels.clone().unwrap_or_else(had);
                let (networks, gone) = self.networks_of(&access, &channels).await?;
                // Of a channel that is there no more only whoever names it is told.
                if change.channels.is_some() {
                    gone?;
                }
                options.networks = networks;
                let mut variants = variants_of(&now);
                variants.retain(|channel, _| channels.contains(channel));
                options.apply(&mut variants)?;
                change.variants = Some(variants);
            }
        }
        let changed = self.services.change_post(access, id, change).await;
        shown(changed.map_err(|problem| options.in_own_words(problem))?.value)
    }

    /// The networks of the channels that a post is for, and what is wrong with those that are not there.
    async fn networks_of(
        &self,
        access: &Access<Write>,
        channels: &[ChannelId],
    ) -> Result<(BTreeMap<ChannelId, String>, Result<(), Problem>), Problem> {
        if channels.is_empty() {
            return Err(Problem::field("channel", Wrong::Missing));
        }
        let (mut networks, mut cursor) = (BTreeMap::new(), None::<String>);
        loop {
            let page = self.services.channels(access, cursor.as_deref(), limits::PAGE_MAX).await?;
            for channel in page.items {
                if let Ok(id) = channel.id.parse::<ChannelId>()
                    && channels.contains(&id)
                {
                    networks.insert(id, channel.network);
                }
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let mut check = Check::default();
        for (i, channel) in channels.iter().enumerate() {
            let there = networks.contains_key(channel);
            check.that(there, format!("channel[{i}]"), Wrong::NotFound);
        }
        Ok((networks, check.finish()))
    }
}

/// New texts keep what stands beside them.
fn keep_media(change: &mut PostChange, now: &PostShown) {
    for (part, was) in change.parts.iter_mut().flatten().zip(&now.parts) {
        part.media.clone_from(&was.media);
        part.delay_minutes = was.delay_minutes;
    }
}

/// The forms that a post has for its channels, from how it is shown.
fn variants_of(post: &PostShown) -> BTreeMap<ChannelId, Variant> {
    let mut variants = BTreeMap::new();
    for (channel, shown) in &post.variants {
        let Ok(channel) = channel.parse() else { continue };
        let parts = shown.parts.as_ref().map(|parts| parts.iter().map(draft).collect());
        let given = |(name, value): (&String, &Value)| Some((name.clone(), option(value)?));
        let options = shown.options.iter().filter_map(given).collect();
        variants.insert(channel, Variant { parts, options });
    }
    variants
}

fn draft(part: &PartText) -> PartDraft {
    let PartText { text, media, delay_minutes } = part.clone();
    PartDraft { text, media, delay_minutes }
}

fn option(value: &Value) -> Option<OptionValue> {
    match value {
        Value::Bool(flag) => Some(OptionValue::Flag(*flag)),
        Value::String(text) => Some(OptionValue::Text(text.clone())),
        _ => None,
    }
}
