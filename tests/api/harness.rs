//! An installation in memory on a manual clock, a practice Mastodon in process, and calls to the
//! routers. Every answer that is a refusal is held to the form of a problem.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use carillon::base::{
    CODES, Clock, Code, CorrelationId, DeliveryId, ManualClock, Problem, Rng, SeededRng, Timestamp,
    UserId,
};
use carillon::domain::event::Actor;
use carillon::domain::publish::{Event, Moment, Outcome, Receipt, Source, Timing};
use carillon::domain::user::User;
use carillon::http::{Face, Limits, Readiness, Settings, admin_router, public_router};
use carillon::media::{self, Blobs};
use carillon::networks::Hosts;
use carillon::outbound::guard::Guard;
use carillon::outbound::{self, Response, SendError, Transport};
use carillon::practice::World;
use carillon::practice::bluesky::Settings as Bluesky;
use carillon::practice::linkedin::Settings as TwinOfLinkedIn;
use carillon::practice::mastodon::Settings as Mastodon;
use carillon::practice::x::Settings as TwinOfX;
use carillon::service::{
    Change, Cost, Jobs, Oidc, OidcSettings, People, Services, Whence, run_verb, transition,
};
use carillon::simulator::InProcess;
use carillon::store::rows::ChainedEvent;
use carillon::store::{Disk, FaultDisk, Operator, Options, Scope, Span, Store};
use carillon::telemetry::Metrics;
use carillon::vault::{Keyring, Vault};
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tower::ServiceExt;

use super::oidc::provider::{ISSUER, Provider};

pub const START: &str = "2026-11-22T09:00:00Z";
pub const PUBLIC_URL: &str = "https://carillon.example";
pub const INSTANCE: &str = "practice.example";
/// A practice Bluesky.
pub const BLUESKY: &str = "bluesky.example";
/// A practice X, with both of its hosts.
pub const X: &str = "x.example";
/// A practice LinkedIn, the same.
pub const LINKEDIN: &str = "linkedin.example";
/// The application that both know; it is not set here before a test does.
pub const APP: (&str, &str) = ("app-id", "app-secret-1");
/// An address that leads to a picture of 4 x 3 pixels.
pub const PICTURE: &str = "https://pictures.example/a.png";
/// The token of the account on the practice network.
pub const TOKEN: &str = "t-ann";

/// One installation with one workspace.
pub struct House {
    pub services: Services,
    pub clock: ManualClock,
    pub router: Router,
    pub admin: Router,
    pub workspace: String,
    /// A key with the scope `admin`.
    pub key: String,
    pub readiness: Arc<Mutex<Readiness>>,
    pub disk: FaultDisk,
    /// The practice networks.
    pub world: Arc<Mutex<World>>,
    /// Who vouches for people, in a house of [`House::vouched_for`].
    pub provider: Arc<Mutex<Provider>>,
    asked: Asked,
}

/// The hosts that were sent something, in order.
type Asked = Arc<Mutex<Vec<String>>>;

/// Time stands still, so the rate of a key is off unless a test is about it.
fn unhurried() -> Settings {
    Settings { key_rate: 0, ..Settings::default() }
}

impl House {
    pub async fn new() -> Self {
        Self::with(unhurried()).await
    }

    pub async fn with(settings: Settings) -> Self {
        Self::seeded(7, settings).await
    }

    pub async fn seeded(seed: u64, settings: Settings) -> Self {
        Self::made(seed, settings, Blobs::in_memory(media::Settings::default())).await
    }

    /// One that keeps media elsewhere.
    pub async fn keeping(blobs: Blobs) -> Self {
        Self::made(7, unhurried(), blobs).await
    }

    /// One where people can sign in at a provider, too.
    pub async fn vouched_for(oidc: OidcSettings) -> Self {
        let blobs = Blobs::in_memory(media::Settings::default());
        Self::whole(7, unhurried(), blobs, oidc).await
    }

