//! Applications, consent and tokens of the practice Mastodon.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use carillon::practice::mastodon::Settings;

use crate::twin::{HOST, Twin, error, header, open};

const OOB: &str = "urn:ietf:wg:oauth:2.0:oob";

fn register(twin: &mut Twin, redirect: &str) -> (String, String) {
    let body = format!("client_name=c&redirect_uris={redirect}&scopes=read+write:statuses");
    let (status, app) = twin.form("/api/v1/apps", &body);
    assert_eq!((status, &app["client_secret_expires_at"]), (200, &json!(0)));
    let text = |name: &str| app[name].as_str().unwrap().to_owned();
    (text("client_id"), text("client_secret"))
}

const REDIRECT: &str = "https://c.example/cb?a=1";
/// The pair of RFC 7636, appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// What a client asks of the consent page.
fn ask(client: &str) -> String {
    format!(
        "client_id={client}&response_type=code&redirect_uri={REDIRECT}&scope=write:statuses&\
         state=s1&code_challenge={CHALLENGE}&code_challenge_method=S256"
    )
}

/// The code that the consent of ann brings to the client's address.
fn agree(twin: &mut Twin, client: &str) -> String {
    let body = format!("{}&username=ann", ask(client));
    let answer = twin.call(Method::POST, "/oauth/authorize", &[], &body);
    let to = header(&answer, "location");
    assert!(to.starts_with("https://c.example/cb?a=1&code=") && to.ends_with("&state=s1"));
    let code = to.split("code=").nth(1).unwrap();
    code.split('&').next().unwrap().to_owned()
}

#[test]
fn consent_is_asked_and_can_be_refused() {
    let mut twin = Twin::new();
    let (client, _) = register(&mut twin, REDIRECT);
    let ask = ask(&client);
    let page = twin.call(Method::GET, &format!("/oauth/authorize?{ask}"), &[], "");
    assert!(String::from_utf8_lossy(&page.body).contains("Authorize as ann"));
    let body = format!("{ask}&deny=1");
    let denied = twin.call(Method::POST, "/oauth/authorize", &[], &body);
    assert_eq!(denied.status, 302);
    assert!(header(&denied, "location").contains("error=access_denied"));
}

#[test]
fn a_code_is_good_once_for_its_client_and_verifier() {
    let mut twin = Twin::new();
    let (client, secret) = register(&mut twin, REDIRECT);
    let code = agree(&mut twin, &client);
    let grant = format!("grant_type=authorization_code&code={code}&redirect_uri={REDIRECT}");
    let by_body = format!("{grant}&client_id={client}&client_secret={secret}");
    let wrong = twin.form("/oauth/token", &format!("{by_body}&code_verifier=wrong"));
    assert_eq!(error(&wrong), (400, "invalid_grant".to_owned()));
    let wrong = twin.form("/oauth/token", &format!("{grant}&client_id={client}&client_secret=x"));
    assert_eq!(error(&wrong), (401, "invalid_client".to_owned()));
    let body = json!({
        "grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
    });
    let basic = data_encoding::BASE64.encode(format!("{client}:{secret}").as_bytes());
    let basic = format!("Basic {basic}");
    let headers = [("authorization", basic.as_str()), ("content-type", "application/json")];
    let token = open(&twin.call(Method::POST, "/oauth/token", &headers, &body.to_string()));
    assert_eq!((token.0, &token.1["scope"]), (200, &json!("write:statuses")));
    assert_eq!(token.1["expires_in"], Value::Null);
    let again = twin.form("/oauth/token", &format!("{by_body}&code_verifier={VERIFIER}"));
    assert_eq!(error(&again), (400, "invalid_grant".to_owned()));
}

#[test]
fn an_issued_token_works_within_its_scopes_until_it_is_revoked() {
    let mut twin = Twin::new();
    let (client, secret) = register(&mut twin, REDIRECT);
    let app = format!("client_id={client}&client_secret={secret}");
    let code = agree(&mut twin, &client);
    let body = format!(
        "grant_type=authorization_code&code={code}&redirect_uri={REDIRECT}&{app}&\
         code_verifier={VERIFIER}"
    );
    let token = twin.form("/oauth/token", &body).1;
    let token = token["access_token"].as_str().unwrap();
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let posted = open(&twin.call(Method::POST, "/api/v1/statuses", &headers, "status=x"));
    assert_eq!((posted.0, &posted.1["application"]["name"]), (200, &json!("c")));
    assert_eq!(twin.get("/api/v1/accounts/verify_credentials", token).0, 403);
    assert_eq!(twin.form("/oauth/revoke", &format!("{app}&token=t-ann")).0, 403);
    assert_eq!(twin.form("/oauth/revoke", &format!("{app}&token={token}")).0, 200);
    assert_eq!(twin.form("/oauth/revoke", &format!("{app}&token={token}")).0, 200);
    let refused = open(&twin.call(Method::POST, "/api/v1/statuses", &headers, "status=x"));
    assert_eq!(error(&refused), (401, "The access token was revoked".to_owned()));
}

