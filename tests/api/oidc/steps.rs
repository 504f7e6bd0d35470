//! What is asked for besides: a code, a proof anew, a confirmation; and passwords that are not taken.

use std::time::Duration;

use carillon::base::Clock as _;
use carillon::service::OidcSettings;
use http::Method;
use serde_json::json;

use super::super::harness::House;
use super::super::suspicion::raised;
use super::super::users::pages::{Browser, check, fields};
use super::super::users::{ANN, PASSWORD, Person, account, code, token_of, with_password};
use super::{asked, away, by, finish, in_at, me, settings, sign_in, somebody, with_ann};

fn seconds(house: &House) -> u64 {
    house.clock.now().as_millis() / 1_000
}

#[tokio::test]
async fn whoever_has_an_authenticator_gives_a_code_by_this_door_too() {
    let house = with_ann().await;
    let mut ann = Person::signed_in(&house, ANN).await;
    let (secret, _) = ann.set_up_totp().await;
    house.clock.advance(Duration::from_mins(1));
    let mut browser = Browser::new(&house);
    let back = sign_in(&mut browser, &house, &somebody("1", ANN)).await;
    let html = asked(&mut browser, &back).await;
    assert!(html.contains("a code of your authenticator") && browser.session().is_none(), "{html}");
    for wrong in ["", "000000"] {
        let refused = finish(&mut browser, &[("code", wrong)]).await;
        assert!(refused.status == 422 && browser.session().is_none(), "{}", refused.text());
    }
    let right = code(&house, &secret, 0);
    in_at(&finish(&mut browser, &[("code", &right)]).await, "/account");
    // The same code lets nobody in a second time.
    let mut other = Browser::new(&house);
    sign_in(&mut other, &house, &somebody("1", ANN)).await;
    assert_eq!(finish(&mut other, &[("code", &right)]).await.status, 422);
}

#[tokio::test]
async fn a_session_says_when_they_last_proved_who_they_are() {
    let house = with_ann().await;
    // Signed in there an hour ago: here that proves nothing of this moment.
    let hour_ago = seconds(&house) - 3_600;
    let mut who = somebody("1", ANN);
    for claim in [json!(hour_ago), serde_json::Value::Null] {
        who["auth_time"] = claim;
        let mut browser = Browser::new(&house);
        in_at(&sign_in(&mut browser, &house, &who).await, "/account");
        let token = browser.session().unwrap();
        let totp = house.bare(Method::POST, "/api/v1/me/totp").key(&token);
        assert_eq!(totp.send().await.said(), "403 step_up_needed");
        let page = browser.get("/account").await;
        check(&page);
        assert!(page.text().contains("Prove it with Acme"), "{}", page.text());
        let back = by(&mut browser, &house, ("/account/oidc/prove", ""), &who).await;
        in_at(&back, "/account?done=proved");
        let token = browser.session().unwrap();
        let totp = house.bare(Method::POST, "/api/v1/me/totp").key(&token);
        assert_eq!(totp.send().await.status, 201);
    }
    let mut browser = Browser::new(&house);
    who["auth_time"] = json!(seconds(&house));
    in_at(&sign_in(&mut browser, &house, &who).await, "/account");
    let token = browser.session().unwrap();
    let totp = house.bare(Method::POST, "/api/v1/me/totp").key(&token);
    assert_eq!(totp.send().await.status, 201, "proved there just now");
}