    async fn made(seed: u64, settings: Settings, blobs: Blobs) -> Self {
        Self::whole(seed, settings, blobs, OidcSettings::default()).await
    }

    async fn whole(seed: u64, settings: Settings, blobs: Blobs, oidc: OidcSettings) -> Self {
        super::log::listen();
        let clock = ManualClock::at(Timestamp::parse(START).unwrap());
        let disk = FaultDisk::new();
        let (asked, world) = (Asked::default(), Arc::new(Mutex::new(world())));
        let provider = Arc::new(Mutex::new(Provider::new(clock.clone())));
        let oidc = Arc::new(Oidc::new(oidc));
        let others = (&asked, &world, &provider);
        let services = Services { blobs, oidc, ..services(&clock, &disk, seed, others) };
        let readiness = Arc::new(Mutex::new(Readiness::Ready));
        let face = Arc::new(Face {
            services: services.clone(),
            limits: Limits::new(&settings),
            settings,
            readiness: {
                let readiness = Arc::clone(&readiness);
                Box::new(move || *readiness.lock().unwrap())
            },
            consoles: Box::new(|_, _| Err(Problem::new(Code::Overloaded))),
        });
        let (router, admin) = (public_router(&face), admin_router(&face));
        let (workspace, key) = (String::new(), String::new());
        let mut house = Self {
            services,
            clock,
            router,
            admin,
            workspace,
            key,
            readiness,
            disk,
            world,
            provider,
            asked,
        };
        house.workspace = house.new_workspace("Acme").await;
        house.key = house.new_key(&house.workspace, &["admin"]).await;
        house
    }

    /// The hosts that were sent something, in order.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// Runs a verb as an operator.
    pub async fn verb(&self, named: (&str, &str), workspace: Option<&str>, args: Value) -> Value {
        self.try_verb(named, workspace, args).await.unwrap()
    }

    /// The same for a verb that may be refused.
    pub async fn try_verb(
        &self,
        named: (&str, &str),
        workspace: Option<&str>,
        args: Value,
    ) -> Result<Value, Problem> {
        let args: Map<String, Value> = serde_json::from_value(args).unwrap();
        let correlation = CorrelationId::new(self.services.rng.as_ref());
        let operator = Operator::new(1_000);
        run_verb(&self.services, operator, named, workspace, &args, correlation).await
    }

    /// Somebody with an account and nothing else.
    pub async fn put_user(&self, id: UserId) {
        let (email, name) = (format!("{id}@example.org"), "Somebody".to_owned());
        let (created_at, disabled_at) = (self.clock.now(), None);
        let user = User { id, revision: 1, email, name, created_at, disabled_at };
        let put = self.services.store.write::<_, (), _>(move |tx| Ok(tx.put_global(&id, &user)?));
        put.await.unwrap();
    }

    pub async fn new_workspace(&self, name: &str) -> String {
        let made = self.verb(("workspace", "create"), None, json!({ "name": name })).await;
        made["id"].as_str().unwrap().to_owned()
    }

    pub async fn new_key(&self, workspace: &str, scopes: &[&str]) -> String {
        let args = json!({ "name": "k", "scope": scopes });
        let made = self.verb(("key", "create"), Some(workspace), args).await;
        made["key"].as_str().unwrap().to_owned()
    }

    pub async fn new_feed(&self) -> String {
        let args = json!({ "network": "feed", "name": "News" });
        let made = self.verb(("channel", "add"), Some(&self.workspace), args).await;
        made["id"].as_str().unwrap().to_owned()
    }

    /// Uploads a file as a form would.
    pub async fn upload(&self, name: &str, mime: &str, bytes: &[u8], alt: &str) -> Answer {
        self.upload_call(name, mime, bytes, alt).send().await
    }

