//! A server of the AT Protocol (a PDS) with Bluesky's posts, as strict as its lexicons, and a
//! little more: what the reference server takes without a word is refused here where it can only
//! be a client's mistake. Facts: networks.md 10, and the reference server 0.5.35, asked in November
//! 2026. Must not hold the clock; the moment is passed in.

mod lexicon;
mod limits;
mod repo;
mod session;

use std::collections::BTreeMap;
use std::time::Duration;

use data_encoding::BASE32_NOPAD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use url::form_urlencoded;

use self::limits::Limits;
use self::repo::{Blob, Post};
use self::session::{Refresh, Token};
use super::journal::Moment;
use super::page::{self, Shown, ShownInstance};
use super::{Answer, Matcher, Request};
use crate::base::Timestamp;

/// How this server differs from another one of its kind.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where clients find this server, without a slash at the end.
    pub base_url: String,
    pub title: String,
    /// networks.md 10.7 (8): the host that holds the records need not be the one that signs
    /// people in. Its name in the world, and its address.
    pub own: Option<(String, String)>,
    /// networks.md 10.1.
    pub access_life: Duration,
    pub refresh_life: Duration,
    /// networks.md 10.7 (2): a used refresh token works on for so long, and gives the same
    /// successor.
    pub grace: Duration,
    /// A used refresh token that comes again after its grace ends every session of the account, as
    /// RFC 9700 (4.14.2) wants it of servers that rotate them.
    pub replay_kills: bool,
    /// The reference server has them off when it is installed alone.
    pub rate_limits: bool,
}

impl Settings {
    pub fn new(base_url: &str) -> Self {
        Self {
            base_url: base_url.trim_end_matches('/').to_owned(),
            title: "Practice Bluesky".to_owned(),
            own: None,
            access_life: Duration::from_hours(2),
            refresh_life: Duration::from_hours(90 * 24),
            grace: Duration::from_hours(2),
            replay_kills: false,
            rate_limits: true,
        }
    }
}

/// What the network thinks of an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    Active,
    /// By its owner.
    Deactivated,
    /// By the server.
    TakenDown,
}

/// One server and all it stores.
pub struct Server {
    pub settings: Settings,
    host: String,
    accounts: BTreeMap<String, Account>,
    access: BTreeMap<String, Token>,
    refresh: BTreeMap<String, Refresh>,
    /// By account and record key.
    posts: BTreeMap<(String, String), Post>,
    blobs: BTreeMap<String, Blob>,
    limits: Limits,
    writes: u64,
}

struct Account {
    did: String,
    handle: String,
    app_password: Option<String>,
    standing: Standing,
}

/// A call that is not done, in the network's own words.
#[derive(Debug)]
struct Refusal {
    status: u16,
    name: &'static str,
    message: String,
}

impl Refusal {
    fn new(status: u16, name: &'static str, message: impl Into<String>) -> Self {
        Self { status, name, message: message.into() }
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "InvalidRequest", message)
    }

    fn answer(self) -> Answer {
        Answer::json(self.status, &json!({ "error": self.name, "message": self.message }))
    }
}

type Outcome = Result<Answer, Refusal>;

/// What a valid token gets while the server is mistaken about it. networks.md 10.7 (1): it says so
/// with 400, not with 401.
pub(super) fn unauthorized() -> Answer {
    Refusal::new(400, "ExpiredToken", "Token has expired").answer()
}

pub(super) fn rate_limited(now: Timestamp, reset: Timestamp) -> Answer {
    limits::refused(now, reset)
}

fn method(path: &str) -> Option<&str> {
    path.strip_prefix("/xrpc/")
}

pub(super) fn kind_of_call(request: &Request) -> Matcher {
    match method(&request.path) {
        Some("com.atproto.repo.createRecord" | "com.atproto.repo.putRecord") => Matcher::Write,
        Some("com.atproto.server.getSession") => Matcher::Verify,
        Some("com.atproto.repo.listRecords") => Matcher::Listing,
        Some("com.atproto.repo.getRecord") => Matcher::Lookup,
        Some("com.atproto.repo.uploadBlob") => Matcher::Upload,
        Some(
            "com.atproto.server.createSession"
            | "com.atproto.server.refreshSession"
            | "com.atproto.server.deleteSession",
        ) => Matcher::Token,
        _ => Matcher::Other,
    }
}

impl Server {
    pub(super) fn new(host: &str, settings: Settings) -> Self {
        Self {
            settings,
            host: host.to_owned(),
            accounts: BTreeMap::new(),
            access: BTreeMap::new(),
            refresh: BTreeMap::new(),
            posts: BTreeMap::new(),
            blobs: BTreeMap::new(),
            limits: Limits::default(),
            writes: 0,
        }
    }

