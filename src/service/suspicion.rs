//! The rules of suspicion, applied: events are read by cursor and counted, and what was reached is
//! an event of its own, with what was done about it. Must not judge the same event twice.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Services, approvals, refused, trouble};
use crate::base::{ChannelId, KeyId, PostId, Problem, Timestamp};
use crate::domain::access::Key;
use crate::domain::channel::Channel;
use crate::domain::event::{Actor, Event};
use crate::domain::pace::Pace;
use crate::domain::post::Post;
use crate::domain::suspicion::{
    Act, CHANNEL_BURST, PREFIX, RULES, Rule, is_counted, is_post, times,
};
use crate::domain::tally::Tally;
use crate::domain::user::{BurstAct, DoorRule};
use crate::domain::workspace::Workspace;
use crate::store::rows::{ChainedEvent, Judged};
use crate::store::{Error, Scope, Span, Tx, View};

/// Events of one step.
const STEP: usize = 200;
/// So many that no rule counts are passed over before that is written down: after a crash they are
/// passed over again.
const UNSAVED: u64 = 1_000;
/// Events that are looked through for what a key wrote, or what was written for a channel.
const LATELY: usize = 1_000;
const HOUR: Duration = Duration::from_hours(1);

impl Services {
    /// Judges what happened in a workspace since event number `from`, and says how far it came.
    pub async fn judge(&self, scope: Scope, from: Option<u64>) -> Result<u64, Problem> {
        let mut from = from;
        loop {
            let looked = self.store.read(move |view| look(view, &scope, from)).await;
            match looked.map_err(trouble)? {
                Looked::Passed { to, all: true, .. } => return Ok(to),
                Looked::Passed { to, saved, .. } => {
                    if to.saturating_sub(saved) >= UNSAVED {
                        let put = move |tx: &mut Tx<'_>| {
                            Ok(tx.put(&scope, &(), &Judged { sequence: to })?)
                        };
                        self.store.write(put).await.map_err(refused)?;
                    }
                    from = Some(to);
                }
                Looked::Counted { from: at, lot } => {
                    let now = self.now();
                    let judged = self.store.write(move |tx| Ok(step(tx, &scope, (at, &lot), now)?));
                    from = Some(judged.await.map_err(refused)?);
                }
            }
        }
    }

    /// Workspaces in order of their slugs, for a round over all of them.
    pub async fn workspaces_in_turn(
        &self,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<(String, Scope)>, Problem> {
        let page = self.store.read(move |view| Scope::rounds(view, after.as_ref(), limit)).await;
        page.map_err(trouble)
    }
}

enum Looked {
    /// No rule counts any of these.
    Passed { to: u64, saved: u64, all: bool },
    /// Some of those after this one count. None of them changes any more, so the writer need not read
    /// them again.
    Counted { from: u64, lot: Vec<(u64, Event)> },
}

fn look(view: &View<'_>, scope: &Scope, from: Option<u64>) -> Result<Looked, Error> {
    let saved = view.get::<Judged>(scope, &())?.map_or(0, |row| row.sequence);
    let from = from.map_or(saved, |from| from.max(saved));
    let rows = view.scan::<ChainedEvent>(scope, &Span::first(STEP).after(Some(&from)))?;
    if rows.iter().any(|(_, row)| is_counted(&row.event)) {
        let lot = rows.into_iter().map(|(sequence, row)| (sequence, row.event)).collect();
        return Ok(Looked::Counted { from, lot });
    }
    let to = rows.last().map_or(from, |(sequence, _)| *sequence);
    Ok(Looked::Passed { to, saved, all: rows.len() < STEP })
}

/// What a step reads once, and writes when it is through.
struct Counts {
    wanted: BurstAct,
    tallies: BTreeMap<String, Tally>,
}

impl Counts {
    fn tally(&mut self, tx: &Tx<'_>, scope: &Scope, key: String) -> Result<&mut Tally, Error> {
        match self.tallies.entry(key) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(new) => {
                let tally = tx.get::<Tally>(scope, new.key())?.unwrap_or_default();
                Ok(new.insert(tally))
            }
        }
    }
}

