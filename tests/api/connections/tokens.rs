//! Tokens of connected accounts: renewed ahead of time, on demand and in batches, one at a time;
//! what lost answers, blips and dead tokens come to.

use std::time::Duration;

use carillon::domain::publish::Event;
use carillon::practice::oauth::{Refresh, Rules};
use carillon::practice::{Act, Fault, Matcher};
use http::Method;
use serde_json::{Value, json};

use super::super::harness::{APP, Answer, House, X};
use super::super::users::pages::Browser;
use super::super::users::text;
use super::{connected, go, kinds, new_link, set_app};

/// Calls to the token endpoint so far.
pub fn trades(house: &House) -> usize {
    let world = house.world.lock().unwrap();
    world.requests().filter(|request| request.path == "/2/oauth2/token").count()
}

pub fn fault(house: &House, on: Matcher, act: Act) {
    house.world.lock().unwrap().add_fault(Fault { on, host: None, times: 1, act });
}

async fn act(house: &House, channel: &str, what: &str) -> Answer {
    house.call(Method::POST, &format!("/channels/{channel}/{what}")).send().await
}

async fn shown(house: &House, channel: &str) -> Value {
    house.get(&format!("/channels/{channel}")).await.json()
}

fn withdraw(house: &House) {
    house.world.lock().unwrap().x(X).unwrap().authority.withdraw(2_244_994_945);
}

#[tokio::test]
async fn a_token_is_renewed_ahead_of_its_end_and_once_for_all_who_want_it() {
    let house = House::new().await;
    set_app(&house).await;
    let channel = connected(&house, "acme").await;
    let before = trades(&house);
    assert_eq!(act(&house, &channel, "test").await.status, 200);
    assert_eq!(trades(&house), before, "it is young");
    // With a quarter of its two hours left.
    house.clock.advance(Duration::from_mins(91));
    let (a, b, c) = tokio::join!(
        act(&house, &channel, "test"),
        act(&house, &channel, "refresh"),
        act(&house, &channel, "test"),
    );
    assert_eq!((a.status, b.status, c.status), (200, 200, 200), "{a:?} {b:?} {c:?}");
    assert_eq!(trades(&house), before + 1, "one flight");
    // Rotated: each renewal uses what the one before has brought.
    for n in 2..6 {
        assert_eq!(act(&house, &channel, "refresh").await.status, 200);
        assert_eq!(trades(&house), before + n);
    }
    let grant = &shown(&house, &channel).await["grant"];
    assert_eq!((&grant["lacks"], &grant["ends_at"]), (&json!([]), &Value::Null));
    let feed = house.new_feed().await;
    assert_eq!(act(&house, &feed, "refresh").await.said(), "422 invalid_field channel");
}

#[tokio::test]
async fn a_batch_renews_what_is_due_or_named() {
    let house = House::new().await;
    set_app(&house).await;
    let a = connected(&house, "acme").await;
    house.clock.advance(Duration::from_secs(1));
    let b = connected(&house, "bakery").await;
    let feed = house.new_feed().await;
    let none = house.post("/channels/refresh", &json!({})).await.json();
    assert_eq!(none, json!({ "items": [], "left": 0 }));
    house.clock.advance(Duration::from_mins(91));
    fault(&house, Matcher::Token, Act::ErrorBefore { status: 429 });
    let due = house.post("/channels/refresh", &json!({})).await.json();
    let results: Vec<_> =
        due["items"].as_array().unwrap().iter().map(|i| text(&i["result"])).collect();
    assert_eq!(results, ["later", "renewed"], "{due}");
    house.clock.advance(Duration::from_mins(5));
    let named = json!({ "channels": [a, b, feed] });
    let named = house.post("/channels/refresh", &named).await.json();
    let result = |id: &str| {
        let items = named["items"].as_array().unwrap();
        text(&items.iter().find(|item| item["channel"] == id).unwrap()["result"])
    };
    assert_eq!(
        (result(&a), result(&b), result(&feed)),
        ("renewed".into(), "renewed".into(), "unneeded".into())
    );
    let missing = house.post("/channels/refresh", &json!({ "channels": [house.workspace] })).await;
    assert_eq!(missing.said(), "422 invalid_field channels[0]");
    let many = vec![a.clone(); 51];
    let many = house.post("/channels/refresh", &json!({ "channels": many })).await;
    assert_eq!(many.said(), "422 invalid_field channels");
    let here = Some(house.workspace.as_str());
    let one = house.verb(("channel", "refresh"), here, json!({ "id": a })).await;
    assert_eq!(one["items"][0]["result"], "renewed", "{one}");
}

