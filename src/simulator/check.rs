//! The invariants of a run (reliability-security.md A14, SPEC part 4), checked after every step.
//! Must not drive anything.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;

use super::ledger::{Copies, Ledger, Picture, channel_of, version};
use super::script::Token;
use super::wire::Sent;
use crate::domain::channel::ChannelState;
use crate::domain::delivery::Delivery;
use crate::domain::plan::month_of;
use crate::domain::publish::{Doubt, Phase, Source, State, Wait};

/// What kind of promise was broken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// Something accepted is gone, or said to be out and is not.
    Lost,
    /// Something is out twice.
    Doubled,
    /// Something waits for nothing.
    Stuck,
    /// Another rule.
    Broken,
}

/// One invariant that did not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    pub kind: Kind,
    /// A few words that name the invariant.
    pub rule: &'static str,
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}: {}", self.kind, self.rule, self.what)
    }
}

/// One step of a run: what was, what is, and what was sent in between.
pub(super) struct Step<'a> {
    pub before: &'a Picture,
    pub after: &'a Picture,
    pub sent: &'a [Sent],
    pub ledger: &'a Ledger,
    pub copies: &'a Copies,
    /// The disk did what it was asked all the time.
    pub well: bool,
}

type Found = Vec<Violation>;

fn note(found: &mut Found, kind: Kind, rule: &'static str, what: String) {
    found.push(Violation { kind, rule, what });
}

