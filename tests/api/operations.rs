//! Every operation does what it says, with the exact shape of its answer.

use std::time::Duration;

use carillon::base::Clock;
use http::Method;
use serde_json::{Value, json};

use super::harness::{BLUESKY, House, INSTANCE, PUBLIC_URL, START, TOKEN};

fn at_nine() -> Value {
    json!({ "at": "2026-12-01T09:00", "zone": "Europe/Berlin" })
}

/// The fields of an object, sorted.
fn names(value: &Value) -> Vec<&str> {
    let mut names: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn networks_and_workspaces_are_listed() {
    let house = House::new().await;
    let networks = house.bare(Method::GET, "/api/v1/networks").key(&house.key).send().await;
    let networks = networks.json();
    assert_eq!(networks["items"][0]["id"], "feed");
    let mastodon = &networks["items"][1];
    let shape = [
        "app_set",
        "asks_identifier",
        "asks_instance",
        "asks_token",
        "asks_url",
        "hosts",
        "id",
        "limits",
        "options",
        "paused",
        "title",
        "version",
    ];
    assert_eq!(names(mastodon), shape);
    assert_eq!(
        mastodon["limits"],
        json!({
            "media_max": 4, "parts_max": 50, "text_max": 500, "text_bytes_max": null,
            "media": {
                "types": ["image/jpeg", "image/png", "image/gif", "image/webp", "video/mp4",
                    "video/quicktime"],
                "image_bytes": 16 << 20, "image_pixels": 33_177_600, "video_bytes": 99 << 20,
                "video_pixels": 8_294_400, "video_seconds": null, "document_bytes": null,
                "alt_chars": 1_500, "video_alone": true, "document_alone": false,
            },
        })
    );
    assert_eq!(names(&mastodon["options"][0]), ["about", "choices", "name", "takes"]);

    let expected = json!({
        "id": house.workspace, "slug": "acme", "name": "Acme", "paused": false,
        "created_at": "2026-11-22T09:00:00.000Z",
    });
    let all = house.bare(Method::GET, "/api/v1/workspaces").key(&house.key).send().await;
    assert_eq!((all.status, all.json()), (200, json!({ "items": [expected] })));
    let one = house.get("").await;
    assert_eq!((one.status, one.json()), (200, expected));
    assert_eq!(one.header("content-type"), "application/json");
    assert_eq!(one.header("cache-control"), "no-store");
    assert_eq!(one.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn a_feed_is_connected_changed_and_removed() {
    let house = House::new().await;
    let made = house.post("/channels", &json!({ "network": "feed", "name": " News " })).await;
    let channel = made.json();
    let id = channel["id"].as_str().unwrap();
    assert_eq!(made.status, 201);
    let path = format!("/channels/{id}");
    assert_eq!(made.header("location"), house.call(Method::GET, &path).path);
    assert_eq!(made.header("etag"), "\"1\"");
    let expected = json!({
        "id": id, "revision": 1, "network": "feed", "name": "News", "state": "connected",
        "reason": null, "paused": false, "instance": null, "handle": null,
        "url": format!("{PUBLIC_URL}/feed/{id}"), "authorize_url": null, "grace_minutes": null,
        "limits": {
            "text_max": 40_000, "text_bytes_max": null, "parts_max": 50, "media_max": 20,
            "media": {
                "types": ["image/jpeg", "image/png", "image/gif", "image/webp", "video/mp4",
                    "video/quicktime"],
                "image_bytes": null, "image_pixels": null, "video_bytes": null,
                "video_pixels": null, "video_seconds": null, "document_bytes": null,
                "alt_chars": null, "video_alone": false, "document_alone": false,
            },
        },
        "created_at": "2026-11-22T09:00:00.000Z",
    });
    assert_eq!(channel, expected);
    assert_eq!(house.get(&path).await.json(), expected);
    assert_eq!(house.get("/channels").await.json(), json!({ "items": [expected] }));
    assert_eq!(house.post(&format!("{path}/test"), &json!({})).await.json(), expected);

    let change = json!({ "name": "Late news", "paused": true, "grace_minutes": 30 });
    let changed = house.patch(&path, &change).await.json();
    assert_eq!(changed["name"], "Late news");
    assert_eq!((&changed["paused"], &changed["grace_minutes"]), (&json!(true), &json!(30)));
    let changed = house.patch(&path, &json!({ "grace_minutes": null })).await.json();
    assert_eq!((&changed["paused"], &changed["grace_minutes"]), (&json!(true), &Value::Null));
    assert_eq!(changed["revision"], 3);

    let gone = house.delete(&path).await;
    assert_eq!((gone.status, gone.body.len()), (204, 0));
    assert_eq!(house.get(&path).await.said(), "404 not_found");
    assert_eq!(house.delete(&path).await.said(), "404 not_found");
    assert_eq!(house.get("/channels").await.json(), json!({ "items": [] }));
}

#[tokio::test]
async fn a_mastodon_account_is_connected_by_token_and_again() {
    let house = House::new().await;
    let new = |token: &str| json!({ "network": "mastodon", "name": "Ann", "instance": INSTANCE, "token": token });
    let refused = house.post("/channels", &new("nonsense")).await;
    assert_eq!(refused.said(), "422 channel_refused");
    assert_eq!(refused.json()["params"]["code"], "unauthorized");
    let elsewhere = json!({ "network": "mastodon", "name": "x", "instance": "https://10.0.0.1" });
    assert_eq!(house.post("/channels", &elsewhere).await.said(), "422 invalid_field instance");
    let nowhere = json!({ "network": "mastodon", "name": "x", "instance": "nowhere.example" });
    assert_eq!(house.post("/channels", &nowhere).await.said(), "502 network_unreachable");

    let made = house.post("/channels", &new(&format!(" {TOKEN}\n"))).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let channel = made.json();
    assert_eq!(channel["state"], "connected");
    assert_eq!(channel["handle"], format!("@ann@{INSTANCE}"));
    assert_eq!(channel["instance"], format!("https://{INSTANCE}"));
    assert!(!made.text().contains(TOKEN));
    let path = format!("/channels/{}", channel["id"].as_str().unwrap());
    assert_eq!(house.post(&format!("{path}/test"), &json!({})).await.status, 200);
    let again = house.patch(&path, &json!({ "token": TOKEN })).await;
    assert_eq!((again.status, again.json()["revision"].as_u64()), (200, Some(2)));

    let waits = json!({ "network": "mastodon", "name": "Ben", "instance": INSTANCE });
    let waits = house.post("/channels", &waits).await.json();
    assert_eq!(waits["state"], "connecting");
    let address = waits["authorize_url"].as_str().unwrap();
    assert!(address.starts_with(&format!("https://{INSTANCE}/oauth/authorize?")), "{address}");
    let path = format!("/channels/{}", waits["id"].as_str().unwrap());
    let untested = house.post(&format!("{path}/test"), &json!({})).await;
    assert_eq!(untested.said(), "422 invalid_field code");
    let wrong = house.patch(&path, &json!({ "code": "nonsense" })).await;
    assert_eq!(wrong.said(), "422 channel_refused");
}

#[tokio::test]
async fn a_bluesky_account_is_connected_by_app_password_and_checks_its_posts() {
    let house = House::new().await;
    let mut new = json!({ "network": "bluesky", "name": "Ann", "instance": BLUESKY });
    assert_eq!(house.post("/channels", &new).await.said(), "422 invalid_field identifier");
    new["identifier"] = json!("@ann.test");
    assert_eq!(house.post("/channels", &new).await.said(), "422 invalid_field token");
    new["token"] = json!("wrong-pass-word");
    assert_eq!(house.post("/channels", &new).await.said(), "422 channel_refused");
    let feed = json!({ "network": "feed", "name": "x", "identifier": "x" });
    assert_eq!(house.post("/channels", &feed).await.said(), "422 invalid_field identifier");

    new["token"] = json!(TOKEN);
    let made = house.post("/channels", &new).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let channel = made.json();
    assert_eq!((&channel["state"], &channel["handle"]), (&json!("connected"), &json!("@ann.test")));
    assert!(!made.text().contains(TOKEN));
    let id = channel["id"].as_str().unwrap();
    let path = format!("/channels/{id}");
    assert_eq!(house.post(&format!("{path}/test"), &json!({})).await.status, 200);
    // The name is known by now.
    let again = house.patch(&path, &json!({ "token": TOKEN })).await;
    assert_eq!((again.status, again.json()["revision"].as_u64()), (200, Some(2)));

    let post = |text: &str, languages: &str| {
        json!({
            "parts": [{ "text": text }], "channels": [id],
            "variants": { id: { "options": { "languages": languages } } },
            "schedule": { "at": "2026-12-01T09:00", "zone": "Europe/Berlin" },
        })
    };
    let family = "\u{1F469}\u{200D}\u{1F469}\u{200D}\u{1F467}";
    for (text, languages, said) in [
        (family.repeat(100).as_str(), "en, de", "201"),
        (&"e\u{301}".repeat(300), "pt-BR", "201"),
        (&"e\u{301}".repeat(301), "en", "422 invalid_field parts[0].text"),
        (&family.repeat(170), "en", "422 invalid_field parts[0].text"),
    ] {
        let answer = house.post("/posts", &post(text, languages)).await;
        let answered = if answer.status == 201 { "201".to_owned() } else { answer.said() };
        assert_eq!(answered, said, "{}", answer.text());
    }
    for languages in ["english", "en, de, fr, it", "en;de"] {
        let answer = house.post("/posts", &post("x", languages)).await;
        let field = format!("422 invalid_field variants.{id}.options.languages");
        assert_eq!(answer.said(), field);
    }
}

#[tokio::test]
async fn a_post_is_written_and_shown() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let body = json!({
        "parts": [{ "text": "One", "media": [] }, { "text": "Two", "delay_minutes": 5 }],
        "channels": [feed],
        "schedule": at_nine(),
        "variants": { feed.clone(): { "parts": [{ "text": "Uno" }], "options": {} } },
        "tags": ["b", "a"],
        "draft": false,
    });
    let made = house.post("/posts", &body).await;
    let post = made.json();
    assert_eq!(made.status, 201, "{}", made.text());
    let id = post["id"].as_str().unwrap();
    let path = format!("/posts/{id}");
    assert_eq!(made.header("location"), house.call(Method::GET, &path).path);
    assert_eq!(made.header("etag"), "\"1\"");
    let (target, delivery) = (&post["targets"][0]["id"], &post["targets"][0]["delivery"]);
    let part = &post["deliveries"][0]["parts"][0]["id"];
    let expected = json!({
        "id": id, "revision": 1, "created_at": "2026-11-22T09:00:00.000Z",
        "updated_at": "2026-11-22T09:00:00.000Z", "author": post["author"], "draft": false,
        "parts": [
            { "text": "One", "media": [], "delay_minutes": 0 },
            { "text": "Two", "media": [], "delay_minutes": 5 },
        ],
        "variants": { feed.clone(): {
            "parts": [{ "text": "Uno", "media": [], "delay_minutes": 0 }], "options": {},
        } },
        "tags": ["a", "b"],
        "schedule": {
            "now": false, "at": "2026-12-01T09:00:00", "zone": "Europe/Berlin",
            "due": "2026-12-01T08:00:00.000Z",
        },
        "targets": [{ "id": target, "channel": feed, "delivery": delivery }],
        "deliveries": [{
            "id": delivery, "post": id, "target": target, "channel": feed,
            "channel_name": "News", "network": "feed", "acknowledged": false,
            "state": "scheduled", "reason": "due", "due": "2026-12-01T08:00:00.000Z",
            "next_look": "2026-12-01T08:00:00.000Z", "finished_at": null, "permalink": null,
            "parts": [{
                "id": part, "state": "due", "attempts": 0, "in_doubt": false,
                "remote_id": null, "permalink": null, "published_at": null, "source": null,
                "failure": null,
            }],
            "attempts": [], "evidence": [], "correlation_id": post["correlation_id"],
        }],
        "approval": null,
        "correlation_id": made.header("x-correlation-id"),
    });
    assert_eq!(post, expected);
    assert!(post["author"].as_str().unwrap().starts_with("key:"));
    assert_eq!(house.get(&path).await.json(), expected);
    assert_eq!(house.get("/posts").await.json(), json!({ "items": [expected] }));
    let deliveries = house.get("/deliveries").await.json();
    assert_eq!(deliveries, json!({ "items": expected["deliveries"] }));
    let one = house.get(&format!("/deliveries/{}", delivery.as_str().unwrap())).await;
    assert_eq!(one.json(), expected["deliveries"][0]);
}

#[tokio::test]
async fn a_post_is_moved_cancelled_and_deleted() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let post = house.new_post(&feed, at_nine()).await;
    let path = format!("/posts/{}", post["id"].as_str().unwrap());
    let later = json!({ "schedule": { "at": "2026-12-01T10:00", "zone": "Europe/Berlin" } });
    let moved = house.patch(&path, &later).await;
    assert_eq!((moved.status, moved.header("etag")), (200, "\"2\""));
    assert_eq!(moved.json()["deliveries"][0]["due"], "2026-12-01T09:00:00.000Z");
    let cancelled = house.post(&format!("{path}/cancel"), &json!({})).await;
    assert_eq!((cancelled.status, cancelled.header("etag")), (200, "\"3\""));
    assert_eq!(cancelled.json()["deliveries"][0]["state"], "cancelled");
    let edited = house.patch(&path, &json!({ "parts": [{ "text": "New" }] })).await;
    assert_eq!(edited.said(), "409 delivery_finished");
    assert_eq!(house.delete(&path).await.status, 204);
    assert_eq!(house.get(&path).await.said(), "404 not_found");
    assert_eq!(house.get("/posts").await.json(), json!({ "items": [] }));
}

#[tokio::test]
async fn a_draft_waits_and_goes_out_when_it_is_none() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let bare = json!({ "parts": [{ "text": "Some day" }], "draft": true });
    assert_eq!(house.post("/posts", &bare).await.status, 201);
    let draft = json!({
        "parts": [{ "text": "Some day" }], "channels": [feed], "draft": true,
        "schedule": { "now": true },
    });
    let post = house.post("/posts", &draft).await.json();
    assert_eq!(post["deliveries"], json!([]));
    house.clock.advance(Duration::from_hours(30));
    let path = format!("/posts/{}", post["id"].as_str().unwrap());
    let out = house.patch(&path, &json!({ "draft": false })).await.json();
    assert_eq!(out["deliveries"][0]["due"], house.clock.now().to_string());
    assert_ne!(house.clock.now().to_string(), START);
}

