//! A delivery that failed waits for a person until one says that it was seen.

use carillon::base::{Clock as _, CorrelationId};
use carillon::domain::delivery::{Note, NoteKind};
use carillon::domain::event::Actor;
use carillon::domain::publish::{Event, Failure, Moment, Outcome};
use carillon::service::{Change, run_verb, transition};
use carillon::store::Operator;
use serde_json::{Map, Value, json};

use super::harness::House;

async fn waiting(house: &House) -> Value {
    house.verb(("status", ""), None, json!({})).await["waits_for_a_person"]["failed"].clone()
}

#[tokio::test]
async fn a_failed_delivery_waits_until_somebody_saw_it() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let post = house.new_post(&feed, json!({ "now": true })).await;
    let id = post["deliveries"][0]["id"].as_str().unwrap().to_owned();
    let workspace = Some(house.workspace.as_str());
    let acknowledge =
        async || house.verb(("delivery", "acknowledge"), workspace, json!({ "id": id })).await;
    house.happen(&id, Event::Wake).await;
    house.happen(&id, Event::Ready).await;
    let outcome = Outcome::Refused(Failure::new("too_long", "501 of 500"));
    let epoch = house.services.store.epoch();
    house.happen(&id, Event::Answer { attempt: 1, epoch, outcome }).await;
    assert_eq!(waiting(&house).await, 1);
    let shown = house.get(&format!("/deliveries/{id}")).await.json();
    let seen = |shown: &Value| (shown["state"].clone(), shown["acknowledged"].clone());
    assert_eq!(seen(&shown), (json!("failed"), json!(false)));
    for _ in 0..2 {
        assert_eq!(seen(&acknowledge().await), (json!("failed"), json!(true)));
        assert_eq!(waiting(&house).await, 0);
    }
    assert_eq!(house.actors_of("delivery.acknowledged").len(), 1, "saying it twice is no news");
    let listed = house.get("/deliveries?state=failed").await.json();
    assert_eq!(listed["items"][0]["id"], json!(id), "it stays what it is");
    assert_eq!(listed["items"][0]["channel_name"], "News");
}

#[tokio::test]
async fn what_was_seen_stays_seen_until_it_fails_anew() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let id = failed(&house, &feed).await;
    let workspace = Some(house.workspace.as_str());
    house.verb(("delivery", "acknowledge"), workspace, json!({ "id": id })).await;
    assert_eq!(waiting(&house).await, 0);
    // An answer that comes too late is noted with it, and is no news.
    let (scope, timing) = (house.scope(), house.services.timing.get());
    let epoch = house.services.store.epoch();
    let outcome = Outcome::Refused(Failure::new("too_long", "501 of 500"));
    let note = Note {
        at: house.clock.now(),
        part: 0,
        attempt: 1,
        kind: NoteKind::Attempt,
        result: "refused".to_owned(),
        code: "too_long".to_owned(),
        detail: "it came late".to_owned(),
        status: None,
    };
    let moment = Moment { now: house.clock.now(), epoch, dice: 1 };
    let event = Event::Answer { attempt: 1, epoch, outcome };
    let change = Change { event, moment, actor: Actor::System, note: Some(note) };
    let delivery = id.parse().unwrap();
    let late = house
        .services
        .store
        .write::<_, (), _>(move |tx| Ok(transition(tx, &scope, delivery, &timing, &change)?));
    assert!(late.await.unwrap().is_err(), "it changes nothing");
    let shown = house.get(&format!("/deliveries/{id}")).await.json();
    assert!(shown.to_string().contains("it came late"), "{shown}");
    assert_eq!((&shown["acknowledged"], waiting(&house).await), (&json!(true), json!(0)));
    // Sent again, and refused again: that nobody has seen.
    let again = json!({ "id": id, "as": "send_again" });
    house.verb(("delivery", "resolve"), workspace, again).await;
    house.happen(&id, Event::Wake).await;
    house.happen(&id, Event::Ready).await;
    let outcome = Outcome::Refused(Failure::new("too_long", "501 of 500"));
    house.happen(&id, Event::Answer { attempt: 2, epoch, outcome }).await;
    let shown = house.get(&format!("/deliveries/{id}")).await.json();
    assert_eq!((&shown["state"], &shown["acknowledged"]), (&json!("failed"), &json!(false)));
    assert_eq!(waiting(&house).await, 1);
}

