//! Problems on the wire, RFC 9457: the only answer to a request that is refused. Must not show what
//! is inside; that is for the log.

use std::any::Any;
use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::base::{Code, CorrelationId, FieldProblem, Problem};

pub(super) const PROBLEM_JSON: &str = "application/problem+json";
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// Fields told in `detail`; all are under `errors`.
const DETAIL_FIELDS: usize = 3;

/// A refused request. Its body is written by [`write`], which knows the correlation id.
#[derive(Debug)]
pub(super) struct Refusal(pub Problem);

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.row().status);
        let mut response = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response();
        response.extensions_mut().insert(self.0);
        response
    }
}

/// Why a request was refused (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemShown {
    /// `urn:carillon:problem:` and the code.
    #[serde(rename = "type")]
    #[schema(format = "uri")]
    kind: String,
    title: &'static str,
    status: u16,
    /// The stable word for this kind of problem.
    code: &'static str,
    /// One sentence for people.
    detail: String,
    /// What to do about it.
    remedy: &'static str,
    /// Facts such as the limit that was passed.
    params: BTreeMap<&'static str, String>,
    /// The fields that cannot be accepted.
    errors: Vec<FieldShown>,
    /// Names the request in the log.
    correlation_id: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct FieldShown {
    /// A path such as `parts[0].text`, the name of a parameter, or of a header; empty for the
    /// whole body.
    field: String,
    /// The stable word for this kind of mistake.
    code: &'static str,
    message: String,
}

/// Turns a [`Refusal`] into what is sent; other answers stay as they are.
pub(super) fn write(response: &mut Response, correlation: CorrelationId) {
    let Some(problem) = response.extensions_mut().remove::<Problem>() else { return };
    headers(&problem, response.headers_mut());
    let shown = shown(problem, correlation);
    // Strings and numbers can always be written.
    let body = serde_json::to_vec(&shown).unwrap_or_default();
    *response.body_mut() = body.into();
}

fn headers(problem: &Problem, headers: &mut HeaderMap) {
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    match problem.code {
        Code::Unauthenticated | Code::SignInRefused | Code::CodeNeeded => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Code::HookUnsigned => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Signature"));
        }
        Code::Overloaded => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        Code::RateLimited => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            // The draft that is to become the standard: httpapi-ratelimit-headers-11, 2026-05.
            headers.insert(RATE_LIMIT, HeaderValue::from_static("\"key\";r=0;t=1"));
            let rate = problem.params.get("limit_per_second").map_or("0", String::as_str);
            if let Ok(policy) = HeaderValue::try_from(format!("\"key\";q={rate};w=1")) {
                headers.insert(RATE_LIMIT_POLICY, policy);
            }
        }
        Code::TooManyAttempts => {
            let seconds = problem.params.get("retry_after_seconds").map_or("1", String::as_str);
            if let Ok(seconds) = HeaderValue::try_from(seconds) {
                headers.insert(RETRY_AFTER, seconds);
            }
        }
        Code::StoreUnavailable | Code::MediaUnavailable | Code::Stopping => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        _ => {}
    }
}

fn shown(problem: Problem, correlation: CorrelationId) -> ProblemShown {
    let row = problem.row();
    let field = |FieldProblem { field, wrong }: &FieldProblem| FieldShown {
        field: field.clone(),
        code: wrong.word(),
        message: wrong.to_string(),
    };
    ProblemShown {
        kind: format!("urn:carillon:problem:{}", row.word),
        title: row.title,
        status: row.status,
        code: row.word,
        detail: detail(&problem),
        remedy: row.remedy,
        errors: problem.fields.iter().map(field).collect(),
        params: problem.params,
        correlation_id: correlation.to_string(),
    }
}

fn detail(problem: &Problem) -> String {
    let facts: Vec<String> = if problem.fields.is_empty() {
        problem.params.iter().map(|(name, value)| format!("{name}: {value}")).collect()
    } else {
        let fields = problem.fields.iter().take(DETAIL_FIELDS);
        fields.map(|FieldProblem { field, wrong }| sentence(field, &wrong.to_string())).collect()
    };
    let more = match problem.fields.len().saturating_sub(DETAIL_FIELDS) {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    match (problem.fields.is_empty(), facts.is_empty()) {
        (true, true) => format!("{}.", problem.row().title),
        (true, false) => format!("{} ({}).", problem.row().title, facts.join(", ")),
        (false, _) => format!("{}{more}.", facts.join("; ")),
    }
}

fn sentence(field: &str, wrong: &str) -> String {
    if field.is_empty() { format!("The body {wrong}") } else { format!("`{field}` {wrong}") }
}

pub(super) async fn no_such_address() -> Refusal {
    Refusal(Problem::new(Code::NotFound))
}

/// The router adds `Allow`.
pub(super) async fn wrong_method() -> Refusal {
    Refusal(Problem::new(Code::MethodNotAllowed))
}

/// What it said went to standard error, where panics go; it may hold anything.
pub(super) fn panicked(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("a request handler panicked");
    Refusal(Problem::new(Code::Internal)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Check, SeededRng, Wrong};

    fn shown_of(problem: Problem) -> ProblemShown {
        shown(problem, CorrelationId::new(&SeededRng::new(1)))
    }

    #[test]
    fn details_are_one_sentence() {
        let plain = shown_of(Problem::new(Code::NotFound));
        assert_eq!(plain.detail, "There is no such thing here.");
        assert_eq!(plain.kind, "urn:carillon:problem:not_found");
        let facts = shown_of(Problem::new(Code::Forbidden).with("scope", "write"));
        assert_eq!(facts.detail, "You may not do that here (scope: write).");
        let mut check = Check::default();
        for i in 0..5 {
            check.wrong(format!("tags[{i}]"), Wrong::Twice);
        }
        let fields = shown_of(check.finish().unwrap_err());
        let three = "`tags[0]` is given twice; `tags[1]` is given twice; `tags[2]` is given twice";
        assert_eq!(fields.detail, format!("{three} (and 2 more)."));
        assert_eq!(fields.errors.len(), 5);
        let body = shown_of(Problem::field("", Wrong::BadType { expected: "expected x".into() }));
        assert_eq!(body.detail, "The body has the wrong type: expected x.");
    }
}
