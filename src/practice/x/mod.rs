//! A server that speaks X's API v2 as strictly as its documents, and a little more: what X would
//! quietly take is refused here where it can only be a client's mistake. Facts: networks.md 1, each
//! trap with its line. Must not hold the clock; the moment is passed in.

mod limits;
mod media;
mod oauth1;
mod posts;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Map, Value, json};
use url::form_urlencoded;

use self::limits::Limits;
use self::media::Media;
use self::oauth1::Keys;
use self::posts::Post;
use super::journal::Moment;
use super::oauth::{Authority, Person, Rules};
use super::page::{Shown, ShownInstance};
use super::{Answer, Matcher, Request};
use crate::base::Timestamp;

/// How this server differs from another one of its kind.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where clients find it, without a slash at the end.
    pub base_url: String,
    /// Whether calls are counted at all.
    pub rate_limits: bool,
    /// Posts of all accounts in 24 hours (networks.md 1.4).
    pub posts_per_day: u32,
    /// networks.md 1.7 (7): the credits of the app are used up.
    pub out_of_credits: bool,
    /// networks.md 1.7 (8): whether a self-serve app may reply to its own account's posts.
    pub self_replies: bool,
    /// networks.md 1.7 (6): how long animations and videos are worked on; zero is not at all.
    pub media_processing: Duration,
    pub media_fails: bool,
    /// How much later than its own answer a post is in the timeline.
    pub list_lag: Duration,
    /// networks.md 1.7 (5): how long the same words are refused.
    pub duplicate_window: Duration,
}

impl Settings {
    pub fn new(base_url: &str) -> Self {
        Self {
            base_url: base_url.trim_end_matches('/').to_owned(),
            rate_limits: true,
            posts_per_day: 10_000,
            out_of_credits: false,
            self_replies: true,
            media_processing: Duration::from_secs(10),
            media_fails: false,
            list_lag: Duration::ZERO,
            duplicate_window: Duration::from_hours(24),
        }
    }
}

/// networks.md 1.1, and some that nobody here asks for.
const SCOPES: &[&str] = &[
    "tweet.read",
    "tweet.write",
    "tweet.moderate.write",
    "users.read",
    "users.email",
    "media.write",
    "offline.access",
    "follows.read",
    "like.read",
    "like.write",
    "dm.read",
    "dm.write",
];

/// One server and all it stores.
pub struct Server {
    pub settings: Settings,
    /// Applications and what accounts have granted them (networks.md 1.1).
    pub authority: Authority,
    host: String,
    accounts: BTreeMap<u64, Account>,
    bearers: BTreeMap<String, Bearer>,
    /// By access token.
    keys: BTreeMap<String, Keys>,
    /// Nonces and timestamps that were used.
    nonces: BTreeSet<(u64, String)>,
    posts: BTreeMap<u64, Post>,
    media: BTreeMap<u64, Media>,
    limits: Limits,
    last_id: u64,
}

struct Account {
    id: u64,
    username: String,
    suspended: bool,
    premium: bool,
}

/// A bearer token of a user.
struct Bearer {
    account: u64,
    scopes: Vec<String>,
}

/// Who calls, and what they may do.
#[derive(Clone)]
struct Caller {
    account: u64,
    /// `None`: the four keys, which may do everything.
    scopes: Option<Vec<String>>,
}

/// A request that is not done, as a problem object (networks.md 1.6).
#[derive(Debug)]
struct Refusal {
    status: u16,
    title: &'static str,
    detail: String,
    kind: &'static str,
    parameters: Option<Box<Value>>,
}

