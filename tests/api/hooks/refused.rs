//! Webhooks that no network sent: counted without filling the disk, on record, and an alert when they
//! are too many.

use std::time::Duration;

use carillon::domain::event::Event;
use carillon::store::rows::ChainedEvent;
use carillon::store::{FaultKind, Scope, Span};
use http::Method;
use serde_json::{Value, json};

use super::super::harness::House;
use super::{LINKEDIN, X, from_x, kept, metric, sent, set_up};

/// Somebody sends this many that are not signed rightly, and they are written down.
async fn wrong(house: &House, path: &str, times: usize) {
    for _ in 0..times {
        let call = sent(house, path, b"{}").header("x-twitter-webhooks-signature", "sha256=AAAA");
        assert_eq!(call.send().await.said(), "401 hook_unsigned");
    }
    note(house).await;
}

async fn note(house: &House) {
    house.services.note_refused_hooks().await.unwrap();
}

/// The open alert of this name.
async fn alert(house: &House, id: &str) -> Option<Value> {
    let all = house.verb(("alert", "list"), None, json!({})).await;
    all["items"].as_array().unwrap().iter().find(|alert| alert["id"] == id).cloned()
}

/// What the installation's own record has of them, oldest first.
fn events(house: &House) -> Vec<Event> {
    let scope = Scope::installation();
    let all = house
        .services
        .store
        .read_now(|view| view.scan::<ChainedEvent>(&scope, &Span::first(10_000)));
    let all = all.unwrap().into_iter().map(|(_, row)| row.event);
    all.filter(|event| event.kind == "hook.refused").collect()
}

fn told(house: &House) -> Vec<[String; 3]> {
    let said = |event: &Event| ["network", "reason", "times"].map(|name| event.data[name].clone());
    events(house).iter().map(said).collect()
}

#[tokio::test]
async fn the_alert_fires_at_the_twenty_first_within_an_hour() {
    let house = House::new().await;
    set_up(&house).await;
    wrong(&house, X, 12).await;
    house.clock.advance(Duration::from_mins(40));
    // Those without a signature count with them, and those in another's name.
    wrong(&house, LINKEDIN, 7).await;
    let missing = sent(&house, X, b"{}").send().await;
    assert_eq!(missing.said(), "401 hook_unsigned");
    note(&house).await;
    assert_eq!(alert(&house, "hook-signatures").await, None, "20 are no alert");
    wrong(&house, X, 1).await;
    let open = alert(&house, "hook-signatures").await.unwrap();
    assert_eq!((&open["count"], &open["level"]), (&json!(21), &json!("soon")), "{open}");
    assert!(open["what"].as_str().unwrap().contains("x, linkedin"), "{open}");
    assert_eq!(open["look"], "event installation");
    // A new one keeps it open; an hour after the last it is over.
    house.clock.advance(Duration::from_mins(59));
    wrong(&house, X, 1).await;
    house.clock.advance(Duration::from_mins(59));
    assert!(alert(&house, "hook-signatures").await.is_some());
    house.clock.advance(Duration::from_mins(1));
    assert_eq!(alert(&house, "hook-signatures").await, None);
    wrong(&house, X, 20).await;
    assert_eq!(alert(&house, "hook-signatures").await, None, "those of past hours do not count");
    assert_eq!(alert(&house, "hook-challenge").await, None);
    assert!(kept(&house).await.is_empty());
}

#[tokio::test]
async fn twenty_over_many_hours_are_no_alert() {
    let house = House::new().await;
    set_up(&house).await;
    for _ in 0..10 {
        wrong(&house, X, 10).await;
        house.clock.advance(Duration::from_mins(31));
        assert_eq!(alert(&house, "hook-signatures").await, None);
    }
}

#[tokio::test]
async fn one_challenge_that_is_none_is_an_alert() {
    let house = House::new().await;
    set_up(&house).await;
    for path in ["/hooks/x", "/hooks/x?crc_token=abc", "/hooks/feed?crc_token=%7B%7D"] {
        house.bare(Method::GET, path).send().await;
    }
    note(&house).await;
    assert_eq!(alert(&house, "hook-challenge").await, None);
    let asked = house.bare(Method::GET, "/hooks/x?crc_token=%7B%22user_event%22:1%7D").send().await;
    assert_eq!(asked.said(), "400 bad_request");
    note(&house).await;
    let open = alert(&house, "hook-challenge").await.unwrap();
    assert_eq!((&open["count"], &open["level"]), (&json!(1), &json!("soon")), "{open}");
    assert_eq!(told(&house), [["x", "challenge", "1"]]);
    assert!(!format!("{:?}", events(&house)).contains("user_event"), "nothing of what came");
    house.clock.advance(Duration::from_mins(59));
    assert!(alert(&house, "hook-challenge").await.is_some());
    house.clock.advance(Duration::from_mins(1));
    assert_eq!(alert(&house, "hook-challenge").await, None);
    assert_eq!(alert(&house, "hook-signatures").await, None);
}

#[tokio::test]
async fn a_stranger_costs_neither_disk_nor_commits() {
    let house = House::new().await;
    set_up(&house).await;
    let before = house.services.store.stats();
    for n in 0..1_000 {
        let body = format!("{{\"n\":{n}}}");
        assert_eq!(sent(&house, X, body.as_bytes()).send().await.status, 401);
        let path = format!("/hooks/x?crc_token=%7B{n}");
        assert_eq!(house.bare(Method::GET, &path).send().await.status, 400);
    }
    assert_eq!(house.services.store.stats().commits, before.commits, "none of a request");
    note(&house).await;
    assert_eq!(house.services.store.stats().commits, before.commits + 1);
    assert!(!house.services.note_refused_hooks().await.unwrap(), "there is nothing more");
    assert_eq!(house.services.store.stats().commits, before.commits + 1);
    let metrics = house.services.metrics_text().await;
    assert_eq!(metric(&metrics, "x", "refused"), 2_000);
    assert!(kept(&house).await.is_empty());
    assert_eq!(told(&house), [["x", "unsigned", "1000"], ["x", "challenge", "1000"]]);
}

#[tokio::test]
async fn there_is_an_event_in_ten_minutes_for_each_reason_and_none_is_lost() {
    let house = House::new().await;
    set_up(&house).await;
    for _ in 0..9 {
        wrong(&house, X, 3).await;
        house.clock.advance(Duration::from_mins(1));
    }
    assert_eq!(told(&house), [["x", "signature", "3"]]);
    house.clock.advance(Duration::from_mins(1));
    note(&house).await;
    let all = [["x", "signature", "3"], ["x", "signature", "24"]];
    assert_eq!(told(&house), all, "also when nobody comes any more");
    house.clock.advance(Duration::from_hours(5));
    assert!(!house.services.note_refused_hooks().await.unwrap());
    assert_eq!(told(&house), all);
    assert_eq!(events(&house)[0].actor.word(), "system");
}

/// They are counted on, and written down when that can be done.
#[tokio::test]
async fn counts_outlast_a_disk_that_fails() {
    let house = House::new().await;
    set_up(&house).await;
    house.disk.fail_at(house.disk.operations() + 1, FaultKind::Io, false);
    for _ in 0..21 {
        assert_eq!(sent(&house, X, b"{}").send().await.status, 401);
    }
    assert!(house.services.note_refused_hooks().await.is_err());
    assert_eq!(from_x(&house, b"{\"a\":1}").await.status, 503, "what cannot be kept is not taken");
    house.disk.heal();
    note(&house).await;
    assert_eq!(alert(&house, "hook-signatures").await.unwrap()["count"], 21);
}