/// Counts these events, but for those that were counted before, and acts on what was reached; all in one
/// transaction.
fn step(
    tx: &mut Tx<'_>,
    scope: &Scope,
    (from, lot): (u64, &[(u64, Event)]),
    now: Timestamp,
) -> Result<u64, Error> {
    let saved = tx.get::<Judged>(scope, &())?.map_or(0, |row| row.sequence);
    let mut to = from.max(saved);
    // It may have been erased since somebody looked; the installation's own record never is.
    if *scope != Scope::installation() && tx.get::<Workspace>(scope, &())?.is_none() {
        return Ok(lot.last().map_or(to, |(sequence, _)| to.max(*sequence)));
    }
    let mut counts = Counts { wanted: wanted(tx, scope)?, tallies: BTreeMap::new() };
    let mut given = BTreeMap::new();
    for (sequence, event) in lot.iter().filter(|(sequence, _)| *sequence > from.max(saved)) {
        to = *sequence;
        note_given(tx, scope, event, &mut given)?;
        for rule in RULES {
            if let Some(who) = rule.begins(event) {
                let tally = counts.tally(tx, scope, before(rule, &who))?;
                tally.add(event.at, times(event));
            }
            if let Some(who) = rule.counts(event) {
                count(tx, scope, &mut counts, (rule, &who), event, now)?;
            }
        }
    }
    for (channel, events) in given {
        compare(tx, scope, counts.wanted, (channel, &events), now)?;
    }
    for (key, tally) in &counts.tallies {
        tx.put(scope, key, tally)?;
    }
    tx.put(scope, &(), &Judged { sequence: to })?;
    Ok(to)
}

/// Posts that were made, by the channels that they are for.
type Given<'e> = BTreeMap<ChannelId, Vec<&'e Event>>;

/// Notes the channels of a post that was made, unless it is a draft.
fn note_given<'e>(
    tx: &Tx<'_>,
    scope: &Scope,
    event: &'e Event,
    given: &mut Given<'e>,
) -> Result<(), Error> {
    let post = if is_post(event) { event.subject.parse().ok() } else { None };
    let post = post.map(|id| tx.get::<Post>(scope, &id)).transpose()?.flatten();
    for target in post.filter(|post| !post.draft).into_iter().flat_map(|post| post.targets) {
        given.entry(target.channel).or_default().push(event);
    }
    Ok(())
}

/// Compares what a channel is given with what it was given before, says what is too much, and pauses it or
/// stops the posts where the workspace asks for that.
fn compare(
    tx: &mut Tx<'_>,
    scope: &Scope,
    wanted: BurstAct,
    (channel, events): (ChannelId, &[&Event]),
    now: Timestamp,
) -> Result<(), Error> {
    let mut pace = tx.get::<Pace>(scope, &channel)?.unwrap_or_default();
    let kind = format!("{PREFIX}{CHANNEL_BURST}");
    for event in events {
        let Some(burst) = pace.add(event.at, times(event)) else {
            if pace.is_burst() {
                stop_more(tx, scope, (wanted, &kind), event, now)?;
            }
            continue;
        };
        let kind = kind.clone();
        let mut data = BTreeMap::from([
            ("count".to_owned(), burst.count.to_string()),
            ("most".to_owned(), burst.most.to_string()),
            ("by".to_owned(), event.actor.word()),
        ]);
        let done = match wanted {
            BurstAct::Tell => None,
            BurstAct::Pause => {
                pause_channel(tx, scope, (channel, &kind), event, now)?.then_some("channels_paused")
            }
            BurstAct::Approve => {
                let posts = given_lately(tx, scope, channel, event)?;
                approvals::stop(tx, scope, (&kind, &posts), event, now)?.then_some(POSTS_WAIT)
            }
        };
        data.extend(done.map(|done| ("act".to_owned(), done.to_owned())));
        let subject = channel.to_string();
        let correlation = event.correlation;
        let raised = Event { at: now, actor: Actor::System, kind, subject, data, correlation };
        tx.append_event(scope, raised)?;
    }
    tx.put(scope, &channel, &pace)
}

/// Under which name it is counted what must come before.
fn before(rule: &Rule, who: &str) -> String {
    format!("{PREFIX}{}.after/{who}", rule.word)
}

