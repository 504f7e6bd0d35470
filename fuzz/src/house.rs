//! An installation in memory whose router can be asked, with a workspace, a feed and a post in it.
//! Must not reach anything outside, and is made anew before it grows.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use carillon::base::{
    CODES, CorrelationId, Live, ManualClock, Rng, SeededRng, Timestamp, WorkspaceId,
};
use carillon::http::{Face, Limits, Readiness, Settings, public_router};
use carillon::media::{self, Blobs};
use carillon::outbound::guard::Guard;
use carillon::outbound::{Request, Response, SendError, Transport};
use carillon::service::{Services, run_verb};
use carillon::store::{Disk, FaultDisk, Operator, Options, Store};
use carillon::telemetry::Metrics;
use carillon::vault::{Keyring, Vault};
use http::HeaderMap;
use http_body_util::BodyExt as _;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt as _;

const START: Timestamp = Timestamp::from_millis(1_795_338_000_000);
/// Requests after which it is made anew.
const USED_UP: u32 = 300;

/// Nobody is there.
struct Nowhere;

#[async_trait]
impl Transport for Nowhere {
    async fn send(&self, _: Request) -> Result<Response, SendError> {
        Err(SendError::NotSent { why: "there is no network here" })
    }
}

pub struct House {
    /// Where media is.
    _folder: TempDir,
    pub router: Router,
    pub workspace: String,
    pub feed: String,
    pub post: String,
    /// With the scope `admin`.
    pub key: String,
}

/// A whole answer.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

thread_local! {
    static OPEN: RefCell<Option<(House, u32)>> = const { RefCell::new(None) };
    static RUNTIME: Runtime = Builder::new_current_thread().build().unwrap();
}

/// Runs to the end what needs a runtime.
pub fn wait<T>(work: impl Future<Output = T>) -> T {
    RUNTIME.with(|runtime| runtime.block_on(work))
}

/// Lends the house of this thread.
pub fn with<T>(ask: impl FnOnce(&House) -> T) -> T {
    OPEN.with_borrow_mut(|open| {
        if open.as_ref().is_none_or(|(_, used)| *used >= USED_UP) {
            *open = Some((wait(House::new()), 0));
        }
        let (house, used) = open.as_mut().unwrap();
        *used += 1;
        ask(house)
    })
}

fn services(folder: &Path) -> Services {
    let rng: Arc<dyn Rng> = Arc::new(SeededRng::new(7));
    let options = Options { inline: true, ..Options::default() };
    let bounds = media::Bounds { pixels: 1_000_000, animation_pixels: 1_000_000 };
    let settings = media::Settings { bounds, ..media::Settings::default() };
    let blobs = Blobs::on_disk(folder, settings).unwrap();
    Services {
        store: Store::open(Disk::Memory(FaultDisk::new()), options).unwrap(),
        vault: Arc::new(Vault::new(Keyring::fresh(rng.as_ref()))),
        blobs,
        transport: Arc::new(Nowhere),
        guard: Arc::new(Guard::default()),
        clock: Arc::new(ManualClock::at(START)),
        rng,
        timing: Live::default(),
        marks: Live::default(),
        plans: Live::default(),
        controls: Arc::default(),
        catching_up: Live::default(),
        renewals: Arc::default(),
        backups: Arc::default(),
        mail: None,
        oidc: Arc::default(),
        looked: Arc::default(),
        circuits: Arc::default(),
        echoes: Arc::default(),
        hooks: Arc::default(),
        hosts: Arc::default(),
        people: Arc::default(),
        jobs: carillon::service::Jobs::default(),
        metrics: Arc::new(Metrics::new().unwrap()),
        public_url: "https://carillon.example".into(),
    }
}

impl House {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let services = services(folder.path());
        let face = Arc::new(Face {
            services: services.clone(),
            // Only one asks, as often as it likes.
            limits: Limits::new(&Settings { key_rate: 0, ..Settings::default() }),
            settings: Settings::default(),
            readiness: Box::new(|| Readiness::Ready),
            consoles: Box::new(|_, _| Ok(())),
        });
        let text = |made: &Value, name: &str| made[name].as_str().unwrap().to_owned();
        let made = verb(&services, ("workspace", "create"), None, json!({ "name": "A" })).await;
        let workspace = text(&made, "id");
        let of = Some(workspace.as_str());
        let args = json!({ "network": "feed", "name": "News" });
        let feed = text(&verb(&services, ("channel", "add"), of, args).await, "id");
        let args = json!({ "name": "k", "scope": ["admin"] });
        let key = text(&verb(&services, ("key", "create"), of, args).await, "key");
        let router = public_router(&face);
        let mut house = Self { _folder: folder, router, workspace, feed, post: String::new(), key };
        let body = json!({
            "parts": [{ "text": "Hello" }], "channels": [house.feed],
            "schedule": { "at": "2026-12-01T09:00", "zone": "Europe/Berlin" },
        });
        let request = house.request("POST", "/posts").unwrap();
        let request = request.header("content-type", "application/json");
        let made = house.ask(request.body(Body::from(body.to_string())).unwrap()).await;
        let made: Value = serde_json::from_slice(&made.body).unwrap();
        house.post = text(&made, "id");
        house
    }

    /// The beginning of a request to an address of the workspace; `None` when it cannot be one.
    /// `{feed}` and `{post}` stand for what is there.
    pub fn request(&self, method: &str, path: &str) -> Option<http::request::Builder> {
        let path = path.replace("{feed}", &self.feed).replace("{post}", &self.post);
        let uri = format!("/api/v1/workspaces/{}{path}", self.workspace);
        let uri: http::Uri = uri.parse().ok()?;
        let method = http::Method::from_bytes(method.as_bytes()).ok()?;
        let bearer = format!("Bearer {}", self.key);
        Some(http::Request::builder().method(method).uri(uri).header("authorization", bearer))
    }

    /// Asks, and holds the answer to what every answer must be: no fault of ours, and a refusal
    /// that says what it is.
    pub async fn ask(&self, request: http::Request<Body>) -> Answer {
        let told = format!("{} {}", request.method(), request.uri());
        let head = request.method() == http::Method::HEAD;
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let status = parts.status.as_u16();
        // 502 is a network's: there is none here.
        assert!(status < 500 || status == 502, "{told}: {status} {body:?}");
        let answer = Answer { status, headers: parts.headers, body };
        if status >= 400 && !head {
            let problem: Value = serde_json::from_slice(&answer.body).unwrap();
            let row = CODES.iter().find(|row| problem["code"] == row.word);
            let row = row.unwrap_or_else(|| panic!("{told}: {problem}"));
            assert_eq!((row.status, &problem["title"]), (status, &row.title.into()), "{told}");
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.len() < 100_000, "{told}: {}", detail.len());
        }
        answer
    }
}

/// Runs a verb as an operator.
async fn verb(
    services: &Services,
    named: (&str, &str),
    workspace: Option<&str>,
    args: Value,
) -> Value {
    let args: Map<String, Value> = serde_json::from_value(args).unwrap();
    let correlation = CorrelationId::new(services.rng.as_ref());
    run_verb(services, Operator::new(0), named, workspace, &args, correlation).await.unwrap()
}

/// Any workspace, for what is not asked over HTTP.
pub fn some_workspace() -> WorkspaceId {
    WorkspaceId::from_bytes([1; 16])
}
