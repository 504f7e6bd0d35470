//! What is done to the installation as a whole: a chain of its own, which no workspace sees. Must not
//! hold what concerns one workspace.

use super::super::shown::{Page, cursor_key};
use super::super::{Services, trouble};
use super::{EventShown, back};
use crate::base::{CorrelationId, Problem, Timestamp};
use crate::domain::event::{Actor, Event};
use crate::store::rows::Chained;
use crate::store::{Error, Operator, Scope, Tx};

/// Leaves an event, as of `at`.
pub(in crate::service) fn note(
    tx: &mut Tx<'_>,
    at: Timestamp,
    (actor, correlation): (Actor, CorrelationId),
    (kind, subject): (&str, &str),
    data: &[(&str, &str)],
) -> Result<(), Error> {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let event = Event {
        at,
        actor,
        kind: kind.to_owned(),
        subject: subject.to_owned(),
        data: data.iter().map(own).collect(),
        correlation,
    };
    tx.append_event(&Scope::installation(), event)
}

impl Services {
    /// Leaves an event: somebody did `kind` to `subject`.
    pub(in crate::service) fn note_installation(
        &self,
        tx: &mut Tx<'_>,
        (actor, correlation): (Actor, CorrelationId),
        (kind, subject): (&str, &str),
        data: &[(&str, &str)],
    ) -> Result<(), Error> {
        note(tx, self.now(), (actor, correlation), (kind, subject), data)
    }

    /// A page of those events, newest first.
    pub async fn installation_events(
        &self,
        _: Operator,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<EventShown>, Problem> {
        let after = cursor.map(cursor_key::<u64>).transpose()?;
        let page = self.store.read(move |view| {
            let scope = Scope::installation();
            let shown = |row: &Chained| Some(EventShown::of(scope.workspace(), row));
            back(view, &scope, after, limit, shown)
        });
        page.await.map_err(trouble)
    }
}
