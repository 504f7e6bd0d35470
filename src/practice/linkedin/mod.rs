//! A server that speaks LinkedIn's versioned API as strictly as its documents, and a little more.
//! Facts: networks.md 2, each trap with its line. Must not hold the clock; the moment is passed in.

mod comments;
mod media;
mod posts;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use url::form_urlencoded;

use self::comments::Comment;
use self::media::{Kind, Media};
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
    /// networks.md 2.2: the versions that are taken, first and last.
    pub versions: (u32, u32),
    /// networks.md 2.9: how long the same words are refused.
    pub duplicate_window: Duration,
    /// networks.md 2.8 (6): how long a video, or a document, is worked on.
    pub video_processing: Duration,
    pub video_fails: bool,
    /// networks.md 2.8 (7): how long a new token is called revoked.
    pub token_delay: Duration,
    /// networks.md 2.5: posts of one author between two midnights, UTC.
    pub posts_per_day: u32,
    /// The size of a video's parts; networks.md 2.4 says about 4 MB.
    pub part_bytes: usize,
    /// How much later than its own answer a post is in the list.
    pub list_lag: Duration,
}

impl Settings {
    pub fn new(base_url: &str) -> Self {
        Self {
            base_url: base_url.trim_end_matches('/').to_owned(),
            versions: (202_601, 202_610),
            duplicate_window: Duration::from_mins(10),
            video_processing: Duration::from_secs(12),
            video_fails: false,
            token_delay: Duration::ZERO,
            posts_per_day: 150,
            part_bytes: 4 * 1024 * 1024,
            list_lag: Duration::ZERO,
        }
    }
}

/// networks.md 2.1; `email` is there, and nobody here asks for it.
const SCOPES: &[&str] = &[
    "openid",
    "profile",
    "email",
    "w_member_social",
    "w_organization_social",
    "r_organization_social",
    "rw_organization_admin",
    "r_member_postAnalytics",
];

/// One server and all it stores.
pub struct Server {
    pub settings: Settings,
    /// Applications and what members have granted them (networks.md 2.1).
    pub authority: Authority,
    host: String,
    /// Names of members, and the organizations of each.
    members: Vec<(String, BTreeSet<u64>)>,
    tokens: BTreeMap<String, Token>,
    /// By URN.
    posts: BTreeMap<String, Post>,
    media: BTreeMap<String, Media>,
    /// Oldest first.
    comments: Vec<Comment>,
    /// Posts of an author on a day.
    counts: BTreeMap<(String, u64), u32>,
    next: u64,
}

struct Token {
    member: String,
    name: String,
    scopes: BTreeSet<String>,
    /// Numbers of organizations that the member may post for.
    organizations: BTreeSet<u64>,
    first_seen: Option<Timestamp>,
    revoked: bool,
    /// It is as good as the authority says.
    granted: bool,
}

/// A call that is not done, in either of the two shapes (networks.md 2.7).
#[derive(Debug)]
struct Refusal {
    status: u16,
    number: u32,
    message: String,
    input: Option<(&'static str, String)>,
}

impl Refusal {
    fn new(status: u16, number: u32, message: impl Into<String>) -> Self {
        Self { status, number, message: message.into(), input: None }
    }

    fn input(status: u16, code: &'static str, description: impl Into<String>) -> Self {
        let input = Some((code, description.into()));
        Self { input, ..Self::new(status, 0, "Validation errors in the input") }
    }

    fn denied() -> Self {
        Self::new(403, 100, "Not enough permissions to access this resource")
    }