#[tokio::test]
async fn a_held_delivery_is_decided_on() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    for (decision, state) in [
        (json!({ "decision": "it_is_there", "url": "https://x.example/1" }), "published"),
        (json!({ "decision": "send_again" }), "scheduled"),
        (json!({ "decision": "drop" }), "cancelled"),
    ] {
        let post = house.new_post(&feed, json!({ "now": true })).await;
        let delivery = post["targets"][0]["delivery"].as_str().unwrap().to_owned();
        let path = format!("/deliveries/{delivery}/resolve");
        assert_eq!(house.post(&path, &decision).await.said(), "409 not_held");
        house.miss(&delivery).await;
        let held = house.get("/deliveries?state=held").await.json();
        assert_eq!(held["items"][0]["id"], delivery);
        assert_eq!(held["items"][0]["reason"], "missed");
        let resolved = house.post(&path, &decision).await;
        assert_eq!(resolved.status, 200, "{}", resolved.text());
        assert_eq!(resolved.json()["state"], state, "{decision}");
        assert_eq!(resolved.json()["evidence"][0]["result"], decision["decision"]);
    }
    let post = house.new_post(&feed, json!({ "now": true })).await;
    let delivery = post["targets"][0]["delivery"].as_str().unwrap();
    house.miss(delivery).await;
    let path = format!("/deliveries/{delivery}/resolve");
    for (body, said) in [
        (json!({ "decision": "it-is-there" }), "422 invalid_field decision"),
        (json!({ "decision": "drop", "url": "https://x.example" }), "422 invalid_field url"),
        (json!({ "decision": "it_is_there", "url": "javascript:1" }), "422 invalid_field url"),
    ] {
        assert_eq!(house.post(&path, &body).await.said(), said, "{body}");
    }
}