#[test]
fn applications_and_consents_are_checked() {
    let mut twin = Twin::new();
    for (body, text) in [
        (
            "redirect_uris=urn:ietf:wg:oauth:2.0:oob",
            "Validation failed: Application name can't be blank",
        ),
        (
            "client_name=c&redirect_uris=nowhere",
            "Validation failed: Redirect URI must be an absolute URI.",
        ),
        (
            "client_name=c&redirect_uris=urn:ietf:wg:oauth:2.0:oob&scopes=all",
            "Validation failed: Scopes doesn't match configured on the server.",
        ),
    ] {
        assert_eq!(error(&twin.form("/api/v1/apps", body)), (422, text.to_owned()));
    }
    let (client, secret) = register(&mut twin, OOB);
    let ask = format!("client_id={client}&response_type=code&username=ann");
    let ok = format!("{ask}&redirect_uri={OOB}&scope=read:accounts");
    let page = twin.call(Method::POST, "/oauth/authorize", &[], &ok);
    assert!(String::from_utf8_lossy(&page.body).contains("<code id=\"code\">"));
    for (more, status, text) in [
        (format!("&redirect_uri={OOB}&scope=write"), 400, "invalid_scope"),
        ("&redirect_uri=https://c.example/cb".to_owned(), 400, "invalid_redirect_uri"),
        (
            format!("&redirect_uri={OOB}&code_challenge=x&code_challenge_method=plain"),
            400,
            "invalid_code_challenge_method",
        ),
    ] {
        let found = twin.form("/oauth/authorize", &format!("{ask}{more}"));
        assert_eq!(error(&found), (status, text.to_owned()));
    }
    let app = format!("client_id={client}&client_secret={secret}");
    let own = twin.form("/oauth/token", &format!("{app}&grant_type=client_credentials"));
    assert_eq!((own.0, &own.1["scope"]), (200, &json!("read")));
    let token = own.1["access_token"].as_str().unwrap().to_owned();
    let verify = error(&twin.get("/api/v1/accounts/verify_credentials", &token));
    assert_eq!(verify, (422, "This method requires an authenticated user".to_owned()));
    let refresh = twin.form("/oauth/token", &format!("{app}&grant_type=refresh_token"));
    assert_eq!(error(&refresh), (400, "unsupported_grant_type".to_owned()));
    // networks.md 11.7 (7)
    twin.world.mastodon(HOST).unwrap().forget_apps();
    let gone = twin.form("/oauth/token", &format!("{app}&grant_type=client_credentials"));
    assert_eq!(error(&gone), (401, "invalid_client".to_owned()));
}

#[test]
fn a_code_is_good_for_ten_minutes() {
    let mut twin = Twin::new();
    let (client, secret) = register(&mut twin, OOB);
    let ask = format!("client_id={client}&response_type=code&username=ann&redirect_uri={OOB}");
    let page = twin.call(Method::POST, "/oauth/authorize", &[], &ask);
    let page = String::from_utf8_lossy(&page.body).into_owned();
    let code = page.split("id=\"code\">").nth(1).unwrap().split('<').next().unwrap();
    twin.after(Duration::from_mins(10));
    let body = format!(
        "grant_type=authorization_code&code={code}&redirect_uri={OOB}&client_id={client}&\
         client_secret={secret}"
    );
    assert_eq!(error(&twin.form("/oauth/token", &body)), (400, "invalid_grant".to_owned()));
}

/// Mastodon itself gives none; a server in front of another program does.
#[test]
fn a_refresh_token_is_good_once_and_ends_the_token_before() {
    let mut twin = Twin::with(Settings::front("https://practice-a.test"));
    let (client, secret) = register(&mut twin, REDIRECT);
    let app = format!("client_id={client}&client_secret={secret}");
    let code = agree(&mut twin, &client);
    let body = format!(
        "grant_type=authorization_code&code={code}&redirect_uri={REDIRECT}&{app}&\
         code_verifier={VERIFIER}"
    );
    let first = twin.form("/oauth/token", &body).1;
    let renew = |twin: &mut Twin, token: &Value| {
        let refresh = token["refresh_token"].as_str().unwrap();
        twin.form(
            "/oauth/token",
            &format!("{app}&grant_type=refresh_token&refresh_token={refresh}"),
        )
    };
    let (status, second) = renew(&mut twin, &first);
    assert_eq!((status, &second["scope"]), (200, &first["scope"]), "{second}");
    assert_eq!(error(&renew(&mut twin, &first)), (400, "invalid_grant".to_owned()));
    let post = |twin: &mut Twin, token: &Value| {
        let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
        let headers = [("authorization", bearer.as_str())];
        open(&twin.call(Method::POST, "/api/v1/statuses", &headers, "status=x")).0
    };
    assert_eq!((post(&mut twin, &first), post(&mut twin, &second)), (401, 200));
}
