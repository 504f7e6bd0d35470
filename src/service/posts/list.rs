//! Lists of posts: by time of making, newest first, or by due time when a stretch is asked for.

use super::super::shown::{self, Glance, Page, PostShown, cursor_of};
use super::super::{Access, Services, trouble};
use crate::base::{PostId, Problem, Timestamp, limits};
use crate::domain::access::Read;
use crate::domain::post::Post;
use crate::store::rows::CalendarEntry;
use crate::store::{Error, Key, KeyBytes, Scope, Span, View};

/// Which posts.
#[derive(Clone, Debug, Default)]
pub struct PostFilter {
    /// Due in `from..to`; with either, the list is in order of due time.
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    /// A delivery state, or `draft`.
    pub state: Option<String>,
    /// `asked`, `given` or `declined`.
    pub approval: Option<String>,
    pub limit: usize,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

impl Services {
    pub async fn posts(
        &self,
        access: &Access<Read>,
        filter: PostFilter,
    ) -> Result<Page<PostShown>, Problem> {
        let (scope, glance) = (access.scope, self.glance());
        let cursor = match &filter.cursor {
            Some(cursor) => Some(shown::cursor_bytes(cursor)?),
            None => None,
        };
        let by_due = filter.from.is_some() || filter.to.is_some();
        let well_formed = cursor.as_deref().is_none_or(|bytes| {
            if by_due {
                <(Timestamp, PostId)>::from_bytes(bytes).is_some()
            } else {
                <PostId as Key>::from_bytes(bytes).is_some()
            }
        });
        if !well_formed {
            return Err(shown::bad_cursor());
        }
        self.store
            .read(move |view| collect(view, &scope, &glance, &filter, cursor))
            .await
            .map_err(trouble)
    }
}

/// Goes through the list in steps until the page is full, the list ends, or enough was looked at.
fn collect(
    view: &View<'_>,
    scope: &Scope,
    glance: &Glance,
    filter: &PostFilter,
    mut cursor: Option<Vec<u8>>,
) -> Result<Page<PostShown>, Error> {
    let mut items = Vec::new();
    let mut seen = 0;
    loop {
        let step = candidates(view, scope, filter, cursor.as_deref())?;
        let last_step = step.len() < filter.limit;
        for (place, id) in step {
            seen += 1;
            cursor = Some(place.into_vec());
            let Some(post) = view.get::<Post>(scope, &id)? else { continue };
            if post.deleted_at.is_some() {
                continue;
            }
            let post = shown::post(view, scope, &post, glance)?;
            let approval = post.approval.as_ref().map(|approval| approval.state);
            // What was cancelled waits for nobody.
            let waits = |post: &PostShown| post.deliveries.iter().any(|one| is_open(&one.state));
            if filter.state.as_deref().is_none_or(|state| post.has_state(state))
                && filter
                    .approval
                    .as_deref()
                    .is_none_or(|word| approval == Some(word) && (word == "given" || waits(&post)))
            {
                items.push(post);
            }
            if items.len() >= filter.limit || seen >= limits::SCAN_MAX {
                return Ok(Page { items, next: cursor.as_deref().map(cursor_of) });
            }
        }
        if last_step {
            return Ok(Page { items, next: None });
        }
    }
}

/// Whether something may still come of a delivery.
fn is_open(state: &str) -> bool {
    matches!(state, "scheduled" | "preparing" | "held")
}

/// The next few posts of the list, each with its place.
fn candidates(
    view: &View<'_>,
    scope: &Scope,
    filter: &PostFilter,
    cursor: Option<&[u8]>,
) -> Result<Vec<(KeyBytes, PostId)>, Error> {
    if filter.from.is_none() && filter.to.is_none() {
        let after = cursor.and_then(<PostId as Key>::from_bytes);
        let span = Span::last(filter.limit).after(after.as_ref());
        let rows = view.page::<Post>(scope, &span)?;
        return Ok(rows.into_iter().map(|(id, _)| (id.to_bytes(), id)).collect());
    }
    let after = cursor.and_then(<(Timestamp, PostId)>::from_bytes);
    let mut span = Span::first(filter.limit).after(after.as_ref());
    if let Some(from) = filter.from {
        span = span.from(&from);
    }
    if let Some(to) = filter.to {
        span = span.to(&to);
    }
    let rows = view.scan::<CalendarEntry>(scope, &span)?;
    Ok(rows.into_iter().map(|(key, _)| (key.to_bytes(), key.1)).collect())
}
