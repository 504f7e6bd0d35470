//! What is around every request: its correlation id, its time limit, one access log line, and the
//! writing of problems. Must not log addresses, queries, bodies or keys.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use futures_util::future::{Either, select};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use tracing::Instrument;

use super::api::{Parameters, STRETCH, refuse_unknown_parameters};
use super::problem::{self, Refusal};
use super::{Face, Shared, cors, foreign, leftover};
use crate::base::{Code, CorrelationId, Problem, WorkspaceId};
use crate::service::{Bearer, Principal};

const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// What is known of a request; an extension of it.
#[derive(Clone)]
pub(super) struct Asked {
    pub correlation: CorrelationId,
    /// Set by whoever finds out.
    pub bearer: Arc<OnceLock<Bearer>>,
    /// Whom the address's workspace let in.
    pub entered: Arc<OnceLock<(Principal, WorkspaceId)>>,
}

pub(super) async fn around(
    State((face, parameters)): State<(Shared, Arc<Parameters>)>,
    mut request: Request,
    next: Next,
) -> Response {
    let clock = &face.services.clock;
    let began = clock.monotonic();
    let correlation = CorrelationId::new(face.services.rng.as_ref());
    let asked = Asked { correlation, bearer: Arc::default(), entered: Arc::default() };
    let address = request.uri().clone();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    request.extensions_mut().insert(asked.clone());

    let ours = face.settings.names.know(&request);
    let span = tracing::info_span!("request", correlation_id = %correlation);
    let limit = if is_long(route.as_ref(), &request) {
        face.settings.upload_timeout
    } else {
        face.settings.request_timeout
    };
    let mut response = bounded(&face, request, limit, async |request| {
        if !ours {
            return Refusal(Problem::new(Code::Misdirected)).into_response();
        }
        let known = async |request| match refuse_unknown_parameters(&parameters, &request) {
            Ok(()) => next.run(request).await,
            Err(problem) => Refusal(problem).into_response(),
        };
        let answer = AssertUnwindSafe(cors::answer(&face, request, known)).catch_unwind();
        answer.instrument(span).await.unwrap_or_else(problem::panicked)
    })
    .await;
    if let (404, Some(route)) = (response.status().as_u16(), &route) {
        foreign::look(&face, route.as_str(), address.path(), &asked).await;
    }
    foreign::note(&face, response.extensions().get(), &asked).await;
    problem::write(&mut response, correlation);
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::try_from(correlation.to_string()) {
        headers.insert(CORRELATION_ID, value);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));

    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let (method, status) = (method.as_str(), response.status().as_u16());
    let took = clock.monotonic().saturating_sub(began);
    face.services.metrics.http_request(face_of(route), method, route, status, took);
    let (key, user, host) = match asked.bearer.get() {
        Some(Bearer::Key(key)) => (Some(key), None, None),
        Some(Bearer::User(user)) => (None, Some(user), None),
        Some(Bearer::Host(host)) => (None, None, Some(host)),
        None => (None, None, None),
    };
    tracing::info!(
        method,
        route,
        status,
        duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        correlation_id = %correlation,
        key = key.map(tracing::field::display),
        user = user.map(tracing::field::display),
        host = host.map(tracing::field::display),
        "request"
    );
    response
}

/// Answers if there is a place for one more request, and as long as `limit` allows.
async fn bounded(
    face: &Face,
    mut request: Request,
    limit: Duration,
    answer: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let clock = &face.services.clock;
    let overloaded = |why| {
        face.services.metrics.http_refused(why);
        Refusal(Problem::new(Code::Overloaded)).into_response()
    };
    let is_counted = is_counted(request.extensions().get());
    let leftover = leftover::lend(&mut request);
    let response = {
        let place = face.limits.place();
        if place.is_none() && is_counted {
            drop(request);
            overloaded("busy")
        } else {
            match select(pin!(answer(request)), clock.sleep(limit)).await {
                Either::Left((response, _)) => response,
                // What has not come by now is not waited for.
                Either::Right(_) => return overloaded("slow"),
            }
        }
    };
    let status = response.status().as_u16();
    let leftover = leftover.filter(|_| status >= 400 && status != Code::TooSlow.row().status);
    if let Some(leftover) = leftover {
        leftover.discard(clock.as_ref()).await;
    }
    response
}

/// Operations that wait for somebody else's server, and verbs, some of which do.
const LONG: [&str; 2] = ["/api/v1/workspaces/{workspace}/media/import", "/admin/run"];

/// It brings a file, or waits for one. Its body may be long; a pause in it is not, see
/// [`super::Settings::body_timeout`].
fn is_long(route: Option<&MatchedPath>, request: &Request) -> bool {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let brings = ["multipart/form-data", STRETCH];
    kind.is_some_and(|kind| brings.iter().any(|known| kind.starts_with(known)))
        || route.is_some_and(|route| LONG.contains(&route.as_str()))
}

/// Who looks after the installation is let in when it is busy: above all then.
fn is_counted(route: Option<&MatchedPath>) -> bool {
    let route = route.map_or("", MatchedPath::as_str);
    !["/health/", "/metrics", "/admin/"].iter().any(|spared| route.starts_with(spared))
}

/// The face that a route belongs to; `none` for an address that leads nowhere.
fn face_of(route: &str) -> &'static str {
    match route.split('/').nth(1) {
        Some("api") => "api",
        Some("admin") => "admin",
        Some("hooks") => "hooks",
        Some(
            "sign-in" | "sign-out" | "setup" | "invitations" | "reset" | "account" | "connect"
            | "oauth" | "workspaces",
        ) => "web",
        Some(_) => "public",
        None => "none",
    }
}
