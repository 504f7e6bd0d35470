//! Posts: write, change, list, cancel, delete.

mod approve;
mod change;
mod create;
mod list;
mod remove;

use std::collections::{BTreeMap, BTreeSet};

use super::planning::Channels;
use super::{Access, Services, media, not_found};
use crate::base::{ChannelId, Check, Code, PostId, Problem, Timestamp, Wrong, limits};
use crate::domain::access::Right;
use crate::domain::post::{PartDraft, Post, Variant};
use crate::domain::schedule::Schedule;
use crate::store::rows::CalendarEntry;
use crate::store::{Error, Tx, View, WriteError};

pub use approve::Word;
pub(super) use change::refusal_problem;
pub use list::PostFilter;

/// When a post should go out, as a person says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    Now,
    At { local: String, zone: String },
}

/// A post as a person writes it.
#[derive(Clone, Debug, Default)]
pub struct NewPost {
    pub parts: Vec<PartDraft>,
    pub channels: Vec<ChannelId>,
    pub when: Option<When>,
    pub variants: BTreeMap<ChannelId, Variant>,
    pub tags: Vec<String>,
    pub draft: bool,
}

/// What a person changes; `None` leaves it as it is.
#[derive(Clone, Debug, Default)]
pub struct PostChange {
    pub parts: Option<Vec<PartDraft>>,
    pub channels: Option<Vec<ChannelId>>,
    pub when: Option<When>,
    pub variants: Option<BTreeMap<ChannelId, Variant>>,
    pub tags: Option<Vec<String>>,
    pub draft: Option<bool>,
    /// The revision that the person saw.
    pub revision: Option<u64>,
}

fn resolve(when: &When, now: Timestamp) -> Result<Schedule, Problem> {
    match when {
        When::Now => Ok(Schedule::Now { due: now }),
        When::At { local, zone } => Schedule::at(local, zone, now),
    }
}

/// The post, unless it was deleted.
pub(super) fn live<R: Right>(
    view: &View<'_>,
    access: &Access<R>,
    id: PostId,
) -> Result<Option<Post>, Error> {
    let post = view.get::<Post>(&access.scope, &id)?;
    Ok(post.filter(|post| post.deleted_at.is_none()))
}

fn must<R: Right>(
    tx: &Tx<'_>,
    access: &Access<R>,
    id: PostId,
) -> Result<Post, WriteError<Problem>> {
    live(&tx.view(), access, id)?.ok_or_else(|| WriteError::Refused(not_found()))
}

/// Refuses when the post is not at the revision that the caller saw.
fn unchanged(post: &Post, seen: Option<u64>) -> Result<(), WriteError<Problem>> {
    match seen {
        Some(seen) if seen != post.revision => {
            Err(WriteError::Refused(Problem::new(Code::StaleRevision).with("etag", post.revision)))
        }
        _ => Ok(()),
    }
}

/// Writes the post, its place in the calendar, and its claim on its assets.
fn save<R: Right>(
    tx: &mut Tx<'_>,
    access: &Access<R>,
    before: Option<&Post>,
    after: &Post,
) -> Result<(), WriteError<Problem>> {
    let place = |post: &Post| {
        let due = post.schedule.as_ref().filter(|_| post.deleted_at.is_none()).map(Schedule::due);
        due.map(|due| (due, post.id))
    };
    let (old, new) = (before.and_then(place), place(after));
    if old != new {
        if let Some(key) = old {
            tx.delete::<CalendarEntry>(&access.scope, &key);
        }
        if let Some(key) = new {
            tx.put(&access.scope, &key, &CalendarEntry)?;
        }
    }
    media::follow(tx, &access.scope, before, after)?;
    Ok(tx.put(&access.scope, &after.id, after)?)
}

/// Too many channels, or one named twice, told by its place in the list.
fn check_channels(channels: &[ChannelId]) -> Result<(), Problem> {
    let mut seen = BTreeSet::new();
    let mut check = Check::default();
    let (max, actual) = (limits::CHANNELS_PER_POST, channels.len());
    check.that(actual <= max, "channels", Wrong::TooLong { max, actual, unit: "channels" });
    for (i, channel) in channels.iter().enumerate() {
        let fresh = seen.insert(*channel);
        check.that(fresh, format!("channels[{i}]"), Wrong::Twice);
    }
    check.finish()
}

/// The channel of a target; the checks before have seen to it that it is there.
fn channel_of(
    channels: &Channels,
    id: ChannelId,
) -> Result<&crate::domain::channel::Channel, WriteError<Problem>> {
    channels.get(&id).map(|channel| &**channel).ok_or_else(|| WriteError::Refused(not_found()))
}

impl Services {
    /// One post, as people see it.
    pub async fn post<R: Right>(
        &self,
        access: &Access<R>,
        id: PostId,
    ) -> Result<super::shown::PostShown, Problem> {
        let scope = access.scope;
        let glance = self.glance();
        let found = self
            .store
            .read(move |view| match view.get::<Post>(&scope, &id)? {
                Some(post) if post.deleted_at.is_none() => {
                    super::shown::post(view, &scope, &post, &glance).map(Some)
                }
                _ => Ok(None),
            })
            .await
            .map_err(super::trouble)?;
        found.ok_or_else(not_found)
    }
}
