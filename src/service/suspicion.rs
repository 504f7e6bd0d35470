//! The rules of suspicion, applied: events are read by cursor and counted, and what was reached is
//! an event of its own, with what was done about it. Must not judge the same event twice.

use std::collections::BTreeMap;

use super::{Services, refused, trouble};
use crate::base::{Problem, Timestamp};
use crate::domain::access::Key;
use crate::domain::event::{Actor, Event};
use crate::domain::suspicion::{Act, PREFIX, RULES, Rule, is_counted, times};
use crate::domain::tally::Tally;
use crate::store::rows::{ChainedEvent, Judged};
use crate::store::{Error, Scope, Span, Tx, View};

/// Events of one step.
const STEP: usize = 200;
/// So many that no rule counts are passed over before that is written down: after a crash they are
/// passed over again.
const UNSAVED: u64 = 1_000;

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
                Looked::Counted { from: at } => {
                    let now = self.now();
                    let judged = self.store.write(move |tx| Ok(step(tx, &scope, at, now)?));
                    from = Some(judged.await.map_err(refused)?);
                }
            }
        }
    }

    /// Workspaces in order of their slugs, for a round over all of them.
    pub async fn workspaces_to_judge(
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
    /// After this one there are some that count.
    Counted { from: u64 },
}

fn look(view: &View<'_>, scope: &Scope, from: Option<u64>) -> Result<Looked, Error> {
    let saved = view.get::<Judged>(scope, &())?.map_or(0, |row| row.sequence);
    let from = from.map_or(saved, |from| from.max(saved));
    let rows = view.scan::<ChainedEvent>(scope, &Span::first(STEP).after(Some(&from)))?;
    if rows.iter().any(|(_, row)| is_counted(&row.event)) {
        return Ok(Looked::Counted { from });
    }
    let to = rows.last().map_or(from, |(sequence, _)| *sequence);
    Ok(Looked::Passed { to, saved, all: rows.len() < STEP })
}

/// Counts the next few events, and acts on what was reached; all in one transaction.
fn step(tx: &mut Tx<'_>, scope: &Scope, from: u64, now: Timestamp) -> Result<u64, Error> {
    let saved = tx.get::<Judged>(scope, &())?.map_or(0, |row| row.sequence);
    let from = from.max(saved);
    let rows = tx.view().scan::<ChainedEvent>(scope, &Span::first(STEP).after(Some(&from)))?;
    let mut to = from;
    for (sequence, row) in rows {
        to = sequence;
        for rule in RULES {
            if let Some(who) = rule.counts(&row.event) {
                count(tx, scope, (rule, &who), &row.event, now)?;
            }
        }
    }
    tx.put(scope, &(), &Judged { sequence: to })?;
    Ok(to)
}

fn count(
    tx: &mut Tx<'_>,
    scope: &Scope,
    (rule, who): (&Rule, &str),
    event: &Event,
    now: Timestamp,
) -> Result<(), Error> {
    let key = format!("{PREFIX}{}/{who}", rule.word);
    let mut tally = tx.get::<Tally>(scope, &key)?.unwrap_or_default();
    tally.add(event.at, times(event));
    let count = tally.within(event.at, rule.window);
    let said = tally.raised_at.is_some_and(|at| event.at.since(at) < rule.window);
    if count >= rule.count && !said {
        tally.raised_at = Some(event.at);
        let mut data = BTreeMap::from([
            ("count".to_owned(), count.to_string()),
            ("minutes".to_owned(), (rule.window.as_secs() / 60).to_string()),
        ]);
        if act(tx, scope, rule, event, now)? {
            data.insert("act".to_owned(), "key_revoked".to_owned());
        }
        let (kind, subject) = (rule.kind(), who.to_owned());
        let correlation = event.correlation;
        let raised = Event { at: now, actor: Actor::System, kind, subject, data, correlation };
        tx.append_event(scope, raised)?;
    }
    tx.put(scope, &key, &tally)
}

/// Whether something was done.
fn act(
    tx: &mut Tx<'_>,
    scope: &Scope,
    rule: &Rule,
    event: &Event,
    now: Timestamp,
) -> Result<bool, Error> {
    let (Act::RevokeKey, Actor::Key(id)) = (rule.act, &event.actor) else { return Ok(false) };
    let Some(mut key) = tx.get::<Key>(scope, id)?.filter(|key| key.revoked_at.is_none()) else {
        return Ok(false);
    };
    key.revoked_at = Some(now);
    tx.put(scope, id, &key)?;
    let revoked = Event {
        at: now,
        actor: Actor::System,
        kind: "key.revoked".to_owned(),
        subject: id.to_string(),
        data: BTreeMap::from([("reason".to_owned(), rule.kind())]),
        correlation: event.correlation,
    };
    tx.append_event(scope, revoked)?;
    Ok(true)
}
