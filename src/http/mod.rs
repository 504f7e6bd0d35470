//! HTTP: the server, the plumbing that all faces share, and the faces. Must not hold rules; the
//! use cases of `service` do.

mod admin;
mod administering;
mod answer;
mod api;
mod around;
mod cors;
mod export;
mod extract;
mod file;
mod foreign;
mod form;
mod hooks;
mod hosting;
mod json;
mod leftover;
mod limits;
mod live;
mod names;
mod places;
mod problem;
mod public;
mod server;
mod visitor;
mod web;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use http::HeaderName;

use crate::base::{Net, limits as bounds};
use crate::service::Services;

use api::Parameters;

pub use admin::{Consoles, Line, PROTOCOL, ask_admin, fetch_admin, open_console, send_admin};
pub use limits::Limits;
pub use names::Names;
pub use server::{Listener, Peer, Server};

/// What the faces need; made once.
pub struct Face {
    pub services: Services,
    pub settings: Settings,
    pub limits: Limits,
    /// Answers `/health/ready`.
    pub readiness: Box<dyn Fn() -> Readiness + Send + Sync>,
    /// Takes consoles over.
    pub consoles: Box<Consoles>,
}

/// The handle that handlers get.
pub type Shared = Arc<Face>;

/// Bounds of connections and requests.
#[derive(Clone, Debug)]
pub struct Settings {
    /// From the begin of a connection, or the first byte of a later request, to the end of its
    /// head.
    pub header_timeout: Duration,
    /// Between two requests of a connection.
    pub keep_alive: Duration,
    /// Between two pieces of a body.
    pub body_timeout: Duration,
    /// From the head to the answer.
    pub request_timeout: Duration,
    /// The same for a request that brings a file.
    pub upload_timeout: Duration,
    /// How long a stop waits for requests that are being answered.
    pub stop_wait: Duration,
    /// Open at a time; one more waits in the listener's queue.
    pub connections: usize,
    /// Of one address, unless it is one of `proxies`; one more is sent away.
    pub connections_per_address: usize,
    pub proxies: Arc<[Net]>,
    /// What the server may be asked for by.
    pub names: Names,
    /// Where a proxy of `proxies` says from which country somebody comes.
    pub country: Option<HeaderName>,
    /// Answered at a time; one more is refused. Probes and operators are not counted.
    pub requests: usize,
    /// A second, of one key; 0 for no limit.
    pub key_rate: u32,
    /// Live streams, in all and of one caller; one more is refused.
    pub streams: usize,
    pub streams_each: usize,
}

impl Default for Settings {
    /// reliability-security.md B13.
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(5),
            keep_alive: Duration::from_mins(1),
            body_timeout: Duration::from_secs(15),
            request_timeout: Duration::from_secs(30),
            upload_timeout: Duration::from_hours(1),
            stop_wait: Duration::from_secs(10),
            connections: 1_024,
            connections_per_address: 64,
            proxies: bounds::PROXIES.iter().filter_map(|net| net.parse().ok()).collect(),
            names: Names::default(),
            country: None,
            requests: 512,
            key_rate: 1_000,
            streams: bounds::STREAMS,
            streams_each: bounds::STREAMS_EACH,
        }
    }
}

/// Whether requests can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    Starting,
    Ready,
    Stopping,
    StoreFailing,
    DiskFull,
}

/// What is served on TCP: the API, pages, feeds, webhooks, health and metrics.
pub fn public_router(face: &Shared) -> Router {
    let (routes, parameters) = api::router();
    let routes = routes.merge(web::pages()).merge(public::pages()).merge(hooks::hooks());
    dressed(routes.merge(public::probes()), face, parameters)
}

/// What is served on the admin socket.
pub fn admin_router(face: &Shared) -> Router {
    dressed(admin::router().merge(public::probes()), face, Parameters::new())
}

fn dressed(routes: Router<Shared>, face: &Shared, parameters: Parameters) -> Router {
    let known = (Arc::clone(face), Arc::new(parameters));
    routes
        .fallback(problem::no_such_address)
        .method_not_allowed_fallback(problem::wrong_method)
        // One layer: each is cloned, with all below it, for every request.
        .layer(from_fn_with_state(known, around::around))
        .with_state(Arc::clone(face))
}
