//! Plans: what a workspace may have is held to in the transaction that writes, and what it uses is
//! kept exactly.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use carillon::base::{Clock as _, DeliveryId, Rng as _, SeededRng};
use carillon::domain::delivery::Delivery;
use carillon::domain::event::Actor;
use carillon::domain::publish::{Event, Failure, Moment, Outcome, Receipt, Source, State};
use carillon::service::{Change, transition};
use carillon::store::Span;
use carillon::store::rows::Usage;
use http::Method;
use serde_json::{Value, json};

use super::harness::{Answer, House};

/// Gives the workspace of the house a plan.
async fn set(house: &House, args: Value) -> Value {
    house.verb(("plan", "set"), Some(&house.workspace), args).await
}

fn at(local: &str) -> Value {
    json!({ "at": local, "zone": "UTC" })
}

fn body(channels: &[String], schedule: &Value) -> Value {
    json!({ "parts": [{ "text": "Hello" }], "channels": channels, "schedule": schedule })
}

fn first(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

/// Posts of each month as the rows of usage say.
fn used(house: &House) -> BTreeMap<String, u64> {
    let (scope, span) = (house.scope(), Span::first(1_000));
    let found = house.services.store.read_now(|view| view.scan::<Usage>(&scope, &span)).unwrap();
    found.into_iter().map(|(month, row)| (first(&month.to_string(), 7), row.posts)).collect()
}

fn deliveries(house: &House) -> Vec<Delivery> {
    let (scope, span) = (house.scope(), Span::first(10_000));
    let found = house.services.store.read_now(|view| view.scan::<Delivery>(&scope, &span));
    found.unwrap().into_iter().map(|(_, row)| row).collect()
}

/// The same, counted from what there is: each post once for each time that it is, or was, to go out.
fn recounted(house: &House) -> BTreeMap<String, u64> {
    let mut occurrences = BTreeSet::new();
    for row in deliveries(house) {
        if !matches!(row.flow.state(), State::Cancelled | State::Failed) {
            occurrences.insert((row.post.to_string(), row.due.to_string()));
        }
    }
    let mut months = BTreeMap::new();
    for (_, due) in occurrences {
        *months.entry(first(&due, 7)).or_default() += 1;
    }
    months
}

#[tokio::test]
async fn the_plan_is_shown_with_its_use() {
    let house = House::new().await;
    let shown = house.get("/plan").await.json();
    assert_eq!((&shown["plan"], &shown["by_default"]), (&json!("enterprise"), &json!(true)));
    assert_eq!(shown["channels"], json!({ "used": 0, "limit": null }));
    let feed = house.new_feed().await;
    for local in ["2026-11-30T23:59:59", "2026-12-01T00:00", "2026-12-31T23:00"] {
        assert_eq!(
            house.post("/posts", &body(std::slice::from_ref(&feed), &at(local))).await.status,
            201
        );
    }
    let shown = set(&house, json!({ "plan": "free", "posts": "9", "allow": ["ai"] })).await;
    assert_eq!(shown, house.get("/plan").await.json());
    assert_eq!(
        shown,
        json!({
            "plan": "free", "by_default": false,
            "channels": { "used": 1, "limit": 3 },
            "posts_a_month": [
                { "month": "2026-11", "used": 1, "limit": 9 },
                { "month": "2026-12", "used": 2, "limit": 9 },
            ],
            "features": ["scheduling", "analytics", "ai"],
            "spent": [],
            "overrides": {
                "channels": null, "posts_a_month": "9",
                "evergreen": null, "rss_autopost": null, "ai": true,
            },
        })
    );
    let event = house.events().into_iter().find(|event| event.kind == "plan.changed").unwrap();
    assert_eq!(
        (event.data["before"].as_str(), event.data["plan"].as_str()),
        ("enterprise", "free")
    );
    // Given back, it is that of the installation again.
    let shown = set(&house, json!({ "plan": "default" })).await;
    assert_eq!((&shown["plan"], &shown["by_default"]), (&json!("enterprise"), &json!(true)));
}

#[tokio::test]
async fn over_the_limit_nothing_is_written_and_the_answer_says_why() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    set(&house, json!({ "plan": "free", "posts": "2" })).await;
    let new = body(std::slice::from_ref(&feed), &at("2026-12-24T18:00"));
    let first = house.post("/posts", &new).await.json();
    assert_eq!(house.post("/posts", &new).await.status, 201);
    let before = (house.events().len(), deliveries(&house).len(), used(&house));
    let refused = house.call(Method::POST, "/posts").json(&new).header("idempotency-key", "k");
    let answer = refused.clone().send().await;
    assert_eq!(answer.said(), "402 plan_limit");
    let params = json!({
        "limit": "posts_a_month", "most": "2", "used": "2", "plan": "free", "month": "2026-12",
    });
    assert_eq!(answer.json()["params"], params);
    assert_eq!((house.events().len(), deliveries(&house).len(), used(&house)), before);

    // Another month has room of its own, and what is there can be changed.
    let other = house
        .post("/posts", &body(std::slice::from_ref(&feed), &at("2027-01-24T18:00")))
        .await
        .json();
    let path = |post: &Value| format!("/posts/{}", post["id"].as_str().unwrap());
    let moved = json!({ "schedule": at("2026-12-25T18:00") });
    assert_eq!(house.patch(&path(&first), &moved).await.status, 200);
    assert_eq!(house.patch(&path(&other), &moved).await.said(), "402 plan_limit");
    assert_eq!(used(&house), BTreeMap::from([("2026-12".into(), 2), ("2027-01".into(), 1)]));

    // A draft is free until it is none.
    let mut draft = new.clone();
    draft["draft"] = json!(true);
    let draft = house.post("/posts", &draft).await.json();
    let release = json!({ "draft": false });
    assert_eq!(house.patch(&path(&draft), &release).await.said(), "402 plan_limit");
    // What is cancelled before it went gives its place back; the same request then has it.
    assert_eq!(house.post(&format!("{}/cancel", path(&first)), &json!({})).await.status, 200);
    assert_eq!(refused.send().await.status, 201);
    assert_eq!(house.patch(&path(&draft), &release).await.said(), "402 plan_limit");
    let moved = json!({ "schedule": at("2027-02-01T00:00") });
    assert_eq!(house.patch(&path(&other), &moved).await.status, 200);
    assert_eq!(used(&house), BTreeMap::from([("2026-12".into(), 2), ("2027-02".into(), 1)]));
    assert_eq!(used(&house), recounted(&house));
}