impl Refusal {
    fn new(status: u16, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, title, detail: detail.into(), kind: "", parameters: None }
    }

    /// The hosts of types differ between X's documents and its own mock.
    fn of_type(self, kind: &'static str) -> Self {
        Self { kind, ..self }
    }

    fn invalid(name: &str, value: &str, message: impl Into<String>) -> Self {
        let mut parameters = Map::new();
        parameters.insert(name.to_owned(), json!([value]));
        let message = message.into();
        Self {
            parameters: Some(Box::new(json!([{ "parameters": parameters, "message": message }]))),
            ..Self::new(
                400,
                "Invalid Request",
                "One or more parameters to your request was invalid.",
            )
            .of_type("invalid-request")
        }
    }

    fn forbidden(detail: &str) -> Self {
        Self::new(403, "Forbidden", detail)
    }

    fn not_found(what: &str, id: &str) -> Self {
        let detail = format!("Could not find {what} with id: [{id}].");
        Self::new(404, "Not Found Error", detail).of_type("resource-not-found")
    }

    fn answer(self) -> Answer {
        let kind = match self.kind {
            "" => "about:blank".to_owned(),
            kind => format!("https://api.twitter.com/2/problems/{kind}"),
        };
        let mut body = json!({
            "title": self.title,
            "detail": self.detail,
            "type": kind,
            "status": self.status,
        });
        if let Some(parameters) = self.parameters {
            body["errors"] = *parameters;
        }
        Answer::json(self.status, &body)
    }
}

type Outcome = Result<Answer, Refusal>;

/// What a valid token gets while the server is mistaken about it (networks.md 0.5, 4: it happened
/// on 2026-07-01).
pub(super) fn unauthorized() -> Answer {
    Refusal::new(401, "Unauthorized", "Unauthorized").answer()
}

/// networks.md 1.8: flat, and without `Retry-After`.
pub(super) fn rate_limited(reset: Timestamp) -> Answer {
    limits::refused(reset)
}

pub(super) fn kind_of_call(request: &Request) -> Matcher {
    let segments = segments(&request.path);
    match (request.method.as_str(), segments.as_slice()) {
        ("POST", ["2", "tweets"]) => Matcher::Write,
        ("GET", ["2", "users", "me"]) => Matcher::Verify,
        ("GET", ["2", "users", _, "tweets"]) => Matcher::Listing,
        ("GET", ["2", "tweets", ..]) => Matcher::Lookup,
        ("POST", ["2", "media", ..]) => Matcher::Upload,
        ("GET", ["2", "media", "upload"]) => Matcher::Processing,
        (_, ["2", "oauth2", ..]) => Matcher::Token,
        _ => Matcher::Other,
    }
}

fn segments(path: &str) -> Vec<&str> {
    path.trim_start_matches('/').split('/').collect()
}

impl Server {
    pub(super) fn new(host: &str, settings: Settings) -> Self {
        Self {
            settings,
            authority: Authority::new(Rules::x(), SCOPES),
            host: host.to_owned(),
            accounts: BTreeMap::new(),
            bearers: BTreeMap::new(),
            keys: BTreeMap::new(),
            nonces: BTreeSet::new(),
            posts: BTreeMap::new(),
            media: BTreeMap::new(),
            limits: Limits::default(),
            last_id: 1_000_000_000_000_000_000,
        }
    }

    /// Adds the account if its name is new. `token` is the four keys of an app with colons between
    /// them, or a bearer token with these scopes.
    pub(super) fn add_account(&mut self, username: &str, token: &str, scopes: &str) -> String {
        let known = self.accounts.values().find(|account| account.username == username);
        let first_free = u64::try_from(self.accounts.len()).unwrap_or(0) + 2_244_994_945;
        let id = known.map_or(first_free, |account| account.id);
        self.accounts.entry(id).or_insert_with(|| Account {
            id,
            username: username.to_owned(),
            suspended: false,
            premium: false,
        });
        if let Some(keys) = Keys::read(token, id) {
            self.keys.insert(keys.token.clone(), keys);
        } else {
            let scopes = scopes.split_whitespace().map(str::to_owned).collect();
            self.bearers.insert(token.to_owned(), Bearer { account: id, scopes });
        }
        id.to_string()
    }

    /// Takes away what this request is allowed by.
    pub(super) fn revoke(&mut self, request: &Request) {
        if let Some(token) = request.bearer() {
            self.bearers.remove(token);
            // Granted tokens are known by their end alone, so any moment will do.
            let owner = self.authority.bearer(token, Timestamp::default());
            if let Some(account) = owner.map(|(account, _)| account) {
                self.authority.withdraw(account);
            }
        }
        if let Some(token) = oauth1::token_of(request) {
            self.keys.remove(&token);
        }
    }

