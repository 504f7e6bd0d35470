//! What a simulation knows from outside: a picture of the database at one moment, what people were
//! told, and what the networks did. Must not trust the program's own words about the networks.

use std::collections::{BTreeMap, BTreeSet};

use super::script::{Level, Token};
use crate::base::{ChannelId, DeliveryId, PostId, Timestamp, limits};
use crate::domain::channel::Channel;
use crate::domain::delivery::Delivery;
use crate::domain::post::Post;
use crate::domain::workspace::Workspace;
use crate::practice::{Effect, JournalEntry};
use crate::store::rows::{Pause, Usage};
use crate::store::{Backlog, Error, Scope, Span, View};

/// All that matters in the database, at one moment.
#[derive(Default)]
pub(super) struct Picture {
    /// By the number of the script.
    pub posts: BTreeMap<u32, Post>,
    pub deliveries: BTreeMap<DeliveryId, Delivery>,
    pub channels: BTreeMap<ChannelId, Channel>,
    /// The workspace of each channel.
    pub homes: BTreeMap<ChannelId, usize>,
    pub everything: bool,
    pub networks: BTreeSet<String>,
    pub workspaces: Vec<bool>,
    pub timers: BTreeSet<(Timestamp, DeliveryId)>,
    pub backlog: Backlog,
    /// Posts that count in each month, of all workspaces.
    pub used: BTreeMap<Timestamp, u64>,
    pub epoch: u64,
}

/// More rows than a run ever makes.
const ALL: usize = 10_000;

impl Picture {
    pub fn take(view: &View<'_>, scopes: &[Scope], epoch: u64) -> Result<Self, Error> {
        let mut picture = Self { epoch, ..Self::default() };
        let span = Span::first(ALL);
        for (n, scope) in scopes.iter().enumerate() {
            for (_, post) in view.scan::<Post>(scope, &span)? {
                if let Some(token) = version(&post) {
                    picture.posts.insert(token.post, post);
                }
            }
            let rows = view.scan::<Delivery>(scope, &span)?;
            picture.deliveries.extend(rows);
            for (id, channel) in view.scan::<Channel>(scope, &span)? {
                picture.channels.insert(id, channel);
                picture.homes.insert(id, n);
            }
            for (month, row) in view.scan::<Usage>(scope, &span)? {
                *picture.used.entry(month).or_default() += row.posts;
            }
            let paused = view.get::<Workspace>(scope, &())?.is_some_and(|row| row.paused);
            picture.workspaces.push(paused);
        }
        for (name, _) in view.scan_global::<Pause>(None, limits::PAGE_MAX)? {
            picture.everything |= name.is_empty();
            picture.networks.insert(name);
        }
        let end = Timestamp::from_millis(u64::MAX);
        let timers = view.timers(None, end, ALL)?;
        picture.timers = timers.iter().map(|timer| (timer.due, timer.delivery())).collect();
        picture.backlog = Backlog::read(view)?;
        Ok(picture)
    }

    pub fn post_of(&self, id: PostId) -> Option<(u32, &Post)> {
        self.posts.iter().find(|(_, post)| post.id == id).map(|(n, post)| (*n, post))
    }

    /// The delivery of a post of the script to a channel.
    pub fn delivery_to(&self, post: u32, channel: ChannelId) -> Option<&Delivery> {
        let post = self.posts.get(&post)?;
        let target = post.targets.iter().find(|target| target.channel == channel)?;
        self.deliveries.get(&target.delivery?)
    }

    pub fn is_paused(&self, channel: ChannelId) -> bool {
        let Some(row) = self.channels.get(&channel) else { return false };
        let home = self.homes.get(&channel).and_then(|home| self.workspaces.get(*home));
        self.everything
            || row.paused
            || self.networks.contains(&row.network)
            || home.is_some_and(|paused| *paused)
    }

    pub fn holds(&self, level: Level, channels: &[Option<ChannelId>]) -> bool {
        match level {
            Level::Everything => self.everything,
            Level::Network(word) => self.networks.contains(word),
            Level::Workspace(n) => self.workspaces.get(n).is_some_and(|paused| *paused),
            Level::Channel(n) => {
                let id = channels.get(n).copied().flatten();
                id.and_then(|id| self.channels.get(&id)).is_some_and(|row| row.paused)
            }
        }
    }
}

/// Which post of the script, and which of its versions.
pub(super) fn version(post: &Post) -> Option<Token> {
    Token::find(post.parts.first()?.text.as_bytes())
}

/// What people were told about a post.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub id: PostId,
    pub revision: u64,
    pub version: u32,
    pub deleted: bool,
}

/// What people were told.
#[derive(Default)]
pub(super) struct Ledger {
    pub channels: Vec<Option<ChannelId>>,
    pub posts: BTreeMap<u32, Told>,
    /// What was answered to be paused or not, and not touched since.
    pub pauses: BTreeMap<Level, bool>,
    /// Channels that were answered to be gone.
    pub removed: BTreeSet<ChannelId>,
    /// Those that a person let go out at once.
    pub forced: BTreeSet<DeliveryId>,
}

impl Ledger {
    pub fn number_of(&self, channel: ChannelId) -> Option<usize> {
        self.channels.iter().position(|id| *id == Some(channel))
    }
}

/// What is out: by channel, post and part, under which ids of the network.
#[derive(Default)]
pub(super) struct Copies {
    read: usize,
    out: BTreeMap<(usize, u32, u32), BTreeSet<String>>,
}

impl Copies {
    pub fn follow(&mut self, journal: &[JournalEntry]) {
        for entry in journal.iter().skip(self.read) {
            if let Effect::StatusCreated { id, text, .. } = &entry.effect
                && let (Some(channel), Some(token)) =
                    (channel_of(&entry.host), Token::find(text.as_bytes()))
            {
                // The same message twice has one id: a receiver that takes it twice is told so.
                let at = (channel, token.post, token.part);
                self.out.entry(at).or_default().insert(id.clone());
            }
        }
        self.read = journal.len();
    }

    pub fn of(&self, channel: usize, post: u32, part: u32) -> usize {
        self.out.get(&(channel, post, part)).map_or(0, BTreeSet::len)
    }

    pub fn entries(&self) -> usize {
        self.read
    }
}

/// The server of a channel, by its number.
pub(super) fn host_of(channel: usize) -> String {
    format!("c{channel}.test")
}

/// Another name of it.
pub(super) fn alias_of(channel: usize) -> String {
    format!("c{channel}-own.test")
}

pub(super) fn channel_of(host: &str) -> Option<usize> {
    let name = host.strip_prefix('c')?.strip_suffix(".test")?;
    name.strip_suffix("-own").unwrap_or(name).parse().ok()
}
