//! Connecting a Mastodon account: by a pasted token, or by registering this installation with the
//! server and having a person bring a code. Reads the server's limits and what it is.

use http::Method;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Value, json};
use url::Url;

use super::super::call::ACCESS_TOKEN;
use super::super::{Call, CallError, Connected, Credential, Facts, Grant, failure};
use super::token::{self, CLIENT_ID, CLIENT_SECRET, OUT_OF_BAND, VERIFIER};
use super::{
    ALT_MAX, HONOURS_KEY, IMAGE_BYTES, IMAGE_PIXELS, MAX_CHARACTERS, MAX_MEDIA, MEDIA_TYPES,
    URL_LENGTH, VIDEO_BYTES, VIDEO_PIXELS, web_url,
};
use crate::base::Rng;
use crate::domain::channel::Account;
use crate::domain::media::MediaKind;

const SCOPES: &[&str] = &["read:accounts", "read:statuses", "write:statuses", "write:media"];

pub(super) async fn connect(call: &Call<'_>, grant: Grant<'_>) -> Result<Connected, CallError> {
    match grant {
        Grant::Nothing | Grant::Password { .. } => Err(CallError::Missing("token")),
        Grant::Token(token) => {
            account(call, Credential::new([(ACCESS_TOKEN, token.to_owned())])).await
        }
        Grant::Register { rng } => register(call, rng).await,
        Grant::Code { code, pending } => {
            account(call, token::exchange(call, code, pending).await?).await
        }
    }
}

pub(super) async fn identify(call: &Call<'_>) -> Result<Account, CallError> {
    let me = call.get("/api/v1/accounts/verify_credentials").await?;
    let text = |name: &str| me.get(name).and_then(Value::as_str);
    let (Some(id), Some(acct)) = (text("id"), text("acct")) else {
        return Err(CallError::Refused(failure("unreadable_answer", "no id or acct", Some(200))));
    };
    let host = call.instance.and_then(Url::host_str).unwrap_or_default();
    let handle = if acct.contains('@') { format!("@{acct}") } else { format!("@{acct}@{host}") };
    Ok(Account { remote_id: id.to_owned(), handle, url: web_url(me.get("url")) })
}

/// Tests the credential and reads what the server says of itself.
async fn account(call: &Call<'_>, credential: Credential) -> Result<Connected, CallError> {
    let call = Call { credential: Some(&credential), ..*call };
    let account = identify(&call).await?;
    let facts = facts(&call).await?;
    Ok(Connected::Account { account, facts, credential: Some(credential) })
}

async fn facts(call: &Call<'_>) -> Result<Facts, CallError> {
    let instance = match call.get("/api/v2/instance").await {
        // Servers of the same API without the newer document.
        Err(CallError::Refused(_)) => call.get("/api/v1/instance").await?,
        answer => answer?,
    };
    let (statuses, media) =
        (&instance["configuration"]["statuses"], &instance["configuration"]["media_attachments"]);
    let mut facts = Facts::new();
    let mut number = |from: &Value, name: &str, most: u64| {
        // Zero would make every post too long; nonsense is as good as silence.
        if let Some(number) = from[name].as_u64().filter(|n| (1..=most).contains(n)) {
            facts.insert(name.to_owned(), number.to_string());
        }
    };
    for name in [MAX_CHARACTERS, URL_LENGTH, MAX_MEDIA] {
        number(statuses, name, 1_000_000);
    }
    for name in [ALT_MAX, IMAGE_BYTES, IMAGE_PIXELS, VIDEO_BYTES, VIDEO_PIXELS] {
        number(media, name, u64::from(u32::MAX));
    }
    if let Some(types) = media[MEDIA_TYPES].as_array() {
        let ours = types.iter().filter_map(Value::as_str).filter_map(MediaKind::from_mime);
        let ours: Vec<_> = ours.map(MediaKind::mime).collect();
        facts.insert(MEDIA_TYPES.to_owned(), ours.join(","));
    }
    if let Some(version) = instance["version"].as_str() {
        facts.insert("version".to_owned(), version.chars().take(60).collect());
    }
    let is_mastodon = software(call).await.is_some_and(|name| name == "mastodon");
    facts.insert(HONOURS_KEY.to_owned(), is_mastodon.to_string());
    Ok(facts)
}

/// What the server runs, by `NodeInfo`; `None` when it does not say so in a readable way.
async fn software(call: &Call<'_>) -> Option<String> {
    let index = call.get("/.well-known/nodeinfo").await.ok()?;
    let links = index.get("links")?.as_array()?;
    let href = links.iter().rev().find_map(|link| link.get("href")?.as_str())?;
    let url = Url::parse(href).ok()?;
    // The document must be the server's own, or it says nothing about it.
    let own = call.instance?;
    if url.host_str() != own.host_str()
        || url.port_or_known_default() != own.port_or_known_default()
    {
        return None;
    }
    let document = call.ask(call.request(Method::GET, url)).await.ok()?;
    Some(document["software"]["name"].as_str()?.to_lowercase())
}

async fn register(call: &Call<'_>, rng: &dyn Rng) -> Result<Connected, CallError> {
    let mut request = call.request(Method::POST, call.at("/api/v1/apps")?);
    request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body = json!({
        "client_name": "Carillon",
        "redirect_uris": OUT_OF_BAND,
        "scopes": SCOPES.join(" "),
    });
    request.body = body.to_string().into();
    let app = call.ask(request).await?;
    let (Some(id), Some(secret)) = (app["client_id"].as_str(), app["client_secret"].as_str())
    else {
        return Err(CallError::Refused(failure("unreadable_answer", "no client_id", Some(200))));
    };
    // Servers before 4.3 do not know PKCE, and overlook it.
    let asked = token::oauth_app(call, id, secret)?.authorize_url(SCOPES, true, rng);
    let verifier = asked.verifier.map(|v| v.reveal().clone()).unwrap_or_default();
    let credential = Credential::new([
        (CLIENT_ID, id.to_owned()),
        (CLIENT_SECRET, secret.to_owned()),
        (VERIFIER, verifier),
    ]);
    Ok(Connected::Pending { authorize_url: asked.url.to_string(), credential })
}
