//! Events, read by cursor: what everything that tells somebody is made from. Must not write any
//! but those of looking and exporting themselves.

mod activity;
mod chains;
mod check;
mod export;
mod installation;
mod reach;
mod shown;

use super::shown::{Page, cursor_key, cursor_of};
use super::{Access, Services, not_found, trouble};
use crate::base::{CorrelationId, Problem, Timestamp, limits};
use crate::domain::access::{Manage, Read};
use crate::domain::event::Event;
use crate::store::rows::{Chained, chain, chain_head};
use crate::store::{Error, Key as _, Scope, Span, View};

pub use activity::ActivityShown;
pub use check::{Checked, NotAnExport, check_export};
pub use export::{EventExport, ExportFormat};
pub(super) use installation::note;
pub use shown::{CheckShown, EventShown, HeadShown};

/// Rows that one step of a search or an export reads.
const STEP: usize = 200;

/// Which events; newest first.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// How the kind begins, such as `post.` or `post.created`.
    pub kind: Option<String>,
    /// The word of the actor, or how it begins, such as `operator`.
    pub actor: Option<String>,
    pub subject: Option<String>,
    pub correlation: Option<CorrelationId>,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    pub limit: usize,
    pub cursor: Option<String>,
}

impl EventFilter {
    fn takes(&self, event: &Event) -> bool {
        let begins = |text: &str, start: &Option<String>| {
            start.as_ref().is_none_or(|start| text.starts_with(start))
        };
        begins(&event.kind, &self.kind)
            && begins(&event.actor.word(), &self.actor)
            && self.subject.as_ref().is_none_or(|subject| *subject == event.subject)
            && self.correlation.is_none_or(|correlation| correlation == event.correlation)
            && self.from.is_none_or(|from| event.at >= from)
            && self.to.is_none_or(|to| event.at < to)
    }
}

impl Services {
    /// The workspace's events after `cursor`, oldest first, each with its number.
    pub async fn events(
        &self,
        access: &Access<Read>,
        cursor: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Event)>, Problem> {
        let scope = access.scope;
        let span = Span::first(limit).after(Some(&cursor));
        let rows = self.store.read(move |view| chain(view, &scope, &span)).await;
        Ok(rows.map_err(trouble)?.into_iter().map(|row| (row.sequence, row.row.event)).collect())
    }

    /// The activity after number `after`, oldest first, and the number to go on after.
    pub async fn news(
        &self,
        access: &Access<Read>,
        after: u64,
    ) -> Result<(Vec<ActivityShown>, u64), Problem> {
        let scope = access.scope;
        let span = Span::first(STEP).after(Some(&after));
        let news = self.store.read(move |view| {
            let rows = chain(view, &scope, &span)?;
            let next = rows.last().map_or(after, |row| row.sequence);
            let mut shown = Vec::new();
            for row in &rows {
                if reach::is_seen(view, &scope, &row.row.event)? {
                    shown.extend(ActivityShown::of(row.sequence, &row.row.event));
                }
            }
            Ok((shown, next))
        });
        news.await.map_err(trouble)
    }

    /// The number of the workspace's last event; 0 when there is none.
    pub async fn last_event(&self, access: &Access<Read>) -> Result<u64, Problem> {
        let scope = access.scope;
        let head = self.store.read(move |view| chain_head(view, &scope)).await;
        Ok(head.map_err(trouble)?.sequence)
    }

    /// A page of the events that the filter takes.
    pub async fn find_events(
        &self,
        access: &Access<Manage>,
        filter: EventFilter,
    ) -> Result<Page<EventShown>, Problem> {
        let scope = access.scope;
        let after = filter.cursor.as_deref().map(cursor_key::<u64>).transpose()?;
        let page = self.store.read(move |view| {
            let shown = |row: &Chained| {
                filter.takes(&row.row.event).then(|| EventShown::of(scope.workspace(), row))
            };
            back(view, &scope, after, filter.limit, shown)
        });
        page.await.map_err(trouble)
    }

    /// The event of this number.
    pub async fn event(
        &self,
        access: &Access<Manage>,
        sequence: u64,
    ) -> Result<EventShown, Problem> {
        let scope = access.scope;
        let before = sequence.checked_sub(1).ok_or_else(not_found)?;
        let span = Span::first(1).after(Some(&before));
        let rows = self.store.read(move |view| chain(view, &scope, &span)).await;
        let row = rows.map_err(trouble)?.pop().filter(|row| row.sequence == sequence);
        row.map(|row| EventShown::of(scope.workspace(), &row)).ok_or_else(not_found)
    }

    /// The last event's number and hash, to be noted down elsewhere.
    pub async fn event_head(&self, access: &Access<Manage>) -> Result<HeadShown, Problem> {
        let scope = access.scope;
        let head = self.store.read(move |view| chain_head(view, &scope)).await;
        Ok(HeadShown::of(scope.workspace(), head.map_err(trouble)?))
    }
}

/// A page of what `shown` makes of a workspace's events, newest first, from before `after` on. It
/// looks at so many rows only, and then ends with a cursor.
fn back<T>(
    view: &View<'_>,
    scope: &Scope,
    mut after: Option<u64>,
    limit: usize,
    mut shown: impl FnMut(&Chained) -> Option<T>,
) -> Result<Page<T>, Error> {
    let (mut items, mut seen) = (Vec::new(), 0);
    loop {
        let rows = chain(view, scope, &Span::last(STEP).after(after.as_ref()))?;
        let last_step = rows.len() < STEP;
        for row in rows {
            seen += 1;
            after = Some(row.sequence);
            if reach::is_seen(view, scope, &row.row.event)? {
                items.extend(shown(&row));
            }
            let first = row.sequence <= 1;
            if !first && (items.len() >= limit || seen >= limits::SCAN_MAX) {
                let next = after.map(|sequence| cursor_of(&sequence.to_bytes()));
                return Ok(Page { items, next });
            }
        }
        if last_step {
            return Ok(Page { items, next: None });
        }
    }
}