    /// Adds the account if its handle is new, with this app password. Gives its DID.
    pub(super) fn add_account(&mut self, handle: &str, app_password: &str) -> String {
        let digest = Sha256::digest(handle.as_bytes());
        let name = BASE32_NOPAD.encode(digest.get(..15).unwrap_or_default()).to_lowercase();
        let did = format!("did:plc:{name}");
        let account = Account {
            did: did.clone(),
            handle: handle.to_owned(),
            app_password: Some(app_password.to_owned()),
            standing: Standing::Active,
        };
        self.accounts.insert(did.clone(), account);
        did
    }

    /// networks.md 10.6: what a taken-down or deactivated account gets from now on.
    pub fn set_standing(&mut self, handle: &str, standing: Standing) {
        let found = self.accounts.values_mut().find(|account| account.handle == handle);
        if let Some(account) = found {
            account.standing = standing;
        }
    }

    /// Ends every access token, as time would.
    pub fn expire_access(&mut self) {
        self.access.values_mut().for_each(|token| token.expires = Timestamp::from_millis(0));
    }

    /// Ends every refresh token, as ninety days would.
    pub fn expire_refresh(&mut self) {
        self.refresh.clear();
    }

    /// The owner takes the app password back, and the sessions that it made end.
    pub(super) fn revoke(&mut self, token: &str) {
        let Some(did) = self.access.get(token).map(|token| token.did.clone()) else { return };
        self.access.retain(|_, token| token.did != did);
        self.refresh.retain(|_, refresh| refresh.did != did);
        if let Some(account) = self.accounts.get_mut(&did) {
            account.app_password = None;
        }
    }

    pub(super) fn answer(&mut self, m: &mut Moment<'_>, request: &Request) -> Answer {
        let Some(method) = method(&request.path) else {
            return self.page(&request.path).unwrap_or_else(Refusal::answer);
        };
        let window = match self.limits_of(method, request) {
            rules if self.settings.rate_limits => self.limits.count(&rules, m.now),
            _ => None,
        };
        let answer = match &window {
            Some(window) if window.exceeded => limits::refused(m.now, window.reset),
            _ => self.route(m, request, method).unwrap_or_else(Refusal::answer),
        };
        match window {
            Some(window) => window.on(answer),
            None => answer,
        }
    }

    fn route(&mut self, m: &mut Moment<'_>, request: &Request, method: &str) -> Outcome {
        let own = self.settings.own.as_ref().is_none_or(|(host, _)| host == m.called);
        if !own && method.starts_with("com.atproto.repo.") {
            // networks.md 10.7 (8).
            return Err(Refusal::invalid("Could not find repo"));
        }
        match (request.method.as_str(), method) {
            ("POST", "com.atproto.server.createSession") => self.create_session(m, request),
            ("POST", "com.atproto.server.refreshSession") => self.refresh_session(m, request),
            ("POST", "com.atproto.server.deleteSession") => self.delete_session(request),
            ("GET", "com.atproto.server.getSession") => self.get_session(m, request),
            ("GET", "com.atproto.server.describeServer") => Ok(self.describe()),
            ("GET", "_health") => Ok(Answer::json(200, &json!({ "version": "0.5.35" }))),
            ("GET", "com.atproto.identity.resolveHandle") => self.resolve_handle(request),
            ("GET", "app.bsky.actor.getProfile") => self.get_profile(request),
            ("POST", "com.atproto.repo.createRecord") => self.write(m, request, true),
            ("POST", "com.atproto.repo.putRecord") => self.write(m, request, false),
            ("GET", "com.atproto.repo.getRecord") => self.get_record(request),
            ("GET", "com.atproto.repo.listRecords") => self.list_records(request),
            ("POST", "com.atproto.repo.deleteRecord") => self.delete_record(m, request),
            ("POST", "com.atproto.repo.uploadBlob") => self.upload_blob(m, request),
            _ => Err(Refusal::new(501, "MethodNotImplemented", "Method Not Implemented")),
        }
    }

    fn describe(&self) -> Answer {
        Answer::json(
            200,
            &json!({
                "did": format!("did:web:{}", self.host),
                "availableUserDomains": [".test"],
                "inviteCodeRequired": true,
            }),
        )
    }

    fn resolve_handle(&self, request: &Request) -> Outcome {
        let parameters = parameters(request, &["handle"])?;
        let handle = required(&parameters, "handle")?;
        if !lexicon::is_handle(handle) {
            return Err(Refusal::invalid(format!(
                "Invalid com.atproto.identity.resolveHandle params: Invalid handle (got {handle:?})"
            )));
        }
        let found = self.accounts.values().find(|a| a.handle.eq_ignore_ascii_case(handle));
        let nobody = || Refusal::new(400, "HandleNotFound", "Unable to resolve handle");
        Ok(Answer::json(200, &json!({ "did": found.ok_or_else(nobody)?.did })))
    }

