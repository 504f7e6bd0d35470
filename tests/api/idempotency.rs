//! `Idempotency-Key`: a repeated request does nothing anew and is answered alike.

use std::time::Duration;

use carillon::store::Span;
use carillon::store::rows::Remembered;
use http::Method;
use serde_json::{Value, json};

use super::harness::{Answer, Call, House};

fn post_body(feed: &str) -> Value {
    let schedule = json!({ "at": "2026-11-22T10:30", "zone": "Europe/Berlin" });
    json!({ "parts": [{ "text": "Once" }], "channels": [feed], "schedule": schedule })
}

async fn twice(call: Call<'_>) -> (Answer, Answer) {
    let call = call.header("idempotency-key", "k-1");
    let first = call.clone().send().await;
    assert_eq!(first.header("idempotency-replayed"), "", "{}", first.text());
    let second = call.send().await;
    assert_eq!(second.header("idempotency-replayed"), "true", "{}", second.text());
    assert_eq!(first.status, second.status);
    (first, second)
}

/// How many requests are remembered.
fn remembered(house: &House) -> usize {
    let (scope, span) = (house.scope(), Span::first(1_000));
    let found = house.services.store.read_now(|view| view.scan::<Remembered>(&scope, &span));
    found.unwrap().len()
}

async fn count(house: &House, path: &str) -> usize {
    house.get(path).await.json()["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_repeated_post_is_the_same_post() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let call = house.call(Method::POST, "/posts").json(&post_body(&feed));
    let (first, second) = twice(call.clone()).await;
    assert_eq!(first.json(), second.json());
    assert_eq!(first.header("location"), second.header("location"));
    assert_eq!((first.status, count(&house, "/posts").await), (201, 1));
    // Without a key each request stands for itself.
    assert_eq!(call.clone().send().await.status, 201);
    assert_eq!(count(&house, "/posts").await, 2);
    // The time of the first has passed: it was done all the same, and cannot be asked for anew.
    house.clock.advance(Duration::from_hours(2));
    let late = call.clone().header("idempotency-key", "k-1").send().await;
    assert_eq!((late.status, late.json()["id"].clone()), (201, first.json()["id"].clone()));
    let anew = call.header("idempotency-key", "k-2").send().await;
    assert_eq!(anew.said(), "422 invalid_field schedule.at");
}

#[tokio::test]
async fn a_key_is_for_one_request_of_one_caller() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let other = house.new_key(&house.workspace, &["publish"]).await;
    let call = house.call(Method::POST, "/posts").json(&post_body(&feed));
    let call = call.header("idempotency-key", "same");
    let first = call.clone().send().await.json();
    let mut body = post_body(&feed);
    body["tags"] = json!(["else"]);
    assert_eq!(call.clone().json(&body).send().await.said(), "422 idempotency_mismatch");
    // Even the same words in another order of bytes are another request.
    let spaced = post_body(&feed).to_string() + " ";
    let spaced = call.clone().raw("application/json", spaced).send().await;
    assert_eq!(spaced.said(), "422 idempotency_mismatch");
    let path = format!("/posts/{}/cancel", first["id"].as_str().unwrap());
    let elsewhere = house.call(Method::POST, &path).header("idempotency-key", "same").send().await;
    assert_eq!(elsewhere.said(), "422 idempotency_mismatch");
    let others = call.clone().key(&other).send().await;
    assert_eq!(others.header("idempotency-replayed"), "");
    assert_ne!(others.json()["id"], first["id"]);
    assert_eq!(count(&house, "/posts").await, 2);
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let mut body = post_body(&feed);
    body["schedule"]["at"] = json!("2026-12-22T10:30");
    let call = house.call(Method::POST, "/posts").json(&body).header("idempotency-key", "day");
    let first = call.clone().send().await.json();
    house.clock.advance(Duration::from_hours(24) - Duration::from_millis(1));
    let replay = call.clone().send().await;
    assert_eq!(
        (&replay.json()["id"], replay.header("idempotency-replayed")),
        (&first["id"], "true")
    );
    house.clock.advance(Duration::from_millis(1));
    let anew = call.send().await;
    assert_ne!(anew.json()["id"], first["id"]);
    assert_eq!((anew.status, anew.header("idempotency-replayed")), (201, ""));
}

#[tokio::test]
async fn every_write_can_be_repeated() {
    let house = House::new().await;
    let feed = json!({ "network": "feed", "name": "News" });
    let (channel, again) = twice(house.call(Method::POST, "/channels").json(&feed)).await;
    assert_eq!((channel.json(), count(&house, "/channels").await), (again.json(), 1));
    let id = channel.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/channels/{id}");

    let rename = house.call(Method::PATCH, &path).json(&json!({ "name": "New" }));
    let rename = rename.header("if-match", "\"1\"").header("idempotency-key", "k-2");
    assert_eq!(rename.clone().send().await.header("etag"), "\"2\"");
    assert_eq!(rename.send().await.header("etag"), "\"2\"");

    let post = house.new_post(&id, json!({ "now": true })).await;
    let (post_id, delivery) = (post["id"].as_str().unwrap(), &post["targets"][0]["delivery"]);
    let post_path = format!("/posts/{post_id}");
    let change = house.call(Method::PATCH, &post_path).json(&json!({ "tags": ["a"] }));
    let change = change.header("if-match", "\"1\"").header("idempotency-key", "k-3");
    assert_eq!(change.clone().send().await.header("etag"), "\"2\"");
    assert_eq!(change.send().await.header("idempotency-replayed"), "true");

    house.miss(delivery.as_str().unwrap()).await;
    let resolve = format!("/deliveries/{}/resolve", delivery.as_str().unwrap());
    let resolve = house.call(Method::POST, &resolve).json(&json!({ "decision": "drop" }));
    let (first, second) = twice(resolve.header("idempotency-key", "k-4")).await;
    assert_eq!(first.json(), second.json());

    let second_feed = house.new_feed().await;
    let post = house.new_post(&second_feed, json!({ "now": true })).await;
    let post_path = format!("/posts/{}", post["id"].as_str().unwrap());
    let cancel = house.call(Method::POST, &format!("{post_path}/cancel"));
    for (call, key) in [
        (cancel, "k-5"),
        (house.call(Method::DELETE, &post_path), "k-6"),
        (house.call(Method::DELETE, &format!("/channels/{second_feed}")), "k-7"),
    ] {
        let call = call.header("idempotency-key", key);
        let (first, second) = (call.clone().send().await, call.send().await);
        assert!(first.status < 300, "{key}: {}", first.text());
        assert_eq!((first.status, &first.body), (second.status, &second.body), "{key}");
        let replayed = [&first, &second].map(|answer| answer.header("idempotency-replayed"));
        assert_eq!(replayed, ["", "true"], "{key}");
    }
}

