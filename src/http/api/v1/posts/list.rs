//! Lists the posts of a workspace.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::super::problems::ReadProblems;
use super::super::schemas;
use crate::domain::access::Read;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Query};
use crate::http::json::present;
use crate::http::problem::Refusal;
use crate::service::PostFilter;
use crate::service::shown::{Page, PostShown};
use crate::service::words;

/// Which posts, and which page.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListPosts {
    /// Due at this instant or later; with this or `to` the list is in order of due time.
    #[serde(default, deserialize_with = "present")]
    #[param(nullable = false, format = DateTime, max_length = 64)]
    from: Option<String>,
    /// Due before this instant.
    #[serde(default, deserialize_with = "present")]
    #[param(nullable = false, format = DateTime, max_length = 64)]
    to: Option<String>,
    /// With a delivery in this state, or `draft`.
    #[serde(default, deserialize_with = "present")]
    #[param(schema_with = schemas::post_state, required = false)]
    state: Option<String>,
    /// Where they stand with approval.
    #[serde(default, deserialize_with = "present")]
    #[param(schema_with = schemas::approval_state, required = false)]
    approval: Option<String>,
    /// Rows of the page.
    #[serde(default, deserialize_with = "present")]
    #[param(value_type = u32, required = false, minimum = 1, maximum = 200, default = 50)]
    limit: Option<String>,
    /// `next` of the page before.
    #[serde(default, deserialize_with = "present")]
    #[param(nullable = false, max_length = 64)]
    cursor: Option<String>,
}

/// List posts
///
/// Newest first, or in order of due time within a stretch.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/posts",
    tag = "posts",
    params(Authorized<Read>, ListPosts),
    responses((status = 200, description = "One page.", body = Page<PostShown>), ReadProblems)
)]
pub async fn list_posts(
    State(face): State<Shared>,
    caller: Authorized<Read>,
    query: Query<ListPosts>,
) -> Result<Answer, Refusal> {
    let ListPosts { from, to, state, approval, limit, cursor } = query.0;
    let filter = PostFilter {
        from: from.as_deref().map(|text| words::instant("from", text)).transpose()?,
        to: to.as_deref().map(|text| words::instant("to", text)).transpose()?,
        state: state.as_deref().map(words::post_state).transpose()?,
        approval: approval.as_deref().map(words::approval).transpose()?,
        limit: words::page_limit(limit.as_deref())?,
        cursor,
    };
    Ok(Answer::json(&face.services.posts(&caller.access, filter).await?))
}
