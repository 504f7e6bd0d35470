//! The activity of a workspace: the events that people care about, without those of looking and of
//! the program's own steps. Must not make sentences; faces do.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::super::shown::{Page, cursor_key};
use super::super::{Access, Services, trouble};
use super::back;
use crate::base::Problem;
use crate::domain::access::Read;
use crate::domain::event::{Event, is_activity};

/// Something that somebody did, or that became of a post.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ActivityShown {
    /// The number of its event.
    pub sequence: u64,
    pub at: String,
    /// `key:ID`, `user:ID`, `operator:UID` or `system`.
    pub actor: String,
    /// What happened, such as `post.created`.
    pub kind: String,
    /// What it happened to, such as `post`.
    pub noun: String,
    /// The id of that.
    pub subject: String,
    /// Facts such as a failure's `code` or a hold's `reason`.
    pub params: BTreeMap<String, String>,
    pub correlation_id: String,
}

impl ActivityShown {
    /// `None` for what people do not care about.
    pub fn of(sequence: u64, event: &Event) -> Option<Self> {
        is_activity(&event.kind).then(|| Self {
            sequence,
            at: event.at.to_string(),
            actor: event.actor.word(),
            kind: event.kind.clone(),
            noun: event.kind.split('.').next().unwrap_or_default().to_owned(),
            subject: event.subject.clone(),
            params: event.data.clone(),
            correlation_id: event.correlation.to_string(),
        })
    }
}

impl Services {
    /// A page of the workspace's activity, newest first.
    pub async fn activity(
        &self,
        access: &Access<Read>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<ActivityShown>, Problem> {
        let scope = access.scope;
        let after = cursor.map(cursor_key::<u64>).transpose()?;
        let page = self.store.read(move |view| {
            back(view, &scope, after, limit, |row| ActivityShown::of(row.sequence, &row.row.event))
        });
        page.await.map_err(trouble)
    }
}