#[tokio::test]
async fn a_repeated_key_is_made_once_and_its_secret_told_once() {
    let house = House::new().await;
    let body = json!({ "name": "Reports", "scopes": ["read"] });
    let call = house.call(Method::POST, "/keys").json(&body).header("idempotency-key", "k");
    let (first, second) = (call.clone().send().await, call.send().await);
    assert_eq!((first.status, second.status), (201, 201));
    assert!(first.json()["key"].is_string());
    assert_eq!(second.json().get("key"), None);
    assert_eq!(first.json()["id"], second.json()["id"]);
    assert_eq!(count(&house, "/keys").await, 2);
    let path = format!("/keys/{}", first.json()["id"].as_str().unwrap());
    let revoke = house.call(Method::DELETE, &path).header("idempotency-key", "r");
    assert_eq!(revoke.clone().send().await.header("idempotency-replayed"), "");
    assert_eq!(revoke.send().await.header("idempotency-replayed"), "true");
}

#[tokio::test]
async fn many_at_once_make_one() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let call = house.call(Method::POST, "/posts").json(&post_body(&feed));
    let call = call.header("idempotency-key", "k");
    let answers = futures_util::future::join_all((0..20).map(|_| call.clone().send())).await;
    let ids: std::collections::BTreeSet<String> =
        answers.iter().map(|a| a.json()["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!((ids.len(), count(&house, "/posts").await), (1, 1));
}

/// Broken on purpose: clients that look first whether it is there and then write, without a key.
#[tokio::test]
async fn check_then_write_makes_many() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let call = house.call(Method::POST, "/posts").json(&post_body(&feed));
    let all = futures_util::future::join_all((0..20).map(|_| count(&house, "/posts"))).await;
    for _ in all.iter().filter(|found| **found == 0) {
        assert_eq!(call.clone().send().await.status, 201);
    }
    assert_eq!(count(&house, "/posts").await, 20);
}

#[tokio::test]
async fn a_key_that_is_none_is_refused() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let call = house.call(Method::POST, "/posts").json(&post_body(&feed));
    for bad in ["", "a b", "caf\u{e9}", &"k".repeat(256)] {
        let answer = call.clone().header("idempotency-key", bad).send().await;
        assert_eq!(answer.said(), "422 invalid_field Idempotency-Key", "{bad}");
    }
    let mut two = call.clone().header("idempotency-key", "a");
    two.headers.push(("idempotency-key".to_owned(), "b".to_owned()));
    assert_eq!(two.send().await.said(), "422 invalid_field Idempotency-Key");
    assert_eq!(count(&house, "/posts").await, 0);
    let longest = call.header("idempotency-key", &"k".repeat(255)).send().await;
    assert_eq!(longest.status, 201);
    let looking = house.call(Method::GET, "/posts").header("idempotency-key", "").send().await;
    assert_eq!(looking.status, 200, "it is of no meaning where nothing is written");
}

#[tokio::test]
async fn a_key_lives_a_day_and_is_then_forgotten() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let body = json!({ "parts": [{ "text": "x" }], "channels": [feed], "draft": true });
    let call = house.call(Method::POST, "/posts").json(&body);
    let id = |answer: Answer| answer.json()["id"].as_str().unwrap().to_owned();
    let before = remembered(&house);
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(id(call.clone().header("idempotency-key", &format!("k-{n}")).send().await));
    }
    assert_eq!(remembered(&house), before + 6);
    // Over midnight, within its life: the same post.
    house.clock.advance(Duration::from_hours(23));
    let again = call.clone().header("idempotency-key", "k-0").send().await;
    assert_eq!(id(again), ids[0]);
    // Past its life it makes a new one, found under its name or not.
    house.clock.advance(Duration::from_hours(2));
    let anew = id(call.clone().header("idempotency-key", "k-0").send().await);
    assert!(!ids.contains(&anew));
    let again = call.clone().header("idempotency-key", "k-0").send().await;
    assert_eq!(id(again), anew);
    house.clock.advance(Duration::from_hours(48));
    // One of sixteen tidies up, by chance.
    for n in 1..=300 {
        call.clone().header("idempotency-key", &format!("l-{n}")).send().await;
        if remembered(&house) == n {
            return;
        }
    }
    panic!("those of the days before are still there");
}