#[tokio::test]
async fn keys_are_made_listed_and_revoked() {
    let house = House::new().await;
    house.clock.advance(Duration::from_secs(1));
    let body = json!({
        "name": "Reports", "scopes": ["read", "metrics"], "expires_at": "2027-01-01T00:00:00Z",
    });
    let made = house.post("/keys", &body).await;
    let key = made.json();
    assert_eq!(made.status, 201, "{}", made.text());
    let secret = key["key"].as_str().unwrap();
    let path = format!("/keys/{}", key["id"].as_str().unwrap());
    assert_eq!(made.header("location"), house.call(Method::DELETE, &path).path);
    let mut expected = json!({
        "id": key["id"], "name": "Reports", "scopes": ["read", "metrics"],
        "created_at": "2026-11-22T09:00:01.000Z", "expires_at": "2027-01-01T00:00:00.000Z",
        "revoked_at": null, "channels": null, "addresses": null, "last_used_at": null, "key": secret,
    });
    assert_eq!(key, expected);
    assert_eq!(house.call(Method::GET, "/posts").key(secret).send().await.status, 200);
    let listed = house.get("/keys").await;
    expected.as_object_mut().unwrap().remove("key");
    expected["last_used_at"] = expected["created_at"].clone();
    assert_eq!(listed.json()["items"][0], expected);
    assert!(!listed.text().contains(secret));
    assert_eq!(house.delete(&path).await.status, 204);
    let refused = house.call(Method::GET, "/posts").key(secret).send().await;
    assert_eq!(refused.said(), "401 unauthenticated");
    assert_eq!(house.delete(&path).await.status, 204, "again changes nothing");
    assert_eq!(house.get("/keys").await.json()["items"][0]["revoked_at"], expected["created_at"]);
}

#[tokio::test]
async fn what_is_published_is_told() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let post = house.new_post(&feed, json!({ "now": true })).await;
    let delivery = post["targets"][0]["delivery"].as_str().unwrap();
    house.publish(delivery).await;
    let shown = house.get(&format!("/deliveries/{delivery}")).await.json();
    assert_eq!((&shown["state"], &shown["reason"]), (&json!("published"), &Value::Null));
    assert_eq!(shown["parts"][0]["source"], "answer");
    assert_eq!(shown["finished_at"], "2026-11-22T09:00:00.000Z");
    let path = format!("/posts/{}", post["id"].as_str().unwrap());
    let late = house.post(&format!("{path}/cancel"), &json!({})).await;
    assert_eq!(late.said(), "409 nothing_to_cancel");
    assert_eq!(house.patch(&path, &json!({})).await.header("etag"), "\"1\"", "nothing changed");
    assert_eq!(house.get(&path).await.json()["deliveries"][0]["state"], "published");
}
