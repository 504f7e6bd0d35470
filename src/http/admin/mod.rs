//! The admin socket: verbs for whoever may open it. Must not be served anywhere else.

mod client;

use axum::extract::State;
use axum::routing::post;
use axum::{Extension, Router};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::answer::Answer;
use super::extract::{Correlation, Json};
use super::json::present;
use super::problem::Refusal;
use super::{Peer, Shared};
use crate::base::{Code, Problem};
use crate::service::run_verb;
use crate::store::Operator;

pub use client::ask_admin;

pub(super) fn router() -> Router<Shared> {
    Router::new().route("/admin/run", post(run))
}

/// A verb as `service` lists it, with the words that come with it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    noun: String,
    #[serde(default)]
    verb: String,
    /// An id or a slug.
    #[serde(default, deserialize_with = "present")]
    workspace: Option<String>,
    #[serde(default)]
    args: Map<String, Value>,
    /// Say what would happen, and write nothing.
    #[serde(default)]
    dry_run: bool,
}

async fn run(
    State(face): State<Shared>,
    peer: Option<Extension<Peer>>,
    correlation: Correlation,
    body: Json<Question>,
) -> Result<Answer, Refusal> {
    let Some(Extension(Peer::Unix { uid })) = peer else {
        return Err(Refusal(Problem::new(Code::Forbidden)));
    };
    let Question { noun, verb, workspace, args, dry_run } = body.0;
    let named = (noun.as_str(), verb.as_str());
    let (operator, workspace) = (Operator::new(uid), workspace.as_deref());
    tracing::info!(
        uid,
        dry_run,
        verb = format!("{noun} {verb}").escape_debug().to_string(),
        workspace = workspace.map(|word| word.escape_debug().to_string()),
        correlation_id = %correlation.0,
        "an operator's verb"
    );
    let rehearsal = dry_run.then(|| face.services.rehearsal());
    let services = rehearsal.as_ref().unwrap_or(&face.services);
    let answer = run_verb(services, operator, named, workspace, &args, correlation.0).await?;
    Ok(Answer::json(&answer))
}
