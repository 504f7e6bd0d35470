//! A server that speaks Mastodon's client API as strictly as its documentation, and a little more:
//! what a real server would quietly ignore is refused here, so that a client's mistake is seen.
//! Facts: networks.md 11. Must not hold the clock; the moment is passed in.

mod entity;
mod html;
mod limits;
mod media;
mod oauth;
mod params;
mod statuses;
mod text;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use self::limits::{Limits, Narrow};
use self::media::Media;
use self::oauth::{App, Grant};
use self::params::Params;
use self::statuses::{Kept, Status};
use super::journal::Moment;
use super::page::{self, ShownInstance};
use super::{Answer, Matcher, Request};
use crate::base::Timestamp;

/// How this server differs from another one of the same API.
/// networks.md 11 (end): the evidence class is a property of the instance, not of the network.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where a browser finds this instance, without a slash at the end.
    pub base_url: String,
    pub title: String,
    /// What `NodeInfo` calls the program.
    pub software: &'static str,
    pub version: String,
    /// networks.md 11.7 (5): not every server has 500 and 23.
    pub max_characters: usize,
    pub reserved_per_url: usize,
    pub honours_idempotency_key: bool,
    /// A repeat within this time of the first request does not see the key yet: the key is stored
    /// after the status (mastodon#21840; closed by a lock, mastodon#37879, February 2026).
    pub key_settles: Duration,
    /// A repeat with a known key adds nothing and yet answers 500 (mastodon#40399, September 2026).
    pub key_repeat_fails: bool,
    /// How much later than its own answer a status appears in the account's list.
    pub list_lag: Duration,
    /// In front of another program (indiekit-endpoint-activitypub 4.0.0, seen 2026-11): an answer
    /// names the status by an id of the moment that nothing else takes, and a reply to it becomes a
    /// post of its own; lists leave out the parent and put the status's address below its words.
    /// It also gives refresh tokens, each good once, which Mastodon itself never does.
    pub is_front: bool,
    /// networks.md 11.7 (6): `/api/v2/instance` may be missing.
    pub has_v2_instance: bool,
    /// Both came with 4.3: PKCE and `/.well-known/oauth-authorization-server`.
    pub has_pkce: bool,
    /// Zero answers an upload with 200; more answers 202, and 206 until the time has passed.
    pub media_processing: Duration,
    pub media_fails: bool,
    /// The status of an attempt to attach media twice.
    pub media_reuse_status: u16,
    /// Requests per account in five minutes.
    pub requests_per_window: u32,
    /// Attempts to publish per account in three hours.
    pub statuses_per_window: u32,
}

impl Settings {
    /// Mastodon itself, as installed.
    pub fn new(base_url: &str) -> Self {
        Self {
            base_url: base_url.trim_end_matches('/').to_owned(),
            title: "Practice Mastodon".to_owned(),
            software: "mastodon",
            version: "4.3.2".to_owned(),
            max_characters: 500,
            reserved_per_url: 23,
            honours_idempotency_key: true,
            key_settles: Duration::ZERO,
            key_repeat_fails: false,
            list_lag: Duration::ZERO,
            is_front: false,
            has_v2_instance: true,
            has_pkce: true,
            media_processing: Duration::ZERO,
            media_fails: false,
            media_reuse_status: 422,
            requests_per_window: 300,
            statuses_per_window: 300,
        }
    }

    /// Another server of the same API: no idempotency, longer texts, older ways of discovery.
    pub fn compat(base_url: &str) -> Self {
        Self {
            title: "Practice compatible server".to_owned(),
            software: "gotosocial",
            version: "0.20.1".to_owned(),
            max_characters: 5_000,
            honours_idempotency_key: false,
            has_v2_instance: false,
            has_pkce: false,
            media_reuse_status: 400,
            ..Self::new(base_url)
        }
    }

    /// A server that speaks this API in front of another program.
    pub fn front(base_url: &str) -> Self {
        Self {
            title: "Practice front".to_owned(),
            software: "indiekit",
            version: "4.0.0 (compatible; Indiekit ActivityPub)".to_owned(),
            max_characters: 5_000,
            honours_idempotency_key: false,
            is_front: true,
            ..Self::new(base_url)
        }
    }
}