#[tokio::test]
async fn what_is_out_stays_counted_and_cannot_be_lost_sight_of() {
    let house = House::new().await;
    let (feed, other) = (house.new_feed().await, house.new_feed().await);
    let now = body(&[feed.clone(), other.clone()], &json!({ "now": true }));
    let post = house.post("/posts", &now).await.json();
    house.publish(post["targets"][0]["delivery"].as_str().unwrap()).await;
    let path = format!("/posts/{}", post["id"].as_str().unwrap());
    for change in [json!({ "channels": [other] }), json!({ "draft": true })] {
        let refused = house.patch(&path, &change).await;
        assert_eq!(refused.said(), "409 delivery_finished", "{change}");
    }
    assert_eq!(house.patch(&path, &json!({ "channels": [feed] })).await.status, 200);
    assert_eq!(house.delete(&path).await.status, 204);
    assert_eq!(used(&house), BTreeMap::from([("2026-11".into(), 1)]));
    assert_eq!(used(&house), recounted(&house));
}

#[tokio::test]
async fn channels_have_places_too() {
    let house = House::new().await;
    set(&house, json!({ "plan": "free" })).await;
    let new = json!({ "network": "feed", "name": "News" });
    let mut last = Value::Null;
    for _ in 0..3 {
        last = house.post("/channels", &new).await.json();
    }
    let refused = house.post("/channels", &new).await;
    assert_eq!(refused.said(), "402 plan_limit");
    let params = json!({ "limit": "channels", "most": "3", "used": "3", "plan": "free" });
    assert_eq!(refused.json()["params"], params);
    let path = format!("/channels/{}", last["id"].as_str().unwrap());
    assert_eq!(house.delete(&path).await.status, 204);
    assert_eq!(house.post("/channels", &new).await.status, 201);
    assert_eq!(house.post("/channels", &new).await.said(), "402 plan_limit");
}