    pub fn upload_call(&self, name: &str, mime: &str, bytes: &[u8], alt: &str) -> Call<'_> {
        let head = format!(
            "--b\r\ncontent-disposition: form-data; name=\"alt\"\r\n\r\n{alt}\r\n\
             --b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             content-type: {mime}\r\n\r\n"
        );
        let body = [head.as_bytes(), bytes, b"\r\n--b--\r\n"].concat();
        self.call(Method::POST, "/media").raw("multipart/form-data; boundary=b", body)
    }

    /// Writes a post to a feed; returns it.
    pub async fn new_post(&self, feed: &str, schedule: Value) -> Value {
        let body = json!({
            "parts": [{ "text": "Good morning!" }], "channels": [feed], "schedule": schedule,
        });
        let answer = self.post("/posts", &body).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()
    }

    /// A call to an address of the workspace, with the admin key.
    pub fn call(&self, method: Method, path: &str) -> Call<'_> {
        Call {
            router: &self.router,
            method,
            path: format!("/api/v1/workspaces/{}{path}", self.workspace),
            headers: vec![("authorization".into(), format!("Bearer {}", self.key))],
            body: Bytes::new(),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path).send().await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::POST, path).json(body).send().await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::PATCH, path).json(body).send().await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path).send().await
    }

    /// A call to any address, with no key.
    pub fn bare(&self, method: Method, path: &str) -> Call<'_> {
        let path = path.to_owned();
        Call { router: &self.router, method, path, headers: Vec::new(), body: Bytes::new() }
    }

    /// Who asks within the program: for no page, and from no address.
    pub fn within(&self) -> Whence<'static> {
        let correlation = CorrelationId::new(self.services.rng.as_ref());
        Whence { origin: None, address: None, correlation }
    }

    pub fn scope(&self) -> Scope {
        self.scope_of(&self.key)
    }

    pub fn scope_of(&self, key: &str) -> Scope {
        let hash: [u8; 32] = Sha256::digest(key).into();
        let found = self.services.store.read_now(|view| Scope::by_key_hash(view, &hash));
        found.unwrap().unwrap().0
    }

    /// Lets something happen to a delivery.
    pub async fn happen(&self, delivery: &str, event: Event) {
        let id: DeliveryId = delivery.parse().unwrap();
        let (scope, timing) = (self.scope(), self.services.timing.get());
        let epoch = self.services.store.epoch();
        let moment = Moment { now: self.clock.now(), epoch, dice: 1 };
        let change = Change { event, moment, actor: Actor::System, note: None };
        let changed = self
            .services
            .store
            .write::<_, (), _>(move |tx| Ok(transition(tx, &scope, id, &timing, &change)?));
        changed.await.unwrap().unwrap();
    }

    /// Publishes the next part of a delivery to a feed.
    pub async fn publish(&self, delivery: &str) {
        self.happen(delivery, Event::Wake).await;
        self.happen(delivery, Event::Ready).await;
        let receipt = Receipt {
            remote_id: "1".to_owned(),
            url: Some(format!("{PUBLIC_URL}/feed/x/{delivery}")),
            at: self.clock.now(),
            source: Source::Answer,
        };
        let epoch = self.services.store.epoch();
        let outcome = Outcome::Done(receipt);
        self.happen(delivery, Event::Answer { attempt: 1, epoch, outcome }).await;
    }

    /// Lets a delivery be so late that a person must decide.
    pub async fn miss(&self, delivery: &str) {
        self.clock.advance(Duration::from_hours(48));
        self.happen(delivery, Event::Wake).await;
    }

    /// All events of the workspace, oldest first.
    pub fn events(&self) -> Vec<carillon::domain::event::Event> {
        self.events_of(&self.key)
    }

    /// The same, of the workspace of another key.
    pub fn events_of(&self, key: &str) -> Vec<carillon::domain::event::Event> {
        let (scope, span) = (self.scope_of(key), Span::first(10_000));
        let found = self.services.store.read_now(|view| view.scan::<ChainedEvent>(&scope, &span));
        found.unwrap().into_iter().map(|(_, row)| row.event).collect()
    }

    /// Who did what is called so, oldest first.
    pub fn actors_of(&self, kind: &str) -> Vec<String> {
        let events = self.events().into_iter().filter(|event| event.kind == kind);
        events.map(|event| event.actor.word()).collect()
    }
}