fn count(
    tx: &mut Tx<'_>,
    scope: &Scope,
    counts: &mut Counts,
    (rule, who): (&Rule, &str),
    event: &Event,
    now: Timestamp,
) -> Result<(), Error> {
    if rule.after.is_some() {
        let key = before(rule, who);
        let first = match counts.tallies.get(&key) {
            Some(tally) => tally.within(event.at, rule.window),
            None => tx.get::<Tally>(scope, &key)?.unwrap_or_default().within(event.at, rule.window),
        };
        if first == 0 {
            return Ok(());
        }
    }
    let wanted = counts.wanted;
    let tally = counts.tally(tx, scope, format!("{PREFIX}{}/{who}", rule.word))?;
    tally.add(event.at, times(event));
    let count = tally.within(event.at, rule.window);
    let said = tally.raised_at.is_some_and(|at| event.at.since(at) < rule.window);
    if count >= rule.count && said && acts_on_posts(rule, event) {
        stop_more(tx, scope, (wanted, &rule.kind()), event, now)?;
    }
    if count >= rule.count && !said {
        tally.raised_at = Some(event.at);
        let mut data = BTreeMap::from([
            ("count".to_owned(), count.to_string()),
            ("minutes".to_owned(), (rule.window.as_secs() / 60).to_string()),
        ]);
        // Or what was done when the event was written.
        let done = act(tx, scope, (wanted, rule), event, now)?.map(str::to_owned);
        if let Some(done) = done.or_else(|| event.data.get("act").cloned()) {
            data.insert("act".to_owned(), done);
        }
        let (kind, subject) = (rule.kind(), who.to_owned());
        let correlation = event.correlation;
        let raised = Event { at: now, actor: Actor::System, kind, subject, data, correlation };
        tx.append_event(scope, raised)?;
    }
    Ok(())
}

/// What was done, if anything.
fn act(
    tx: &mut Tx<'_>,
    scope: &Scope,
    (wanted, rule): (BurstAct, &Rule),
    event: &Event,
    now: Timestamp,
) -> Result<Option<&'static str>, Error> {
    match (rule.act, &event.actor) {
        (Act::RevokeKey, Actor::Key(id)) => revoke(tx, scope, (rule, *id), event, now),
        (Act::PauseChannels, Actor::Key(_)) => {
            let posts = written_lately(tx, scope, rule, event)?;
            stop(tx, scope, wanted, (rule, &posts), event, now)
        }
        (Act::PausePost, _) => {
            let posts = event.subject.parse().into_iter().collect();
            stop(tx, scope, wanted, (rule, &posts), event, now)
        }
        (Act::Tell | Act::RevokeKey | Act::PauseChannels, _) => Ok(None),
    }
}

/// What a rule says was done when posts wait for somebody's word.
const POSTS_WAIT: &str = "posts_wait";

/// Whether a rule acts on the post of this event, as on those before it.
fn acts_on_posts(rule: &Rule, event: &Event) -> bool {
    rule.act == Act::PausePost
        || (rule.act == Act::PauseChannels && matches!(event.actor, Actor::Key(_)))
}

/// One more of what was said to be too much: a paused channel keeps it in by itself, else it is stopped like
/// those before it.
fn stop_more(
    tx: &mut Tx<'_>,
    scope: &Scope,
    (wanted, kind): (BurstAct, &str),
    event: &Event,
    now: Timestamp,
) -> Result<(), Error> {
    if wanted == BurstAct::Approve {
        let posts = event.subject.parse().into_iter().collect();
        approvals::stop(tx, scope, (kind, &posts), event, now)?;
    }
    Ok(())
}

/// The rule by which a key writes too much at this moment, if it was said that it does.
pub(super) fn is_bursting(
    view: &View<'_>,
    scope: &Scope,
    actor: &Actor,
    now: Timestamp,
) -> Result<Option<String>, Error> {
    let rule = RULES.iter().find(|rule| rule.act == Act::PauseChannels);
    let (Some(rule), Actor::Key(_)) = (rule, actor) else { return Ok(None) };
    let tally = view.get::<Tally>(scope, &format!("{PREFIX}{}/{}", rule.word, actor.word()))?;
    let said =
        tally.and_then(|tally| tally.raised_at).is_some_and(|at| now.since(at) < rule.window);
    Ok(said.then(|| rule.kind()))
}