impl Step<'_> {
    pub fn check(&self) -> Found {
        let mut found = Vec::new();
        self.nothing_is_lost(&mut found);
        self.told_is_true(&mut found);
        for delivery in self.after.deliveries.values() {
            self.journal_rule(delivery, &mut found);
        }
        self.one_at_a_time(&mut found);
        self.a_pause_holds(&mut found);
        for (n, sent) in self.sent.iter().enumerate() {
            self.sent_rightly(n, sent, &mut found);
        }
        self.rows_agree(&mut found);
        found
    }

    /// What was once seen stays, and does not go back (I9, I14).
    fn nothing_is_lost(&self, found: &mut Found) {
        for (n, post) in &self.before.posts {
            let kept = self.after.posts.get(n).is_some_and(|now| {
                now.revision > post.revision || (now.revision == post.revision && now == post)
            });
            if !kept {
                note(found, Kind::Lost, "a post stays", format!("post {n}"));
            }
        }
        for (id, row) in &self.before.deliveries {
            let kept = self.after.deliveries.get(id).is_some_and(|now| {
                let same = now.revision == row.revision && now == row;
                same || (now.revision > row.revision
                    && (!row.flow.is_over() || now.flow == row.flow))
            });
            if !kept {
                let now = self.after.deliveries.get(id);
                let what = format!("before {row:?}, after {now:?}");
                note(found, Kind::Lost, "a delivery stays, and what is over stays over", what);
            }
        }
        for (id, row) in &self.before.channels {
            let kept = self.after.channels.get(id).is_some_and(|now| now.revision >= row.revision);
            if !kept {
                note(found, Kind::Lost, "a channel stays", format!("{row:?}"));
            }
        }
    }

    /// What people were answered is on the disk.
    fn told_is_true(&self, found: &mut Found) {
        for (n, told) in &self.ledger.posts {
            let kept = self.after.posts.get(n).is_some_and(|post| {
                let same = version(post).is_some_and(|token| token.version == told.version)
                    && post.deleted_at.is_some() == told.deleted;
                post.id == told.id
                    && (post.revision > told.revision || (post.revision == told.revision && same))
            });
            if !kept {
                let what = format!("post {n}: {told:?}, and {:?}", self.after.posts.get(n));
                note(found, Kind::Lost, "an answered write stays", what);
            }
        }
        for (level, on) in &self.ledger.pauses {
            if self.after.holds(*level, &self.ledger.channels) != *on {
                let what = format!("{level:?} should be {on}");
                note(found, Kind::Lost, "an answered pause stays", what);
            }
        }
        for id in &self.ledger.removed {
            let row = self.after.channels.get(id);
            if !row.is_some_and(|row| matches!(row.state, ChannelState::Removed { .. })) {
                note(found, Kind::Lost, "a removed channel stays removed", format!("{row:?}"));
            }
        }
    }

    /// DESIGN part 4, per part.
    fn journal_rule(&self, delivery: &Delivery, found: &mut Found) {
        let channel = self.ledger.number_of(delivery.channel);
        let post = self.after.post_of(delivery.post).map(|(n, _)| n);
        let (Some(channel), Some(post)) = (channel, post) else { return };
        // A feed is our own: its rows are looked at when the run is over.
        if delivery.network == "feed" {
            return;
        }
        let current = delivery.flow.current();
        for (n, index) in (0_u32..).zip(0..delivery.flow.parts.len()) {
            let allowed = allowed(delivery, index, current);
            let count = self.copies.of(channel, post, n);
            if allowed.contains(&count) {
                continue;
            }
            let kind = if count > 1 { Kind::Doubled } else { Kind::Lost };
            let what = format!("{channel} qz{post}x{n}: out {count} times, and {delivery:?}");
            note(found, kind, "the journal agrees with the state", what);
        }
    }

    /// Nothing is armed after a pause was answered, whatever was under way.
    fn a_pause_holds(&self, found: &mut Found) {
        for (id, row) in &self.before.deliveries {
            let attempts = |row: &Delivery| row.flow.parts.iter().map(|p| p.attempt).sum::<u32>();
            let paused = self.before.is_paused(row.channel) && self.after.is_paused(row.channel);
            let now = self.after.deliveries.get(id);
            if paused && now.is_some_and(|now| attempts(now) > attempts(row)) {
                let what = format!("before {row:?}, after {now:?}");
                note(found, Kind::Broken, "nothing is armed while paused", what);
            }
        }
    }

    /// At most one delivery of a channel is being sent (I4).
    fn one_at_a_time(&self, found: &mut Found) {
        let mut busy = BTreeSet::new();
        for row in self.after.deliveries.values() {
            let armed = row.flow.current_part().is_some_and(|part| {
                matches!(part.phase, Phase::Armed { epoch, .. } if epoch == self.after.epoch)
            });
            if armed && !busy.insert(row.channel) {
                note(found, Kind::Broken, "one at a time in a channel", format!("{row:?}"));
            }
        }
    }

    /// One request that publishes: not early, not paused, in its words, in order.
    fn sent_rightly(&self, n: usize, sent: &Sent, found: &mut Found) {
        let token = Token::find(&sent.body);
        let (Some(number), Some(token)) = (channel_of(&sent.host), token) else { return };
        let Some(channel) = self.ledger.channels.get(number).copied().flatten() else { return };
        let Some(row) = self.after.delivery_to(token.post, channel) else {
            let what = format!("{token} to channel {number}");
            note(found, Kind::Broken, "only what was accepted is sent", what);
            return;
        };
        let rows = [self.before.deliveries.get(&row.id), Some(row)];
        let versions = [self.before, self.after].map(|picture| {
            picture.posts.get(&token.post).and_then(version).map(|token| token.version)
        });
        if !versions.contains(&Some(token.version)) {
            let what = format!("{token} was sent, and it is at {versions:?}");
            note(found, Kind::Broken, "an edit is what goes out", what);
        }
        let part = usize::try_from(token.part).unwrap_or(usize::MAX);
        if !self.ledger.forced.contains(&row.id)
            && rows.iter().flatten().all(|row| is_early(row, part, sent))
            && !self.sent_before(n, token, number)
        {
            let what = format!("{token} at {}, and {row:?}", sent.at);
            note(found, Kind::Broken, "nothing goes out early", what);
        }
        let armed = |row: &&Delivery| {
            row.flow.current_part().is_some_and(|part| matches!(part.phase, Phase::Armed { .. }))
        };
        if self.before.is_paused(channel)
            && self.after.is_paused(channel)
            && !rows.first().copied().flatten().as_ref().is_some_and(armed)
        {
            let what = format!("{token} at {} to channel {number}", sent.at);
            note(found, Kind::Broken, "nothing goes out while paused", what);
        }
        if token.part == 0 && self.well && !self.sent_before(n, token, number) {
            self.in_order(row, sent, found);
        }
    }

    /// Whether the same was sent earlier in this step.
    fn sent_before(&self, n: usize, token: Token, channel: usize) -> bool {
        self.sent.iter().take(n).any(|other| {
            channel_of(&other.host) == Some(channel)
                && Token::find(&other.body)
                    .is_some_and(|t| (t.post, t.part) == (token.post, token.part))
        })
    }

    /// Nothing that was due earlier in its channel is passed over (I11).
    fn in_order(&self, row: &Delivery, sent: &Sent, found: &mut Found) {
        let untried = |row: &Delivery| {
            let first = row.flow.parts.first();
            let waits = first.is_some_and(|part| {
                part.attempt == 0 && part.used == 0 && part.phase == Phase::Waiting(Wait::Due)
            });
            waits && row.flow.hold.is_none() && !row.flow.cancelled && row.notes.is_empty()
        };
        let first = self.before.deliveries.get(&row.id).is_some_and(untried);
        let forced = |row: &Delivery| self.ledger.forced.contains(&row.id);
        for other in self.before.deliveries.values() {
            let now = self.after.deliveries.get(&other.id);
            let passed = first
                && other.channel == row.channel
                && other.due < row.due
                && other.due <= sent.at
                && untried(other)
                && now.is_some_and(|now| now == other);
            if passed && !forced(row) && !forced(other) {
                let what = format!("{row:?} before {other:?}");
                note(found, Kind::Broken, "a channel sends in due order", what);
            }
        }
    }

    /// Timers, indexes and counts say what the rows say (I7).
    fn rows_agree(&self, found: &mut Found) {
        let after = self.after;
        let wakes = after.deliveries.values().filter_map(|row| Some((row.flow.wake?, row.id)));
        let wakes: BTreeSet<_> = wakes.collect();
        if wakes != after.timers {
            let what = format!("{:?}", wakes.symmetric_difference(&after.timers));
            note(found, Kind::Stuck, "each wake has its timer", what);
        }
        let count = |test: &dyn Fn(&Delivery) -> bool| {
            let rows = after.deliveries.values().filter(|row| test(row));
            u64::try_from(rows.count()).unwrap_or(u64::MAX)
        };
        for state in [State::Held, State::Partial, State::Failed] {
            let told = after.backlog.attention.get(&state).copied().unwrap_or(0);
            if told != count(&|row| row.flow.state() == state) {
                let what = format!("{told} {}", state.word());
                note(found, Kind::Broken, "counts are right", what);
            }
        }
        let counts =
            |row: &&Delivery| !matches!(row.flow.state(), State::Cancelled | State::Failed);
        let counted = after.deliveries.values().filter(counts).map(|row| (row.post, row.due));
        let mut used = BTreeMap::new();
        for (_, due) in counted.collect::<BTreeSet<_>>() {
            *used.entry(month_of(due)).or_default() += 1;
        }
        if used != after.used {
            let what = format!("{:?} are noted, {used:?} count", after.used);
            note(found, Kind::Broken, "a month's use is what is there", what);
        }
        if after.backlog.inflight != count(&|row| row.flow.is_in_flight()) {
            let what = format!("{} in flight", after.backlog.inflight);
            note(found, Kind::Broken, "counts are right", what);
        }
    }
}

