//! The authorization code grant against answers made up in memory.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use carillon::base::{CorrelationId, Secret, SeededRng};
use carillon::outbound::oauth::{Exchange, OauthApp, OauthError, Proves, Token, Traded};
use carillon::outbound::{Origin, Request, Response, SendError, Transport};
use data_encoding::BASE64URL_NOPAD;
use http::{HeaderMap, HeaderValue, Method};
use sha2::{Digest, Sha256};
use url::Url;

/// Gives one answer and keeps the request.
struct Once {
    answer: Result<(u16, &'static str, &'static str), SendError>,
    seen: Mutex<Option<Request>>,
}

#[async_trait]
impl Transport for Once {
    async fn send(&self, request: Request) -> Result<Response, SendError> {
        *self.seen.lock().unwrap() = Some(request);
        let (status, kind, body) = self.answer.clone()?;
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static(kind));
        let body = Bytes::from_static(body.as_bytes());
        Ok(Response { status, headers, body })
    }
}

fn app() -> OauthApp {
    OauthApp {
        client_id: "id 1".to_owned(),
        client_secret: Secret::new("very&secret".to_owned()),
        proves: Proves::InBody,
        auth_url: Url::parse("https://social.example/oauth/authorize?lang=en").unwrap(),
        token_url: Url::parse("https://social.example/oauth/token").unwrap(),
        redirect_uri: Url::parse("urn:ietf:wg:oauth:2.0:oob").unwrap(),
        origin: Origin::Workspace,
    }
}

async fn exchange(
    answer: Result<(u16, &'static str, &'static str), SendError>,
    verifier: Option<&Secret<String>>,
) -> (Result<Token, OauthError>, Request) {
    trade(answer, Traded::Code("the code", verifier)).await
}

async fn trade(
    answer: Result<(u16, &'static str, &'static str), SendError>,
    traded: Traded<'_>,
) -> (Result<Token, OauthError>, Request) {
    let seen = Mutex::new(None);
    let transport = Once { answer, seen };
    let exchange = Exchange {
        traded,
        deadline: Duration::from_secs(7),
        correlation: CorrelationId::new(&SeededRng::new(3)),
    };
    let result = app().exchange(&transport, exchange).await;
    let request = transport.seen.lock().unwrap().take().unwrap();
    (result, request)
}

fn pairs(query: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(query).into_owned().collect()
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut found = pairs.iter().filter(|(n, _)| n == name);
    let value = found.next().map(|(_, value)| value.as_str());
    assert!(found.next().is_none(), "{name} twice");
    value
}

#[test]
fn the_authorization_address_holds_all_and_randomness_is_given() {
    let scopes = ["read:accounts", "write:statuses"];
    let asked = app().authorize_url(&scopes, true, &SeededRng::new(5));
    assert_eq!(asked.url.host_str(), Some("social.example"));
    assert_eq!(asked.url.path(), "/oauth/authorize");
    let query = pairs(asked.url.query().unwrap().as_bytes());
    for (name, expected) in [
        ("lang", "en"),
        ("response_type", "code"),
        ("client_id", "id 1"),
        ("redirect_uri", "urn:ietf:wg:oauth:2.0:oob"),
        ("scope", "read:accounts write:statuses"),
        ("code_challenge_method", "S256"),
        ("state", asked.state.reveal()),
    ] {
        assert_eq!(value(&query, name), Some(expected), "{name}");
    }
    let verifier = asked.verifier.as_ref().unwrap().reveal();
    let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(verifier));
    assert_eq!(value(&query, "code_challenge"), Some(challenge.as_str()));
    assert_eq!((verifier.len(), asked.state.reveal().len()), (43, 43));
    assert_ne!(verifier, asked.state.reveal());

    let again = app().authorize_url(&scopes, true, &SeededRng::new(5));
    assert_eq!(again.url, asked.url);
    let plain = app().authorize_url(&[], false, &SeededRng::new(5));
    let query = pairs(plain.url.query().unwrap().as_bytes());
    assert!(plain.verifier.is_none());
    assert_eq!((value(&query, "scope"), value(&query, "code_challenge")), (None, None));
}

#[tokio::test]
async fn a_code_becomes_a_token() {
    let body = r#"{"access_token":"tok","token_type":"Bearer","scope":"read write",
        "created_at":1,"refresh_token":"ref","expires_in":60}"#;
    let verifier = Secret::new("v".repeat(43));
    let answer = Ok((200, "application/json; charset=utf-8", body));
    let (token, request) = exchange(answer, Some(&verifier)).await;
    let token = token.unwrap();
    assert_eq!(token.access.reveal(), "tok");
    assert_eq!(token.refresh.as_ref().unwrap().reveal(), "ref");
    assert_eq!(token.expires_in, Some(Duration::from_mins(1)));
    assert_eq!(token.scopes.as_deref().unwrap(), ["read", "write"]);
    assert!(!format!("{token:?}").contains("tok\""), "{token:?}");

    assert_eq!((&request.method, &request.url), (&Method::POST, &app().token_url));
    assert_eq!((request.origin, request.deadline), (Origin::Workspace, Duration::from_secs(7)));
    assert_eq!(request.headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(request.headers["accept"], "application/json");
    assert!(!request.headers.contains_key("authorization"));
    let form = pairs(&request.body.collect().await.unwrap());
    for (name, expected) in [
        ("grant_type", "authorization_code"),
        ("code", "the code"),
        ("client_id", "id 1"),
        ("client_secret", "very&secret"),
        ("redirect_uri", "urn:ietf:wg:oauth:2.0:oob"),
        ("code_verifier", verifier.reveal()),
    ] {
        assert_eq!(value(&form, name), Some(expected), "{name}");
    }
}