/// The posts that were made for a channel within an hour.
fn given_lately(
    tx: &Tx<'_>,
    scope: &Scope,
    channel: ChannelId,
    event: &Event,
) -> Result<BTreeSet<PostId>, Error> {
    let mut posts = BTreeSet::new();
    for (_, row) in tx.view().scan::<ChainedEvent>(scope, &Span::last(LATELY))? {
        let made = &row.event;
        let near = event.at.since(made.at) < HOUR || made.at >= event.at;
        let id = if is_post(made) && near { made.subject.parse().ok() } else { None };
        let post = id.map(|id| tx.get::<Post>(scope, &id)).transpose()?.flatten();
        let here = |post: &Post| post.targets.iter().any(|to| to.channel == channel);
        posts.extend(post.filter(here).map(|post| post.id));
    }
    Ok(posts)
}

/// What the program did itself, and by which rule.
fn own(rule: &str, kind: &str, subject: String, of: &Event, at: Timestamp) -> Event {
    Event {
        at,
        actor: Actor::System,
        kind: kind.to_owned(),
        subject,
        data: BTreeMap::from([("reason".to_owned(), rule.to_owned())]),
        correlation: of.correlation,
    }
}

fn revoke(
    tx: &mut Tx<'_>,
    scope: &Scope,
    (rule, id): (&Rule, KeyId),
    event: &Event,
    now: Timestamp,
) -> Result<Option<&'static str>, Error> {
    let Some(mut key) = tx.get::<Key>(scope, &id)?.filter(|key| key.revoked_at.is_none()) else {
        return Ok(None);
    };
    key.revoked_at = Some(now);
    tx.put(scope, &id, &key)?;
    tx.append_event(scope, own(&rule.kind(), "key.revoked", id.to_string(), event, now))?;
    Ok(Some("key_revoked"))
}

/// The posts that whoever did it has written within the rule's window.
fn written_lately(
    tx: &Tx<'_>,
    scope: &Scope,
    rule: &Rule,
    event: &Event,
) -> Result<BTreeSet<PostId>, Error> {
    let lately = tx.view().scan::<ChainedEvent>(scope, &Span::last(LATELY))?;
    let of_it = |row: &Event| {
        let near = event.at.since(row.at) < rule.window || row.at >= event.at;
        near && row.actor == event.actor && rule.counts(row).is_some()
    };
    let events = lately.into_iter().map(|(_, row)| row.event).filter(of_it);
    Ok(events.filter_map(|event| event.subject.parse().ok()).collect())
}

/// Does about these posts what the workspace asks for: their channels are paused, or they wait for somebody's
/// word. What is to go out waits until a person lets it, and nothing of it is lost.
fn stop(
    tx: &mut Tx<'_>,
    scope: &Scope,
    wanted: BurstAct,
    (rule, posts): (&Rule, &BTreeSet<PostId>),
    event: &Event,
    now: Timestamp,
) -> Result<Option<&'static str>, Error> {
    match wanted {
        BurstAct::Tell => return Ok(None),
        BurstAct::Approve => {
            let stopped = approvals::stop(tx, scope, (&rule.kind(), posts), event, now)?;
            return Ok(stopped.then_some(POSTS_WAIT));
        }
        BurstAct::Pause => {}
    }
    let mut channels = BTreeSet::new();
    for id in posts {
        let post = tx.get::<Post>(scope, id)?;
        channels.extend(post.into_iter().flat_map(|post| post.targets).map(|to| to.channel));
    }
    let mut paused = None;
    for id in channels {
        if pause_channel(tx, scope, (id, &rule.kind()), event, now)? {
            paused = Some("channels_paused");
        }
    }
    Ok(paused)
}

/// What the workspace has done about too much at once, and what many others have, too.
fn wanted(tx: &Tx<'_>, scope: &Scope) -> Result<BurstAct, Error> {
    Ok(tx.get::<DoorRule>(scope, &())?.unwrap_or_default().bursts)
}

/// Pauses a channel by a rule; whether it went on before.
fn pause_channel(
    tx: &mut Tx<'_>,
    scope: &Scope,
    (id, rule): (ChannelId, &str),
    event: &Event,
    now: Timestamp,
) -> Result<bool, Error> {
    let Some(mut channel) = tx.get::<Channel>(scope, &id)?.filter(|it| !it.paused) else {
        return Ok(false);
    };
    channel.paused = true;
    channel.revision += 1;
    tx.put(scope, &id, &channel)?;
    tx.append_event(scope, own(rule, "channel.paused", id.to_string(), event, now))?;
    Ok(true)
}
