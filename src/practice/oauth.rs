//! An authorization server (RFC 6749, RFC 7636) for the practice networks that have one, stricter
//! than the networks where that can only show a client's mistake. What differs between them is data.
//! Must not know whose token may do what; it says whose a token is and what was granted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::form_urlencoded;

use super::journal::Moment;
use super::{Answer, Request, page};
use crate::base::{Rng, SeededRng, Timestamp};

/// How the token endpoint says no: status, `error`, `error_description`.
pub type No = (u16, &'static str, &'static str);

/// What differs between networks.
#[derive(Clone, Debug)]
pub struct Rules {
    pub code_life: Duration,
    pub access_life: Duration,
    pub refresh: Refresh,
    /// A code is asked for with a challenge, always.
    pub pkce: bool,
    /// Clients prove themselves by HTTP Basic, and must not put their id into the body; else by
    /// both in the body.
    pub by_basic: bool,
    pub no_client: No,
    pub no_code: No,
    pub no_refresh: No,
    /// Whether a token says its type.
    pub says_type: bool,
    /// What stands between scopes in an answer.
    pub between_scopes: &'static str,
}

/// What becomes of refresh tokens.
#[derive(Clone, Copy, Debug)]
pub enum Refresh {
    /// Given only with this scope; each is good once, and one that is used again ends all that came
    /// of the same consent.
    Rotates { with: &'static str, life: Duration },
    /// The same until so long after the consent; using it changes nothing about that.
    Fixed { life: Duration },
}

impl Rules {
    /// networks.md 1.1 and 1.7 (1, 2).
    pub fn x() -> Self {
        Self {
            code_life: Duration::from_secs(30),
            access_life: Duration::from_hours(2),
            refresh: Refresh::Rotates {
                with: "offline.access",
                life: Duration::from_hours(180 * 24),
            },
            pkce: true,
            by_basic: true,
            no_client: (401, "unauthorized_client", "Missing valid authorization header"),
            no_code: (
                400,
                "invalid_request",
                "Value passed for the authorization code was invalid.",
            ),
            // Not `invalid_grant`, as the standard has it.
            no_refresh: (400, "invalid_request", "Value passed for the token was invalid."),
            says_type: true,
            between_scopes: " ",
        }
    }

