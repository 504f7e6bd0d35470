//! Sessions: listed, ended, changed, and over by themselves.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::super::harness::House;
use super::{ANN, PASSWORD, Person, account, text, with_password};

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let house = House::new().await;
    let first = Person::new(&house, ANN).await;
    house.clock.advance(Duration::from_secs(1));
    let call = house.bare(Method::POST, "/api/v1/sessions").header("user-agent", "Telephone/1.0");
    let body = json!({ "email": ANN, "password": PASSWORD });
    let second = Person::of(&house, &call.json(&body).send().await.json());
    let other = Person::new(&house, "ben@example.org").await;
    let all = second.get("/sessions").await.json();
    let all = all["items"].as_array().unwrap();
    assert_eq!(all.len(), 2, "her own, and nobody else's");
    assert_eq!((&all[0]["agent"], &all[0]["current"]), (&json!("Telephone/1.0"), &json!(true)));
    assert_eq!(
        (&all[0]["ends_at"], &all[1]["current"]),
        (&json!("2026-11-22T21:00:01.000Z"), &json!(false))
    );
    let path = format!("/sessions/{}", text(&all[1]["id"]));
    assert_eq!(other.delete(&path).await.said(), "404 not_found");
    assert_eq!(second.delete(&path).await.status, 204);
    assert!(!first.works().await && second.works().await);
    assert_eq!(second.delete(&path).await.said(), "404 not_found");

    let third = Person::signed_in(&house, ANN).await;
    let fourth = Person::signed_in(&house, ANN).await;
    assert_eq!(third.delete("/sessions").await.status, 204);
    assert!(third.works().await && !second.works().await && !fourth.works().await);
    assert!(other.works().await);
    let own = text(&third.get("/sessions").await.json()["items"][0]["id"]);
    assert_eq!(third.delete(&format!("/sessions/{own}")).await.status, 204);
    assert_eq!(third.get("/me").await.said(), "401 unauthenticated");
}

#[tokio::test]
async fn a_session_ends_for_want_of_use_and_after_a_week() {
    let house = House::new().await;
    let idle = Person::new(&house, ANN).await;
    house.clock.advance(Duration::from_hours(12) - Duration::from_millis(1));
    assert!(idle.works().await);
    house.clock.advance(Duration::from_hours(12));
    assert!(!idle.works().await, "it was last used twelve hours ago");
    let busy = Person::signed_in(&house, ANN).await;
    for _ in 0..14 {
        assert!(busy.works().await);
        house.clock.advance(Duration::from_hours(12) - Duration::from_secs(1));
    }
    assert!(busy.works().await);
    house.clock.advance(Duration::from_secs(14));
    assert!(!busy.works().await, "a week is the most");
}

#[tokio::test]
async fn a_fresh_proof_changes_the_token_and_a_stolen_one_ends_the_session() {
    let house = House::new().await;
    let ann = Person::new(&house, ANN).await;
    house.clock.advance(Duration::from_mins(10));
    assert_eq!(ann.call(Method::POST, "/me/totp").send().await.said(), "403 step_up_needed");
    let wrong = ann.post("/sessions/prove", &json!({ "password": "wrong horse battery" })).await;
    assert_eq!(wrong.said(), "401 sign_in_refused");
    let proved = ann.post("/sessions/prove", &json!({ "password": PASSWORD })).await;
    assert_eq!(proved.status, 200, "{}", proved.text());
    let again = Person::of(&house, &proved.json());
    assert_ne!(again.token, ann.token);
    assert_eq!(again.get("/sessions").await.json()["items"].as_array().unwrap().len(), 1);
    assert_eq!(again.call(Method::POST, "/me/totp").send().await.status, 201);
    // What was under way with the token before is refused, and no more.
    assert!(!ann.works().await && again.works().await);
    house.clock.advance(Duration::from_mins(1));
    assert!(!ann.works().await);
    assert!(!again.works().await, "one of the two has it from the other");
    let fresh = Person::signed_in(&house, ANN).await;
    let [(_, workspace)] = fresh.workspaces().await.try_into().unwrap();
    let key = house.new_key(&workspace, &["admin"]).await;
    assert!(house.events_of(&key).iter().any(|event| event.kind == "session.reused"));
}

