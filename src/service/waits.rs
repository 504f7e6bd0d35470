//! What a due delivery waits for at its network, as people see it. Must not decide anything.

use serde::Serialize;
use utoipa::ToSchema;

use super::shown::Glance;
use super::{Limits, OpenCircuit};
use crate::base::Timestamp;
use crate::domain::channel::Channel;
use crate::domain::circuit::Why;
use crate::domain::delivery::Delivery;
use crate::domain::place::Place;
use crate::domain::post::Post;
use crate::domain::rate::{Purpose, RateLimit};
use crate::networks;
use crate::store::rows::Preparation;
use crate::store::{Error, Scope, View};

/// Why nothing is sent to a server or an account for now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct WaitShown {
    /// Network and server, such as `mastodon/example.social`.
    pub place: String,
    /// It is tried again then.
    pub until: String,
    /// Calls that failed, of so many in a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<usize>,
    /// Posts in a row of which nobody knew whether they were out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<u32>,
    /// The same in words.
    pub about: String,
}

/// A network's word that it takes no more calls for now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RateLimitShown {
    /// What it does not take: post, upload or read.
    pub calls: String,
    /// For this channel, or for all channels on its server.
    pub counts: String,
    pub until: String,
    /// How many it takes in its window, where it says so.
    pub allowed: Option<u32>,
    /// When it said it.
    pub said_at: String,
    /// It refused a call; else it announced that none was left.
    pub refused: bool,
}

/// The word for what holds a due delivery back at its network, the facts of it, and until when.
pub(super) fn of(
    view: &View<'_>,
    scope: &Scope,
    row: &Delivery,
    glance: &Glance,
) -> Result<Option<(&'static str, WaitShown, Timestamp)>, Error> {
    let Some(channel) = view.get::<Channel>(scope, &row.channel)? else { return Ok(None) };
    let place = networks::place_of(&channel);
    let account = place.account(channel.id);
    let here = |open: &&OpenCircuit| open.place == place || open.place == account;
    if let Some(open) = glance.open.iter().find(here) {
        return Ok(Some(("circuit", circuit(open), open.until)));
    }
    let limits = Limits::read(view, scope, &channel)?;
    let uploads =
        limits.holds(Purpose::Upload, glance.now).is_some() && has_media(view, scope, row)?;
    let limit = limits.holds_post(uploads, glance.now);
    Ok(limit.map(|limit| ("rate_limit", limited(&place, limit), limit.until)))
}

/// Whether the part that is next shows something.
fn has_media(view: &View<'_>, scope: &Scope, row: &Delivery) -> Result<bool, Error> {
    let Some(post) = view.get::<Post>(scope, &row.post)? else { return Ok(false) };
    let next = row.flow.current().and_then(|index| post.parts_for(row.channel).get(index));
    Ok(next.is_some_and(|part| !part.media.is_empty()))
}

/// The word for what a part waits for that its network is getting ready.
pub(super) fn preparing(
    view: &View<'_>,
    scope: &Scope,
    row: &Delivery,
) -> Result<&'static str, Error> {
    let noted = view.get::<Preparation>(scope, &row.id)?.map(|noted| noted.ticket);
    let network = networks::named(&row.network);
    Ok(network.map_or("due", |network| network.waits_for(&noted.unwrap_or_default())))
}

pub(super) fn circuit(open: &OpenCircuit) -> WaitShown {
    let (place, until) = (open.place.to_string(), open.until.to_string());
    let which = if open.place.channel.is_some() { "an account of " } else { "" };
    let head = format!("the circuit of {which}{place} is open until {until}");
    let (failed, calls, unknown, why) = match open.why {
        Why::Failed { failed, of } => {
            (Some(failed), Some(of), None, format!("{failed} of {of} calls failed"))
        }
        Why::Unknown { posts } => {
            (None, None, Some(posts), format!("{posts} posts in a row got no answer"))
        }
    };
    WaitShown { place, until, failed, calls, unknown, about: format!("{head}, {why}") }
}

fn limited(place: &Place, limit: &RateLimit) -> WaitShown {
    let (place, until) = (place.to_string(), limit.until.to_string());
    let about = format!("{place} takes no more calls until {until}");
    WaitShown { place, until, failed: None, calls: None, unknown: None, about }
}

/// Every limit that still holds.
pub(super) fn limits(of: &Limits, now: Timestamp) -> Vec<RateLimitShown> {
    let both = [("channel", &of.channel), ("server", &of.server)];
    let each = both.into_iter().flat_map(|pair| Purpose::ALL.map(|purpose| (pair, purpose)));
    let shown = each.filter_map(|((counts, limits), purpose)| {
        let limit = limits.holds(purpose, now)?;
        Some(RateLimitShown {
            calls: purpose.word().to_owned(),
            counts: counts.to_owned(),
            until: limit.until.to_string(),
            allowed: limit.allowed,
            said_at: limit.said.to_string(),
            refused: limit.refused,
        })
    });
    shown.collect()
}