    /// X locks or suspends the account, or lets it go on.
    pub fn set_suspended(&mut self, username: &str, suspended: bool) {
        let mut accounts = self.accounts.values_mut();
        if let Some(account) = accounts.find(|account| account.username == username) {
            account.suspended = suspended;
        }
    }

    /// The account subscribes, and may write at length.
    pub fn set_premium(&mut self, username: &str, premium: bool) {
        let mut accounts = self.accounts.values_mut();
        if let Some(account) = accounts.find(|account| account.username == username) {
            account.premium = premium;
        }
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1_000_003;
        self.last_id
    }

    fn username(&self, account: u64) -> &str {
        self.accounts.get(&account).map_or("", |account| account.username.as_str())
    }

    pub(super) fn answer(&mut self, moment: &mut Moment<'_>, request: &Request) -> Answer {
        if let Some(answer) = self.authorize(moment, request) {
            return answer;
        }
        let caller = match self.caller(moment.now, request) {
            Ok(caller) => caller,
            Err(refusal) => return refusal.answer(),
        };
        let path = request.path.clone();
        let segments = segments(&path);
        let rules = self.rules(request, &segments, caller.account);
        let windows = self.limits.count(&rules, moment.now);
        let answer = if windows.exceeded() {
            Refusal::new(429, "Too Many Requests", "Too Many Requests").answer()
        } else {
            self.route(moment, request, (&segments, &caller)).unwrap_or_else(Refusal::answer)
        };
        // networks.md 1.7 (3): on every answer.
        windows.on(answer)
    }

    /// The pages and calls by which applications get tokens; `None` for all others.
    fn authorize(&mut self, m: &Moment<'_>, request: &Request) -> Option<Answer> {
        let person =
            |account: &Account| Person { name: account.username.clone(), account: account.id };
        let people: Vec<_> = self.accounts.values().map(person).collect();
        Some(match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/i/oauth2/authorize") => {
                let action = format!("{}/i/oauth2/authorize", self.settings.base_url);
                self.authority.ask(request, "Practice X", &action, &people)
            }
            ("POST", "/i/oauth2/authorize") => self.authority.agree(m, request, &people),
            ("POST", "/2/oauth2/token") => self.authority.token(m, request),
            ("POST", "/2/oauth2/revoke") => self.authority.revoke(request),
            _ => return None,
        })
    }

    fn caller(&mut self, now: Timestamp, request: &Request) -> Result<Caller, Refusal> {
        let unauthorized = || Refusal::new(401, "Unauthorized", "Unauthorized");
        if let Some(token) = request.bearer() {
            if let Some((account, scopes)) = self.authority.bearer(token, now) {
                return Ok(Caller { account, scopes: Some(scopes.to_vec()) });
            }
            let bearer = self.bearers.get(token).ok_or_else(unauthorized)?;
            return Ok(Caller { account: bearer.account, scopes: Some(bearer.scopes.clone()) });
        }
        let account = self.signed(now, request).ok_or_else(unauthorized)?;
        Ok(Caller { account, scopes: None })
    }

    fn route(
        &mut self,
        m: &mut Moment<'_>,
        request: &Request,
        (segments, caller): (&[&str], &Caller),
    ) -> Outcome {
        match (request.method.as_str(), segments) {
            ("GET", ["2", "users", "me"]) => self.me(request, caller),
            ("GET", ["2", "users", id, "tweets"]) => self.timeline(m, request, (id, caller)),
            ("POST", ["2", "tweets"]) => self.create(m, request, caller),
            ("DELETE", ["2", "tweets", id]) => self.delete(m, id, caller),
            ("POST", ["2", "media", "upload"]) => self.upload(m, request, caller),
            ("GET", ["2", "media", "upload"]) => self.status(m, request, caller),
            ("POST", ["2", "media", "upload", "initialize"]) => self.initialize(m, request, caller),
            ("POST", ["2", "media", "upload", id, "append"]) => self.append(request, (id, caller)),
            ("POST", ["2", "media", "upload", id, "finalize"]) => self.finalize(m, (id, caller)),
            ("POST", ["2", "media", "metadata"]) => self.metadata(request, caller),
            _ => Err(Refusal::new(404, "Not Found", "Not Found")),
        }
    }

    fn may(caller: &Caller, scope: &str) -> Result<(), Refusal> {
        match &caller.scopes {
            Some(scopes) if !scopes.iter().any(|given| given == scope) => {
                let detail = format!("The token lacks the scope {scope}.");
                Err(Refusal::new(403, "Forbidden", detail).of_type("not-authorized-for-resource"))
            }
            _ => Ok(()),
        }
    }

    fn me(&self, request: &Request, caller: &Caller) -> Outcome {
        Self::may(caller, "users.read")?;
        let query = Query::read(request, &["user.fields", "expansions", "tweet.fields"])?;
        let account = &self.accounts.get(&caller.account);
        let account = account.ok_or_else(|| Refusal::new(401, "Unauthorized", "Unauthorized"))?;
        if account.suspended {
            return Err(Refusal::forbidden("Your account is suspended and is not permitted here."));
        }
        let mut data = json!({
            "id": account.id.to_string(),
            "name": account.username,
            "username": account.username,
        });
        // Only what is asked for.
        for field in query.list("user.fields") {
            match field {
                "subscription_type" => {
                    data[field] = json!(if account.premium { "Premium" } else { "None" });
                }
                "verified_type" => data[field] = json!("none"),
                "verified" => data[field] = json!(account.premium),
                "profile_image_url" => data[field] = json!("https://pbs.twimg.com/x.png"),
                "id" | "name" | "username" | "public_metrics" | "created_at" => {}
                _ => return Err(Refusal::invalid("user.fields", field, "not one of the fields")),
            }
        }
        Ok(Answer::json(200, &json!({ "data": data })))
    }

    pub(super) fn shown(&self) -> ShownInstance {
        let shown = |post: &Post| Shown {
            id: post.id.to_string(),
            account: self.username(post.account).to_owned(),
            created_at: post.at,
            edited: false,
            text: post.text.clone(),
            spoiler_text: String::new(),
            visibility: "public".to_owned(),
            url: format!("https://x.com/{}/status/{}", self.username(post.account), post.id),
            in_reply_to_id: post.parent.map(|id| id.to_string()),
            in_reply_to_url: None,
            media: Vec::new(),
        };
        ShownInstance {
            host: self.host.clone(),
            title: "Practice X".to_owned(),
            base_url: self.settings.base_url.clone(),
            statuses: self.posts.values().rev().map(shown).collect(),
        }
    }
}