#[tokio::test]
async fn guessing_with_a_stolen_session_holds_up_nobody_else() {
    let house = House::new().await;
    let stolen = Person::new(&house, ANN).await;
    let mut codes = Vec::new();
    for _ in 0..7 {
        let body = json!({ "password": "wrong horse battery" });
        codes.push(stolen.post("/sessions/prove", &body).await.code());
    }
    assert_eq!(codes[5..], ["sign_in_refused", "too_many_attempts"]);
    assert_eq!(with_password(&house, ANN, PASSWORD).await.status, 201);
}

#[tokio::test]
async fn a_new_password_ends_all_other_sessions() {
    let house = House::new().await;
    let first = Person::new(&house, ANN).await;
    let second = Person::signed_in(&house, ANN).await;
    let body = json!({ "password": PASSWORD, "new_password": "four other words here" });
    let changed = second.put("/me/password", &body).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    let second = Person { token: text(&changed.json()["token"]), ..second };
    assert!(second.works().await && !first.works().await);
    assert_eq!(with_password(&house, ANN, PASSWORD).await.said(), "401 sign_in_refused");
    assert_eq!(with_password(&house, ANN, "four other words here").await.status, 201);
    // The marks of devices went with it.
    for _ in 0..6 {
        with_password(&house, ANN, PASSWORD).await;
    }
    let mut body =
        json!({ "email": ANN, "password": "four other words here", "device": first.device });
    assert_eq!(super::sign_in(&house, &body).await.status, 429);
    body["device"] = changed.json()["device"].clone();
    assert_eq!(super::sign_in(&house, &body).await.status, 201);
}

#[tokio::test]
async fn who_is_disabled_is_out_at_once() {
    let house = House::new().await;
    let ann = Person::new(&house, ANN).await;
    let args = json!({ "email": ANN });
    let shown = house.verb(("user", "disable"), None, args.clone()).await;
    assert!(shown["disabled_at"].is_string());
    assert_eq!(ann.get("/me").await.said(), "401 unauthenticated");
    assert_eq!(with_password(&house, ANN, PASSWORD).await.said(), "401 sign_in_refused");
    assert_eq!(
        house.verb(("user", "enable"), None, args.clone()).await["disabled_at"],
        Value::Null
    );
    assert!(!ann.works().await, "what was ended stays so");
    let ann = Person::signed_in(&house, ANN).await;
    let sessions = house.verb(("user", "sessions"), None, args.clone()).await;
    assert_eq!(sessions["items"].as_array().unwrap().len(), 1);
    assert_eq!(house.verb(("user", "sign-out"), None, args).await["sessions_ended"], 1);
    assert!(!ann.works().await);
    let all = house.verb(("user", "list"), None, json!({})).await;
    assert_eq!(all["items"][0]["email"], ANN);
}

#[tokio::test]
async fn there_are_fifty_at_most() {
    let house = House::new().await;
    account(&house, ANN).await;
    let mut all = Vec::new();
    for _ in 0..52 {
        house.clock.advance(Duration::from_secs(1));
        all.push(Person::signed_in(&house, ANN).await);
    }
    let mut live = 0;
    for person in &all[..4] {
        live += usize::from(person.works().await);
    }
    assert_eq!(live, 2, "the two that were used least made room");
    let listed = all[51].get("/sessions").await.json()["items"].as_array().unwrap().len();
    assert_eq!(listed, 50);
}

#[tokio::test]
async fn a_person_changes_their_name() {
    let house = House::new().await;
    let ann = Person::new(&house, ANN).await;
    let change = |name: &str| ann.call(Method::PATCH, "/me").json(&json!({ "name": name }));
    let changed = change(" Ann Baker ").header("if-match", "\"1\"").send().await;
    assert_eq!((changed.status, changed.header("etag")), (200, "\"2\""));
    assert_eq!(changed.json()["name"], "Ann Baker");
    assert_eq!(change("x").header("if-match", "\"1\"").send().await.said(), "412 stale_revision");
    assert_eq!(change("").send().await.said(), "422 invalid_field name");
    let seen = ann.call(Method::GET, "/me").header("if-none-match", "\"2\"").send().await;
    assert_eq!(seen.status, 304);
}
