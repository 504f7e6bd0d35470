//! Sessions of an app password: signing in, renewing, and whose they are (networks.md 10.1).
//! Must not store anything, and must not give up an account for one answer.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use url::Url;

use super::super::call::ACCESS_TOKEN;
use super::super::{Call, CallError, Connected, Credential, Facts, Failure, failure};
use super::xrpc::{self, Host, SERVICE};
use crate::base::Timestamp;
use crate::domain::channel::Account;

const REFRESH_TOKEN: &str = "refresh_token";
const PASSWORD: &str = "app_password";
/// Milliseconds since 1970: from when on the session should be renewed.
const RENEW_FROM: &str = "renew_from";
/// What an access token lives when it does not say so.
const LIFE: Duration = Duration::from_hours(2);
/// After that a session that does not say when it ends is renewed, used or not.
const UNSAID: Duration = Duration::from_hours(7 * 24);

/// What the answers to signing in, renewing and asking have in common.
pub(super) async fn connect(
    call: &Call<'_>,
    identifier: &str,
    password: &str,
) -> Result<Connected, CallError> {
    let answer = sign_in(call, identifier, password).await?;
    let account = account(call, &answer)?;
    let credential = credential(call, &answer, password)?;
    Ok(Connected::Account { account, facts: Facts::new(), credential: Some(credential) })
}

pub(super) async fn identify(call: &Call<'_>) -> Result<Account, CallError> {
    let asked = xrpc::ask(call, xrpc::query(call, "com.atproto.server.getSession")?).await;
    match asked {
        Ok(answer) => account(call, &answer),
        // It takes no parameters, so what it calls a bad request is an account that it does not
        // show any more: a taken-down one (reference server 0.5, seen 2026-11).
        Err(CallError::Refused(said)) if said.code == "validation" => {
            Err(CallError::Unauthorized(Failure { code: "account_not_found".to_owned(), ..said }))
        }
        Err(error) => Err(error),
    }
}

pub(super) fn renew_from(credential: &Credential) -> Option<Timestamp> {
    let text = credential.get(RENEW_FROM)?;
    // One that cannot be read is as good as over.
    Some(Timestamp::from_millis(text.parse().unwrap_or(0)))
}

/// Half-way through the life of the refresh token, which a renewal starts anew.
pub(super) fn keep_from(credential: &Credential) -> Option<Timestamp> {
    let claims = claims(credential.get(REFRESH_TOKEN)?);
    let half = claims.map(|(made, life)| made.plus(life / 2));
    // One that does not say how long it lives is renewed as if that were not long.
    half.or_else(|| Some(renew_from(credential)?.plus(UNSAID)))
}

/// By the refresh token; else by the app password. A refresh token works on for two hours after
/// its use and then gives the same successor, so an answer that was lost may be asked for again.
pub(super) async fn renew(call: &Call<'_>) -> Result<Credential, CallError> {
    let held = call.credential.ok_or(CallError::Missing("token"))?;
    let (Some(refresh), Some(password)) = (held.get(REFRESH_TOKEN), held.get(PASSWORD)) else {
        return Err(CallError::Missing("token"));
    };
    let refused = match refresh_session(call, held, refresh).await {
        Ok(answer) => return active(call, &answer, password),
        Err(error) => error,
    };
    let identifier = call.account.map(|account| account.remote_id.as_str());
    let identifier = identifier.ok_or(CallError::Missing("identifier"))?;
    match (sign_in(call, identifier, password).await, refused) {
        (Ok(answer), _) => active(call, &answer, password),
        // Twice refused, in two ways.
        (Err(CallError::Unauthorized(again)), CallError::Unauthorized(first)) => {
            // What the first said of the account says more than "wrong password".
            let told = if again.code == "unauthorized" { first } else { again };
            Err(CallError::Unauthorized(told))
        }
        // Once is not enough: perhaps the way in was mistaken.
        (Err(CallError::Unauthorized(once)), _) => Err(CallError::Unreachable(once)),
        (Err(error), _) => Err(error),
    }
}

async fn refresh_session(
    call: &Call<'_>,
    held: &Credential,
    refresh: &str,
) -> Result<Value, CallError> {
    let service = held.get(SERVICE).unwrap_or_default();
    let bearer =
        Credential::new([(ACCESS_TOKEN, refresh.to_owned()), (SERVICE, service.to_owned())]);
    let call = Call { credential: Some(&bearer), ..*call };
    let method = "com.atproto.server.refreshSession";
    xrpc::ask(&call, xrpc::procedure(&call, Host::Own, method, None)?).await
}