/// One instance and all it stores.
pub struct Server {
    pub settings: Settings,
    host: String,
    accounts: BTreeMap<u64, Account>,
    tokens: BTreeMap<String, Token>,
    /// The access token that each unused refresh token came with.
    refresh_tokens: BTreeMap<String, String>,
    apps: BTreeMap<String, App>,
    grants: BTreeMap<String, Grant>,
    statuses: BTreeMap<u64, Status>,
    keys: BTreeMap<(u64, String), Kept>,
    media: BTreeMap<u64, Media>,
    limits: Limits,
    last_id: u64,
}

struct Account {
    id: u64,
    username: String,
    statuses_count: usize,
    last_status_at: Option<Timestamp>,
}

#[derive(Clone)]
struct Token {
    /// `None` for a token of the application itself.
    account: Option<u64>,
    scopes: Vec<String>,
    /// The `client_id`; `None` for a token that was there from the start.
    app: Option<String>,
    revoked: bool,
}

/// A request that is not done, in the network's own words.
#[derive(Debug)]
struct Refusal {
    status: u16,
    error: String,
    description: Option<&'static str>,
}

impl Refusal {
    fn new(status: u16, error: impl Into<String>) -> Self {
        Self { status, error: error.into(), description: None }
    }

    fn invalid(what: &str) -> Self {
        Self::new(422, format!("Validation failed: {what}"))
    }

    fn not_found() -> Self {
        Self::new(404, "Record not found")
    }

    fn token(error: &'static str) -> Self {
        Self::new(401, error)
    }

    fn answer(self) -> Answer {
        let body = match self.description {
            Some(text) => json!({ "error": self.error, "error_description": text }),
            None => json!({ "error": self.error }),
        };
        let answer = Answer::json(self.status, &body);
        if self.status != 401 {
            return answer;
        }
        let challenge = format!(
            "Bearer realm=\"Doorkeeper\", error=\"invalid_token\", error_description=\"{}\"",
            self.error
        );
        answer.with("www-authenticate", &challenge)
    }
}

type Outcome = Result<Answer, Refusal>;

const TOKEN_INVALID: &str = "The access token is invalid";
const TOKEN_REVOKED: &str = "The access token was revoked";

/// What a valid token gets while the server is mistaken about it.
pub(super) fn unauthorized() -> Answer {
    Refusal::token(TOKEN_INVALID).answer()
}

pub(super) fn kind_of_call(request: &Request) -> Matcher {
    let segments = segments(&request.path);
    match (request.method.as_str(), segments.as_slice()) {
        ("POST", ["api", "v1", "statuses"]) => Matcher::Write,
        ("GET", ["api", "v1", "accounts", "verify_credentials"]) => Matcher::Verify,
        ("GET", ["api", "v1", "accounts", _, "statuses"]) => Matcher::Listing,
        ("GET", ["api", "v1", "statuses", _]) => Matcher::Lookup,
        ("POST", ["api", _, "media"]) => Matcher::Upload,
        ("GET", ["api", _, "media", _]) => Matcher::Processing,
        (_, ["oauth", ..] | ["api", "v1", "apps"]) => Matcher::Token,
        _ => Matcher::Other,
    }
}

/// The parts of a path; a slash at the end changes nothing, as in the real program.
fn segments(path: &str) -> Vec<&str> {
    path.trim_matches('/').split('/').collect()
}

impl Server {
    pub(super) fn new(host: &str, settings: Settings) -> Self {
        Self {
            settings,
            host: host.to_owned(),
            accounts: BTreeMap::new(),
            tokens: BTreeMap::new(),
            refresh_tokens: BTreeMap::new(),
            apps: BTreeMap::new(),
            grants: BTreeMap::new(),
            statuses: BTreeMap::new(),
            keys: BTreeMap::new(),
            media: BTreeMap::new(),
            limits: Limits::default(),
            last_id: 0,
        }
    }

    /// Adds the account if its name is new, and the token to it.
    pub(super) fn add_account(&mut self, username: &str, token: &str, scopes: &str) -> String {
        let first_free = u64::try_from(self.accounts.len()).unwrap_or(0) + 1;
        let id = self.account_named(username).map_or(first_free, |a| a.id);
        self.accounts.entry(id).or_insert_with(|| Account {
            id,
            username: username.to_owned(),
            statuses_count: 0,
            last_status_at: None,
        });
        let token_row = Token {
            account: Some(id),
            scopes: scopes.split_whitespace().map(str::to_owned).collect(),
            app: None,
            revoked: false,
        };
        self.tokens.insert(token.to_owned(), token_row);
        id.to_string()
    }

