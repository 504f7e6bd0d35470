//! Events, read by cursor: what everything that tells somebody is made from.

use super::{Access, Services, trouble};
use crate::base::Problem;
use crate::domain::access::Read;
use crate::domain::event::Event;
use crate::store::Span;
use crate::store::rows::ChainedEvent;

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
        let rows = self.store.read(move |view| view.scan::<ChainedEvent>(&scope, &span)).await;
        Ok(rows.map_err(trouble)?.into_iter().map(|(number, row)| (number, row.event)).collect())
    }
}