async fn sign_in(call: &Call<'_>, identifier: &str, password: &str) -> Result<Value, CallError> {
    let secret = Credential::new([(PASSWORD, password.to_owned())]);
    // The entry knows where an account lives, even after it has moved.
    let call = Call { credential: Some(&secret), ..*call };
    let input = json!({ "identifier": identifier, "password": password });
    let method = "com.atproto.server.createSession";
    xrpc::ask(&call, xrpc::procedure(&call, Host::Entry, method, Some(&input))?).await
}

/// The session, if it is of an account that may act.
fn active(call: &Call<'_>, answer: &Value, password: &str) -> Result<Credential, CallError> {
    let account = account(call, answer)?;
    if call.account.is_some_and(|mine| mine.remote_id != account.remote_id) {
        return Err(unreadable("a session of another account"));
    }
    credential(call, answer, password)
}

/// Whose session it is. An account that is switched off still gets sessions.
fn account(call: &Call<'_>, answer: &Value) -> Result<Account, CallError> {
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    let (Some(did), Some(handle)) = (text("did"), text("handle")) else {
        return Err(unreadable("no did or handle"));
    };
    if answer.get("active") == Some(&Value::Bool(false)) {
        let code = match text("status") {
            Some("takendown" | "suspended") => "account_suspended",
            _ => "account_deactivated",
        };
        let said = text("status").unwrap_or_default();
        return Err(CallError::Unauthorized(failure(code, said, Some(200))));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-:_%".contains(c);
    if !did.starts_with("did:") || did.len() > 256 || !did.chars().all(plain) {
        return Err(unreadable("not a did"));
    }
    Ok(Account {
        remote_id: did.to_owned(),
        handle: format!("@{handle}"),
        url: Some(super::profile(call, did)),
    })
}

fn credential(call: &Call<'_>, answer: &Value, password: &str) -> Result<Credential, CallError> {
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    let (Some(access), Some(refresh)) = (text("accessJwt"), text("refreshJwt")) else {
        return Err(unreadable("no tokens"));
    };
    // Sessions do not always bring the document along; the address then is the one we know.
    let known = || call.credential.and_then(|c| c.get(SERVICE)).map(str::to_owned);
    let entry = || call.instance.map(|url| url.as_str().to_owned());
    let service = service(answer).or_else(known).or_else(entry);
    let life = life_of(access).unwrap_or(LIFE);
    // With a quarter of its life left, by our own clock.
    let renew_from = call.now.plus(life / 4 * 3);
    Ok(Credential::new([
        (ACCESS_TOKEN, access.to_owned()),
        (REFRESH_TOKEN, refresh.to_owned()),
        (PASSWORD, password.to_owned()),
        (SERVICE, service.unwrap_or_default()),
        (RENEW_FROM, renew_from.as_millis().to_string()),
    ]))
}

/// The account's own server, by its DID document.
fn service(answer: &Value) -> Option<String> {
    let services = answer.get("didDoc")?.get("service")?.as_array()?;
    let is_it = |service: &&Value| {
        let text = |name: &str| service.get(name).and_then(Value::as_str).unwrap_or_default();
        text("id").ends_with("#atproto_pds") && text("type") == "AtprotoPersonalDataServer"
    };
    let endpoint = services.iter().find(is_it)?.get("serviceEndpoint")?.as_str()?;
    let url = Url::parse(endpoint).ok()?;
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    let web = matches!(url.scheme(), "http" | "https") && url.has_host() && plain;
    web.then(|| endpoint.trim_end_matches('/').to_owned())
}

/// How long a token lives, by its own claims. It is opaque by right, so this is only a hint.
fn life_of(token: &str) -> Option<Duration> {
    claims(token).map(|(_, life)| life)
}

/// When a token was made and how long it lives.
fn claims(token: &str) -> Option<(Timestamp, Duration)> {
    let claims = BASE64URL_NOPAD.decode(token.split('.').nth(1)?.as_bytes()).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    let second = |name: &str| claims.get(name).and_then(Value::as_u64);
    let made = second("iat")?;
    let life = second("exp")?.checked_sub(made)?;
    let made = Timestamp::from_millis(made.saturating_mul(1_000));
    (1..=31_536_000).contains(&life).then(|| (made, Duration::from_secs(life)))
}

fn unreadable(what: &str) -> CallError {
    CallError::Refused(failure("unreadable_answer", what, Some(200)))
}
