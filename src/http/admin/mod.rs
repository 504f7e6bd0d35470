//! The admin socket: verbs for whoever may open it. Must not be served anywhere else.

mod client;
mod console;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::answer::Answer;
use super::extract::{Correlation, Json};
use super::json::{self, present};
use super::problem::Refusal;
use super::{Peer, Shared, export, file, form};
use crate::base::{Code, Problem, Wrong, limits};
use crate::service::{Download, download_verb, run_verb, upload_verb};
use crate::store::Operator;

pub use client::{ask_admin, fetch_admin, open_console, send_admin};
pub use console::{Consoles, Line, PROTOCOL};

pub(super) fn router() -> Router<Shared> {
    Router::new()
        .route("/admin/run", post(run))
        .route("/admin/upload", post(upload))
        .route("/admin/download", post(download))
        .route("/admin/console", get(console::open))
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
    let asked = body.0;
    let operator = operator(peer, &asked, &correlation)?;
    let (named, workspace) =
        ((asked.noun.as_str(), asked.verb.as_str()), asked.workspace.as_deref());
    let rehearsal = asked.dry_run.then(|| face.services.rehearsal());
    let services = rehearsal.as_ref().unwrap_or(&face.services);
    let answer = run_verb(services, operator, named, workspace, &asked.args, correlation.0).await?;
    Ok(Answer::json(&answer))
}

const FORM: &str = "a form (multipart/form-data) with the fields `question` and then `file`";

/// A verb that brings a file.
async fn upload(
    State(face): State<Shared>,
    peer: Option<Extension<Peer>>,
    correlation: Correlation,
    request: Request,
) -> Result<Answer, Refusal> {
    let mut form = form::open(request, FORM).await?;
    let missing = || Problem::field("", Wrong::BadFormat { expected: FORM.to_owned() });
    let question = form::timely(&face, FORM, form.next_field()).await?.ok_or_else(missing)?;
    let question = form::text(&face, FORM, question, limits::BODY_BYTES).await?;
    let asked: Question = json::body(question.as_bytes())?;
    let operator = operator(peer, &asked, &correlation)?;
    not_dry(&asked)?;
    let file = form::timely(&face, FORM, form.next_field()).await?.ok_or_else(missing)?;
    let file = form::staged(&face, FORM, file).await?;
    let workspace = asked.workspace.as_deref();
    let answer =
        upload_verb(&face.services, operator, workspace, &asked.args, file, correlation.0).await?;
    Ok(Answer::json(&answer))
}

/// A verb that is answered with a file.
async fn download(
    State(face): State<Shared>,
    peer: Option<Extension<Peer>>,
    correlation: Correlation,
    file: file::Asked,
    body: Json<Question>,
) -> Result<Response, Refusal> {
    let asked = body.0;
    let operator = operator(peer, &asked, &correlation)?;
    not_dry(&asked)?;
    let workspace = asked.workspace.as_deref();
    let named = (asked.noun.as_str(), asked.verb.as_str());
    let (services, words) = (&face.services, &asked.args);
    Ok(match download_verb(services, operator, named, workspace, words, correlation.0).await? {
        Download::Asset(asset, blob) => file.answer(&asset, &blob),
        Download::Events(events) => export::answer(events, None),
    })
}

/// A file cannot be kept in a rehearsal.
fn not_dry(asked: &Question) -> Result<(), Problem> {
    let why = "is not possible: this verb does more than write to the database, or nothing";
    let refused = || Problem::field("dry_run", Wrong::NotPossible { why });
    if asked.dry_run { Err(refused()) } else { Ok(()) }
}

/// Whoever is at the other end of the socket; what they ask for is logged.
fn operator(
    peer: Option<Extension<Peer>>,
    asked: &Question,
    correlation: &Correlation,
) -> Result<Operator, Refusal> {
    let Some(Extension(Peer::Unix { uid })) = peer else {
        return Err(Refusal(Problem::new(Code::Forbidden)));
    };
    tracing::info!(
        uid,
        dry_run = asked.dry_run,
        verb = format!("{} {}", asked.noun, asked.verb).escape_debug().to_string(),
        workspace = asked.workspace.as_deref().map(|word| word.escape_debug().to_string()),
        correlation_id = %correlation.0,
        "an operator's verb"
    );
    Ok(Operator::new(uid))
}