/// The practice networks, and one picture.
struct WithPicture(InProcess, Asked, Arc<Mutex<Provider>>);

#[async_trait]
impl Transport for WithPicture {
    async fn send(&self, request: outbound::Request) -> Result<Response, SendError> {
        let host = request.url.host_str().unwrap_or_default().to_owned();
        self.1.lock().unwrap().push(host);
        if request.url.as_str().starts_with(ISSUER) {
            return self.2.lock().unwrap().answer(&request);
        }
        if request.url.as_str() != PICTURE {
            return self.0.send(request).await;
        }
        let body = support::media::png(4, 3).into();
        Ok(Response { status: 200, headers: HeaderMap::new(), body })
    }
}

fn world() -> World {
    let mut world = World::new(1);
    world.add_mastodon(INSTANCE, Mastodon::new(&format!("https://{INSTANCE}")));
    world.add_account(INSTANCE, "ann", TOKEN, "read write").unwrap();
    world.add_bluesky(BLUESKY, Bluesky::new(&format!("https://{BLUESKY}")));
    world.add_account(BLUESKY, "ann.test", TOKEN, "").unwrap();
    world.add_x(X, TwinOfX::new(&format!("https://{X}")));
    for name in ["acme", "bakery"] {
        world.add_account(X, name, &format!("t-{name}"), "users.read").unwrap();
    }
    let redirect = format!("{PUBLIC_URL}/oauth/x/callback");
    world.x(X).unwrap().authority.add_app(APP.0, APP.1, &redirect);
    world.add_linkedin(LINKEDIN, TwinOfLinkedIn::new(&format!("https://{LINKEDIN}")));
    world.add_account(LINKEDIN, "ann", "t-ann", "openid 71 72").unwrap();
    let redirect = format!("{PUBLIC_URL}/oauth/linkedin/callback");
    world.linkedin(LINKEDIN).unwrap().authority.add_app(APP.0, APP.1, &redirect);
    world
}

fn services(
    clock: &ManualClock,
    disk: &FaultDisk,
    seed: u64,
    (asked, world, provider): (&Asked, &Arc<Mutex<World>>, &Arc<Mutex<Provider>>),
) -> Services {
    let rng: Arc<dyn Rng> = Arc::new(SeededRng::new(seed));
    let at = |network: &str, host: &str, at: &str| {
        (format!("networks.{network}.{host}_url"), format!("https://{at}").parse().unwrap())
    };
    let hosts = Hosts::new([
        at("x", "api", X),
        at("x", "web", X),
        at("linkedin", "api", LINKEDIN),
        at("linkedin", "web", LINKEDIN),
    ]);
    let options = Options { inline: true, ..Options::default() };
    Services {
        store: Store::open(Disk::Memory(disk.clone()), options).unwrap(),
        vault: Arc::new(Vault::new(Keyring::fresh(rng.as_ref()))),
        blobs: Blobs::in_memory(media::Settings::default()),
        transport: Arc::new(WithPicture(
            InProcess::new(
                Arc::clone(world),
                Arc::new(clock.clone()),
                BTreeSet::from([INSTANCE, BLUESKY, X, LINKEDIN].map(str::to_owned)),
            ),
            Arc::clone(asked),
            Arc::clone(provider),
        )),
        guard: Arc::new(Guard::new([INSTANCE, BLUESKY]).unwrap()),
        clock: Arc::new(clock.clone()),
        rng,
        timing: carillon::base::Live::new(Timing::default()),
        marks: carillon::base::Live::default(),
        plans: carillon::base::Live::default(),
        controls: Arc::default(),
        backups: Arc::default(),
        catching_up: carillon::base::Live::default(),
        renewals: Arc::default(),
        circuits: Arc::default(),
        echoes: Arc::default(),
        hooks: Arc::default(),
        hosts: Arc::new(hosts),
        people: Arc::new(People::new(Cost { memory_kib: 8, passes: 1 })),
        looked: Arc::default(),
        mail: None,
        oidc: Arc::default(),
        jobs: Jobs::default(),
        metrics: Arc::new(Metrics::new().unwrap()),
        public_url: PUBLIC_URL.into(),
    }
}

