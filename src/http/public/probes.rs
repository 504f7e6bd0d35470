//! Health for anybody, metrics for those who may. Must not say why something is not ready.

use std::net::SocketAddr;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use http::header::{CONTENT_TYPE, HOST, HeaderMap};
use http::{HeaderName, StatusCode};
use serde_json::json;

use crate::base::{Code, Problem};
use crate::http::extract::bearer;
use crate::http::names::names_this_machine;
use crate::http::problem::Refusal;
use crate::http::visitor::Place;
use crate::http::{Peer, Readiness, Shared};
use crate::service::Whence;

/// Health and metrics, for TCP and for the admin socket.
pub(in crate::http) fn probes() -> Router<Shared> {
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
}

async fn live() -> Response {
    Json(json!({ "status": "live" })).into_response()
}

async fn ready(State(face): State<Shared>) -> Response {
    let (status, word) = match (face.readiness)() {
        Readiness::Ready => (StatusCode::OK, "ready"),
        Readiness::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
        Readiness::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        Readiness::StoreFailing => (StatusCode::SERVICE_UNAVAILABLE, "store_failing"),
        Readiness::DiskFull => (StatusCode::SERVICE_UNAVAILABLE, "disk_full"),
    };
    (status, Json(json!({ "status": word }))).into_response()
}

async fn metrics(
    State(face): State<Shared>,
    Place { address, correlation }: Place,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    if let Some(secret) = bearer(&headers) {
        let whence = Whence { origin: None, address, correlation };
        let principal = face.services.authenticate(secret, whence).await?;
        face.services.may_read_metrics(&principal)?;
    } else if !peer.is_some_and(|Extension(peer)| is_local(peer, &headers)) {
        return Err(Problem::new(Code::Unauthenticated).into());
    }
    let text = face.services.metrics_text().await;
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

/// Put there by a proxy on this machine, behind which anybody may be.
const FORWARDED: [HeaderName; 4] = [
    http::header::FORWARDED,
    http::header::VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-real-ip"),
];

fn is_local(peer: Peer, headers: &HeaderMap) -> bool {
    match peer {
        Peer::Unix { .. } => true,
        Peer::Tcp(address) => {
            is_loopback(address)
                && !FORWARDED.iter().any(|name| headers.contains_key(name))
                && headers.get(HOST).is_some_and(names_this_machine)
        }
    }
}

fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}
