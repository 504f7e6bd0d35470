//! `ETag`, `If-Match` and `If-None-Match`.

use http::Method;
use serde_json::json;

use super::harness::House;

#[tokio::test]
async fn a_change_meant_for_an_older_state_is_refused() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let post = house.new_post(&feed, json!({ "now": true })).await;
    let post = format!("/posts/{}", post["id"].as_str().unwrap());
    let channel = format!("/channels/{feed}");
    for (path, field) in [(&post, "text"), (&channel, "name")] {
        let body = |n: u8| match field {
            "name" => json!({ "name": format!("New {n}") }),
            _ => json!({ "parts": [{ "text": format!("New {n}") }] }),
        };
        let change =
            |tag: &str, n| house.call(Method::PATCH, path).json(&body(n)).header("if-match", tag);
        let first = change("\"1\"", 1).send().await;
        assert_eq!((first.status, first.header("etag")), (200, "\"2\""), "{path}");
        let stale = change("\"1\"", 2).send().await;
        assert_eq!(stale.said(), "412 stale_revision");
        assert_eq!(stale.json()["params"]["etag"], "2");
        assert_eq!(change("*", 2).send().await.header("etag"), "\"3\"");
        assert_eq!(house.patch(path, &body(3)).await.header("etag"), "\"4\"");
        for bad in
            ["3", "W/\"4\"", "\"4\", \"5\"", "\"x\"", "\"\"", "\"-1\"", "\"99999999999999999999\""]
        {
            assert_eq!(change(bad, 4).send().await.said(), "422 invalid_field If-Match", "{bad}");
        }
        let twice = change("\"4\"", 4);
        let mut twice = twice.clone();
        twice.headers.push(("if-match".to_owned(), "\"4\"".to_owned()));
        assert_eq!(twice.send().await.said(), "422 invalid_field If-Match");
    }
}

#[tokio::test]
async fn what_was_changed_since_is_not_taken_back() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let at = json!({ "at": "2026-12-01T09:00", "zone": "Europe/Berlin" });
    let post = house.new_post(&feed, at).await;
    let post = format!("/posts/{}", post["id"].as_str().unwrap());
    house.patch(&post, &json!({ "tags": ["a"] })).await;
    let cancel = format!("{post}/cancel");
    for (method, path, status) in [(Method::POST, &cancel, 200), (Method::DELETE, &post, 204)] {
        let call = |tag: &str| house.call(method.clone(), path).header("if-match", tag);
        assert_eq!(call("\"1\"").send().await.said(), "412 stale_revision", "{path}");
        let tag = house.get(&post).await.header("etag").to_owned();
        assert_eq!(call(&tag).send().await.status, status, "{path}");
    }
}

#[tokio::test]
async fn a_known_state_is_not_sent_again() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let post = house.new_post(&feed, json!({ "now": true })).await;
    let post = format!("/posts/{}", post["id"].as_str().unwrap());
    for path in [post, format!("/channels/{feed}")] {
        let ask = |tag: &str| house.call(Method::GET, &path).header("if-none-match", tag);
        for tag in ["\"1\"", "W/\"1\"", "*", "\"7\", \"1\""] {
            let same = ask(tag).send().await;
            assert_eq!((same.status, same.body.len()), (304, 0), "{path} {tag}");
            assert_eq!(same.header("etag"), "\"1\"");
        }
        for tag in ["\"2\"", "1", "", "\"1", &"\"1\",".repeat(400)] {
            assert_eq!(ask(tag).send().await.status, 200, "{path} {tag}");
        }
    }
}

#[tokio::test]
async fn a_post_whose_delivery_moved_is_sent_although_its_tag_is_the_same() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let post = house.new_post(&feed, json!({ "now": true })).await;
    let path = format!("/posts/{}", post["id"].as_str().unwrap());
    let ask = || house.call(Method::GET, &path).header("if-none-match", "\"1\"").send();
    assert_eq!(ask().await.status, 304);
    house.patch(&format!("/channels/{feed}"), &json!({ "paused": true })).await;
    let paused = ask().await.json();
    assert_eq!(paused["deliveries"][0]["reason"], "paused");
    house.patch(&format!("/channels/{feed}"), &json!({ "paused": false })).await;
    house.publish(post["targets"][0]["delivery"].as_str().unwrap()).await;
    let published = ask().await;
    assert_eq!((published.status, published.header("etag")), (200, "\"1\""));
    assert_eq!(published.json()["deliveries"][0]["state"], "published");
}