#[tokio::test]
async fn a_mastodon_answer_without_expiry_is_enough() {
    let body = r#"{"access_token":"tok","token_type":"Bearer","scope":"read","created_at":1}"#;
    let (token, request) = exchange(Ok((200, "application/json", body)), None).await;
    let token = token.unwrap();
    assert!(token.refresh.is_none() && token.expires_in.is_none());
    assert_eq!(value(&pairs(&request.body.collect().await.unwrap()), "code_verifier"), None);
}

#[tokio::test]
async fn a_refresh_token_becomes_the_next_pair() {
    let body = r#"{"access_token":"tok 2","token_type":"Bearer","refresh_token":"ref 2"}"#;
    let answer = Ok((200, "application/json", body));
    let (token, request) = trade(answer, Traded::Refresh("the-first-refresh")).await;
    let token = token.unwrap();
    assert_eq!(token.access.reveal(), "tok 2");
    assert_eq!(token.refresh.as_ref().unwrap().reveal(), "ref 2");
    let form = pairs(&request.body.collect().await.unwrap());
    for (name, expected) in [
        ("grant_type", "refresh_token"),
        ("refresh_token", "the-first-refresh"),
        ("client_id", "id 1"),
        ("client_secret", "very&secret"),
    ] {
        assert_eq!(value(&form, name), Some(expected), "{name}");
    }
    let said = Ok((400, "application/json", r#"{"error":"used the-first-refresh before"}"#));
    let (refused, _) = trade(said, Traded::Refresh("the-first-refresh")).await;
    let refused = refused.unwrap_err();
    assert_eq!(
        refused,
        OauthError::Refused { status: 400, code: "used [secret] before".to_owned() }
    );
}

#[tokio::test]
async fn a_token_without_a_type_and_scopes_with_commas_are_read() {
    let body = r#"{"access_token":"tok","expires_in":5184000,"refresh_token":"ref",
        "refresh_token_expires_in":31536000,"scope":"openid,profile,w_member_social"}"#;
    let (token, _) = exchange(Ok((200, "application/json", body)), None).await;
    let token = token.unwrap();
    assert_eq!(token.scopes.as_deref().unwrap(), ["openid", "profile", "w_member_social"]);
    assert_eq!(token.refresh_expires_in, Some(Duration::from_hours(365 * 24)));
}

#[tokio::test]
async fn a_client_may_prove_itself_by_basic() {
    let body = r#"{"access_token":"tok","token_type":"bearer"}"#;
    let app = OauthApp { proves: Proves::ByBasic, ..app() };
    let seen = Mutex::new(None);
    let transport = Once { answer: Ok((200, "application/json", body)), seen };
    let exchange = Exchange {
        traded: Traded::Code("the code", None),
        deadline: Duration::from_secs(7),
        correlation: CorrelationId::new(&SeededRng::new(3)),
    };
    app.exchange(&transport, exchange).await.unwrap();
    let request = transport.seen.lock().unwrap().take().unwrap();
    let basic = request.headers["authorization"].to_str().unwrap().strip_prefix("Basic ").unwrap();
    let pair = data_encoding::BASE64.decode(basic.as_bytes()).unwrap();
    assert_eq!(pair, b"id+1:very%26secret");
    let form = pairs(&request.body.collect().await.unwrap());
    assert_eq!((value(&form, "client_id"), value(&form, "client_secret")), (None, None));
}

#[tokio::test]
async fn failures_are_told_apart() {
    let json = "application/json";
    let refused = |status, code: &str| OauthError::Refused { status, code: code.to_owned() };
    let lost = SendError::Lost { status: None, why: "x" };
    for (answer, expected) in [
        (Ok((400, json, r#"{"error":"invalid_grant"}"#)), refused(400, "invalid_grant")),
        (Ok((401, json, r#"{"error":"invalid_client"}"#)), refused(401, "invalid_client")),
        (Ok((429, json, r#"{"error":"Throttled"}"#)), refused(429, "Throttled")),
        (Ok((400, json, r#"{"error":"bad very&secret"}"#)), refused(400, "bad [secret]")),
        (Ok((502, "text/html", "<h1>Bad Gateway</h1>")), OauthError::Nonsense { status: 502 }),
        (Ok((500, json, "")), OauthError::Nonsense { status: 500 }),
        (Ok((200, "text/html", "<h1>Log in</h1>")), OauthError::Nonsense { status: 200 }),
        (Ok((200, json, r#"{"error":"invalid_grant"}"#)), OauthError::Nonsense { status: 200 }),
        (Ok((302, json, "")), OauthError::Nonsense { status: 302 }),
        (Err(lost.clone()), OauthError::Unreachable(lost)),
    ] {
        let (result, _) = exchange(answer, None).await;
        assert_eq!(result.unwrap_err(), expected);
    }
}