/// How often a part may be out.
fn allowed(delivery: &Delivery, index: usize, current: Option<usize>) -> RangeInclusive<usize> {
    let Some(part) = delivery.flow.parts.get(index) else { return 0..=0 };
    match &part.phase {
        // A person's word is a person's.
        Phase::Published(receipt) if receipt.source == Source::Person => 0..=1,
        Phase::Published(_) => 1..=1,
        _ if current != Some(index) => 0..=0,
        Phase::Failed(_) => 0..=0,
        Phase::Armed { .. } | Phase::Unknown { .. } => 0..=1,
        Phase::Waiting(_) | Phase::Preparing { .. } => match part.doubt {
            // Also when a person dropped it unseen.
            Doubt::Open { .. } => 0..=1,
            Doubt::None | Doubt::Absent => 0..=0,
        },
    }
}

/// Whether this was sent before its time, as this row has it. What was tried before may be tried
/// again whatever the clock says by now.
fn is_early(row: &Delivery, part: usize, sent: &Sent) -> bool {
    if row.flow.parts.get(part).is_none_or(|part| part.attempt > 1) {
        return false;
    }
    let Some(before) = part.checked_sub(1) else { return sent.at < row.due };
    let delay = row.flow.parts.get(part).map(|part| part.delay).unwrap_or_default();
    match row.flow.parts.get(before).map(|part| &part.phase) {
        Some(Phase::Published(receipt)) => sent.at < receipt.at.plus(delay),
        _ => true,
    }
}