#[tokio::test]
async fn a_proof_is_of_the_same_person_anew_and_in_the_same_session() {
    let house = with_ann().await;
    let mut browser = Browser::new(&house);
    sign_in(&mut browser, &house, &somebody("1", ANN)).await;
    let other = by(&mut browser, &house, ("/account/oidc/prove", ""), &somebody("2", ANN)).await;
    assert!(other.status == 403 && other.text().contains("somebody else"), "{}", other.text());
    // A provider that lets them through without asking says since when, or nothing, or nonsense.
    for lax in ["old", "of just before", "of the future", "none"] {
        house.provider.lock().unwrap().twist = Some(match lax {
            "old" => |it| it["auth_time"] = json!(it["iat"].as_u64().unwrap() - 3_600),
            "of just before" => |it| it["auth_time"] = json!(it["iat"].as_u64().unwrap() - 120),
            "of the future" => |it| it["auth_time"] = json!(it["iat"].as_u64().unwrap() * 1_000),
            _ => |it| drop(it.as_object_mut().unwrap().remove("auth_time")),
        });
        let lax = by(&mut browser, &house, ("/account/oidc/prove", ""), &somebody("1", ANN)).await;
        assert!(lax.status == 403 && lax.text().contains("did not ask you anew"), "{}", lax.text());
    }
    house.provider.lock().unwrap().twist = None;
    // What one session began does not come back in another; whose it was is told.
    let url = away(&browser.post("/account/oidc/prove", "").await);
    let back = house.provider.lock().unwrap().authorize(&url, &somebody("1", ANN));
    browser.sign_in().await;
    let astray = browser.get(&back).await;
    assert!(astray.status == 403 && astray.text().contains("another browser or session"));
    let ann = Person::signed_in(&house, ANN).await;
    let home = ann.get("/workspaces").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    let events = ann.get(&format!("/workspaces/{home}/events?limit=100")).await.json();
    let told = events["items"].as_array().unwrap().iter();
    assert_eq!(told.filter(|event| event["kind"] == "sign_in.other_session").count(), 1);
    let key = house.new_key(&home, &["admin"]).await;
    assert_eq!(raised(&house, &key).await, ["suspicious.astray_sign_in"]);
}

#[tokio::test]
async fn an_identity_is_connected_from_the_account_and_let_go() {
    let house = House::vouched_for(settings()).await;
    account(&house, ANN).await;
    account(&house, "ben@example.org").await;
    let mut browser = Browser::new(&house);
    browser.sign_in().await;
    let page = browser.get("/account").await;
    check(&page);
    assert!(page.text().contains("Connect Acme"), "{}", page.text());
    // Whatever the e-mail there is: both sides are proved.
    let who = json!({ "sub": "7", "email": "a.baker@home.example", "email_verified": false });
    let back = by(&mut browser, &house, ("/account/oidc/link", ""), &who).await;
    let html = asked(&mut browser, &back).await;
    assert!(html.contains("Connect a.baker@home.example?") && html.contains(ANN), "{html}");
    assert!(me(&house, &browser).await["identity"].is_null(), "nothing is kept before they say so");
    in_at(&finish(&mut browser, &[]).await, "/account?done=linked");
    assert_eq!(me(&house, &browser).await["identity"], "a.baker@home.example");
    let mut other = Browser::new(&house);
    in_at(&sign_in(&mut other, &house, &who).await, "/account");
    assert_eq!(me(&house, &other).await["email"], ANN);
    // It is nobody else's beside.
    let mut ben = Browser::new(&house);
    let form = fields(&[("email", "ben@example.org"), ("password", PASSWORD)]);
    ben.post("/sign-in", &form).await;
    let back = by(&mut ben, &house, ("/account/oidc/link", ""), &who).await;
    asked(&mut ben, &back).await;
    let taken = finish(&mut ben, &[]).await;
    assert!(taken.status == 403 && taken.text().contains("that of another account"));
    // A proof is asked for on both ways.
    house.clock.advance(Duration::from_mins(11));
    for path in ["/account/oidc/link", "/account/oidc/unlink"] {
        let refused = browser.post(path, "").await;
        assert!(refused.status == 403, "{path}: {}", refused.text());
    }
    let form = fields(&[("password", PASSWORD)]);
    in_at(&browser.post("/account/prove", &form).await, "/account?done=proved");
    in_at(&browser.post("/account/oidc/unlink", "").await, "/account?done=unlinked");
    let gone = sign_in(&mut Browser::new(&house), &house, &who).await;
    assert_eq!(gone.status, 403, "{}", gone.text());
}