    /// networks.md 2.1.
    pub fn linkedin() -> Self {
        Self {
            code_life: Duration::from_mins(30),
            access_life: Duration::from_hours(60 * 24),
            refresh: Refresh::Fixed { life: Duration::from_hours(365 * 24) },
            pkce: false,
            by_basic: false,
            no_client: (401, "invalid_client", "Client authentication failed"),
            no_code: (
                400,
                "invalid_request",
                "Unable to retrieve access token: authorization code not found",
            ),
            no_refresh: (400, "invalid_grant", "The provided refresh token is invalid or expired"),
            says_type: false,
            between_scopes: ",",
        }
    }
}

struct App {
    secret: String,
    redirects: Vec<String>,
}

/// All that came of one consent.
struct Family {
    account: u64,
    client: String,
    scopes: Vec<String>,
    at: Timestamp,
    dead: bool,
}

struct Code {
    family: usize,
    redirect: String,
    challenge: Option<String>,
    until: Timestamp,
    used: bool,
}

struct Access {
    family: usize,
    until: Timestamp,
}

struct RefreshToken {
    family: usize,
    until: Timestamp,
    used: bool,
}

/// One authorization server and all that it has granted.
pub struct Authority {
    pub rules: Rules,
    apps: BTreeMap<String, App>,
    families: Vec<Family>,
    codes: BTreeMap<String, Code>,
    tokens: BTreeMap<String, Access>,
    refreshes: BTreeMap<String, RefreshToken>,
    known: BTreeSet<&'static str>,
}

/// Somebody who can agree.
pub(super) struct Person {
    pub name: String,
    pub account: u64,
}

/// What an application asks a person for.
struct Consent {
    client: String,
    redirect: String,
    scopes: Vec<String>,
    state: Option<String>,
    challenge: Option<String>,
}

type Fields = BTreeMap<String, String>;

fn random(rng: &SeededRng) -> String {
    let mut bytes = [0; 32];
    rng.fill(&mut bytes);
    BASE64URL_NOPAD.encode(&bytes)
}

fn no((status, error, description): No) -> Answer {
    Answer::json(status, &json!({ "error": error, "error_description": description }))
}

/// Parameters, each once: RFC 6749, 3.1 and 3.2.
fn fields(text: &[u8]) -> Result<Fields, Box<Answer>> {
    let mut fields = Fields::new();
    for (name, value) in form_urlencoded::parse(text) {
        if fields.insert(name.into_owned(), value.into_owned()).is_some() {
            return Err(Box::new(no((400, "invalid_request", "A parameter is there twice."))));
        }
    }
    Ok(fields)
}

impl Authority {
    /// One that grants these scopes and no others.
    pub fn new(rules: Rules, scopes: &[&'static str]) -> Self {
        Self {
            rules,
            apps: BTreeMap::new(),
            families: Vec::new(),
            codes: BTreeMap::new(),
            tokens: BTreeMap::new(),
            refreshes: BTreeMap::new(),
            known: scopes.iter().copied().collect(),
        }
    }

    /// Registers an application, or gives one another secret or address.
    pub fn add_app(&mut self, id: &str, secret: &str, redirect: &str) {
        let app = App { secret: secret.to_owned(), redirects: vec![redirect.to_owned()] };
        self.apps.insert(id.to_owned(), app);
    }

    /// Whose token it is, and what was granted; `None` for one that is not good now.
    pub fn bearer(&self, token: &str, now: Timestamp) -> Option<(u64, &[String])> {
        let access = self.tokens.get(token).filter(|access| now < access.until)?;
        let family = self.families.get(access.family).filter(|family| !family.dead)?;
        Some((family.account, &family.scopes))
    }

    /// Consents of an account that count.
    pub fn grants(&self, account: u64) -> usize {
        let live = self.families.iter().filter(|family| !family.dead);
        live.filter(|family| family.account == account).count()
    }

    /// An account takes back what it has granted to applications.
    pub fn withdraw(&mut self, account: u64) {
        for family in self.families.iter_mut().filter(|family| family.account == account) {
            family.dead = true;
        }
    }

    /// Ends access tokens of an account before their time; what renews them stays good.
    pub fn expire(&mut self, account: u64) {
        let families = &self.families;
        self.tokens
            .retain(|_, token| families.get(token.family).is_none_or(|f| f.account != account));
    }

    fn consent(&self, fields: &Fields) -> Result<Consent, Box<Answer>> {
        let text = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let client = text("client_id");
        let redirect = text("redirect_uri");
        // Without these two right, nobody is sent anywhere: RFC 6749, 4.1.2.1. The address must be
        // that of the application to the letter (networks.md 1.1).
        let app = self.apps.get(&client).filter(|app| app.redirects.contains(&redirect));
        if app.is_none() {
            let words = "Something went wrong: You weren't able to give access to the App.";
            return Err(Box::new(Answer::html(400, words.to_owned())));
        }
        let wrong = |error: &str| {
            let mut to = vec![("error", error.to_owned())];
            to.extend(fields.get("state").map(|state| ("state", state.clone())));
            Box::new(send(&redirect, &to))
        };
        if text("response_type") != "code" {
            return Err(wrong("unsupported_response_type"));
        }
        let scopes: Vec<_> = text("scope").split_whitespace().map(str::to_owned).collect();
        if scopes.is_empty() || !scopes.iter().all(|scope| self.known.contains(scope.as_str())) {
            return Err(wrong("invalid_scope"));
        }
        let challenge = fields.get("code_challenge").filter(|text| !text.is_empty()).cloned();
        let is_hashed = text("code_challenge_method") == "S256";
        if (self.rules.pkce && challenge.is_none()) || (challenge.is_some() && !is_hashed) {
            return Err(wrong("invalid_request"));
        }
        // networks.md 1.1.
        let state = fields.get("state").cloned();
        if state.as_ref().is_some_and(|state| state.len() > 500) {
            return Err(wrong("invalid_request"));
        }
        Ok(Consent { client, redirect, scopes, state, challenge })
    }

    /// A form with one button per account; it repeats the request's own parameters.
    pub(super) fn ask(
        &self,
        request: &Request,
        title: &str,
        action: &str,
        people: &[Person],
    ) -> Answer {
        let asked = fields(request.query.as_bytes());
        match asked.and_then(|fields| Ok((self.consent(&fields)?, fields))) {
            Ok((consent, fields)) => page::authorize(&page::Authorize {
                title: title.to_owned(),
                app: consent.client,
                action: action.to_owned(),
                scopes: consent.scopes,
                accounts: people.iter().map(|person| person.name.clone()).collect(),
                fields: fields.into_iter().collect(),
            }),
            Err(answer) => *answer,
        }
    }

    /// What the form sends, and a short cut for tests: `username` agrees, `deny` refuses, `only`
    /// grants less than was asked for.
    pub(super) fn agree(&mut self, m: &Moment<'_>, request: &Request, people: &[Person]) -> Answer {
        let asked = fields(&request.body);
        let (consent, fields) = match asked.and_then(|fields| Ok((self.consent(&fields)?, fields)))
        {
            Ok(both) => both,
            Err(answer) => return *answer,
        };
        let mut back = Vec::new();
        if fields.contains_key("deny") {
            back.push(("error", "access_denied".to_owned()));
        } else {
            let name = fields.get("username").map(String::as_str).unwrap_or_default();
            let Some(person) = people.iter().find(|person| person.name == name) else {
                return no((404, "not_found", "There is no such account."));
            };
            let only = fields.get("only").map(|only| only.split_whitespace().collect::<Vec<_>>());
            let granted =
                |scope: &String| only.as_ref().is_none_or(|o| o.contains(&scope.as_str()));
            let scopes = consent.scopes.into_iter().filter(granted).collect();
            let (account, client, at) = (person.account, consent.client, m.now);
            self.families.push(Family { account, client, scopes, at, dead: false });
            let code = random(m.rng);
            let row = Code {
                family: self.families.len() - 1,
                redirect: consent.redirect.clone(),
                challenge: consent.challenge,
                until: m.now.plus(self.rules.code_life),
                used: false,
            };
            self.codes.insert(code.clone(), row);
            back.push(("code", code));
        }
        back.extend(consent.state.map(|state| ("state", state)));
        send(&consent.redirect, &back)
    }

    /// Who asks, by id and secret, where this network wants them.
    fn client(&self, request: &Request, fields: &Fields) -> Result<String, Box<Answer>> {
        let refused = || Box::new(no(self.rules.no_client));
        let basic = request.header("authorization").and_then(|h| h.strip_prefix("Basic "));
        let (id, secret) = match (self.rules.by_basic, basic) {
            (true, Some(basic)) if !fields.contains_key("client_id") => {
                let pair = BASE64.decode(basic.as_bytes()).map_err(|_| refused())?;
                let pair = String::from_utf8(pair).map_err(|_| refused())?;
                let (id, secret) = pair.split_once(':').ok_or_else(refused)?;
                // RFC 6749, 2.3.1: both are form-encoded before.
                let plain = |text: &str| {
                    form_urlencoded::parse(text.as_bytes())
                        .next()
                        .map(|(name, _)| name.into_owned())
                };
                (plain(id).unwrap_or_default(), plain(secret).unwrap_or_default())
            }
            (false, None) => {
                let text = |name: &str| fields.get(name).cloned().unwrap_or_default();
                (text("client_id"), text("client_secret"))
            }
            _ => return Err(refused()),
        };
        match self.apps.get(&id) {
            Some(app) if app.secret == secret => Ok(id),
            _ => Err(refused()),
        }
    }

    /// The token endpoint. The client is judged before what it brings.
    pub(super) fn token(&mut self, m: &Moment<'_>, request: &Request) -> Answer {
        let kind = request.header("content-type").unwrap_or_default();
        if !kind.starts_with("application/x-www-form-urlencoded") {
            return no((400, "invalid_request", "A form is expected."));
        }
        let asked = fields(&request.body);
        let asked = asked.and_then(|fields| Ok((self.client(request, &fields)?, fields)));
        let (client, fields) = match asked {
            Ok(both) => both,
            Err(answer) => return *answer,
        };
        let family = match fields.get("grant_type").map(String::as_str) {
            Some("authorization_code") => self.redeem(m.now, &client, &fields),
            Some("refresh_token") => self.renew(m.now, &client, &fields),
            _ => return no((400, "unsupported_grant_type", "There is no such grant type.")),
        };
        match family {
            Ok(family) => self.issue(m, family, fields.get("refresh_token")),
            Err(answer) => *answer,
        }
    }

    fn redeem(
        &mut self,
        now: Timestamp,
        client: &str,
        fields: &Fields,
    ) -> Result<usize, Box<Answer>> {
        let refused = Box::new(no(self.rules.no_code));
        let text = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
        let Some(code) = self.codes.get_mut(text("code")) else { return Err(refused) };
        let Some(family) = self.families.get_mut(code.family) else { return Err(refused) };
        if code.used {
            // RFC 6749, 4.1.2: what came of it may be in wrong hands.
            family.dead = true;
            return Err(refused);
        }
        // One that came too late, or to the wrong client, is gone as well.
        code.used = true;
        let verified = match &code.challenge {
            Some(challenge) => {
                BASE64URL_NOPAD.encode(&Sha256::digest(text("code_verifier"))) == *challenge
            }
            None => !fields.contains_key("code_verifier"),
        };
        let fits = family.client == client && code.redirect == text("redirect_uri");
        if now < code.until && verified && fits { Ok(code.family) } else { Err(refused) }
    }

    fn renew(
        &mut self,
        now: Timestamp,
        client: &str,
        fields: &Fields,
    ) -> Result<usize, Box<Answer>> {
        let refused = Box::new(no(self.rules.no_refresh));
        let token = fields.get("refresh_token").map(String::as_str).unwrap_or_default();
        let Some(token) = self.refreshes.get_mut(token) else { return Err(refused) };
        let Some(family) = self.families.get_mut(token.family) else { return Err(refused) };
        if family.dead || family.client != client || now >= token.until {
            return Err(refused);
        }
        if matches!(self.rules.refresh, Refresh::Rotates { .. }) {
            // networks.md 1.7 (1): a replay kills the newest pair, too.
            family.dead |= token.used;
            if std::mem::replace(&mut token.used, true) {
                return Err(refused);
            }
        }
        Ok(token.family)
    }

    fn issue(&mut self, m: &Moment<'_>, index: usize, before: Option<&String>) -> Answer {
        let Some(family) = self.families.get(index) else { return no(self.rules.no_code) };
        let (granted, at) = (family.scopes.clone(), family.at);
        let mut until = m.now.plus(self.rules.access_life);
        let mut answer = json!({ "scope": granted.join(self.rules.between_scopes) });
        match self.rules.refresh {
            Refresh::Rotates { with, life } => {
                if granted.iter().any(|scope| scope == with) {
                    let refresh = random(m.rng);
                    answer["refresh_token"] = json!(refresh);
                    let until = m.now.plus(life);
                    let row = RefreshToken { family: index, until, used: false };
                    self.refreshes.insert(refresh, row);
                }
            }
            Refresh::Fixed { life } => {
                // networks.md 2.1: counted from the first grant; 2.9: no access token outlives it.
                let end = at.plus(life);
                until = until.min(end);
                let refresh = before.cloned().unwrap_or_else(|| random(m.rng));
                answer["refresh_token"] = json!(refresh);
                answer["refresh_token_expires_in"] = json!(end.since(m.now).as_secs());
                let row = RefreshToken { family: index, until: end, used: false };
                self.refreshes.insert(refresh, row);
            }
        }
        let access = random(m.rng);
        answer["access_token"] = json!(access);
        answer["expires_in"] = json!(until.since(m.now).as_secs());
        if self.rules.says_type {
            answer["token_type"] = Value::from("bearer");
        }
        self.tokens.insert(access, Access { family: index, until });
        Answer::json(200, &answer)
    }

    /// RFC 7009: what is not a token is as good as revoked.
    pub(super) fn revoke(&mut self, request: &Request) -> Answer {
        let asked = fields(&request.body);
        let asked = asked.and_then(|fields| Ok((self.client(request, &fields)?, fields)));
        let fields = match asked {
            Ok((_, fields)) => fields,
            Err(answer) => return *answer,
        };
        let token = fields.get("token").map(String::as_str).unwrap_or_default();
        let family = self.tokens.get(token).map(|token| token.family);
        let family = family.or_else(|| self.refreshes.get(token).map(|token| token.family));
        if let Some(family) = family.and_then(|index| self.families.get_mut(index)) {
            family.dead = true;
        }
        Answer::json(200, &json!({ "revoked": true }))
    }
}

fn send(redirect: &str, fields: &[(&str, String)]) -> Answer {
    let Ok(mut to) = url::Url::parse(redirect) else {
        return no((400, "invalid_request", "The redirect address is none."));
    };
    to.query_pairs_mut().extend_pairs(fields);
    Answer::html(302, String::new()).with("location", to.as_str())
}