    /// networks.md 11.6: the next use of this token answers 401.
    pub fn revoke(&mut self, token: &str) {
        if let Some(row) = self.tokens.get_mut(token) {
            row.revoked = true;
        }
    }

    /// networks.md 11.7 (7): servers before 4.3 clean up applications that nobody used; their
    /// credentials then answer 401 `invalid_client`.
    pub fn forget_apps(&mut self) {
        self.apps.clear();
    }

    pub(super) fn rate_limited(&self, reset: Timestamp) -> Answer {
        let answer = Refusal::new(429, "Too many requests").answer();
        limits::with_headers(answer, self.settings.requests_per_window, 0, reset)
    }

    pub(super) fn answer(&mut self, moment: &mut Moment<'_>, request: &Request) -> Answer {
        let segments = segments(&request.path);
        if segments.first() != Some(&"api") {
            return self.route(moment, request, &segments).unwrap_or_else(Refusal::answer);
        }
        let caller = request.bearer().and_then(|t| self.tokens.get(t)).and_then(|t| t.account);
        let (limit, narrow) = (self.settings.requests_per_window, self.narrow(request, &segments));
        let window = self.limits.count(caller, limit, narrow, moment.now);
        let answer = if window.exceeded {
            Refusal::new(429, "Too many requests").answer()
        } else {
            self.route(moment, request, &segments).unwrap_or_else(Refusal::answer)
        };
        limits::with_headers(answer, window.limit, window.remaining, window.reset)
    }

    /// networks.md 11.4: uploads and deletions 30 in 30 minutes each, statuses 300 in 3 hours.
    fn narrow(&self, request: &Request, segments: &[&str]) -> Option<Narrow> {
        let (name, minutes, limit) = match (request.method.as_str(), segments) {
            ("POST", [_, _, "media"]) => ("uploads", 30, 30),
            ("DELETE", [_, _, "statuses", _]) => ("deletions", 30, 30),
            ("POST", [_, _, "statuses"]) => ("statuses", 180, self.settings.statuses_per_window),
            _ => return None,
        };
        Some(Narrow { name, length: Duration::from_mins(minutes), limit })
    }

    fn route(&mut self, m: &mut Moment<'_>, request: &Request, segments: &[&str]) -> Outcome {
        match (request.method.as_str(), segments) {
            ("POST", ["api", "v1", "apps"]) => self.register_app(m, request),
            ("GET", ["oauth", "authorize"]) => self.authorize_page(request),
            ("POST", ["oauth", "authorize"]) => self.authorize_form(m, request),
            ("POST", ["oauth", "token"]) => self.issue_token(m, request),
            ("POST", ["oauth", "revoke"]) => self.revoke_token(request),
            ("GET", [".well-known", "oauth-authorization-server"]) if self.settings.has_pkce => {
                Ok(Answer::json(200, &entity::discovery(&self.settings)))
            }
            ("GET", [".well-known", "nodeinfo"]) => {
                Ok(Answer::json(200, &entity::nodeinfo_index(&self.settings)))
            }
            ("GET", ["nodeinfo", "2.0"]) => {
                Ok(Answer::json(200, &entity::nodeinfo(&self.settings)))
            }
            ("GET", ["api", "v2", "instance"]) if self.settings.has_v2_instance => {
                Ok(Answer::json(200, &self.instance_v2()))
            }
            ("GET", ["api", "v1", "instance"]) => Ok(Answer::json(200, &self.instance_v1())),
            ("GET", ["api", "v1", "accounts", "verify_credentials"]) => self.verify(request),
            ("GET", ["api", "v1", "accounts", id]) => self.show_account(id),
            ("GET", ["api", "v1", "accounts", id, "statuses"]) => self.list(m, request, id),
            ("POST", ["api", "v1", "statuses"]) => self.create_status(m, request),
            ("GET", ["api", "v1", "statuses", id]) => self.show_status(request, id),
            ("PUT", ["api", "v1", "statuses", id]) => self.edit_status(m, request, id),
            ("DELETE", ["api", "v1", "statuses", id]) => self.delete_status(m, request, id),
            ("POST", ["api", "v2", "media"]) => self.upload(m, request),
            ("GET", ["api", "v1", "media", id]) => self.show_media(m.now, request, id),
            ("GET", ["media_attachments", id]) => self.media_bytes(id),
            ("GET", [""]) => Ok(page::timeline(vec![self.shown()])),
            ("GET", [name]) if name.starts_with('@') => self.profile_page(name),
            ("GET", [name, id]) if name.starts_with('@') => self.status_page(name, id),
            _ => Err(Refusal::new(404, "Not Found")),
        }
    }

