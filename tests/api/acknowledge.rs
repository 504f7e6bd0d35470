//! A delivery that failed waits for a person until one says that it was seen.

use carillon::base::CorrelationId;
use carillon::domain::publish::{Event, Failure, Outcome};
use carillon::service::run_verb;
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
