//! Applications, the consent of an account, and tokens. Must not check what a token may do; that
//! is `authorize` of the server.

use std::collections::BTreeSet;
use std::time::Duration;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::json;
use sha2::{Digest, Sha256};
use url::form_urlencoded;

use super::super::journal::Moment;
use super::super::{Answer, Request, page};
use super::{Outcome, Params, Refusal, Server, Token};
use crate::base::{Rng, SeededRng, Timestamp};

/// Show the code on a page instead of redirecting.
const OUT_OF_BAND: &str = "urn:ietf:wg:oauth:2.0:oob";
const CODE_LIFE: Duration = Duration::from_mins(10);

/// Every scope a client may ask for; `profile` came with 4.3.
const SCOPES: &[&str] = &[
    "profile",
    "read",
    "read:accounts",
    "read:blocks",
    "read:bookmarks",
    "read:favourites",
    "read:filters",
    "read:follows",
    "read:lists",
    "read:mutes",
    "read:notifications",
    "read:search",
    "read:statuses",
    "write",
    "write:accounts",
    "write:blocks",
    "write:bookmarks",
    "write:conversations",
    "write:favourites",
    "write:filters",
    "write:follows",
    "write:lists",
    "write:media",
    "write:mutes",
    "write:notifications",
    "write:reports",
    "write:statuses",
    "follow",
    "push",
];

pub(super) struct App {
    pub name: String,
    pub website: Option<String>,
    secret: String,
    redirect_uris: Vec<String>,
    scopes: Vec<String>,
}

/// An authorization code that was shown or sent and not used yet.
pub(super) struct Grant {
    account: u64,
    client_id: String,
    redirect_uri: String,
    scopes: Vec<String>,
    challenge: Option<String>,
    made_at: Timestamp,
}

/// The checked parameters of an authorization request.
struct Consent {
    client_id: String,
    redirect_uri: String,
    scopes: Vec<String>,
    state: Option<String>,
    challenge: Option<String>,
}

