//! Signing in with an app password, and the two tokens of a session (networks.md 10.1). Must not
//! look at records.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::journal::Moment;
use super::super::{Answer, Request};
use super::{Account, Outcome, Refusal, Server, Standing, input, text};
use crate::base::{Rng, Timestamp};

/// An access token.
pub(super) struct Token {
    pub did: String,
    pub expires: Timestamp,
}

/// A refresh token, under its text.
pub(super) struct Refresh {
    pub did: String,
    expires: Timestamp,
    /// What its first use gave.
    successor: Option<String>,
}

const ACCESS: &str = "com.atproto.appPass";
const REFRESH: &str = "com.atproto.refresh";

/// What the reference server calls every token that is not one.
fn invalid() -> Refusal {
    Refusal::new(400, "InvalidToken", "Token could not be verified")
}

fn expired(message: &str) -> Refusal {
    Refusal::new(400, "ExpiredToken", message)
}

pub(super) fn may_act(account: &Account) -> Result<(), Refusal> {
    match account.standing {
        Standing::Active => Ok(()),
        Standing::Deactivated => {
            Err(Refusal::new(401, "AccountDeactivated", "Account is deactivated"))
        }
        Standing::TakenDown => {
            Err(Refusal::new(401, "AccountTakedown", "Account has been taken down"))
        }
    }
}

fn no_body(request: &Request) -> Result<(), Refusal> {
    if request.body.is_empty() {
        return Ok(());
    }
    Err(Refusal::invalid("A request body was provided when none was expected"))
}

/// Header and claims can be read by anybody; the third part only has to differ.
fn jwt(m: &Moment<'_>, scope: &str, did: &str, expires: Timestamp) -> String {
    let kind = if scope == REFRESH { "refresh+jwt" } else { "at+jwt" };
    let seconds = |at: Timestamp| at.as_millis() / 1_000;
    let mut claims = json!({
        "scope": scope,
        "aud": "did:web:practice.test",
        "sub": did,
        "iat": seconds(m.now),
        "exp": seconds(expires),
    });
    if scope == REFRESH {
        claims["jti"] = json!(format!("{:016x}", m.rng.next_u64()));
    }
    let part = |value: Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let head = part(json!({ "typ": kind, "alg": "HS256" }));
    let signed = format!("{head}.{}", part(claims));
    let signature =
        BASE64URL_NOPAD.encode(&Sha256::digest(format!("practice {signed}").as_bytes()));
    format!("{signed}.{signature}")
}

impl Server {
    /// Who calls, by a token that is still good.
    pub(super) fn caller(&self, m: &Moment<'_>, request: &Request) -> Result<String, Refusal> {
        let Some(token) = request.bearer() else {
            return Err(Refusal::new(401, "AuthMissing", "Authentication Required"));
        };
        let found = self.access.get(token).ok_or_else(invalid)?;
        // networks.md 10.7 (1): with 400.
        if m.now >= found.expires {
            Err(expired("Token has expired"))
        } else {
            Ok(found.did.clone())
        }
    }

    fn new_access(&mut self, m: &Moment<'_>, did: &str) -> String {
        let expires = m.now.plus(self.settings.access_life);
        let token = jwt(m, ACCESS, did, expires);
        self.access.insert(token.clone(), Token { did: did.to_owned(), expires });
        token
    }

    fn new_refresh(&mut self, m: &Moment<'_>, did: &str) -> String {
        let expires = m.now.plus(self.settings.refresh_life);
        let token = jwt(m, REFRESH, did, expires);
        let row = Refresh { did: did.to_owned(), expires, successor: None };
        self.refresh.insert(token.clone(), row);
        token
    }

