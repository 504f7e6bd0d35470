//! What comes of webhooks: nobody is disconnected on their word alone, all are kept for a while, and
//! then they go.

use std::time::Duration;

use carillon::domain::channel::Channel;
use carillon::practice::{Act, Fault, Matcher};
use http::Method;
use serde_json::{Value, json};

use super::super::connections::connected;
use super::super::harness::{House, X as TWIN};
use super::super::users::text;
use super::{from_linkedin, from_x, kept, metric, set_up};

/// The account `acme` at the practice X.
const ACME: u64 = 2_244_994_945;

fn revoked(account: u64, at: u32) -> String {
    json!({ "user_event": { "revoke": {
        "date_time": format!("2026-11-22T09:00:{at:02}Z"),
        "target": { "app_id": "7" }, "source": { "user_id": account.to_string() },
    } } })
    .to_string()
}

async fn handle(house: &House) -> usize {
    house.services.handle_hooks().await.unwrap()
}

/// State and outcome of the newest.
async fn newest(house: &House) -> (String, Value) {
    let hook = kept(house).await.remove(0);
    (text(&hook["state"]), hook["outcome"].clone())
}

async fn state(house: &House, channel: &str) -> String {
    text(&house.get(&format!("/channels/{channel}")).await.json()["state"])
}

fn reconnects(house: &House) -> usize {
    house.events().iter().filter(|event| event.kind == "channel.reconnect_needed").count()
}

#[tokio::test]
async fn a_grant_that_is_gone_is_noticed_at_once_and_only_if_the_network_says_so() {
    let house = House::new().await;
    set_up(&house).await;
    let (acme, bakery) = (connected(&house, "acme").await, connected(&house, "bakery").await);
    // Somebody says so, and the network knows the grant.
    assert_eq!(from_x(&house, revoked(ACME, 1).as_bytes()).await.status, 200);
    assert_eq!(newest(&house).await, ("waiting".into(), Value::Null));
    assert_eq!(handle(&house).await, 1);
    assert_eq!(newest(&house).await, ("handled".into(), json!("granted")));
    assert_eq!((state(&house, &acme).await, reconnects(&house)), ("connected".into(), 0));
    // One refusal of the identity endpoint is none, as long as a new token is accepted.
    house.world.lock().unwrap().add_fault(Fault {
        on: Matcher::Verify,
        host: None,
        times: 1,
        act: Act::False401,
    });
    house.clock.advance(Duration::from_secs(1));
    from_x(&house, revoked(ACME, 2).as_bytes()).await;
    handle(&house).await;
    assert_eq!(newest(&house).await, ("handled".into(), json!("granted")));
    assert_eq!(state(&house, &acme).await, "connected");

    house.world.lock().unwrap().x(TWIN).unwrap().authority.withdraw(ACME);
    house.clock.advance(Duration::from_secs(1));
    from_x(&house, revoked(ACME, 3).as_bytes()).await;
    handle(&house).await;
    assert_eq!(newest(&house).await, ("handled".into(), json!("reconnect_needed")));
    assert_eq!(state(&house, &acme).await, "reconnect_needed", "before any post");
    assert_eq!(state(&house, &bakery).await, "connected", "of another account");
    assert_eq!(reconnects(&house), 1);
    // Said again, it is no news; and of an account that nobody has, nobody is asked.
    house.clock.advance(Duration::from_secs(1));
    from_x(&house, revoked(ACME, 4).as_bytes()).await;
    let asked = house.asked().len();
    handle(&house).await;
    assert_eq!(newest(&house).await, ("handled".into(), json!("reconnect_needed")));
    house.clock.advance(Duration::from_secs(1));
    from_x(&house, revoked(99, 5).as_bytes()).await;
    handle(&house).await;
    assert_eq!(newest(&house).await, ("handled".into(), json!("no_channel")));
    assert_eq!((house.asked().len(), reconnects(&house)), (asked, 1));
}

