//! Pages, cursors and filters of lists.

use std::collections::BTreeSet;
use std::time::Duration;

use carillon::base::Clock;
use http::Method;
use serde_json::{Value, json};

use super::harness::House;

/// All rows of a list, fetched page by page, and the number of pages.
async fn walk(house: &House, path: &str, limit: usize) -> (Vec<Value>, usize) {
    let (mut rows, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    let join = if path.contains('?') { '&' } else { '?' };
    loop {
        let page = house.get(&format!("{path}{join}limit={limit}{cursor}")).await;
        assert_eq!(page.status, 200, "{}", page.text());
        let page = page.json();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= limit);
        rows.extend(items.iter().cloned());
        pages += 1;
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (rows, pages),
        }
    }
}

fn ids(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["id"].as_str().unwrap()).collect()
}

/// Posts to one feed, an hour apart from one another, made a second apart.
async fn posts(house: &House, feed: &str, count: usize) -> Vec<String> {
    let mut made = Vec::new();
    for hour in 0..count {
        house.clock.advance(Duration::from_secs(1));
        let due = house.clock.now().plus(Duration::from_hours(hour as u64 + 1));
        let at = due.to_jiff().strftime("%FT%T").to_string();
        let post = house.new_post(feed, json!({ "at": at, "zone": "UTC" })).await;
        made.push(post["id"].as_str().unwrap().to_owned());
    }
    made
}

#[tokio::test]
async fn pages_together_are_the_list() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let made = posts(&house, &feed, 7).await;
    let newest: Vec<&str> = made.iter().rev().map(String::as_str).collect();
    for limit in [1, 2, 3, 7, 8, 200] {
        let (rows, pages) = walk(&house, "/posts", limit).await;
        assert_eq!(ids(&rows), newest, "{limit}");
        assert!(pages <= 8);
        let (rows, _) = walk(&house, "/posts?from=2026-11-22T00:00:00Z", limit).await;
        assert_eq!(ids(&rows), made, "{limit}: in order of due time");
        let (rows, _) = walk(&house, "/posts?state=scheduled", limit).await;
        assert_eq!(rows.len(), 7);
        let (rows, _) = walk(&house, "/deliveries", limit).await;
        assert_eq!(ids(&rows).into_iter().collect::<BTreeSet<_>>().len(), 7);
    }
    for _ in 0..4 {
        house.new_feed().await;
    }
    assert_eq!(walk(&house, "/channels", 2).await.0.len(), 5);
    for _ in 0..4 {
        house.new_key(&house.workspace, &["read"]).await;
    }
    assert_eq!(walk(&house, "/keys", 2).await.0.len(), 5);
}

#[tokio::test]
async fn filters_narrow_the_list() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let made = posts(&house, &feed, 5).await;
    let draft = json!({ "parts": [{ "text": "x" }], "draft": true });
    let draft = house.post("/posts", &draft).await.json()["id"].as_str().unwrap().to_owned();
    house.post(&format!("/posts/{}/cancel", made[2]), &json!({})).await;
    let found = |path: &'static str| async {
        let (rows, _) = walk(&house, path, 2).await;
        ids(&rows).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(found("/posts?state=draft").await, [draft]);
    assert_eq!(found("/posts?state=cancelled").await, made[2..3]);
    assert_eq!(found("/posts?state=held").await, [""; 0]);
    // Due at 10:00:01, 11:00:02 and so on.
    assert_eq!(found("/posts?from=2026-11-22T11:00:02Z&to=2026-11-22T13:00:04Z").await, made[1..3]);
    assert_eq!(found("/posts?to=2026-11-22T10:00:02Z").await, made[..1]);
    let zoned = "/posts?from=2026-11-22T12:00:02%2B01:00&to=2026-11-22T12:00:03Z";
    assert_eq!(found(zoned).await, made[1..2]);
    assert_eq!(found("/posts?from=2026-11-23T00:00:00Z&to=2026-11-22T00:00:00Z").await, [""; 0]);
    for (state, count) in [("scheduled", 4), ("cancelled", 1), ("held", 0), ("armed", 0)] {
        let (rows, _) = walk(&house, &format!("/deliveries?state={state}"), 2).await;
        assert_eq!(rows.len(), count, "{state}");
    }
}

#[tokio::test]
async fn what_is_no_filter_or_page_is_refused() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    posts(&house, &feed, 3).await;
    let next = house.get("/posts?limit=1").await.json()["next"].as_str().unwrap().to_owned();
    let by_due = house.get("/posts?limit=1&from=2020-01-01T00:00:00Z").await.json();
    let by_due = by_due["next"].as_str().unwrap();
    for (path, field) in [
        ("/posts?limit=0", "limit"),
        ("/posts?limit=201", "limit"),
        ("/posts?limit=ten", "limit"),
        ("/posts?limit=", "limit"),
        ("/posts?limit=1&limit=2", "limit"),
        ("/posts?state=gone", "state"),
        ("/posts?from=yesterday", "from"),
        ("/posts?to=2026-11-22", "to"),
        ("/posts?from=2026-11-22T09:00", "from"),
        ("/posts?from=2026-11-22T09:00:00+01:00", "from"),
        ("/posts?cursor=", "cursor"),
        ("/posts?cursor=!", "cursor"),
        ("/posts?cursor=AAAA", "cursor"),
        (&format!("/posts?cursor={by_due}"), "cursor"),
        (&format!("/posts?from=2020-01-01T00:00:00Z&cursor={next}"), "cursor"),
        ("/posts?channel=x", "channel"),
        ("/posts?Limit=5", "Limit"),
        ("/deliveries?state=draft", "state"),
        ("/channels?state=held", "state"),
        ("/keys?x", "x"),
        ("?limit=5", "limit"),
        (&format!("/channels/{feed}?x=1"), "x"),
    ] {
        assert_eq!(house.get(path).await.said(), format!("422 invalid_field {field}"), "{path}");
    }
    let write = house.call(Method::DELETE, &format!("/channels/{feed}?force=true")).send().await;
    assert_eq!(write.said(), "422 invalid_field force");
    let networks = house.bare(Method::GET, "/api/v1/networks?a=1&b=2").key(&house.key).send().await;
    assert_eq!(networks.said(), "422 invalid_field a,b");
    let (rows, _) = walk(&house, "/posts?", 2).await;
    assert_eq!(rows.len(), 3, "an empty query is none");
}

#[tokio::test]
async fn a_cursor_outlives_what_it_stood_on() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let made = posts(&house, &feed, 4).await;
    let page = house.get("/posts?limit=2").await.json();
    assert_eq!(house.delete(&format!("/posts/{}", made[2])).await.status, 204);
    let next = page["next"].as_str().unwrap();
    let rest = house.get(&format!("/posts?limit=2&cursor={next}")).await.json();
    assert_eq!(ids(rest["items"].as_array().unwrap()), [&made[1], &made[0]]);
}