    /// What every answer about a session tells of its account.
    fn session(&self, did: &str) -> Value {
        let mut session = json!({
            "did": did,
            "handle": self.handle_of(did),
            "emailConfirmed": true,
            "active": true,
        });
        let standing = self.accounts.get(did).map_or(Standing::TakenDown, |a| a.standing);
        if standing != Standing::Active {
            session["active"] = json!(false);
            let taken = standing == Standing::TakenDown;
            session["status"] = json!(if taken { "takendown" } else { "deactivated" });
        }
        // networks.md 10.1: the document names the host to use from now on. The reference server
        // leaves it out when it stands alone.
        if let Some((_, url)) = &self.settings.own {
            session["didDoc"] = json!({
                "id": did,
                "alsoKnownAs": [format!("at://{}", self.handle_of(did))],
                "service": [{
                    "id": "#atproto_pds",
                    "type": "AtprotoPersonalDataServer",
                    "serviceEndpoint": url,
                }],
            });
        }
        session
    }

    fn with_tokens(&mut self, m: &Moment<'_>, did: &str, refresh: &str) -> Answer {
        let mut session = self.session(did);
        session["accessJwt"] = json!(self.new_access(m, did));
        session["refreshJwt"] = json!(refresh);
        Answer::json(200, &session)
    }

    pub(super) fn create_session(&mut self, m: &Moment<'_>, request: &Request) -> Outcome {
        let input = input(request, &["identifier", "password", "authFactorToken"])?;
        let (name, password) = (text(&input, "identifier")?, text(&input, "password")?);
        let wrong =
            || Refusal::new(401, "AuthenticationRequired", "Invalid identifier or password");
        let account = self.find(name).ok_or_else(wrong)?;
        // A taken-down account is told the same as a wrong password.
        let known = account.app_password.as_deref() == Some(password);
        if !known || account.standing == Standing::TakenDown {
            return Err(wrong());
        }
        let did = account.did.clone();
        let refresh = self.new_refresh(m, &did);
        Ok(self.with_tokens(m, &did, &refresh))
    }

    /// networks.md 10.7 (2).
    pub(super) fn refresh_session(&mut self, m: &Moment<'_>, request: &Request) -> Outcome {
        no_body(request)?;
        let Some(token) = request.bearer() else {
            return Err(Refusal::new(401, "AuthMissing", "Authentication Required"));
        };
        if self.access.contains_key(token) || token.split('.').count() != 3 {
            return Err(invalid());
        }
        let revoked = || expired("Token has been revoked");
        let row = self.refresh.get(token).ok_or_else(revoked)?;
        let did = row.did.clone();
        let account = self.accounts.get(&did).ok_or_else(revoked)?;
        if account.standing == Standing::TakenDown {
            may_act(account)?;
        }
        if m.now >= row.expires {
            if self.settings.replay_kills && row.successor.is_some() {
                self.access.retain(|_, token| token.did != did);
                self.refresh.retain(|_, refresh| refresh.did != did);
            }
            return Err(revoked());
        }
        let successor = match &row.successor {
            Some(successor) => successor.clone(),
            None => self.new_refresh(m, &did),
        };
        let end = m.now.plus(self.settings.grace);
        if let Some(row) = self.refresh.get_mut(token) {
            row.expires = row.expires.min(end);
            row.successor = Some(successor.clone());
        }
        Ok(self.with_tokens(m, &did, &successor))
    }

    pub(super) fn delete_session(&mut self, request: &Request) -> Outcome {
        no_body(request)?;
        let token = request.bearer().unwrap_or_default();
        self.refresh.remove(token).ok_or_else(invalid)?;
        Ok(Answer::json(200, &json!({})))
    }

    pub(super) fn get_session(&self, m: &Moment<'_>, request: &Request) -> Outcome {
        let did = self.caller(m, request)?;
        match self.accounts.get(&did) {
            Some(account) if account.standing != Standing::TakenDown => {
                Ok(Answer::json(200, &self.session(&did)))
            }
            _ => Err(Refusal::invalid(format!("Could not find user info for account: {did}"))),
        }
    }
}