    fn get_profile(&self, request: &Request) -> Outcome {
        let parameters = parameters(request, &["actor"])?;
        let account = self.find(required(&parameters, "actor")?);
        let account = account.ok_or_else(|| Refusal::invalid("Profile not found"))?;
        let posts = self.posts.keys().filter(|(did, _)| *did == account.did).count();
        Ok(Answer::json(
            200,
            &json!({ "did": account.did, "handle": account.handle, "postsCount": posts }),
        ))
    }

    /// By DID or handle.
    fn find(&self, name: &str) -> Option<&Account> {
        let by_handle = || self.accounts.values().find(|a| a.handle.eq_ignore_ascii_case(name));
        self.accounts.get(name).or_else(by_handle)
    }

    fn handle_of(&self, did: &str) -> &str {
        self.accounts.get(did).map_or("", |account| &account.handle)
    }

    pub(super) fn shown(&self) -> ShownInstance {
        let mut posts: Vec<_> = self.posts.iter().collect();
        posts.sort_by_key(|(_, post)| std::cmp::Reverse(post.number));
        ShownInstance {
            host: self.host.clone(),
            title: self.settings.title.clone(),
            base_url: self.settings.base_url.clone(),
            statuses: posts.into_iter().map(|(key, post)| self.shown_post(key, post)).collect(),
        }
    }

    fn post_url(&self, did: &str, key: &str) -> String {
        format!("{}/profile/{}/post/{key}", self.settings.base_url, self.handle_of(did))
    }

    fn shown_post(&self, (did, key): &(String, String), post: &Post) -> Shown {
        let parent = post.value["reply"]["parent"]["uri"].as_str();
        let parent_url = parent.and_then(|uri| {
            let (did, key) = repo::place(uri)?;
            Some(self.post_url(did, key))
        });
        let labels = post.value["labels"]["values"].as_array().map(Vec::as_slice);
        let labels = labels.unwrap_or_default().iter().filter_map(|label| label["val"].as_str());
        Shown {
            id: repo::uri(did, key),
            account: self.handle_of(did).to_owned(),
            created_at: post.at,
            edited: post.edited,
            text: post.text().to_owned(),
            spoiler_text: labels.collect::<Vec<_>>().join(", "),
            visibility: "public".to_owned(),
            url: self.post_url(did, key),
            in_reply_to_id: parent.map(str::to_owned),
            in_reply_to_url: parent_url,
            media: Vec::new(),
        }
    }

    /// What the app shows under its permalinks.
    fn page(&self, path: &str) -> Outcome {
        let missing = || Refusal::new(404, "NotFound", "Not Found");
        match path.trim_matches('/').split('/').collect::<Vec<_>>().as_slice() {
            [""] => Ok(page::timeline(vec![self.shown()])),
            ["profile", name] => {
                let handle = &self.find(name).ok_or_else(missing)?.handle;
                let mut shown = self.shown();
                shown.statuses.retain(|status| status.account == *handle);
                Ok(page::timeline(vec![shown]))
            }
            ["profile", name, "post", key] => {
                let place = (self.find(name).ok_or_else(missing)?.did.clone(), (*key).to_owned());
                let post = self.posts.get(&place).ok_or_else(missing)?;
                Ok(page::status(self.shown_post(&place, post), &self.settings.title))
            }
            _ => Err(missing()),
        }
    }
}

/// The query, of which every name must be known.
fn parameters(request: &Request, known: &[&str]) -> Result<BTreeMap<String, String>, Refusal> {
    let parameters: BTreeMap<String, String> =
        form_urlencoded::parse(request.query.as_bytes()).into_owned().collect();
    match parameters.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(Refusal::invalid(format!("Unknown parameter {name:?}"))),
        None => Ok(parameters),
    }
}

fn required<'a>(of: &'a BTreeMap<String, String>, name: &str) -> Result<&'a str, Refusal> {
    let missing = || Refusal::invalid(format!("Missing required key {name:?} at $"));
    of.get(name).map(String::as_str).ok_or_else(missing)
}

/// The input of a procedure: a JSON object, of which every name must be known.
fn input(request: &Request, known: &[&str]) -> Result<Map<String, Value>, Refusal> {
    let kind = request.header("content-type").unwrap_or_default();
    if !kind.starts_with("application/json") {
        return Err(Refusal::invalid("Request encoding (Content-Type) required but not provided"));
    }
    let Ok(Value::Object(input)) = serde_json::from_slice(&request.body) else {
        return Err(Refusal::invalid("Expected object"));
    };
    match input.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(Refusal::invalid(format!("Unknown key {name:?} at $"))),
        None => Ok(input),
    }
}

fn text<'a>(input: &'a Map<String, Value>, name: &str) -> Result<&'a str, Refusal> {
    let missing = || Refusal::invalid(format!("Missing required key {name:?} at $"));
    input.get(name).and_then(Value::as_str).ok_or_else(missing)
}