fn secret(rng: &SeededRng) -> String {
    let mut bytes = [0; 32];
    rng.fill(&mut bytes);
    BASE64URL_NOPAD.encode(&bytes)
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// A scope covers itself and, without a colon, all that start with it.
fn covers(granted: &[String], wanted: &str) -> bool {
    let whole = wanted.split(':').next().unwrap_or(wanted);
    granted.iter().any(|g| g == wanted || g == whole)
}

fn refused(status: u16, error: &'static str, description: &'static str) -> Refusal {
    Refusal { description: Some(description), ..Refusal::new(status, error) }
}

fn invalid_client() -> Refusal {
    // networks.md 11.7 (7): also what a client sees whose application the server has forgotten.
    refused(
        401,
        "invalid_client",
        "Client authentication failed due to unknown client, no client authentication included, \
         or unsupported authentication method.",
    )
}

fn invalid_grant() -> Refusal {
    refused(
        400,
        "invalid_grant",
        "The provided authorization grant is invalid, expired, revoked, does not match the \
         redirection URI used in the authorization request, or was issued to another client.",
    )
}

fn invalid_scope() -> Refusal {
    refused(400, "invalid_scope", "The requested scope is invalid, unknown, or malformed.")
}

fn invalid_request() -> Refusal {
    refused(
        400,
        "invalid_request",
        "The request is missing a required parameter, includes an unsupported parameter value, or \
         is otherwise malformed.",
    )
}

impl Server {
    pub(super) fn register_app(&mut self, m: &mut Moment<'_>, request: &Request) -> Outcome {
        let params = Params::body(request)?;
        if let Some(name) = params.unknown(&["client_name", "redirect_uris", "scopes", "website"]) {
            return Err(Refusal::invalid(&format!("Unknown parameter {name}")));
        }
        let name = params.text("client_name")?.unwrap_or_default();
        if name.is_empty() {
            return Err(Refusal::invalid("Application name can't be blank"));
        }
        let redirect_uris = params.list("redirect_uris")?;
        let absolute = |uri: &String| uri == OUT_OF_BAND || url::Url::parse(uri).is_ok();
        if redirect_uris.is_empty() || !redirect_uris.iter().all(absolute) {
            return Err(Refusal::invalid("Redirect URI must be an absolute URI."));
        }
        let scopes = words(params.text("scopes")?.as_deref().unwrap_or("read"));
        if !scopes.iter().all(|s| SCOPES.contains(&s.as_str())) {
            return Err(Refusal::invalid("Scopes doesn't match configured on the server."));
        }
        let (client_id, secret) = (secret(m.rng), secret(m.rng));
        let website = params.text("website")?;
        let answer = json!({
            "id": (self.apps.len() + 1).to_string(),
            "name": name,
            "website": website,
            "scopes": scopes,
            "redirect_uri": redirect_uris.join("\n"),
            "redirect_uris": redirect_uris,
            "client_id": client_id,
            "client_secret": secret,
            "client_secret_expires_at": 0,
        });
        let app = App { name, website, secret, redirect_uris, scopes };
        self.apps.insert(client_id, app);
        Ok(Answer::json(200, &answer))
    }

    fn consent(&self, params: &Params) -> Result<Consent, Refusal> {
        let client_id = params.text("client_id")?.unwrap_or_default();
        let app = self.apps.get(&client_id).ok_or_else(invalid_client)?;
        let redirect_uri = params.text("redirect_uri")?.unwrap_or_default();
        // The exact address that was registered, not one that starts like it.
        if !app.redirect_uris.contains(&redirect_uri) {
            return Err(refused(
                400,
                "invalid_redirect_uri",
                "The requested redirect uri is malformed or doesn't match client redirect URI.",
            ));
        }
        if params.text("response_type")?.as_deref() != Some("code") {
            return Err(refused(
                400,
                "unsupported_response_type",
                "The authorization server does not support this response type.",
            ));
        }
        // networks.md 11.1: requested scopes must be a subset of the application's.
        let scopes = words(params.text("scope")?.as_deref().unwrap_or("read"));
        if !scopes.iter().all(|s| covers(&app.scopes, s)) {
            return Err(invalid_scope());
        }
        let method = params.text("code_challenge_method")?;
        let challenge = params.text("code_challenge")?.filter(|c| !c.is_empty());
        // networks.md 11.7 (6): a server before 4.3 does not know PKCE and looks at neither.
        let challenge = challenge.filter(|_| self.settings.has_pkce);
        if challenge.is_some() && method.as_deref() != Some("S256") {
            return Err(refused(
                400,
                "invalid_code_challenge_method",
                "The code challenge method must be S256.",
            ));
        }
        Ok(Consent { client_id, redirect_uri, scopes, state: params.text("state")?, challenge })
    }

    /// A form with one button per account; it repeats the request's own parameters.
    pub(super) fn authorize_page(&self, request: &Request) -> Outcome {
        let consent = self.consent(&Params::query(request))?;
        let app = self.apps.get(&consent.client_id).ok_or_else(invalid_client)?;
        let fields = form_urlencoded::parse(request.query.as_bytes()).into_owned().collect();
        Ok(page::authorize(&page::Authorize {
            title: self.settings.title.clone(),
            app: app.name.clone(),
            action: format!("{}/oauth/authorize", self.settings.base_url),
            scopes: consent.scopes,
            accounts: self.accounts.values().map(|a| a.username.clone()).collect(),
            fields,
        }))
    }

    /// What the form sends, and a short cut for tests: `username` agrees, `deny` refuses.
    pub(super) fn authorize_form(&mut self, m: &mut Moment<'_>, request: &Request) -> Outcome {
        let params = Params::body(request)?;
        let consent = self.consent(&params)?;
        let mut fields = Vec::new();
        if params.has("deny") {
            let why = "The resource owner or authorization server denied the request.";
            fields.push(("error", "access_denied".to_owned()));
            fields.push(("error_description", why.to_owned()));
        } else {
            let username = params.required("username")?;
            let account = self.account_named(&username).ok_or_else(Refusal::not_found)?.id;
            let code = secret(m.rng);
            fields.push(("code", code.clone()));
            let grant = Grant {
                account,
                client_id: consent.client_id,
                redirect_uri: consent.redirect_uri.clone(),
                scopes: consent.scopes,
                challenge: consent.challenge,
                made_at: m.now,
            };
            self.grants.insert(code, grant);
        }
        if consent.redirect_uri == OUT_OF_BAND {
            let shown = fields.swap_remove(0).1;
            return Ok(page::code(shown, self.settings.title.clone()));
        }
        fields.extend(consent.state.map(|state| ("state", state)));
        let mut to = url::Url::parse(&consent.redirect_uri).map_err(|_| invalid_request())?;
        to.query_pairs_mut().extend_pairs(fields);
        Ok(Answer::html(302, String::new()).with("location", to.as_str()))
    }

    /// The client of this request, by Basic or by parameters, if its secret is right.
    fn client(&self, request: &Request, params: &Params) -> Result<String, Refusal> {
        let basic = request.header("authorization").and_then(|h| h.strip_prefix("Basic "));
        let (id, secret) = match basic {
            Some(basic) => {
                let pair = BASE64.decode(basic.as_bytes()).map_err(|_| invalid_client())?;
                let pair = String::from_utf8(pair).map_err(|_| invalid_client())?;
                let (id, secret) = pair.split_once(':').ok_or_else(invalid_client)?;
                (id.to_owned(), secret.to_owned())
            }
            None => (
                params.text("client_id")?.unwrap_or_default(),
                params.text("client_secret")?.unwrap_or_default(),
            ),
        };
        match self.apps.get(&id) {
            Some(app) if app.secret == secret => Ok(id),
            _ => Err(invalid_client()),
        }
    }

    pub(super) fn issue_token(&mut self, m: &mut Moment<'_>, request: &Request) -> Outcome {
        let params = Params::body(request)?;
        let client_id = self.client(request, &params)?;
        let (account, scopes) = match params.text("grant_type")?.as_deref() {
            Some("authorization_code") => self.redeem(m.now, &client_id, &params)?,
            Some("client_credentials") => {
                let scopes = words(params.text("scope")?.as_deref().unwrap_or("read"));
                let app = self.apps.get(&client_id).ok_or_else(invalid_client)?;
                if !scopes.iter().all(|s| covers(&app.scopes, s)) {
                    return Err(invalid_scope());
                }
                (None, scopes)
            }
            Some("refresh_token") if self.settings.is_front => self.renew(&client_id, &params)?,
            Some(_) => {
                return Err(refused(
                    400,
                    "unsupported_grant_type",
                    "The authorization grant type is not supported by the authorization server.",
                ));
            }
            None => return Err(invalid_request()),
        };
        let token = secret(m.rng);
        // networks.md 11.1: tokens never expire, so there is neither `expires_in` nor, on Mastodon
        // itself, a refresh token.
        let mut answer = json!({
            "access_token": token,
            "token_type": "Bearer",
            "scope": scopes.join(" "),
            "created_at": m.now.as_millis() / 1_000,
        });
        if self.settings.is_front && account.is_some() {
            let refresh = secret(m.rng);
            answer["refresh_token"] = json!(refresh);
            self.refresh_tokens.insert(refresh, token.clone());
        }
        let row = Token { account, scopes, app: Some(client_id), revoked: false };
        self.tokens.insert(token, row);
        Ok(Answer::json(200, &answer))
    }

    /// The access token that came with the refresh token ends now, if it has not.
    fn renew(
        &mut self,
        client_id: &str,
        params: &Params,
    ) -> Result<(Option<u64>, Vec<String>), Refusal> {
        let refresh = params.text("refresh_token")?.ok_or_else(invalid_request)?;
        let access = self.refresh_tokens.get(&refresh).ok_or_else(invalid_grant)?;
        let row = self.tokens.get_mut(access).ok_or_else(invalid_grant)?;
        if row.app.as_deref() != Some(client_id) {
            return Err(invalid_grant());
        }
        row.revoked = true;
        let granted = (row.account, row.scopes.clone());
        self.refresh_tokens.remove(&refresh);
        Ok(granted)
    }

    /// A code is good once, for ten minutes, for its own client, address and verifier.
    fn redeem(
        &mut self,
        now: Timestamp,
        client_id: &str,
        params: &Params,
    ) -> Result<(Option<u64>, Vec<String>), Refusal> {
        let code = params.text("code")?.ok_or_else(invalid_request)?;
        let grant = self.grants.get(&code).ok_or_else(invalid_grant)?;
        let verified = match (&grant.challenge, params.text("code_verifier")?) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(challenge), Some(verifier)) => {
                *challenge == BASE64URL_NOPAD.encode(&Sha256::digest(verifier.as_bytes()))
            }
        };
        let fits = grant.client_id == client_id
            && params.text("redirect_uri")?.as_ref() == Some(&grant.redirect_uri)
            && now.since(grant.made_at) < CODE_LIFE;
        if !fits || !verified {
            return Err(invalid_grant());
        }
        let grant = self.grants.remove(&code).ok_or_else(invalid_grant)?;
        Ok((Some(grant.account), grant.scopes))
    }

    pub(super) fn revoke_token(&mut self, request: &Request) -> Outcome {
        let params = Params::body(request)?;
        let denied =
            || refused(403, "unauthorized_client", "You are not authorized to revoke this token");
        let client_id = self.client(request, &params).map_err(|_| denied())?;
        let token = params.text("token")?.ok_or_else(denied)?;
        // A token that is not known any more is no error: revoking twice answers the same.
        if let Some(row) = self.tokens.get_mut(&token) {
            if row.app.as_deref() != Some(&client_id) {
                return Err(denied());
            }
            row.revoked = true;
        }
        Ok(Answer::json(200, &json!({})))
    }

    /// The scopes that the discovery document lists.
    pub(super) fn scopes() -> BTreeSet<&'static str> {
        SCOPES.iter().copied().collect()
    }
}
