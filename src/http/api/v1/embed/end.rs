//! Ends a page inside a host.

use axum::extract::State;

use super::super::super::problems::WriteProblems;
use crate::base::kind;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::Named;
use crate::http::hosting::HostCaller;
use crate::http::problem::Refusal;

/// End a page inside a host
///
/// With the host's key. The bearer is good for nothing from the next request on.
#[utoipa::path(
    delete,
    path = "/api/v1/embed-sessions/{session}",
    tag = "embedding",
    security(("host" = [])),
    params(Named<kind::Session>),
    responses((status = 204, description = "It has ended."), WriteProblems)
)]
pub async fn end_embed_session(
    State(face): State<Shared>,
    host: HostCaller,
    session: Named<kind::Session>,
) -> Result<Answer, Refusal> {
    face.services.end_embed(&host.0, session.0).await?;
    Ok(Answer::done())
}
