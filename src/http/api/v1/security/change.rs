//! Changes what a workspace asks of people.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::problems::WriteProblems;
use super::super::schemas;
use crate::base::{Problem, Wrong};
use crate::domain::access::Manage;
use crate::domain::user::BurstAct;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Json};
use crate::http::json::present;
use crate::http::problem::Refusal;
use crate::service::{SecurityChange, SecurityShown, words};

/// The rules.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSecurity {
    /// Whether people without an authenticator are kept out (403 `totp_needed`).
    totp_required: bool,
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = schemas::bursts, required = false)]
    bursts: Option<String>,
    /// The same in two words: `true` is to pause, `false` to tell.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    pause_bursts: Option<bool>,
}

/// Change what a workspace asks of its members
///
/// A person who asks others for an authenticator must have one. To ask for none any more takes a fresh proof
/// of who it is (403 `step_up_needed`).
#[utoipa::path(
    put,
    path = "/api/v1/workspaces/{workspace}/security",
    tag = "people",
    params(Authorized<Manage>),
    request_body = NewSecurity,
    responses((status = 200, description = "The rules.", body = SecurityShown), WriteProblems)
)]
pub async fn change_security(
    State(face): State<Shared>,
    caller: Authorized<Manage>,
    Json(new): Json<NewSecurity>,
) -> Result<Answer, Refusal> {
    let paused = |paused| if paused { BurstAct::Pause } else { BurstAct::Tell };
    // Whoever knows two words of three takes back only what they know.
    let instead_of = (new.pause_bursts == Some(false)).then_some(BurstAct::Pause);
    let bursts = match (&new.bursts, new.pause_bursts) {
        (Some(_), Some(_)) => {
            return Err(Problem::field("pause_bursts", Wrong::Excludes { other: "bursts" }).into());
        }
        (Some(word), None) => Some(words::bursts("bursts", word)?),
        (None, old) => old.map(paused),
    };
    let change = SecurityChange { totp_required: Some(new.totp_required), bursts, instead_of };
    Ok(Answer::json(&face.services.change_security(caller.access, change).await?))
}