    fn answer(self) -> Answer {
        let body = match self.input {
            Some((code, description)) => json!({
                "message": self.message,
                "errorDetailType": "com.linkedin.common.error.BadRequest",
                "errorDetails": { "inputErrors": [{ "code": code, "description": description }] },
                "status": self.status,
            }),
            None => json!({
                "message": self.message,
                "serviceErrorCode": self.number,
                "status": self.status,
            }),
        };
        Answer::json(self.status, &body)
    }
}

type Outcome = Result<Answer, Refusal>;

/// What a valid token gets while the server is mistaken about it.
pub(super) fn unauthorized() -> Answer {
    Refusal::new(401, 65_600, "Invalid access token").answer()
}

/// networks.md 2.5: no header says when it ends.
pub(super) fn rate_limited() -> Answer {
    Refusal::new(429, 101, "Resource level throttle APPLICATION DAY limit is reached").answer()
}

pub(super) fn kind_of_call(request: &Request) -> Matcher {
    let segments = segments(&request.path);
    match (request.method.as_str(), segments.as_slice()) {
        ("POST", ["rest", "posts"] | ["rest", "socialActions", _, "comments"]) => Matcher::Write,
        ("GET", ["v2", "userinfo"] | ["rest", "organizations", _]) => Matcher::Verify,
        ("GET", ["rest", "posts"] | ["rest", "socialActions", _, "comments"]) => Matcher::Listing,
        ("POST", ["rest", "images" | "documents" | "videos"]) | ("PUT", ["upload", ..]) => {
            Matcher::Upload
        }
        ("GET", ["rest", "videos" | "documents" | "images", _]) => Matcher::Processing,
        (_, ["oauth", ..]) => Matcher::Token,
        _ => Matcher::Other,
    }
}

fn segments(path: &str) -> Vec<&str> {
    path.trim_start_matches('/').split('/').collect()
}

/// A URN in a path, where every colon is encoded (networks.md 2.8, 3).
fn urn_of(segment: &str) -> Result<String, Refusal> {
    if segment.contains(':') || !segment.contains("%3A") {
        return Err(Refusal::new(400, 0, "Syntax exception in path variables"));
    }
    let decoded = percent_decode_str(segment).decode_utf8();
    decoded
        .map(String::from)
        .map_err(|_| Refusal::new(400, 0, "Syntax exception in path variables"))
}

impl Server {
    pub(super) fn new(host: &str, settings: Settings) -> Self {
        Self {
            settings,
            authority: Authority::new(Rules::linkedin(), SCOPES),
            host: host.to_owned(),
            members: Vec::new(),
            tokens: BTreeMap::new(),
            posts: BTreeMap::new(),
            media: BTreeMap::new(),
            comments: Vec::new(),
            counts: BTreeMap::new(),
            next: 7_000_000_000_000_000_000,
        }
    }

    /// Adds a member with a token; among `scopes` an organization that the member may post for is
    /// its number.
    pub(super) fn add_account(&mut self, username: &str, token: &str, scopes: &str) -> String {
        let member = format!("m-{username}");
        let words = scopes.split_whitespace();
        let token_row = Token {
            member: member.clone(),
            name: username.to_owned(),
            organizations: words.clone().filter_map(|word| word.parse().ok()).collect(),
            scopes: words.map(str::to_owned).collect(),
            first_seen: None,
            revoked: false,
            granted: false,
        };
        self.members.retain(|(name, _)| name != username);
        self.members.push((username.to_owned(), token_row.organizations.clone()));
        self.tokens.insert(token.to_owned(), token_row);
        format!("urn:li:person:{member}")
    }

    pub(super) fn revoke(&mut self, token: &str) {
        if let Some((account, _)) = self.authority.bearer(token, Timestamp::default()) {
            self.authority.withdraw(account);
        }
        if let Some(row) = self.tokens.get_mut(token) {
            row.revoked = true;
        }
    }

    fn next(&mut self) -> u64 {
        self.next += 1_000_003;
        self.next
    }

    pub(super) fn answer(&mut self, moment: &mut Moment<'_>, request: &Request) -> Answer {
        if let Some(answer) = self.authorize(moment, request) {
            return answer;
        }
        self.route(moment, request).unwrap_or_else(Refusal::answer)
    }