/// Twenty at once want the last place, on the threads of a real runtime; each has seen that there is
/// one. A limit that was looked at before the transaction would let them all in.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_last_place_goes_to_one() {
    let house: &'static House = Box::leak(Box::new(House::new().await));
    let feed = house.new_feed().await;
    set(house, json!({ "plan": "free", "posts": "1", "channels": "2" })).await;
    let post = body(&[feed], &at("2026-12-24T18:00"));
    let channel = json!({ "network": "feed", "name": "News" });
    for (path, body, what) in [("/posts", post, 1), ("/channels", channel, 0)] {
        let tasks = tokio_util::task::TaskTracker::new();
        let calls = (0..20).map(|_| {
            let body = body.clone();
            tasks.spawn(async move {
                let plan = house.get("/plan").await.json();
                let seen = match what {
                    0 => plan["channels"]["used"].clone(),
                    next => plan["posts_a_month"][next]["used"].clone(),
                };
                (seen, house.post(path, &body).await)
            })
        });
        let answers: Vec<(Value, Answer)> =
            futures_util::future::join_all(calls).await.into_iter().map(Result::unwrap).collect();
        let count = |said: &str| answers.iter().filter(|(_, one)| one.said() == said).count();
        assert_eq!((count("201"), count("402 plan_limit")), (1, 19), "{path}");
        let unused = answers.iter().filter(|(seen, _)| *seen == json!(1 - what)).count();
        println!("{path}: {unused} of 20 had seen the last place free");
    }
    assert_eq!(used(house), recounted(house));
}

#[tokio::test]
async fn a_smaller_plan_takes_nothing_away() {
    let house = House::new().await;
    let mut feeds = Vec::new();
    for _ in 0..4 {
        feeds.push(house.new_feed().await);
    }
    let new = |local: &str| body(&feeds[..1], &at(local));
    for local in ["2026-11-30T10:00", "2026-12-01T10:00", "2026-12-02T10:00", "2027-03-01T10:00"] {
        assert_eq!(house.post("/posts", &new(local)).await.status, 201);
    }
    let asked = json!({ "plan": "free", "overrides": { "posts_a_month": "1" } });
    let preview = house.post("/plan/preview", &asked).await.json();
    assert_eq!(
        preview,
        json!({
            "plan": "free", "cuts": true,
            "channels": { "used": 4, "limit": 3 },
            "channels_over": [{ "id": feeds[3], "network": "feed", "name": "News" }],
            "months_over": [{ "month": "2026-12", "used": 2, "limit": 1, "over": 1 }],
            "features_lost": ["evergreen", "rss_autopost", "ai"],
        })
    );
    let by_verb = json!({ "plan": "free", "posts": "1" });
    let by_verb = house.verb(("plan", "preview"), Some(&house.workspace), by_verb).await;
    assert_eq!(by_verb, preview);
    let none = house.post("/plan/preview", &json!({ "plan": "enterprise" })).await.json();
    assert_eq!((&none["cuts"], &none["features_lost"]), (&json!(false), &json!([])));

    let before = house.get("/posts").await.json();
    set(&house, json!({ "plan": "free", "posts": "1" })).await;
    assert_eq!(house.get("/posts").await.json(), before);
    assert_eq!(house.get("/channels").await.json()["items"].as_array().unwrap().len(), 4);
    assert_eq!(house.post("/posts", &new("2026-12-03T10:00")).await.said(), "402 plan_limit");
    assert_eq!(house.post("/posts", &new("2027-01-03T10:00")).await.status, 201);
    assert_eq!(used(&house), recounted(&house));
}

/// Changes a delivery as the engine would; one that cannot change so stays.
async fn happen(house: &House, id: DeliveryId, event: Event) {
    let (scope, timing) = (house.scope(), house.services.timing.get());
    let moment = Moment { now: house.clock.now(), epoch: house.services.store.epoch(), dice: 1 };
    let change = Change { event, moment, actor: Actor::System, note: None };
    let changed = house
        .services
        .store
        .write::<_, (), _>(move |tx| Ok(transition(tx, &scope, id, &timing, &change)?.is_ok()));
    changed.await.unwrap();
}

/// Sends a delivery: it comes out, or the network refuses it for good.
async fn sent(house: &House, row: &Delivery, well: bool) {
    happen(house, row.id, Event::Wake).await;
    happen(house, row.id, Event::Ready).await;
    let at = house.clock.now();
    let receipt = Receipt { remote_id: "1".to_owned(), url: None, at, source: Source::Answer };
    let failure = Failure { code: "policy".to_owned(), detail: String::new(), status: None };
    let outcome = if well { Outcome::Done(receipt) } else { Outcome::Refused(failure) };
    let epoch = house.services.store.epoch();
    happen(house, row.id, Event::Answer { attempt: 1, epoch, outcome }).await;
}