    /// The token of this request, if it is good for one of these scopes.
    fn authorize(&self, request: &Request, scopes: &[&str]) -> Result<&Token, Refusal> {
        let token = request.bearer().and_then(|t| self.tokens.get(t));
        let token = token.ok_or_else(|| Refusal::token(TOKEN_INVALID))?;
        if token.revoked {
            return Err(Refusal::token(TOKEN_REVOKED));
        }
        if token.scopes.iter().any(|s| scopes.contains(&s.as_str())) {
            Ok(token)
        } else {
            Err(Refusal::new(403, "This action is outside the authorized scopes"))
        }
    }

    /// Like [`Self::authorize`], and the token must be an account's.
    fn author(&self, request: &Request, scopes: &[&str]) -> Result<(u64, Token), Refusal> {
        let token = self.authorize(request, scopes)?;
        let no_user = || Refusal::new(422, "This method requires an authenticated user");
        Ok((token.account.ok_or_else(no_user)?, token.clone()))
    }

    /// Who reads something public. An unknown token counts as none here, as in the real program:
    /// the answer is 200 and shows less. So a list read with a bad token proves nothing.
    fn reader(&self, request: &Request, scopes: &[&str]) -> Result<Option<u64>, Refusal> {
        match request.bearer().and_then(|t| self.tokens.get(t)) {
            Some(_) => self.authorize(request, scopes).map(|t| t.account),
            None => Ok(None),
        }
    }

    fn verify(&self, request: &Request) -> Outcome {
        let (account, _) = self.author(request, &["read", "read:accounts", "profile"])?;
        let account = self.accounts.get(&account).ok_or_else(Refusal::not_found)?;
        Ok(Answer::json(200, &self.credential_account(account)))
    }

    fn show_account(&self, id: &str) -> Outcome {
        let account = id.parse().ok().and_then(|id: u64| self.accounts.get(&id));
        let account = account.ok_or_else(Refusal::not_found)?;
        Ok(Answer::json(200, &self.account(account)))
    }

    fn username(&self, account: u64) -> &str {
        self.accounts.get(&account).map_or("", |a| &a.username)
    }

    fn account_named(&self, username: &str) -> Option<&Account> {
        let same = |a: &&Account| a.username.eq_ignore_ascii_case(username);
        self.accounts.values().find(same)
    }

    /// Like Mastodon's: milliseconds in the upper bits, so that ids sort by time.
    fn next_id(&mut self, now: Timestamp) -> u64 {
        self.last_id = (now.as_millis() << 16).max(self.last_id + 1);
        self.last_id
    }

    pub(super) fn shown(&self) -> ShownInstance {
        ShownInstance {
            host: self.host.clone(),
            title: self.settings.title.clone(),
            base_url: self.settings.base_url.clone(),
            statuses: self.statuses.values().rev().map(|s| self.shown_status(s)).collect(),
        }
    }

    fn profile_page(&self, name: &str) -> Outcome {
        let mut shown = self.shown();
        let username = name.trim_start_matches('@');
        self.account_named(username).ok_or_else(Refusal::not_found)?;
        shown.statuses.retain(|s| s.account.eq_ignore_ascii_case(username));
        Ok(page::timeline(vec![shown]))
    }

    fn status_page(&self, name: &str, id: &str) -> Outcome {
        let status = id.parse().ok().and_then(|id: u64| self.statuses.get(&id));
        let status = status.ok_or_else(Refusal::not_found)?;
        if self.username(status.account) != name.trim_start_matches('@') {
            return Err(Refusal::not_found());
        }
        Ok(page::status(self.shown_status(status), &self.settings.title))
    }
}