/// The parameters of a question; those that an operation does not know are refused.
struct Query(BTreeMap<String, String>);

impl Query {
    fn read(request: &Request, known: &[&str]) -> Result<Self, Refusal> {
        let pairs: BTreeMap<String, String> =
            form_urlencoded::parse(request.query.as_bytes()).into_owned().collect();
        match pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, value)) => {
                let message = format!("The query parameter [{name}] is not one of {known:?}");
                Err(Refusal::invalid(name, value, message))
            }
            None => Ok(Self(pairs)),
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn list(&self, name: &str) -> Vec<&str> {
        self.get(name).map(|list| list.split(',').collect()).unwrap_or_default()
    }
}

/// A JSON body with only these members (networks.md 1.7, 4).
fn body(request: &Request, known: &[&str]) -> Result<Map<String, Value>, Refusal> {
    let kind = request.header("content-type").unwrap_or_default();
    if !kind.starts_with("application/json") {
        let detail = "The content type must be application/json";
        return Err(Refusal::new(415, "Unsupported Media Type", detail));
    }
    let Ok(Value::Object(body)) = serde_json::from_slice(&request.body) else {
        return Err(Refusal::invalid("body", "", "The request body is not a JSON object"));
    };
    only(body, "$", known)
}

fn only(map: Map<String, Value>, at: &str, known: &[&str]) -> Result<Map<String, Value>, Refusal> {
    match map.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => {
            let message = format!(
                "{at}.{name}: is not defined in the schema and the schema does \
                                   not allow additional properties"
            );
            Err(Refusal::invalid(name, "", message))
        }
        None => Ok(map),
    }
}
