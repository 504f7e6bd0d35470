//! Keys that are limited to channels: what they see, and what they may write.

use std::time::Duration;

use http::Method;
use serde_json::{Map, Value, json};

use super::harness::{Answer, House};

/// A key with a grant for each of these channels.
async fn limited(house: &House, scope: &str, grants: &[(&str, &str)]) -> String {
    let channels: Map<String, Value> =
        grants.iter().map(|(channel, grant)| ((*channel).to_owned(), json!(grant))).collect();
    let body = json!({ "name": "limited", "scopes": [scope], "channels": channels });
    let made = house.post("/keys", &body).await;
    assert_eq!(made.status, 201, "{}", made.text());
    made.json()["key"].as_str().unwrap().to_owned()
}

fn post(channels: &[&str], draft: bool) -> Value {
    json!({
        "parts": [{ "text": "Good morning!" }], "channels": channels, "draft": draft,
        "schedule": { "at": "2026-12-01T09:00", "zone": "Europe/Berlin" },
    })
}

async fn ask(house: &House, key: &str, method: Method, path: &str, body: Option<&Value>) -> Answer {
    let call = house.call(method, path).key(key);
    match body {
        Some(body) => call.json(body).send().await,
        None => call.send().await,
    }
}

fn ids(answer: &Answer) -> Vec<String> {
    let items = answer.json()["items"].as_array().unwrap().clone();
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

/// Feeds on each of which a key may do something else, and a post for each.
struct Feeds {
    publish: String,
    draft: String,
    read: String,
    hidden: String,
}

async fn feeds(house: &House) -> (Feeds, String) {
    // Ids of one instant come in no order.
    let new = async || {
        house.clock.advance(Duration::from_millis(1));
        house.new_feed().await
    };
    let feeds =
        Feeds { publish: new().await, draft: new().await, read: new().await, hidden: new().await };
    let grants = [(&*feeds.publish, "publish"), (&*feeds.draft, "draft"), (&*feeds.read, "read")];
    let key = limited(house, "publish", &grants).await;
    (feeds, key)
}

#[tokio::test]
async fn a_channel_that_is_not_granted_is_as_good_as_missing() {
    let house = House::new().await;
    let (feeds, key) = feeds(&house).await;
    let at = json!({ "at": "2026-12-01T09:00", "zone": "Europe/Berlin" });
    let mut posts = Vec::new();
    for feed in [&feeds.publish, &feeds.draft, &feeds.read, &feeds.hidden] {
        house.clock.advance(Duration::from_millis(1));
        posts.push(house.new_post(feed, at.clone()).await);
    }
    let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
    let delivery = |post: &Value| post["deliveries"][0]["id"].as_str().unwrap().to_owned();
    let get = async |path: &str| ask(&house, &key, Method::GET, path, None).await;

    // Lists leave it out, page by page too.
    assert_eq!(ids(&get("/channels").await), [&*feeds.publish, &feeds.draft, &feeds.read]);
    let seen: Vec<String> = posts[..3].iter().rev().map(id).collect();
    assert_eq!(ids(&get("/posts").await), seen);
    let by_due = "/posts?from=2026-12-01T00:00:00Z&to=2026-12-02T00:00:00Z";
    assert_eq!(ids(&get(by_due).await).len(), 3);
    let deliveries: Vec<String> = posts[..3].iter().rev().map(delivery).collect();
    assert_eq!(ids(&get("/deliveries").await), deliveries);
    for list in ["/channels", "/posts", "/deliveries"] {
        let (mut all, mut path) = (Vec::new(), format!("{list}?limit=1"));
        for _ in 0..9 {
            let page = get(&path).await;
            all.extend(ids(&page));
            match page.json()["next"].as_str() {
                Some(next) => path = format!("{list}?limit=1&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(all, ids(&get(list).await), "{list}");
    }
    // So does the activity: nothing there is about what is not seen.
    let (activity, all) = (get("/activity").await, house.get("/activity").await);
    for id in [&feeds.hidden, &id(&posts[3]), &delivery(&posts[3])] {
        assert!(!activity.text().contains(id.as_str()), "{}", activity.text());
    }
    assert!(all.text().contains(&id(&posts[3])) && activity.text().contains(&id(&posts[0])));
    // Each thing of it is missing, whatever is asked of it.
    let none = "01890a5d-ac96-774b-bcce-b302099a8057";
    let hidden = &posts[3];
    for (method, kind, id) in [
        (Method::GET, "channels", feeds.hidden.clone()),
        (Method::GET, "posts", id(hidden)),
        (Method::GET, "deliveries", delivery(hidden)),
        (Method::DELETE, "posts", id(hidden)),
    ] {
        let there = ask(&house, &key, method.clone(), &format!("/{kind}/{id}"), None).await;
        let missing = ask(&house, &key, method, &format!("/{kind}/{none}"), None).await;
        assert_eq!(there.said(), "404 not_found", "{kind}");
        assert_eq!(there.json()["detail"], missing.json()["detail"], "{kind}");
    }
    let cancel = format!("/posts/{}/cancel", id(hidden));
    assert_eq!(ask(&house, &key, Method::POST, &cancel, None).await.said(), "404 not_found");
    let resolve = format!("/deliveries/{}/resolve", delivery(hidden));
    let drop = json!({ "decision": "drop" });
    let answer = ask(&house, &key, Method::POST, &resolve, Some(&drop)).await;
    assert_eq!(answer.said(), "404 not_found");
    let body = post(&[&feeds.hidden], true);
    let write = ask(&house, &key, Method::POST, "/posts", Some(&body)).await;
    assert_eq!(write.said(), "422 invalid_field channels[0]");
    // And nothing came of any of it.
    assert_eq!(house.get(&format!("/posts/{}", id(hidden))).await.json(), *hidden);
}

#[tokio::test]
async fn a_grant_says_what_may_be_written_for_a_channel() {
    let house = House::new().await;
    let (feeds, key) = feeds(&house).await;
    let write = async |body: Value| ask(&house, &key, Method::POST, "/posts", Some(&body)).await;
    let lacks = |answer: &Answer, grant: &str, channel: &str| {
        assert_eq!(answer.said(), "403 forbidden");
        assert_eq!(answer.json()["params"], json!({ "grant": grant, "channel": channel }));
    };
    assert_eq!(write(post(&[&feeds.publish], false)).await.status, 201);
    assert_eq!(write(post(&[&feeds.publish, &feeds.draft], true)).await.status, 201);
    assert_eq!(write(post(&[], true)).await.status, 201, "a draft for no channel yet");
    lacks(&write(post(&[&feeds.draft], false)).await, "publish", &feeds.draft);
    lacks(&write(post(&[&feeds.publish, &feeds.draft], false)).await, "publish", &feeds.draft);
    lacks(&write(post(&[&feeds.read], true)).await, "draft", &feeds.read);
    lacks(&write(post(&[&feeds.read], false)).await, "publish", &feeds.read);
    assert_eq!(ids(&house.get("/posts").await).len(), 3, "what was refused is not there");

    // A draft stays one until somebody who may schedules it.
    let draft = write(post(&[&feeds.draft], true)).await.json();
    let path = format!("/posts/{}", draft["id"].as_str().unwrap());
    let change = async |body: &Value| ask(&house, &key, Method::PATCH, &path, Some(body)).await;
    assert_eq!(change(&json!({ "tags": ["a"] })).await.status, 200);
    lacks(&change(&json!({ "draft": false })).await, "publish", &feeds.draft);
    assert_eq!(house.patch(&path, &json!({ "draft": false })).await.status, 200);
    // And then it is out of reach: words, time, way back, end.
    for body in [
        json!({ "parts": [{ "text": "Else" }] }),
        json!({ "schedule": { "now": true } }),
        json!({ "draft": true }),
        json!({ "channels": [feeds.publish] }),
    ] {
        lacks(&change(&body).await, "publish", &feeds.draft);
    }
    lacks(&ask(&house, &key, Method::DELETE, &path, None).await, "publish", &feeds.draft);
    let cancel = format!("{path}/cancel");
    lacks(&ask(&house, &key, Method::POST, &cancel, None).await, "publish", &feeds.draft);
    let now = house.get(&path).await.json();
    assert_eq!(
        (&now["draft"], &now["deliveries"][0]["state"]),
        (&json!(false), &json!("scheduled"))
    );
}

#[tokio::test]
async fn of_a_post_for_many_only_the_granted_channels_are_seen_and_nothing_is_lost() {
    let house = House::new().await;
    let (feeds, key) = feeds(&house).await;
    let mut body = post(&[&feeds.publish, &feeds.hidden], false);
    body["variants"] = json!({ feeds.hidden.clone(): { "parts": [{ "text": "Secret words" }] } });
    let whole = house.post("/posts", &body).await.json();
    let path = format!("/posts/{}", whole["id"].as_str().unwrap());
    let seen = ask(&house, &key, Method::GET, &path, None).await;
    assert!(!seen.text().contains(&feeds.hidden) && !seen.text().contains("Secret"));
    let seen = seen.json();
    assert_eq!(seen["targets"].as_array().unwrap().len(), 1);
    assert_eq!(seen["deliveries"].as_array().unwrap().len(), 1);
    // Its words are not only theirs to change. What is not seen is not named.
    for (method, body) in [
        (Method::PATCH, Some(json!({ "parts": [{ "text": "Else" }] }))),
        (Method::PATCH, Some(json!({ "draft": true }))),
        (Method::DELETE, None),
    ] {
        let answer = ask(&house, &key, method, &path, body.as_ref()).await;
        assert_eq!(answer.said(), "403 forbidden");
        assert_eq!(answer.json()["params"], json!({ "grant": "publish" }));
    }
    assert_eq!(house.get(&path).await.json(), whole);
}

#[tokio::test]
async fn a_key_writes_drafts_by_scope_and_publishes_only_with_publish() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let write = house.new_key(&house.workspace, &["write"]).await;
    let draft = ask(&house, &write, Method::POST, "/posts", Some(&post(&[&feed], true))).await;
    assert_eq!(draft.status, 201);
    let path = format!("/posts/{}", draft.json()["id"].as_str().unwrap());
    let schedule = json!({ "draft": false });
    let now =
        json!({ "parts": [{ "text": "x" }], "channels": [feed], "schedule": { "now": true } });
    for (method, path, body) in [
        (Method::POST, "/posts", &post(&[&feed], false)),
        (Method::POST, "/posts", &now),
        (Method::PATCH, path.as_str(), &schedule),
    ] {
        let answer = ask(&house, &write, method, path, Some(body)).await;
        assert_eq!(answer.said(), "403 forbidden");
        assert_eq!(answer.json()["params"], json!({ "scope": "publish" }));
    }
    assert_eq!(ids(&house.get("/deliveries").await).len(), 0);
    let publish = house.new_key(&house.workspace, &["publish"]).await;
    assert_eq!(ask(&house, &publish, Method::PATCH, &path, Some(&schedule)).await.status, 200);
    assert_eq!(ids(&house.get("/deliveries").await).len(), 1);
}

#[tokio::test]
async fn limits_of_keys_are_shown_and_checked() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let body = |scope: &str, channels: Value| json!({ "name": "k", "scopes": [scope], "channels": channels });
    let grant = |grant: &str| json!({ feed.clone(): grant });
    let made = house.post("/keys", &body("write", grant("draft"))).await.json();
    assert_eq!(made["channels"], grant("draft"));
    let none = house.post("/keys", &body("write", json!({}))).await;
    assert_eq!(none.json()["channels"], json!({}), "{}", none.text());
    let key = none.json()["key"].as_str().unwrap().to_owned();
    assert_eq!(ids(&ask(&house, &key, Method::GET, "/channels", None).await), [""; 0]);
    let missing = "01890a5d-ac96-774b-bcce-b302099a8057";
    for (channels, said) in [
        (grant("own"), format!("422 invalid_field channels.{feed}")),
        (json!({ "x": "read" }), "422 invalid_field channels.x".to_owned()),
        (json!({ missing: "read" }), format!("422 invalid_field channels.{missing}")),
        (json!(null), "422 invalid_field channels".to_owned()),
        (json!([]), "422 invalid_field channels".to_owned()),
    ] {
        assert_eq!(house.post("/keys", &body("read", channels)).await.said(), said);
    }
    let admin = house.post("/keys", &body("admin", grant("read"))).await;
    assert_eq!(admin.said(), "422 invalid_field channels");

    // The same words for an operator.
    let args = json!({ "name": "k", "scope": ["publish"], "channel": [format!("{feed}:publish")] });
    let made = house.verb(("key", "create"), Some(&house.workspace), args).await;
    assert_eq!(made["channels"], grant("publish"));
}