#[tokio::test]
async fn a_network_that_does_not_answer_is_asked_again_for_a_day() {
    let house = House::new().await;
    set_up(&house).await;
    let acme = connected(&house, "acme").await;
    house.world.lock().unwrap().x(TWIN).unwrap().authority.withdraw(ACME);
    let silent = |act: Act| Fault { on: Matcher::Any, host: None, times: u32::MAX, act };
    house.world.lock().unwrap().add_fault(silent(Act::ErrorBefore { status: 503 }));
    from_x(&house, revoked(ACME, 1).as_bytes()).await;
    from_linkedin(&house, &json!({ "a": 1 })).await;
    assert_eq!(handle(&house).await, 1, "the other one waits for nobody");
    assert_eq!((handle(&house).await, state(&house, &acme).await), (0, "connected".into()));
    house.clock.advance(Duration::from_hours(23));
    assert_eq!(handle(&house).await, 0);
    house.world.lock().unwrap().clear_faults();
    // Whatever else comes meanwhile, it is asked once in some minutes: that may cost something.
    let asked = house.asked().len();
    assert_eq!((handle(&house).await, house.asked().len()), (0, asked));
    house.clock.advance(Duration::from_mins(5));
    assert_eq!(handle(&house).await, 1);
    assert_eq!(state(&house, &acme).await, "reconnect_needed");
    let bakery = connected(&house, "bakery").await;
    let (scope, id) = (house.scope(), bakery.parse().unwrap());
    let row = house.services.store.read_now(|view| view.get::<Channel>(&scope, &id));
    let id = row.unwrap().unwrap().account.unwrap().remote_id.parse().unwrap();
    house.world.lock().unwrap().add_fault(silent(Act::DropBefore));
    house.clock.advance(Duration::from_secs(1));
    from_x(&house, revoked(id, 2).as_bytes()).await;
    assert_eq!(handle(&house).await, 0);
    house.clock.advance(Duration::from_hours(24));
    assert_eq!(handle(&house).await, 1);
    assert_eq!(newest(&house).await, ("handled".into(), json!("unanswered")));
    assert_eq!(state(&house, &bakery).await, "connected", "silence is no refusal");
}

#[tokio::test]
async fn what_is_handled_goes_after_its_time_and_what_waits_does_not() {
    let house = House::new().await;
    set_up(&house).await;
    let body = br#"{"for_user_id":"1"}"#;
    from_x(&house, body).await;
    let day = Duration::from_hours(24);
    house.clock.advance(day);
    handle(&house).await;
    from_x(&house, br#"{"for_user_id":"2"}"#).await;
    handle(&house).await;
    for n in 0..120 {
        from_linkedin(&house, &json!({ "notificationId": n })).await;
    }
    house.clock.advance(30 * day);
    assert_eq!(house.services.expire_hooks().await.unwrap(), 0, "30 days are not over");
    house.clock.advance(Duration::from_millis(1));
    assert_eq!(house.services.expire_hooks().await.unwrap(), 2, "those that were handled");
    assert_eq!(kept(&house).await.len(), 50, "a page of those that wait");
    // What is forgotten would be taken in again; what waits would not.
    from_x(&house, body).await;
    from_linkedin(&house, &json!({ "notificationId": 7, "again": true })).await;
    let metrics = house.services.metrics_text().await;
    assert_eq!((metric(&metrics, "x", "accepted"), metric(&metrics, "x", "replayed")), (3, 0));
    assert_eq!(metric(&metrics, "linkedin", "replayed"), 1);
    assert_eq!(handle(&house).await, 121);
    house.clock.advance(31 * day);
    assert_eq!(house.services.expire_hooks().await.unwrap(), 121);
    assert!(kept(&house).await.is_empty());
    assert_eq!(house.bare(Method::GET, "/hooks/x").send().await.status, 400);
}

#[tokio::test]
async fn what_a_network_will_not_say_of_one_account_holds_up_no_other() {
    let house = House::new().await;
    set_up(&house).await;
    let (acme, bakery) = (connected(&house, "acme").await, connected(&house, "bakery").await);
    let (scope, id) = (house.scope(), bakery.parse().unwrap());
    let row = house.services.store.read_now(|view| view.get::<Channel>(&scope, &id));
    let id = row.unwrap().unwrap().account.unwrap().remote_id.parse().unwrap();
    house.world.lock().unwrap().x(TWIN).unwrap().authority.withdraw(id);
    // The first of the two gets a refusal that says nothing of its grant.
    let act = Act::ErrorBefore { status: 400 };
    house.world.lock().unwrap().add_fault(Fault { on: Matcher::Verify, host: None, times: 1, act });
    from_x(&house, revoked(ACME, 1).as_bytes()).await;
    house.clock.advance(Duration::from_secs(1));
    from_x(&house, revoked(id, 2).as_bytes()).await;
    assert_eq!(handle(&house).await, 1);
    assert_eq!(state(&house, &acme).await, "connected");
    assert_eq!(state(&house, &bakery).await, "reconnect_needed");
}