#[tokio::test]
async fn passwords_may_be_taken_of_administrators_only() {
    let house = House::vouched_for(OidcSettings { passwords: false, ..settings() }).await;
    account(&house, ANN).await;
    let args = json!({ "email": "root@example.org", "password": PASSWORD, "admin": true });
    house.verb(("user", "create"), None, args).await;
    let mut browser = Browser::new(&house);
    let page = browser.get("/sign-in").await;
    assert!(page.text().contains("administrators only"), "{}", page.text());
    assert_eq!(with_password(&house, ANN, PASSWORD).await.said(), "403 oidc_only");
    assert_eq!(
        with_password(&house, ANN, "a wrong one by far").await.said(),
        "401 sign_in_refused"
    );
    assert_eq!(with_password(&house, "root@example.org", PASSWORD).await.status, 201);
    let args = json!({ "email": "new@example.org", "role": "editor" });
    let made = house.verb(("invitation", "create"), Some(&house.workspace), args).await;
    let token = token_of(&made["link"]);
    let page = Browser::new(&house).get(&format!("/invitations/{token}")).await;
    check(&page);
    let html = page.text();
    assert!(html.contains("Join with Acme") && !html.contains("type=\"password\""), "{html}");
    let body = json!({ "token": token, "name": "N", "password": "correct horse battery" });
    let join = house.bare(Method::POST, "/api/v1/invitations/accept").json(&body).send().await;
    assert_eq!(join.said(), "403 oidc_only");
    let refused = browser.sign_in().await;
    assert!(refused.text().contains("Passwords are not taken here"), "{}", refused.text());
    // To connect an account is no way in by a password alone.
    let back = sign_in(&mut browser, &house, &somebody("1", ANN)).await;
    asked(&mut browser, &back).await;
    in_at(&finish(&mut browser, &[("password", PASSWORD)]).await, "/account");
}

#[tokio::test]
async fn an_e_mail_may_come_from_userinfo_and_be_trusted_by_a_setting() {
    let house = House::vouched_for(OidcSettings {
        trust_email: true,
        accounts_for: vec!["example.org".to_owned()],
        ..settings()
    })
    .await;
    account(&house, ANN).await;
    house.provider.lock().unwrap().by_userinfo = true;
    let mut browser = Browser::new(&house);
    let mut who = somebody("1", "zoe@example.org");
    who["email_verified"] = serde_json::Value::Null;
    in_at(&sign_in(&mut browser, &house, &who).await, "/account");
    assert_eq!(me(&house, &browser).await["email"], "zoe@example.org");
    // What the provider denies is denied.
    let mut who = somebody("2", "yan@example.org");
    who["email_verified"] = json!(false);
    assert_eq!(sign_in(&mut Browser::new(&house), &house, &who).await.status, 403);
}

/// A provider that never says when it asked them: without a password, an authenticator is the only proof.
#[tokio::test]
async fn whoever_has_no_other_proof_sets_up_an_authenticator_at_once() {
    let house = House::vouched_for(OidcSettings {
        accounts_for: vec!["example.org".to_owned()],
        ..settings()
    })
    .await;
    account(&house, ANN).await;
    let mut browser = Browser::new(&house);
    let who = somebody("1", "zoe@example.org");
    in_at(&sign_in(&mut browser, &house, &who).await, "/account");
    house.clock.advance(Duration::from_mins(10));
    assert_eq!(browser.post("/account/totp/begin", "").await.status, 403, "too late");
    in_at(&sign_in(&mut browser, &house, &who).await, "/account");
    assert!(browser.get("/account").await.text().contains("Set up an authenticator"));
    in_at(&browser.post("/account/totp/begin", "").await, "/account#totp");
    let page = browser.get("/account").await.text();
    let secret = page.split("<code>").nth(1).unwrap().split('<').next().unwrap().replace(' ', "");
    let form = fields(&[("code", &code(&house, &secret, 0))]);
    assert_eq!(browser.post("/account/totp/confirm", &form).await.status, 200);
    // From then on the code proves it, whatever the provider says of when.
    house.clock.advance(Duration::from_mins(11));
    house.provider.lock().unwrap().twist =
        Some(|it| drop(it.as_object_mut().unwrap().remove("auth_time")));
    let back = by(&mut browser, &house, ("/account/oidc/prove", ""), &who).await;
    asked(&mut browser, &back).await;
    let right = code(&house, &secret, 0);
    in_at(&finish(&mut browser, &[("code", &right)]).await, "/account?done=proved");
    assert_eq!(browser.post("/account/totp/end", "").await.header("location"), "/account?done=off");
}