#[tokio::test]
async fn blips_and_false_refusals_never_disconnect() {
    let house = House::new().await;
    set_app(&house).await;
    let channel = connected(&house, "acme").await;
    house.clock.advance(Duration::from_mins(91));
    for act_of_it in [
        Act::DropBefore,
        Act::ErrorBefore { status: 500 },
        Act::ErrorBefore { status: 503 },
        Act::Html502,
        Act::Html200,
        Act::False401,
    ] {
        fault(&house, Matcher::Token, act_of_it.clone());
        let tested = act(&house, &channel, "test").await;
        assert_eq!(tested.status, 200, "{act_of_it:?}: {}", tested.text());
        assert_eq!(shown(&house, &channel).await["state"], "connected", "{act_of_it:?}");
        house.world.lock().unwrap().clear_faults();
        // In doubt, it waits for the end of the token; so each case gets a new one.
        house.clock.advance(Duration::from_mins(30));
        let renewed = act(&house, &channel, "test").await;
        assert_eq!(renewed.status, 200, "{act_of_it:?}: {}", renewed.text());
        house.clock.advance(Duration::from_mins(91));
    }
    // One 401 of the identity endpoint, too.
    house.clock.advance(Duration::from_mins(30));
    assert_eq!(act(&house, &channel, "test").await.status, 200);
    fault(&house, Matcher::Verify, Act::False401);
    assert_eq!(act(&house, &channel, "test").await.status, 200);
    // A wrong secret of ours is no fault of the account's.
    house.clock.advance(Duration::from_mins(91));
    let wrong = json!({ "network": "x", "client-secret": "wrong" });
    house.verb(("app", "rotate"), None, wrong).await;
    let refused = act(&house, &channel, "refresh").await;
    assert_eq!(refused.said(), "422 app_refused", "{}", refused.text());
    // That is seen without anybody asking for a test.
    let app = house.verb(("app", "show"), None, json!({ "network": "x" })).await;
    assert_eq!(app["tested"], "refused", "{app}");
    assert_eq!(shown(&house, &channel).await["state"], "connected");
    house.verb(("app", "remove"), None, json!({ "network": "x" })).await;
    let refused = act(&house, &channel, "refresh").await;
    assert!(refused.text().contains("app_missing"), "{}", refused.text());
    set_app(&house).await;
    assert_eq!(act(&house, &channel, "refresh").await.status, 200);
    assert_eq!(kinds(&house, "channel.r").await, [""; 0]);
}

#[tokio::test]
async fn a_lost_answer_is_not_asked_for_again_while_the_token_lives() {
    let house = House::new().await;
    set_app(&house).await;
    let channel = connected(&house, "acme").await;
    let feed = house.new_feed().await;
    house.clock.advance(Duration::from_mins(91));
    fault(&house, Matcher::Token, Act::AcceptThenDrop);
    // X has used the refresh token up, and what came for it is lost.
    assert_eq!(act(&house, &channel, "test").await.status, 200);
    let asked = trades(&house);
    house.clock.advance(Duration::from_mins(20));
    assert_eq!(act(&house, &channel, "test").await.status, 200, "the old token works on");
    let doubt = act(&house, &channel, "refresh").await;
    assert!(doubt.text().contains("renewal_in_doubt"), "{}", doubt.text());
    assert_eq!(trades(&house), asked, "a replay would end it at once");
    // At its end there is nothing to lose: X calls the replay dead, and then a person is needed.
    house.clock.advance(Duration::from_mins(9));
    assert_eq!(act(&house, &channel, "test").await.said(), "422 channel_refused");
    assert_eq!(trades(&house), asked + 2, "ahead, and when it was refused");
    let now = shown(&house, &channel).await;
    assert_eq!(
        (&now["state"], &now["reason"]),
        (&json!("reconnect_needed"), &json!("refresh_refused"))
    );
    assert_eq!(act(&house, &channel, "test").await.said(), "422 channel_refused");
    assert_eq!(kinds(&house, "channel.rec").await, ["channel.reconnect_needed"], "said once");
    assert_ne!(feed, channel);
}

#[tokio::test]
async fn what_was_held_goes_on_when_the_account_is_back() {
    let house = House::new().await;
    set_app(&house).await;
    let channel = connected(&house, "acme").await;
    let post = house.new_post(&channel, json!({ "now": true })).await;
    let delivery = text(&post["deliveries"][0]["id"]);
    // What the publisher does, and what it is answered.
    house.happen(&delivery, Event::Wake).await;
    house.happen(&delivery, Event::Ready).await;
    withdraw(&house);
    assert_eq!(act(&house, &channel, "test").await.said(), "422 channel_refused");
    let epoch = house.services.store.epoch();
    let why = carillon::domain::publish::Failure::new("unauthorized", String::new());
    let outcome = carillon::domain::publish::Outcome::Reconnect(why);
    house.happen(&delivery, Event::Answer { attempt: 1, epoch, outcome }).await;
    let held = house.get(&format!("/deliveries/{delivery}")).await.json();
    assert_eq!((&held["state"], &held["reason"]), (&json!("held"), &json!("reconnect_needed")));

    let here = Some(house.workspace.as_str());
    let made = house.verb(("channel", "link"), here, json!({ "channel": channel })).await;
    let link = format!("/connect/{}", super::super::users::token_of(&made["link"]));
    let mut browser = Browser::new(&house);
    let page = go(&house, &mut browser, &link, "username=acme").await;
    assert_eq!(browser.post(&page, "account=2244994945").await.status, 303);
    let now = shown(&house, &channel).await;
    assert_eq!((&now["state"], &now["id"]), (&json!("connected"), &json!(channel)));
    let resumed = house.get(&format!("/deliveries/{delivery}")).await.json();
    assert_eq!(resumed["state"], "scheduled", "{resumed}");
}