/// Why the verb is refused.
async fn refused(house: &House, args: Value) -> String {
    let args: Map<String, Value> = serde_json::from_value(args).unwrap();
    let (services, named) = (&house.services, ("delivery", "acknowledge"));
    let correlation = CorrelationId::new(services.rng.as_ref());
    let workspace = Some(house.workspace.as_str());
    let asked = run_verb(services, Operator::new(1), named, workspace, &args, correlation);
    asked.await.unwrap_err().code.row().word.to_owned()
}

#[tokio::test]
async fn nothing_else_is_acknowledged() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let at = json!({ "at": "2026-12-01T09:00", "zone": "Europe/Berlin" });
    let post = house.new_post(&feed, at).await;
    let id = post["deliveries"][0]["id"].as_str().unwrap();
    let why = refused(&house, json!({ "id": id })).await;
    assert_eq!(why, "nothing_to_acknowledge");
    let nobody = "01a22871-7a91-7a72-9076-b2f90a0ae711";
    let why = refused(&house, json!({ "id": nobody })).await;
    assert_eq!(why, "not_found");
}

/// A delivery that failed, of a new post to this channel.
async fn failed(house: &House, feed: &str) -> String {
    let post = house.new_post(feed, json!({ "now": true })).await;
    let id = post["deliveries"][0]["id"].as_str().unwrap().to_owned();
    house.happen(&id, Event::Wake).await;
    house.happen(&id, Event::Ready).await;
    let outcome = Outcome::Refused(Failure::new("too_long", "501 of 500"));
    let epoch = house.services.store.epoch();
    house.happen(&id, Event::Answer { attempt: 1, epoch, outcome }).await;
    id
}

#[tokio::test]
async fn it_takes_the_grant_to_publish_on_that_channel() {
    let house = House::new().await;
    let (mine, read, other) =
        (house.new_feed().await, house.new_feed().await, house.new_feed().await);
    let channels = json!({ mine.clone(): "publish", read.clone(): "draft" });
    let body = json!({ "name": "k", "scopes": ["publish"], "channels": channels });
    let key = house.post("/keys", &body).await.json()["key"].as_str().unwrap().to_owned();
    let ask = |id: &str| {
        let path = format!("/deliveries/{id}/acknowledge");
        house.call(http::Method::POST, &path).key(&key)
    };
    let [first, second, third] =
        [failed(&house, &mine).await, failed(&house, &read).await, failed(&house, &other).await];
    assert_eq!(waiting(&house).await, 3);
    let once = ask(&first).header("idempotency-key", "once");
    let seen = once.clone().send().await;
    assert_eq!((seen.status, &seen.json()["acknowledged"]), (200, &json!(true)), "{}", seen.text());
    assert_eq!(once.send().await.header("idempotency-replayed"), "true");
    let lacks = ask(&second).send().await;
    assert_eq!(lacks.said(), "403 forbidden");
    assert_eq!(lacks.json()["params"], json!({ "grant": "publish", "channel": read }));
    assert_eq!(ask(&third).send().await.said(), "404 not_found");
    assert_eq!(waiting(&house).await, 2, "nothing came of those");
    assert_eq!(house.actors_of("delivery.acknowledged").len(), 1);
    // What the handle to the data refuses is on record, as what the door refuses is.
    let denied: Vec<_> =
        house.events().into_iter().filter(|event| event.kind == "access.denied").collect();
    assert_eq!(denied.len(), 1);
    let data = [("channel".to_owned(), read), ("grant".to_owned(), "publish".to_owned())].into();
    assert_eq!(denied[0].data, data);
    // A file that a post needs which they do not see is in use, and no more is told.
    let write = json!({ "name": "w", "scopes": ["write"], "channels": { mine: "draft" } });
    let write = house.post("/keys", &write).await.json()["key"].as_str().unwrap().to_owned();
    let asset = house.upload("a.png", "image/png", &support::media::png(4, 3), "").await.json();
    let body = json!({
        "parts": [{ "text": "x", "media": [asset["id"]] }], "channels": [other], "draft": true,
    });
    let post = house.post("/posts", &body).await.json();
    let path = format!("/media/{}", asset["id"].as_str().unwrap());
    let delete = |key: &str| house.call(http::Method::DELETE, &path).key(key);
    let told = delete(&house.key).send().await;
    assert_eq!(
        (told.said(), &told.json()["params"]["post"]),
        ("409 asset_in_use".into(), &post["id"])
    );
    let told = delete(&write).send().await;
    assert_eq!((told.said(), &told.json()["params"]), ("409 asset_in_use".into(), &json!({})));
}
