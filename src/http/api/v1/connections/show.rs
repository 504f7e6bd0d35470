//! Shows how far a connection is.

use axum::extract::State;

use super::super::super::problems::ReadProblems;
use crate::base::kind;
use crate::domain::access::Manage;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Named};
use crate::http::problem::Refusal;
use crate::service::ConnectionShown;

/// Show a connection
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/connections/{connection}",
    tag = "channels",
    params(Authorized<Manage>, Named<kind::Connection>),
    responses(
        (status = 200, description = "How far it is.", body = ConnectionShown),
        ReadProblems
    )
)]
pub async fn show_connection(
    State(face): State<Shared>,
    caller: Authorized<Manage>,
    connection: Named<kind::Connection>,
) -> Result<Answer, Refusal> {
    Ok(Answer::json(&face.services.connection(&caller.access, connection.0).await?))
}