#[tokio::test]
async fn a_dead_refresh_token_disconnects_once_it_was_confirmed() {
    let house = House::new().await;
    set_app(&house).await;
    let channel = connected(&house, "acme").await;
    withdraw(&house);
    let dead = act(&house, &channel, "refresh").await;
    assert_eq!(dead.said(), "422 channel_refused", "{}", dead.text());
    assert_eq!(shown(&house, &channel).await["state"], "reconnect_needed");
    let batch = house.post("/channels/refresh", &json!({ "channels": [channel] })).await.json();
    assert_eq!(batch["items"][0]["result"], "reconnect_needed", "{batch}");
    assert_eq!(kinds(&house, "channel.rec").await, ["channel.reconnect_needed"]);
}

#[tokio::test]
async fn a_grant_with_a_fixed_end_is_told_of_in_time() {
    let house = House::new().await;
    set_app(&house).await;
    let year = Duration::from_hours(365 * 24);
    {
        let mut world = house.world.lock().unwrap();
        // As LinkedIn does it (networks.md 2.1), for the client of X.
        let access_life = Duration::from_hours(60 * 24);
        world.x(X).unwrap().authority.rules =
            Rules { access_life, refresh: Refresh::Fixed { life: year }, ..Rules::x() };
    }
    let channel = connected(&house, "acme").await;
    let ends = text(&shown(&house, &channel).await["grant"]["ends_at"]);
    assert_eq!(ends, "2027-11-22T09:00:00.000Z");
    // A round that somebody stops ends before the next workspace; the one after it does its work.
    let jobs = &house.services.jobs;
    house.clock.advance(Duration::from_hours(46 * 24));
    jobs.begins("sessions", house.services.now());
    house.verb(("job", "stop"), None, json!({ "name": "sessions" })).await;
    assert_eq!(house.services.renew_idle().await.unwrap(), (0, 0));
    jobs.rests("sessions", house.services.now(), house.services.now());
    assert!(jobs.all().iter().any(|(name, job)| *name == "sessions" && job.rounds[0].stopped));
    jobs.begins("sessions", house.services.now());
    assert_eq!(house.services.renew_idle().await.unwrap(), (1, 1), "day 46");
    // Nobody uses it; the rounds keep its token alive.
    for day in [92, 138, 184, 230, 276, 322] {
        house.clock.advance(Duration::from_hours(46 * 24));
        let renewed = house.services.renew_idle().await.unwrap();
        assert_eq!(renewed, (1, 1), "day {day}");
    }
    let grant = shown(&house, &channel).await["grant"].clone();
    assert_eq!((&grant["ends_at"], &grant["ends_soon"]), (&json!(ends), &json!(false)), "{grant}");
    house.clock.advance(Duration::from_hours(8 * 24));
    for _ in 0..2 {
        house.services.renew_idle().await.unwrap();
    }
    let told = house.events().into_iter().filter(|event| event.kind == "channel.grant_ending");
    let told: Vec<_> = told.collect();
    assert_eq!((told.len(), told[0].data["ends_at"].as_str()), (1, ends.as_str()), "on day 330");
    assert_eq!(shown(&house, &channel).await["grant"]["ends_soon"], true);
    // A new consent begins another year.
    let (_, link) = new_link(&house, &json!({ "network": "x", "channel": channel })).await;
    let mut browser = Browser::new(&house);
    let page = go(&house, &mut browser, &link, "username=acme").await;
    assert_eq!(browser.post(&page, "account=2244994945").await.status, 303);
    let grant = shown(&house, &channel).await["grant"].clone();
    assert_eq!(grant["ends_soon"], false, "{grant}");
    // At its end a person is needed.
    house.clock.advance(year);
    assert_eq!(act(&house, &channel, "test").await.said(), "422 channel_refused");
    assert_eq!(shown(&house, &channel).await["state"], "reconnect_needed");
}

#[tokio::test]
async fn a_secret_that_is_rotated_counts_for_the_next_renewal() {
    let house = House::new().await;
    set_app(&house).await;
    let channel = connected(&house, "acme").await;
    let redirect = "https://carillon.example/oauth/x/callback";
    {
        let mut world = house.world.lock().unwrap();
        world.x(X).unwrap().authority.add_app(APP.0, "new-secret", redirect);
    }
    let refused = act(&house, &channel, "refresh").await;
    assert!(refused.text().contains("app_refused"), "{}", refused.text());
    let new = json!({ "network": "x", "client-secret": "new-secret" });
    house.verb(("app", "rotate"), None, new).await;
    assert_eq!(act(&house, &channel, "refresh").await.status, 200);
    // Another application is not the one that the account has granted anything to.
    let other = json!({ "network": "x", "client-id": "other", "client-secret": "s" });
    house.verb(("app", "set"), None, other).await;
    let refused = act(&house, &channel, "refresh").await;
    assert!(refused.text().contains("other_application"), "{}", refused.text());
    assert_eq!(shown(&house, &channel).await["state"], "connected", "its token works to its end");
}
