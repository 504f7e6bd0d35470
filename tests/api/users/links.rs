//! Links for one use: the first user, a new password.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::super::harness::{Answer, House};
use super::pages::{Browser, fields};
use super::{ANN, PASSWORD, Person, account, text, token_of, with_password};

async fn setup_link(house: &House) -> String {
    text(&house.verb(("setup-link", ""), None, json!({})).await["link"])
}

async fn refused(house: &House, named: (&str, &str), args: Value) -> String {
    let args = serde_json::from_value(args).unwrap();
    let correlation = carillon::base::CorrelationId::new(house.services.rng.as_ref());
    let operator = carillon::store::Operator::new(1_000);
    let run =
        carillon::service::run_verb(&house.services, operator, named, None, &args, correlation);
    run.await.unwrap_err().code.word().to_owned()
}

async fn set_up(browser: &Browser<'_>, link: &str, email: &str) -> Answer {
    let path = link.trim_start_matches("https://carillon.example");
    let form = fields(&[
        ("email", email),
        ("name", "Ann Baker"),
        ("password", PASSWORD),
        ("workspace", "Bakery"),
    ]);
    browser.clone().post(path, &form).await
}

#[tokio::test]
async fn a_setup_link_makes_the_first_user_who_owns_what_is_there() {
    let house = House::new().await;
    let link = setup_link(&house).await;
    assert!(link.starts_with("https://carillon.example/setup/"), "{link}");
    let second = setup_link(&house).await;
    let browser = Browser::new(&house);
    let made = set_up(&browser, &link, ANN).await;
    assert_eq!((made.status, made.header("location")), (303, "/account"), "{}", made.text());
    let ann = Person::signed_in(&house, ANN).await;
    // The house had a workspace that an operator made.
    assert_eq!(ann.workspaces().await, [("Acme".to_owned(), house.workspace.clone())]);
    let keys = format!("/workspaces/{}/keys", house.workspace);
    assert_eq!(ann.get(&keys).await.status, 200, "an owner");
    for link in [&link, &second] {
        assert_eq!(set_up(&browser, link, "eve@example.org").await.status, 404, "{link}");
    }
    assert_eq!(refused(&house, ("setup-link", ""), json!({})).await, "set_up_done");
}

#[tokio::test]
async fn a_setup_link_raced_by_twenty_makes_one() {
    let house = House::new().await;
    let link = setup_link(&house).await;
    let browser = Browser::new(&house);
    let emails: Vec<String> = (0..20).map(|n| format!("{n}@example.org")).collect();
    let all = emails.iter().map(|email| set_up(&browser, &link, email));
    let all = futures_util::future::join_all(all).await;
    assert_eq!(all.iter().filter(|answer| answer.status == 303).count(), 1);
    assert_eq!(all.iter().filter(|answer| answer.status == 404).count(), 19);
    let users = house.verb(("user", "list"), None, json!({})).await;
    assert_eq!(users["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_setup_link_is_over_after_half_an_hour_and_with_any_user() {
    let house = House::new().await;
    let (late, other) = (setup_link(&house).await, setup_link(&house).await);
    let mut browser = Browser::new(&house);
    let path = |link: &str| link.trim_start_matches("https://carillon.example").to_owned();
    assert_eq!(browser.get(&path(&late)).await.status, 200);
    assert_eq!(browser.get("/setup/nonsense").await.status, 404);
    house.clock.advance(Duration::from_mins(30));
    assert_eq!(browser.get(&path(&late)).await.status, 404);
    assert_eq!(set_up(&browser, &other, ANN).await.status, 404);
    let link = setup_link(&house).await;
    let args = json!({ "email": ANN, "password": PASSWORD, "admin": true });
    house.verb(("user", "create"), None, args).await;
    assert_eq!(set_up(&browser, &link, "eve@example.org").await.status, 404);
    let ann = Person::signed_in(&house, ANN).await;
    assert_eq!(ann.workspaces().await[0].1, house.workspace);
    // The next one has nothing to take over, and gets a workspace all the same.
    let args = json!({ "email": "ben@example.org", "password": PASSWORD, "admin": true });
    house.verb(("user", "create"), None, args).await;
    let ben = Person::signed_in(&house, "ben@example.org").await;
    assert_eq!(ben.workspaces().await[0].0, "ben");
    assert_eq!(refused(&house, ("user", "create"), json!({ "email": ANN })).await, "email_taken");
    assert_eq!(refused(&house, ("user", "create"), json!({ "email": "x" })).await, "invalid_field");
    let short = json!({ "email": "c@example.org", "password": "short" });
    assert_eq!(refused(&house, ("user", "create"), short).await, "invalid_field");
}

async fn reset(house: &House, link: &Value, password: &str) -> Answer {
    let body = json!({ "token": token_of(link), "password": password });
    house.bare(Method::POST, "/api/v1/password-resets").json(&body).send().await
}

#[tokio::test]
async fn a_new_password_is_set_by_a_link() {
    let house = House::new().await;
    let ann = Person::new(&house, ANN).await;
    let args = json!({ "email": " ANN@example.org" });
    let first = house.verb(("user", "reset-link"), None, args.clone()).await["link"].clone();
    let second = house.verb(("user", "reset-link"), None, args).await["link"].clone();
    assert!(ann.works().await, "a link alone changes nothing");
    assert_eq!(reset(&house, &first, "short").await.said(), "422 invalid_field password");
    assert_eq!(reset(&house, &first, "a new one of four").await.status, 204);
    assert_eq!(reset(&house, &first, "a new one of four").await.said(), "404 not_found", "once");
    assert_eq!(reset(&house, &second, "a new one of four").await.said(), "404 not_found");
    assert!(!ann.works().await, "all sessions are over");
    assert_eq!(with_password(&house, ANN, PASSWORD).await.said(), "401 sign_in_refused");
    assert_eq!(with_password(&house, ANN, "a new one of four").await.status, 201);
    let args = json!({ "email": ANN });
    let late = house.verb(("user", "reset-link"), None, args).await["link"].clone();
    house.clock.advance(Duration::from_hours(24));
    assert_eq!(reset(&house, &late, "another one of four").await.said(), "404 not_found");
    assert_eq!(
        refused(&house, ("user", "reset-link"), json!({ "email": "x@y.z" })).await,
        "not_found"
    );
}

#[tokio::test]
async fn who_is_made_without_a_password_sets_one_by_a_link() {
    let house = House::new().await;
    let made = house.verb(("user", "create"), None, json!({ "email": ANN })).await;
    assert_eq!(with_password(&house, ANN, "").await.said(), "401 sign_in_refused");
    assert_eq!(reset(&house, &made["link"], PASSWORD).await.status, 204);
    assert_eq!(with_password(&house, ANN, PASSWORD).await.status, 201);
    // A link for one thing does not do another.
    account(&house, "ben@example.org").await;
    let args = json!({ "email": "ben@example.org" });
    let link = house.verb(("user", "reset-link"), None, args).await["link"].clone();
    let body = json!({ "token": token_of(&link), "name": "x", "password": PASSWORD });
    let accept = house.bare(Method::POST, "/api/v1/invitations/accept").json(&body).send().await;
    assert_eq!(accept.said(), "404 not_found");
    assert_eq!(reset(&house, &link, "ben's own password").await.status, 204);
}
