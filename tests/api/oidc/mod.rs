//! Signing in at an identity provider (`OpenID` Connect), by the pages: who is let in, who gets an
//! account, what is asked for besides, and each answer of a provider that is not taken.

mod another;
mod refusals;
mod steps;

pub mod provider;

use carillon::base::Secret;
use carillon::domain::event::Event;
use carillon::service::OidcSettings;
use serde_json::{Value, json};

use super::harness::{Answer, House};
use super::users::pages::{Browser, check, fields};
use super::users::{ANN, PASSWORD, Person, account, token_of};
use provider::{CLIENT, ISSUER};

pub fn settings() -> OidcSettings {
    OidcSettings {
        issuer: Some(ISSUER.to_owned()),
        client_id: CLIENT.0.to_owned(),
        client_secret: Secret::new(CLIENT.1.to_owned()),
        name: "Acme <ID>".to_owned(),
        ..OidcSettings::default()
    }
}

/// Somebody at the provider, with an e-mail that it has verified.
pub fn somebody(subject: &str, email: &str) -> Value {
    json!({ "sub": subject, "email": email, "email_verified": true, "name": "Ann Baker" })
}

/// Where a page sends the browser on to.
pub fn away(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("refresh").strip_prefix("0; url=").unwrap().to_owned()
}

/// A browser that goes to the provider by a form, and comes back as somebody.
pub async fn by(
    browser: &mut Browser<'_>,
    house: &House,
    form: (&str, &str),
    who: &Value,
) -> Answer {
    let url = away(&browser.post(form.0, form.1).await);
    let back = house.provider.lock().unwrap().authorize(&url, who);
    browser.get(&back).await
}

pub async fn sign_in(browser: &mut Browser<'_>, house: &House, who: &Value) -> Answer {
    by(browser, house, ("/sign-in/oidc", "next=/account"), who).await
}

/// Goes on to what is asked for.
pub async fn asked(browser: &mut Browser<'_>, answer: &Answer) -> String {
    assert_eq!((answer.status, answer.header("location")), (303, "/sign-in/oidc/finish"));
    let page = browser.get("/sign-in/oidc/finish").await;
    check(&page);
    assert_eq!(page.status, 200);
    page.text()
}

pub async fn finish(browser: &mut Browser<'_>, given: &[(&str, &str)]) -> Answer {
    browser.post("/sign-in/oidc/finish", &fields(given)).await
}

pub fn in_at(answer: &Answer, path: &str) {
    assert_eq!((answer.status, answer.header("location")), (303, path), "{}", answer.text());
}

/// Who is signed in.
pub async fn me(house: &House, browser: &Browser<'_>) -> Value {
    let token = browser.session().unwrap();
    house.bare(http::Method::GET, "/api/v1/me").key(&token).send().await.json()
}

/// A house in which Ann has an account with a password and is known by the provider.
pub async fn with_ann() -> House {
    let house = House::vouched_for(settings()).await;
    account(&house, ANN).await;
    let mut browser = Browser::new(&house);
    let back = sign_in(&mut browser, &house, &somebody("1", ANN)).await;
    asked(&mut browser, &back).await;
    in_at(&finish(&mut browser, &[("password", PASSWORD)]).await, "/account");
    house
}

