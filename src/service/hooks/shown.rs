//! Webhooks for the people who run this. Must not show them to anybody else: they tell of every
//! workspace.

use serde::Serialize;
use utoipa::ToSchema;

use super::super::shown::{Page, cursor_key, cursor_of};
use super::super::{Administrator, Services, not_found, trouble};
use crate::base::{HookId, Problem, Wrong, limits};
use crate::domain::hook::Hook;
use crate::networks;
use crate::store::{Key as _, Span};

/// A webhook that a network sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HookShown {
    pub id: String,
    pub network: String,
    pub received_at: String,
    pub bytes: usize,
    /// `waiting` or `handled`.
    pub state: &'static str,
    pub handled_at: Option<String>,
    /// What came of it: `kept`, `no_channel`, `granted`, `reconnect_needed` or `unanswered`.
    pub outcome: Option<&'static str>,
    /// As it came; null in a list.
    pub body: Option<String>,
}

fn shown(id: HookId, hook: &Hook, whole: bool) -> HookShown {
    HookShown {
        id: id.to_string(),
        network: hook.network.clone(),
        received_at: hook.received_at.to_string(),
        bytes: hook.body.len(),
        state: if hook.handled.is_some() { "handled" } else { "waiting" },
        handled_at: hook.handled.map(|done| done.at.to_string()),
        outcome: hook.handled.map(|done| done.outcome.word()),
        body: whole.then(|| String::from_utf8_lossy(&hook.body).into_owned()),
    }
}

impl Services {
    /// A page of them, the newest first; of one network, if one is named.
    pub async fn hooks_page(
        &self,
        _: &Administrator,
        network: Option<&str>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<HookShown>, Problem> {
        let network = network.map(|word| {
            let senders = || networks::REGISTRY.iter().filter(|n| n.inbound().is_some());
            senders().map(|n| n.word()).find(|known| *known == word).ok_or_else(|| {
                let allowed = senders().map(|n| n.word()).collect::<Vec<_>>().join(", ");
                Problem::field("network", Wrong::NotOneOf { allowed })
            })
        });
        let network = network.transpose()?;
        let mut after = cursor.map(cursor_key::<HookId>).transpose()?;
        let page = self.store.read(move |view| {
            let (mut items, mut seen) = (Vec::new(), 0);
            loop {
                let span = Span::last(limits::PAGE_DEFAULT).after(after.as_ref());
                let rows = view.scan_global_span::<Hook>(&span)?;
                let is_last = rows.len() < limits::PAGE_DEFAULT;
                for (id, hook) in rows {
                    if items.len() >= limit || seen >= limits::SCAN_MAX {
                        let next = after.map(|id| cursor_of(&id.to_bytes()));
                        return Ok(Page { items, next });
                    }
                    (after, seen) = (Some(id), seen + 1);
                    if network.is_none_or(|network| network == hook.network) {
                        items.push(shown(id, &hook, false));
                    }
                }
                if is_last {
                    return Ok(Page { items, next: None });
                }
            }
        });
        page.await.map_err(trouble)
    }

    /// One of them, with what came.
    pub async fn hook(&self, _: &Administrator, id: HookId) -> Result<HookShown, Problem> {
        let hook = self.store.read(move |view| view.get_global::<Hook>(&id)).await;
        hook.map_err(trouble)?.map(|hook| shown(id, &hook, true)).ok_or_else(not_found)
    }
}
