//! The parent of a reply, on servers that may know it by another id than they answered. A server
//! that fronts another program answers an id of the moment, takes a reply to it for a post of its
//! own, and lists both later under other ids (indiekit-endpoint-activitypub 4.0.0, seen 2026-11).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::{Call, CallError, PartCall, Prepared, failure};
use super::media::{Ticket, is_id, unasked};
use super::{is_mastodon, web_url};
use crate::base::Timestamp;
use crate::domain::publish::{Outcome, Receipt, Source};

/// Between two looks at the account's listing, and how long after the parent they go on.
const LOOK: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_mins(10);
/// Of the listing that one step looks through, 40 posts each, and all steps of a look together.
const PAGES: u32 = 5;
const PAGES_MAX: u32 = 250;
/// The server's clock may be this far behind ours.
const SKEW: Duration = Duration::from_hours(1);

/// How far a look at the listing has come.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Search {
    pages: u32,
    /// The last id that was seen.
    below: Option<String>,
}

/// What a step came to.
enum Step {
    Found(String),
    /// The listing goes on.
    Further(Search),
    /// The server does not show it.
    Missing,
}

/// One step towards the parent's id; `None` when nothing is to be done.
pub(super) async fn prepare(call: &Call<'_>, part: &PartCall<'_>) -> Option<Prepared> {
    let parent = part.before.last()?;
    let mut ticket = Ticket::read(part, call.now);
    if is_mastodon(call.facts) || ticket.parent.is_some() {
        return None;
    }
    let step = match find(call, parent, ticket.search.take().unwrap_or_default()).await {
        Ok(Step::Found(id)) => {
            ticket.parent = Some(id);
            ticket.again(call.now)
        }
        Ok(Step::Further(search)) => {
            ticket.search = Some(search);
            ticket.again(call.now)
        }
        Ok(Step::Missing) if call.now < parent.at.plus(PATIENCE) => {
            ticket.search = Some(Search::default());
            ticket.again(call.now.plus(LOOK))
        }
        Ok(Step::Missing) => {
            let detail = "the server does not show the post that this is a reply to";
            Prepared::Wrong(Outcome::Refused(failure("parent_missing", detail, None)))
        }
        Err(error) => Prepared::Wrong(unasked(error)),
    };
    Some(step)
}

/// Looks for the id that the server takes for the parent, from where the last step ended. Many
/// others of the channel may have gone out since the parent, all the more while it catches up.
async fn find(call: &Call<'_>, parent: &Receipt, mut search: Search) -> Result<Step, CallError> {
    let answered = &parent.remote_id;
    if search.below.is_none() && is_id(answered) {
        match call.get(&format!("/api/v1/statuses/{answered}")).await {
            Err(CallError::Refused(said)) if said.status == Some(404) => {}
            // It knows the id, or will not tell, which says nothing against it.
            Ok(_) | Err(CallError::Refused(_)) => return Ok(Step::Found(answered.clone())),
            Err(error) => return Err(error),
        }
    }
    let (Some(account), Some(url)) = (call.account, &parent.url) else { return Ok(Step::Missing) };
    let id = &account.remote_id;
    let is_it = |status: &&Value| web_url(status.get("url")).as_ref() == Some(url);
    let id_of = |status: &Value| status["id"].as_str().filter(|id| is_id(id)).map(str::to_owned);
    for _ in 0..PAGES {
        let below = search.below.iter().map(|last| format!("&max_id={last}"));
        let below: String = below.collect();
        let listing =
            format!("/api/v1/accounts/{id}/statuses?limit=40&exclude_reblogs=true{below}");
        let page = call.get(&listing).await?;
        let Some(statuses) = page.as_array() else { return Ok(Step::Missing) };
        if let Some(found) = statuses.iter().find(is_it) {
            return Ok(id_of(found).map_or(Step::Missing, Step::Found));
        }
        search.pages += 1;
        let last = statuses.last().filter(|last| !is_before(last, parent));
        search.below = last.and_then(id_of);
        if search.below.is_none() || search.pages >= PAGES_MAX {
            return Ok(Step::Missing);
        }
    }
    Ok(Step::Further(search))
}

/// Whether the parent, whose answer was heard when it went out, must stand above this.
fn is_before(status: &Value, parent: &Receipt) -> bool {
    let created = status["created_at"].as_str().and_then(Timestamp::parse);
    parent.source == Source::Answer && created.is_some_and(|at| at < parent.at.minus(SKEW))
}