/// What one random thing that people or the engine do was answered.
async fn act(house: &House, rng: &SeededRng, feeds: &mut Vec<String>) -> (&'static str, u16) {
    let dice = |n: usize| usize::try_from(rng.next_u64() % 1_000_000).unwrap() % n;
    let days = 1 + dice(60);
    let later = house.clock.now().plus(Duration::from_hours(24 * days as u64)).to_string();
    let schedule = at(&first(&later, 19));
    let posts = house.get("/posts?limit=200").await.json()["items"].as_array().unwrap().clone();
    let post = (!posts.is_empty()).then(|| &posts[dice(posts.len())]);
    let path = post.map(|post| format!("/posts/{}", post["id"].as_str().unwrap()));
    let rows = deliveries(house);
    let row = (!rows.is_empty()).then(|| &rows[dice(rows.len())]);
    let some: Vec<String> = feeds.iter().filter(|_| dice(2) == 0).cloned().collect();
    let chosen = if some.is_empty() { feeds[..1].to_vec() } else { some };
    match (dice(12), path, row) {
        (0..=2, ..) | (_, None, _) | (_, _, None) => {
            let when = if dice(4) == 0 { json!({ "now": true }) } else { schedule };
            let mut new = body(&chosen, &when);
            new["draft"] = json!(dice(3) == 0);
            ("create", house.post("/posts", &new).await.status)
        }
        (3, Some(path), _) => {
            ("move", house.patch(&path, &json!({ "schedule": schedule })).await.status)
        }
        (4, Some(path), _) => {
            ("channels", house.patch(&path, &json!({ "channels": chosen })).await.status)
        }
        (5, Some(path), _) => {
            let change = json!({ "draft": dice(2) == 0, "schedule": schedule });
            ("draft", house.patch(&path, &change).await.status)
        }
        (6, Some(path), _) => {
            ("cancel", house.post(&format!("{path}/cancel"), &json!({})).await.status)
        }
        (7, Some(path), _) => ("delete", house.delete(&path).await.status),
        (8, _, Some(row)) => {
            sent(house, row, true).await;
            ("publish", 0)
        }
        (9, _, Some(row)) => {
            sent(house, row, false).await;
            ("fail", 0)
        }
        (10, _, Some(_)) => {
            // Held as missed, and decided on.
            house.clock.advance(Duration::from_hours(24 * dice(9) as u64));
            for row in &rows {
                happen(house, row.id, Event::Wake).await;
            }
            let held = house.get("/deliveries?state=held").await.json()["items"].clone();
            let held = held.as_array().unwrap();
            let Some(one) = (!held.is_empty()).then(|| &held[dice(held.len())]) else {
                return ("hold", 0);
            };
            let word = ["it_is_there", "send_again", "drop"][dice(3)];
            let path = format!("/deliveries/{}/resolve", one["id"].as_str().unwrap());
            ("resolve", house.post(&path, &json!({ "decision": word })).await.status)
        }
        (_, _, Some(_)) => {
            let gone = feeds.remove(dice(feeds.len()));
            let status = house.delete(&format!("/channels/{gone}")).await.status;
            let kept = if status == 204 { house.new_feed().await } else { gone };
            feeds.push(kept);
            ("remove channel", status)
        }
    }
}

/// After any of a long run of random things the rows say what counting says; under a small plan also
/// that there is never more than it has.
#[tokio::test]
async fn the_count_is_that_of_a_recount_after_anything() {
    let mut done: BTreeMap<(&str, u16), u32> = BTreeMap::new();
    for seed in 0..24 {
        let house = House::new().await;
        let rng = SeededRng::new(seed);
        let mut feeds = Vec::new();
        for _ in 0..3 {
            feeds.push(house.new_feed().await);
        }
        let most = (seed % 2 == 0).then_some(2);
        if let Some(most) = most {
            set(&house, json!({ "plan": "starter", "posts": most.to_string() })).await;
        }
        for step in 0..60 {
            let (what, status) = act(&house, &rng, &mut feeds).await;
            *done.entry((what, status)).or_default() += 1;
            let used = used(&house);
            assert_eq!(used, recounted(&house), "seed {seed}, step {step}: {what} {status}");
            let over = used.values().any(|posts| most.is_some_and(|most| *posts > most));
            assert!(!over, "seed {seed}, step {step}: {what} {status}: {used:?}");
        }
    }
    println!("{done:?}");
    for reached in [
        ("create", 201),
        ("create", 402),
        ("move", 200),
        ("move", 402),
        ("channels", 200),
        ("draft", 200),
        ("draft", 402),
        ("cancel", 200),
        ("delete", 204),
        ("resolve", 200),
        ("remove channel", 204),
    ] {
        assert!(done.contains_key(&reached), "{reached:?}");
    }
}
