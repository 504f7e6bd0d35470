//! When a key was last used: shown to the hour, written down once in so long, and nobody's trouble.

use std::sync::Arc;
use std::time::Duration;

use carillon::domain::space::Space;
use carillon::service::{Services, VERBS};
use http::Method;
use serde_json::{Value, json};

use super::harness::House;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// A key for reading: its id and its secret.
async fn new_key(house: &House) -> (String, String) {
    let made = house.post("/keys", &json!({ "name": "Reports", "scopes": ["read"] })).await.json();
    assert_eq!(made["last_used_at"], Value::Null, "{made}");
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("id"), text("key"))
}

async fn read(house: &House, key: &str) -> u16 {
    house.call(Method::GET, "/posts").key(key).send().await.status
}

fn shown(list: &Value, id: &str) -> Value {
    let items = list["items"].as_array().unwrap();
    items.iter().find(|key| key["id"] == id).unwrap().clone()
}

async fn last_used(house: &House, id: &str) -> Value {
    shown(&house.get("/keys").await.json(), id)["last_used_at"].clone()
}

fn writes(services: &Services) -> u64 {
    services.store.stats().writes
}

#[tokio::test]
async fn the_last_use_of_a_key_is_shown_to_the_hour() {
    let house = House::new().await;
    let (id, key) = new_key(&house).await;
    assert_eq!(last_used(&house, &id).await, Value::Null, "nobody used it");
    house.clock.advance(Duration::from_secs(1));
    assert_eq!(read(&house, &key).await, 200);
    assert_eq!(last_used(&house, &id).await, "2026-11-22T09:00:01.000Z");

    house.clock.advance(HOUR.checked_sub(Duration::from_millis(1)).unwrap());
    let before = writes(&house.services);
    for _ in 0..5 {
        assert_eq!(read(&house, &key).await, 200);
    }
    assert_eq!(writes(&house.services), before, "reading is reading");
    assert_eq!(last_used(&house, &id).await, "2026-11-22T09:00:01.000Z");

    house.clock.advance(Duration::from_millis(1));
    let before = writes(&house.services);
    for _ in 0..5 {
        assert_eq!(read(&house, &key).await, 200);
    }
    assert_eq!(writes(&house.services), before + 1);
    assert_eq!(last_used(&house, &id).await, "2026-11-22T10:00:01.000Z");
}

#[tokio::test]
async fn operators_see_it_too() {
    let house = House::new().await;
    let (id, key) = new_key(&house).await;
    assert_eq!(read(&house, &key).await, 200);
    let listed = house.verb(("key", "list"), Some(&house.workspace), json!({})).await;
    assert_eq!(shown(&listed, &id)["last_used_at"], "2026-11-22T09:00:00.000Z");
    let verb = VERBS.iter().find(|verb| (verb.noun, verb.verb) == ("key", "list")).unwrap();
    assert!(verb.columns.contains(&"last_used_at"), "{:?}", verb.columns);
}

#[tokio::test]
async fn a_key_that_is_over_is_not_used_and_its_last_use_stays() {
    let house = House::new().await;
    let (id, key) = new_key(&house).await;
    assert_eq!(read(&house, &key).await, 200);
    house.clock.advance(MINUTE);
    let revoke = json!({ "id": id });
    let revoked = house.verb(("key", "revoke"), Some(&house.workspace), revoke).await;
    assert_eq!(revoked["last_used_at"], "2026-11-22T09:00:00.000Z", "{revoked}");
    house.clock.advance(2 * HOUR);
    assert_eq!(read(&house, &key).await, 401);
    assert_eq!(last_used(&house, &id).await, "2026-11-22T09:00:00.000Z");

    let body = json!({ "name": "x", "scopes": ["read"], "expires_at": "2026-11-22T12:00:00Z" });
    let expired = house.post("/keys", &body).await.json();
    house.clock.advance(HOUR);
    assert_eq!(read(&house, expired["key"].as_str().unwrap()).await, 401);
    assert_eq!(last_used(&house, expired["id"].as_str().unwrap()).await, Value::Null);
}

#[tokio::test]
async fn a_restart_does_not_write_it_anew() {
    let house = House::new().await;
    let (id, key) = new_key(&house).await;
    assert_eq!(read(&house, &key).await, 200);
    // What is only in memory is gone.
    let after = Services { people: Arc::default(), ..house.services.clone() };
    house.clock.advance(30 * MINUTE);
    let before = writes(&after);
    after.authenticate(&key, house.within()).await.unwrap();
    assert_eq!(writes(&after), before);
    house.clock.advance(30 * MINUTE);
    after.authenticate(&key, house.within()).await.unwrap();
    assert_eq!(writes(&after), before + 1);
    assert_eq!(last_used(&house, &id).await, "2026-11-22T10:00:00.000Z");
}

#[tokio::test]
async fn a_full_disk_refuses_nobody_who_reads() {
    let house = House::new().await;
    let (id, key) = new_key(&house).await;
    house.disk.set_space(Some(Space { free: 0, size: 1 << 40 }));
    house.clock.advance(MINUTE);
    let before = writes(&house.services);
    assert_eq!(read(&house, &key).await, 200);
    assert_eq!(writes(&house.services), before, "what is left is for what matters more");
    assert_eq!(last_used(&house, &id).await, Value::Null);
    house.disk.set_space(None);
    house.clock.advance(MINUTE);
    assert_eq!(read(&house, &key).await, 200);
    assert_eq!(
        last_used(&house, &id).await,
        "2026-11-22T09:02:00.000Z",
        "once there is room again"
    );
}

#[tokio::test]
async fn a_rehearsal_is_no_use() {
    let house = House::new().await;
    let (id, key) = new_key(&house).await;
    house.services.rehearsal().authenticate(&key, house.within()).await.unwrap();
    assert_eq!(last_used(&house, &id).await, Value::Null);
    assert_eq!(read(&house, &key).await, 200);
    assert_eq!(last_used(&house, &id).await, "2026-11-22T09:00:00.000Z", "nor does it hide one");
}

#[tokio::test]
async fn the_record_says_what_was_handed_out() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let body = json!({
        "name": "Reports", "scopes": ["publish", "read"], "channels": { feed: "publish" },
    });
    let limited = house.post("/keys", &body).await.json();
    let (whole, _) = new_key(&house).await;
    let of = |id: &str| {
        let mut events = house.events().into_iter();
        let made = events.find(|event| event.kind == "key.created" && event.subject == id).unwrap();
        made.data.into_iter().collect::<Vec<_>>()
    };
    let facts = |facts: &[(&str, &str)]| -> Vec<(String, String)> {
        facts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let id = limited["id"].as_str().unwrap();
    assert_eq!(of(id), facts(&[("channels", "1"), ("scopes", "read,publish")]), "and no secret");
    assert_eq!(of(&whole), facts(&[("scopes", "read")]));
}
