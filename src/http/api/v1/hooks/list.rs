//! Lists webhooks.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::super::problems::ReadProblems;
use super::super::schemas;
use crate::http::Shared;
use crate::http::administering::Administrator;
use crate::http::answer::Answer;
use crate::http::extract::Query;
use crate::http::json::present;
use crate::http::problem::Refusal;
use crate::service::HookShown;
use crate::service::shown::Page;
use crate::service::words::page_limit;

/// Which webhooks, and which page.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListHooks {
    /// Only those of this network.
    #[serde(default, deserialize_with = "present")]
    #[param(schema_with = schemas::sender, required = false)]
    network: Option<String>,
    /// Rows of the page.
    #[serde(default, deserialize_with = "present")]
    #[param(value_type = u32, required = false, minimum = 1, maximum = 200, default = 50)]
    limit: Option<String>,
    /// `next` of the page before.
    #[serde(default, deserialize_with = "present")]
    #[param(nullable = false, max_length = 64)]
    cursor: Option<String>,
}

/// List webhooks
///
/// What networks sent and signed, newest first, and what came of it. For administrators of the
/// installation, by a session of their own.
#[utoipa::path(
    get,
    path = "/api/v1/hooks",
    tag = "hooks",
    params(ListHooks),
    responses((status = 200, description = "One page.", body = Page<HookShown>), ReadProblems)
)]
pub async fn list_hooks(
    State(face): State<Shared>,
    by: Administrator,
    query: Query<ListHooks>,
) -> Result<Answer, Refusal> {
    let ListHooks { network, limit, cursor } = query.0;
    let limit = page_limit(limit.as_deref())?;
    let page = face.services.hooks_page(&by.0, network.as_deref(), cursor.as_deref(), limit);
    Ok(Answer::json(&page.await?))
}
