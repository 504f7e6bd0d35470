//! Lists and searches the events of a workspace.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::super::problems::ReadProblems;
use crate::domain::access::Manage;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Query};
use crate::http::json::present;
use crate::http::problem::Refusal;
use crate::service::shown::Page;
use crate::service::{EventFilter, EventShown, words};

/// Which events, and which page.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListEvents {
    /// How the kind begins, such as `post.` or `post.created`.
    #[serde(default, deserialize_with = "present")]
    #[param(nullable = false, min_length = 1, max_length = 100, pattern = "^[!-~]+$")]
    kind: Option<String>,
    /// Who did it, or how that begins, such as `key:` or `operator:1000`.
    #[serde(default, deserialize_with = "present")]
    #[param(nullable = false, min_length = 1, max_length = 100, pattern = "^[!-~]+$")]
    actor: Option<String>,
    /// The id of what changed.
    #[serde(default, deserialize_with = "present")]
    #[param(nullable = false, min_length = 1, max_length = 100, pattern = "^[!-~]+$")]
    subject: Option<String>,
    /// The correlation id of the request that did it.
    #[serde(default, deserialize_with = "present")]
    #[param(nullable = false, min_length = 16, max_length = 16, pattern = "^[0-9a-f]{16}$")]
    correlation: Option<String>,
    /// At this instant or later.
    #[serde(default, deserialize_with = "present")]
    #[param(nullable = false, format = DateTime, max_length = 64)]
    from: Option<String>,
    /// Before this instant.
    #[serde(default, deserialize_with = "present")]
    #[param(nullable = false, format = DateTime, max_length = 64)]
    to: Option<String>,
    /// Rows of the page.
    #[serde(default, deserialize_with = "present")]
    #[param(value_type = u32, required = false, minimum = 1, maximum = 200, default = 50)]
    limit: Option<String>,
    /// `next` of the page before.
    #[serde(default, deserialize_with = "present")]
    #[param(nullable = false, max_length = 64)]
    cursor: Option<String>,
}

/// List events
///
/// Newest first. A search looks at so many events for a page; a page may be empty and still have a
/// `next`.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/events",
    tag = "events",
    params(Authorized<Manage>, ListEvents),
    responses((status = 200, description = "One page.", body = Page<EventShown>), ReadProblems)
)]
pub async fn list_events(
    State(face): State<Shared>,
    caller: Authorized<Manage>,
    query: Query<ListEvents>,
) -> Result<Answer, Refusal> {
    let ListEvents { kind, actor, subject, correlation, from, to, limit, cursor } = query.0;
    let short = |field: &str, text: Option<String>| words::short(field, text, 100);
    let filter = EventFilter {
        kind: short("kind", kind)?,
        actor: short("actor", actor)?,
        subject: short("subject", subject)?,
        correlation: correlation.as_deref().map(words::correlation).transpose()?,
        from: from.as_deref().map(|text| words::instant("from", text)).transpose()?,
        to: to.as_deref().map(|text| words::instant("to", text)).transpose()?,
        limit: words::page_limit(limit.as_deref())?,
        cursor,
    };
    Ok(Answer::json(&face.services.find_events(&caller.access, filter).await?))
}