#[tokio::test]
async fn an_account_is_connected_by_its_password_once() {
    let house = House::vouched_for(settings()).await;
    let ann = Person::new(&house, ANN).await;
    let mut browser = Browser::new(&house);
    let page = browser.get("/sign-in?next=/invitations/x").await;
    check(&page);
    let html = page.text();
    assert!(
        html.contains("Sign in with Acme &#60;ID&#62;") && html.contains("/sign-in/oidc"),
        "{html}"
    );
    let back = sign_in(&mut browser, &house, &somebody("1", "Ann@Example.org")).await;
    assert!(browser.session().is_none(), "an e-mail alone lets nobody in");
    let html = asked(&mut browser, &back).await;
    assert!(html.contains(ANN) && html.contains("Give its password this once"), "{html}");
    let wrong = finish(&mut browser, &[("password", "not it at all")]).await;
    check(&wrong);
    assert!(wrong.status == 422 && wrong.text().contains("is not right"), "{}", wrong.text());
    in_at(&finish(&mut browser, &[("password", PASSWORD)]).await, "/account");
    let me = me(&house, &browser).await;
    assert_eq!((&me["id"], &me["identity"]), (&json!(ann.id), &json!("Ann@Example.org")));
    let again = finish(&mut browser, &[("password", PASSWORD)]).await;
    assert_eq!(again.status, 403, "what was kept is over: {}", again.text());

    // From now on the provider is enough, whatever the e-mail there is by now.
    let mut other = Browser::new(&house);
    let back = by(
        &mut other,
        &house,
        ("/sign-in/oidc", "next=/workspaces/x/connect"),
        &somebody("1", "boss@example.org"),
    )
    .await;
    in_at(&back, "/workspaces/x/connect");
    assert_eq!(self::me(&house, &other).await["id"], ann.id.as_str());
    let events = ann.get("/workspaces").await.json();
    let home = events["items"][0]["id"].as_str().unwrap().to_owned();
    let events = ann.get(&format!("/workspaces/{home}/events?limit=100")).await.json();
    let of = |kind: &str| {
        let all = events["items"].as_array().unwrap().iter();
        all.filter(|event| event["kind"] == kind)
            .map(|event| event["data"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("user.identity_linked").len(), 1);
    let by_oidc = of("user.signed_in").iter().filter(|data| data["by"] == "oidc").count();
    assert_eq!(by_oidc, 2, "{events}");
}

#[tokio::test]
async fn who_has_no_account_gets_one_by_an_invitation_or_a_domain() {
    let house = House::vouched_for(OidcSettings {
        accounts_for: vec!["acme.example".to_owned()],
        ..settings()
    })
    .await;
    let mut stranger = Browser::new(&house);
    let first = sign_in(&mut stranger, &house, &somebody("2", "dora@acme.example")).await;
    assert!(
        first.status == 403 && first.text().contains("carillon setup-link"),
        "{}",
        first.text()
    );
    account(&house, ANN).await;
    let none = sign_in(&mut stranger, &house, &somebody("1", "carl@example.org")).await;
    assert!(none.status == 403 && none.text().contains("nobody here has that e-mail"));
    assert!(stranger.session().is_none());
    // Neither a domain nor an e-mail counts that the provider has not verified.
    for unsure in [json!(false), json!("false"), Value::Null] {
        let mut who = somebody("2", "dora@acme.example");
        who["email_verified"] = unsure;
        let none = sign_in(&mut stranger, &house, &who).await;
        assert!(
            none.status == 403 && none.text().contains("is not verified there"),
            "{}",
            none.text()
        );
    }
    let lookalike = somebody("3", "dora@evil-acme.example");
    assert_eq!(sign_in(&mut stranger, &house, &lookalike).await.status, 403);

    let back = sign_in(&mut stranger, &house, &somebody("2", "dora@acme.example")).await;
    in_at(&back, "/account");
    let dora = me(&house, &stranger).await;
    assert_eq!((&dora["name"], &dora["password"]), (&json!("Ann Baker"), &json!(false)));
    let page = stranger.get("/account").await;
    check(&page);
    let html = page.text();
    assert!(
        html.contains("sign in as dora@acme.example there") && !html.contains("Present password")
    );
    assert!(!html.contains("Disconnect"), "it is the only way in: {html}");
    // Their provider does not say when they last proved who they are, so this session proves nothing yet.
    assert_eq!(stranger.post("/account/oidc/unlink", "").await.status, 403);
    let who = somebody("2", "dora@acme.example");
    let back = by(&mut stranger, &house, ("/account/oidc/prove", ""), &who).await;
    in_at(&back, "/account?done=proved");
    let last = stranger.post("/account/oidc/unlink", "").await;
    assert_eq!(last.status, 422, "{}", last.text());
    let rows = |kind: &str| house.events().iter().filter(|event| event.kind == kind).count();
    assert_eq!(rows("member.joined"), 0, "nobody joined the other workspace");
}

#[tokio::test]
async fn an_invitation_is_taken_by_whom_it_is_for() {
    let house = House::vouched_for(settings()).await;
    account(&house, ANN).await;
    let link = invitation(&house, "eva@example.org").await;
    let mut eva = Browser::new(&house);
    let page = eva.get(&link).await;
    check(&page);
    assert!(page.text().contains("Join with Acme"), "{}", page.text());
    assert!(!page.text().contains(link.rsplit('/').next().unwrap()), "no page repeats its link");
    let other =
        by(&mut eva, &house, (&link, "with=provider"), &somebody("4", "fred@example.org")).await;
    let html = other.text();
    assert!(
        other.status == 403 && html.contains("Choose the account that the invitation is for"),
        "{html}"
    );
    let back =
        by(&mut eva, &house, (&link, "with=provider"), &somebody("5", "eva@example.org")).await;
    in_at(&back, "/account?done=joined");
    assert_eq!(me(&house, &eva).await["email"], "eva@example.org");
    let eva = me(&house, &eva).await["id"].clone();
    let members = house.get("/members").await.json();
    assert!(members["items"].as_array().unwrap().iter().any(|one| one["user"] == eva), "{members}");
    assert_eq!(Browser::new(&house).get(&link).await.status, 404, "it is used up");
    let by_oidc = |event: &Event| {
        event.kind == "user.identity_linked" || event.data.get("by").is_some_and(|by| by == "oidc")
    };
    assert_eq!(house.events().iter().filter(|event| by_oidc(event)).count(), 2, "and on record");
}

/// The path of a link that invites somebody as an editor.
async fn invitation(house: &House, email: &str) -> String {
    let args = json!({ "email": email, "role": "editor" });
    let made = house.verb(("invitation", "create"), Some(&house.workspace), args).await;
    format!("/invitations/{}", token_of(&made["link"]))
}

#[tokio::test]
async fn an_account_without_any_way_in_is_found_by_its_e_mail() {
    let house = House::vouched_for(settings()).await;
    house.verb(("user", "create"), None, json!({ "email": ANN })).await;
    let mut browser = Browser::new(&house);
    in_at(&sign_in(&mut browser, &house, &somebody("1", ANN)).await, "/account");
    // But it is nobody else's from then on, not even who has its e-mail there later.
    let mut other = Browser::new(&house);
    let back = sign_in(&mut other, &house, &somebody("2", ANN)).await;
    assert!(back.status == 403 && back.text().contains("user unlink"), "{}", back.text());
    house.verb(("user", "unlink"), None, json!({ "email": ANN })).await;
    assert_eq!(browser.get("/account").await.status, 303, "who it was is out");
    in_at(&sign_in(&mut other, &house, &somebody("2", ANN)).await, "/account");
    let back = sign_in(&mut browser, &house, &somebody("1", ANN)).await;
    assert_eq!(back.status, 403, "{}", back.text());
}

#[tokio::test]
async fn whoever_has_the_e_mail_later_is_nobody_here() {
    let house = with_ann().await;
    let mut heir = Browser::new(&house);
    let back = sign_in(&mut heir, &house, &somebody("2", ANN)).await;
    // Not even by her password: she is known by another identity.
    assert!(back.status == 403 && back.text().contains("user unlink"), "{}", back.text());
    assert_eq!(finish(&mut heir, &[("password", PASSWORD)]).await.status, 403);
    assert!(heir.session().is_none());
}

#[tokio::test]
async fn who_is_shut_out_or_erased_does_not_come_in_by_the_provider() {
    let house = with_ann().await;
    house.verb(("user", "disable"), None, json!({ "email": ANN })).await;
    let mut browser = Browser::new(&house);
    let back = sign_in(&mut browser, &house, &somebody("1", ANN)).await;
    assert!(back.status == 403 && browser.session().is_none(), "{}", back.text());
    assert!(back.text().contains("is shut out"), "{}", back.text());
    house.verb(("user", "enable"), None, json!({ "email": ANN })).await;
    in_at(&sign_in(&mut browser, &house, &somebody("1", ANN)).await, "/account");
    let heir = json!({ "name": "Ben", "email": "ben@example.org", "password": PASSWORD });
    house.verb(("user", "create"), None, heir).await;
    let ann = me(&house, &browser).await["id"].as_str().unwrap().to_owned();
    let spaces = Person::signed_in(&house, ANN).await.get("/workspaces").await.json();
    for space in spaces["items"].as_array().unwrap() {
        let slug = space["slug"].as_str().unwrap();
        house.verb(("workspace", "delete"), Some(slug), json!({})).await;
    }
    house.verb(("user", "erase"), None, json!({ "email": ann })).await;
    let back = sign_in(&mut Browser::new(&house), &house, &somebody("1", ANN)).await;
    assert_eq!(back.status, 403, "{}", back.text());
}

#[tokio::test]
async fn without_a_provider_there_is_no_button_and_no_way() {
    let house = House::new().await;
    account(&house, ANN).await;
    let mut browser = Browser::new(&house);
    assert!(!browser.get("/sign-in").await.text().contains("oidc"));
    assert_eq!(browser.post("/sign-in/oidc", "").await.status, 404);
    assert_eq!(browser.get("/sign-in/oidc/callback?code=x&state=y").await.status, 404);
    in_at(&browser.sign_in().await, "/account");
    assert!(!browser.get("/account").await.text().contains("oidc"));
    assert_eq!(browser.post("/account/oidc/prove", "").await.status, 404);
}
