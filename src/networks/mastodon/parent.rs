//! The parent of a reply, on servers that may know it by another id than they answered. A server
//! that fronts another program answers an id of the moment, takes a reply to it for a post of its
//! own, and lists both later under other ids (indiekit-endpoint-activitypub 4.0.0, seen 2026-11).

use std::time::Duration;

use serde_json::Value;

use super::super::{Call, CallError, PartCall, Prepared, failure};
use super::media::{Ticket, is_id, unasked};
use super::{is_mastodon, web_url};
use crate::domain::publish::{Outcome, Receipt};

/// Between two looks at the account's listing, and how long after the parent they go on.
const LOOK: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_mins(10);

/// One step towards the parent's id; `None` when nothing is to be done.
pub(super) async fn prepare(call: &Call<'_>, part: &PartCall<'_>) -> Option<Prepared> {
    let parent = part.before.last()?;
    let mut ticket = Ticket::read(part, call.now);
    if is_mastodon(call.facts) || ticket.parent.is_some() {
        return None;
    }
    let step = match find(call, parent).await {
        Ok(Some(id)) => {
            ticket.parent = Some(id);
            ticket.again(call.now)
        }
        Ok(None) if call.now < parent.at.plus(PATIENCE) => ticket.again(call.now.plus(LOOK)),
        Ok(None) => {
            let detail = "the server does not show the post that this is a reply to";
            Prepared::Wrong(Outcome::Refused(failure("parent_missing", detail, None)))
        }
        Err(error) => Prepared::Wrong(unasked(error)),
    };
    Some(step)
}

/// The id that the server takes for the parent; `None` when it does not show it yet.
async fn find(call: &Call<'_>, parent: &Receipt) -> Result<Option<String>, CallError> {
    let answered = &parent.remote_id;
    if is_id(answered) {
        match call.get(&format!("/api/v1/statuses/{answered}")).await {
            Err(CallError::Refused(said)) if said.status == Some(404) => {}
            // It knows the id, or will not tell, which says nothing against it.
            Ok(_) | Err(CallError::Refused(_)) => return Ok(Some(answered.clone())),
            Err(error) => return Err(error),
        }
    }
    let (Some(account), Some(url)) = (call.account, &parent.url) else { return Ok(None) };
    let id = &account.remote_id;
    let listing = format!("/api/v1/accounts/{id}/statuses?limit=40&exclude_reblogs=true");
    let page = call.get(&listing).await?;
    let is_it = |status: &&Value| web_url(status.get("url")).as_ref() == Some(url);
    let found = page.as_array().and_then(|statuses| statuses.iter().find(is_it));
    Ok(found.and_then(|status| status["id"].as_str()).filter(|id| is_id(id)).map(str::to_owned))
}