/// One request on its way.
#[derive(Clone)]
pub struct Call<'h> {
    pub router: &'h Router,
    pub method: Method,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Call<'_> {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn key(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    pub fn json(self, body: &Value) -> Self {
        self.raw("application/json", body.to_string())
    }

    pub fn raw(mut self, kind: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header("content-type", kind)
    }

    pub async fn send(self) -> Answer {
        let mut request = Request::builder().method(self.method).uri(self.path);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        send(self.router, request.body(Body::from(self.body)).unwrap()).await
    }
}

/// Sends any request to a router; checks what every answer must have.
pub async fn send(router: &Router, request: Request<Body>) -> Answer {
    let told = format!("{} {}", request.method(), request.uri());
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, mut body) = response.into_parts();
    let endless = parts.headers.get("content-type").is_some_and(|kind| kind == "text/event-stream");
    let body = if endless {
        body.frame().await.unwrap().unwrap().into_data().unwrap()
    } else {
        body.collect().await.unwrap().to_bytes()
    };
    let answer = Answer { status: parts.status.as_u16(), headers: parts.headers, body };
    answer.check(&told);
    answer
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The fields that a problem names.
    pub fn fields(&self) -> Vec<String> {
        let json = self.json();
        let errors = json["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|e| e["field"].as_str().unwrap().to_owned()).collect()
    }

    /// `status code field,field` in one line.
    pub fn said(&self) -> String {
        if self.status < 400 {
            return self.status.to_string();
        }
        if self.body.is_empty() {
            // Answers to HEAD have no words; most statuses have one code.
            let row = CODES.iter().find(|row| row.status == self.status).unwrap();
            return format!("{} {}", self.status, row.word);
        }
        format!("{} {} {}", self.status, self.code(), self.fields().join(",")).trim().to_owned()
    }

    fn check(&self, told: &str) {
        let correlation = self.header("x-correlation-id");
        assert_eq!(correlation.len(), 16, "{told}");
        let kind = self.header("content-type");
        if self.status < 400 || kind == "application/json" || kind.starts_with("text/html") {
            // A probe that is not ready is no problem of the caller's, and people get pages.
            return;
        }
        assert_eq!(self.header("content-type"), "application/problem+json", "{told}");
        if self.body.is_empty() && told.starts_with("HEAD ") {
            return;
        }
        let json = self.json();
        let word = json["code"].as_str().unwrap();
        let row = CODES.iter().find(|row| row.word == word);
        let row = row.unwrap_or_else(|| panic!("{told}: unknown code {word}"));
        assert_eq!((row.status, self.status), (self.status, row.status), "{told}");
        assert_eq!(json["status"], row.status, "{told}");
        assert_eq!(json["title"], row.title, "{told}");
        assert_eq!(json["remedy"], row.remedy, "{told}");
        assert_eq!(json["type"], format!("urn:carillon:problem:{word}"), "{told}");
        assert_eq!(json["correlation_id"], correlation, "{told}");
        assert!(json["detail"].as_str().unwrap().ends_with('.'), "{told}");
        for error in json["errors"].as_array().unwrap() {
            assert!(!error["code"].as_str().unwrap().is_empty(), "{told}");
            assert!(!error["message"].as_str().unwrap().is_empty(), "{told}");
        }
        let present = |name: &str| self.headers.contains_key(name);
        assert_eq!(present("www-authenticate"), self.status == 401, "{told}");
        assert_eq!(present("retry-after"), matches!(self.status, 429 | 503), "{told}");
        assert_eq!(present("allow"), self.status == 405, "{told}");
    }
}
