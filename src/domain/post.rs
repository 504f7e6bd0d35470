//! Posts: what somebody wants said, where and when. Must not say what became of it; that is a
//! delivery's business.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::base::{
    ChannelId, Check, CorrelationId, DeliveryId, PostId, TargetId, Timestamp, Wrong, limits,
};
use crate::domain::access::{ChannelGrant, Lack, Reach};
use crate::domain::approval::Approval;
use crate::domain::event::Actor;
use crate::domain::schedule::Schedule;

/// A post with everything that a person wrote about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Post {
    pub id: PostId,
    /// Grows with every change; the `ETag`.
    pub revision: u64,
    /// Grows when words change, so that a network never takes new words for a repeat of old ones.
    pub content_revision: u64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub author: Actor,
    pub correlation: CorrelationId,
    pub parts: Vec<PartDraft>,
    pub variants: BTreeMap<ChannelId, Variant>,
    pub tags: BTreeSet<String>,
    /// `None` for a draft that nobody has given a time yet.
    pub schedule: Option<Schedule>,
    pub draft: bool,
    /// Deleted by a person; its deliveries keep their history.
    pub deleted_at: Option<Timestamp>,
    pub targets: Vec<Target>,
    pub approval: Approval,
}

/// The words of one part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartDraft {
    pub text: String,
    /// Ids of assets.
    pub media: Vec<String>,
    /// Wait after the part before it; of no meaning for the first.
    pub delay_minutes: u32,
}

/// A post's form for one channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// `None`: the post's own parts.
    pub parts: Option<Vec<PartDraft>>,
    pub options: BTreeMap<String, OptionValue>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OptionValue {
    Flag(bool),
    Text(String),
}

/// One (post, channel) pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub id: TargetId,
    pub channel: ChannelId,
    /// `None` while the post is a draft.
    pub delivery: Option<DeliveryId>,
}

impl Post {
    /// The parts as this channel gets them.
    pub fn parts_for(&self, channel: ChannelId) -> &[PartDraft] {
        let own = self.variants.get(&channel).and_then(|v| v.parts.as_deref());
        own.unwrap_or(&self.parts)
    }

    /// What somebody sees of it who reaches so far: its words, and which of the channels that they
    /// see it is for. `None` when it is only for others.
    pub fn within(mut self, reach: &Reach) -> Option<Self> {
        let had = !self.targets.is_empty();
        self.targets.retain(|target| reach.sees(target.channel));
        self.variants.retain(|channel, _| reach.sees(*channel));
        (!had || !self.targets.is_empty()).then_some(self)
    }

    /// What somebody lacks to write it so: a draft takes less than what has its place in a queue, and so
    /// does what goes nowhere before somebody else lets it.
    pub fn lacks(&self, reach: &Reach) -> Option<Lack> {
        let kept_in = self.draft || self.approval.keeps_in();
        let needs = if kept_in { ChannelGrant::Draft } else { ChannelGrant::Publish };
        let told = self.variants.keys().copied();
        reach.lacks(needs, self.targets.iter().map(|target| target.channel).chain(told))
    }

    pub fn options_for(&self, channel: ChannelId) -> Option<&BTreeMap<String, OptionValue>> {
        self.variants.get(&channel).map(|v| &v.options)
    }
}

/// Notes under `field` what no network could take: nothing to say, too many parts, wild delays.
pub fn check_parts(field: &str, parts: &[PartDraft], check: &mut Check) {
    if parts.is_empty() {
        check.wrong(field, Wrong::Empty);
    }
    let (max, actual) = (limits::PARTS_PER_POST, parts.len());
    check.that(actual <= max, field, Wrong::TooLong { max, actual, unit: "parts" });
    for (i, part) in parts.iter().take(max).enumerate() {
        if part.text.trim().is_empty() && part.media.is_empty() {
            check.wrong(format!("{field}[{i}].text"), Wrong::Empty);
        }
        let (max, actual) = (limits::TEXT_CHARS, part.text.chars().count());
        let wrong = Wrong::TooLong { max, actual, unit: "characters" };
        check.that(actual <= max, format!("{field}[{i}].text"), wrong);
        let (max, actual) = (limits::MEDIA_PER_PART, part.media.len());
        let wrong = Wrong::TooLong { max, actual, unit: "assets" };
        check.that(actual <= max, format!("{field}[{i}].media"), wrong);
        let max = limits::DELAY_MINUTES;
        let wrong = Wrong::OutOfRange { min: 0, max: i64::from(max) };
        check.that(part.delay_minutes <= max, format!("{field}[{i}].delay_minutes"), wrong);
    }
}