    /// The pages and calls by which applications get tokens; `None` for all others.
    fn authorize(&mut self, m: &Moment<'_>, request: &Request) -> Option<Answer> {
        let people = self.members.iter().enumerate().map(|(number, (name, _))| Person {
            name: name.clone(),
            account: u64::try_from(number).unwrap_or(u64::MAX),
        });
        let people: Vec<_> = people.collect();
        Some(match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/oauth/v2/authorization") => {
                let action = format!("{}/oauth/v2/authorization", self.settings.base_url);
                self.authority.ask(request, "Practice LinkedIn", &action, &people)
            }
            ("POST", "/oauth/v2/authorization") => self.authority.agree(m, request, &people),
            ("POST", "/oauth/v2/accessToken") => self.authority.token(m, request),
            ("POST", "/oauth/v2/revoke") => self.authority.revoke(request),
            _ => return None,
        })
    }

    /// What is kept of a token that a member has granted.
    fn granted(&self, account: u64, scopes: &[String]) -> Option<Token> {
        let (name, organizations) = self.members.get(usize::try_from(account).ok()?)?;
        Some(Token {
            member: format!("m-{name}"),
            name: name.clone(),
            scopes: scopes.iter().cloned().collect(),
            organizations: organizations.clone(),
            first_seen: None,
            revoked: false,
            granted: true,
        })
    }

    fn route(&mut self, m: &mut Moment<'_>, request: &Request) -> Outcome {
        let path = request.path.clone();
        let segments = segments(&path);
        if let ("PUT", ["upload", kind, id, part]) = (request.method.as_str(), segments.as_slice())
        {
            return self.put(m, request, (kind, id, part));
        }
        let token = self.token(m.now, request)?.to_owned();
        if segments.first() == Some(&"rest") {
            self.versioned(request)?;
        }
        let action = form_urlencoded::parse(request.query.as_bytes())
            .find(|(name, _)| name == "action")
            .map(|(_, action)| action.into_owned())
            .unwrap_or_default();
        match (request.method.as_str(), segments.as_slice(), action.as_str()) {
            ("GET", ["v2", "userinfo"], _) => self.userinfo(&token),
            ("GET", ["rest", "organizationAcls"], _) => self.roles(&token),
            ("GET", ["rest", "organizations", id], _) => self.organization(&token, id),
            ("POST", ["rest", "posts"], "") => self.create(m, request, &token),
            ("GET", ["rest", "posts"], _) => self.list(m, request, &token),
            ("POST", ["rest", "socialActions", post, "comments"], "") => {
                self.comment(m, request, (&urn_of(post)?, &token))
            }
            ("GET", ["rest", "socialActions", post, "comments"], _) => {
                self.comments(m, request, (&urn_of(post)?, &token))
            }
            ("POST", ["rest", "images"], "initializeUpload") => {
                self.begin_whole(request, &token, Kind::Image)
            }
            ("POST", ["rest", "documents"], "initializeUpload") => {
                self.begin_whole(request, &token, Kind::Document)
            }
            ("POST", ["rest", "videos"], "initializeUpload") => self.begin_video(request, &token),
            ("POST", ["rest", "videos"], "finalizeUpload") => self.finalize(m, request, &token),
            ("GET", ["rest", "videos" | "documents", urn], _) => {
                self.state(m, &urn_of(urn)?, &token)
            }
            ("GET", ["rest", "images", _], _) => Err(Refusal::denied()),
            _ => Err(Refusal::new(404, 0, "No root resource defined for this path")),
        }
    }

    fn token<'r>(&mut self, now: Timestamp, request: &'r Request) -> Result<&'r str, Refusal> {
        let invalid = || Refusal::new(401, 65_600, "Invalid access token");
        let text = request.bearer().ok_or_else(invalid)?;
        let granted = self.authority.bearer(text, now);
        let granted = granted.map(|(account, scopes)| (account, scopes.to_vec()));
        if let Some((account, scopes)) = &granted
            && !self.tokens.contains_key(text)
            && let Some(token) = self.granted(*account, scopes)
        {
            self.tokens.insert(text.to_owned(), token);
        }
        let token = self.tokens.get_mut(text).ok_or_else(invalid)?;
        if token.granted && granted.is_none() {
            return Err(invalid());
        }
        let seen = *token.first_seen.get_or_insert(now);
        // networks.md 2.8 (7).
        if token.revoked || now.since(seen) < self.settings.token_delay {
            let why = "The token used in the request has been revoked by the user";
            return Err(Refusal::new(401, 65_601, why));
        }
        Ok(text)
    }

    /// networks.md 2.8 (2): none is an error, and one that has ended is 426.
    fn versioned(&self, request: &Request) -> Result<(), Refusal> {
        if request.header("x-restli-protocol-version") != Some("2.0.0") {
            return Err(Refusal::new(400, 0, "X-Restli-Protocol-Version must be 2.0.0"));
        }
        let Some(text) = request.header("linkedin-version") else {
            return Err(Refusal::new(
                400,
                0,
                "A version must be present. Please specify a version",
            ));
        };
        let (first, last) = self.settings.versions;
        match text.parse() {
            Ok(version) if text.len() == 6 && (first..=last).contains(&version) => Ok(()),
            // networks.md 2.9: with 01 behind it, whether it has ended or never was.
            _ => {
                let why = format!("Requested version {text}01 is not active");
                Err(Refusal::new(426, 0, why))
            }
        }
    }

    fn userinfo(&self, token: &str) -> Outcome {
        let token = self.tokens.get(token).filter(|t| t.scopes.contains("openid"));
        let token = token.ok_or_else(Refusal::denied)?;
        Ok(Answer::json(200, &json!({ "sub": token.member, "name": token.name, "locale": "en" })))
    }

    /// The organizations that the member has a role in; one of the roles does not post.
    fn roles(&self, token: &str) -> Outcome {
        let token = self.tokens.get(token).filter(|t| t.scopes.contains("rw_organization_admin"));
        let token = token.ok_or_else(Refusal::denied)?;
        let row = |id: u64, role: &str| {
            let organization = format!("urn:li:organization:{id}");
            json!({ "organization": organization, "role": role, "state": "APPROVED" })
        };
        let mut rows: Vec<_> =
            token.organizations.iter().map(|id| row(*id, "ADMINISTRATOR")).collect();
        rows.push(row(999, "ANALYST"));
        Ok(Answer::json(200, &json!({ "elements": rows })))
    }

    fn organization(&self, token: &str, id: &str) -> Outcome {
        let id: u64 = id.parse().map_err(|_| Refusal::new(400, 0, "not a number"))?;
        let token = self.tokens.get(token).filter(|token| token.organizations.contains(&id));
        token.ok_or_else(Refusal::denied)?;
        let name = format!("Company {id}");
        let vanity = format!("company-{id}");
        Ok(Answer::json(200, &json!({ "id": id, "localizedName": name, "vanityName": vanity })))
    }

    /// Whether this token may write for this author.
    fn may_write(&self, token: &str, author: &str) -> Result<(), Refusal> {
        let token = self.tokens.get(token).ok_or_else(Refusal::denied)?;
        let own = author == format!("urn:li:person:{}", token.member);
        let page = author.strip_prefix("urn:li:organization:").and_then(|id| id.parse().ok());
        let page = page.is_some_and(|id: u64| token.organizations.contains(&id));
        let allowed = (own && token.scopes.contains("w_member_social"))
            || (page && token.scopes.contains("w_organization_social"));
        if allowed { Ok(()) } else { Err(Refusal::denied()) }
    }

    pub(super) fn shown(&self) -> ShownInstance {
        let shown = |(urn, post): (&String, &Post)| Shown {
            id: urn.clone(),
            account: post.author.clone(),
            created_at: post.at,
            edited: false,
            text: post.shown.clone(),
            spoiler_text: String::new(),
            visibility: "public".to_owned(),
            url: format!("https://www.linkedin.com/feed/update/{urn}"),
            in_reply_to_id: None,
            in_reply_to_url: None,
            media: Vec::new(),
        };
        let comments = self.comments.iter().map(|comment| Shown {
            id: comment.urn(),
            account: comment.actor.clone(),
            created_at: comment.at,
            edited: false,
            text: comment.text.clone(),
            spoiler_text: String::new(),
            visibility: "public".to_owned(),
            url: format!("https://www.linkedin.com/feed/update/{}", comment.post),
            in_reply_to_id: Some(comment.post.clone()),
            in_reply_to_url: None,
            media: Vec::new(),
        });
        ShownInstance {
            host: self.host.clone(),
            title: "Practice LinkedIn".to_owned(),
            base_url: self.settings.base_url.clone(),
            statuses: comments.rev().chain(self.posts.iter().rev().map(shown)).collect(),
        }
    }
}

/// A JSON body.
fn body(request: &Request) -> Result<Value, Refusal> {
    let kind = request.header("content-type").unwrap_or_default();
    let json = serde_json::from_slice(&request.body).ok().filter(Value::is_object);
    json.filter(|_| kind.starts_with("application/json"))
        .ok_or_else(|| Refusal::new(400, 0, "Cannot parse the request entity"))
}

/// Only these members.
fn only(value: &Value, known: &[&str]) -> Result<(), Refusal> {
    let unknown = |name: &&String| !known.contains(&name.as_str());
    match value.as_object().and_then(|map| map.keys().find(unknown)) {
        Some(name) => {
            let why = format!("ERROR :: /{name} :: unrecognized field found but not allowed");
            Err(Refusal::input(422, "UNRECOGNIZED_FIELD", why))
        }
        None => Ok(()),
    }
}
