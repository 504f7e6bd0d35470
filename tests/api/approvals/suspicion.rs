//! Rules of suspicion that stop posts, where a workspace asks for that: the posts concerned wait until
//! somebody has looked at them.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::super::harness::House;
use super::super::users::text;
use super::{Staff, ask, path, stands, waits};

const BURSTS: &str = "suspicious.burst";

async fn stop_bursts(house: &House) {
    let rules = json!({ "bursts": "approve" });
    let rules = house.verb(("workspace", "security"), Some(&house.workspace), rules).await;
    let all = json!({ "totp_required": false, "bursts": "approve", "pause_bursts": false });
    assert_eq!(rules, all);
}

fn raised(house: &House, kind: &str) -> Vec<carillon::domain::event::Event> {
    house.events().into_iter().filter(|event| event.kind == kind).collect()
}

async fn now(house: &House, post: &Value) -> Value {
    house.get(&path(post, "")).await.json()
}

#[tokio::test]
async fn a_burst_of_a_key_waits_for_somebody() {
    let house = House::new().await;
    let staff = Staff::new(&house).await;
    stop_bursts(&house).await;
    let before = staff.write(&house.key).await;
    house.clock.advance(Duration::from_mins(2));
    let mut body = staff.words("now");
    body["schedule"] = json!({ "now": true });
    let out = ask(&house, &house.key, Method::POST, "/posts", &body).await.json();
    house.publish(&text(&out["deliveries"][0]["id"])).await;
    let mut draft = staff.words("later");
    draft["draft"] = json!(true);
    let draft = ask(&house, &house.key, Method::POST, "/posts", &draft).await.json();
    let mut posts = Vec::new();
    for _ in 0..19 {
        posts.push(staff.write(&house.key).await);
    }
    house.services.judge(house.scope(), None).await.unwrap();
    let told = raised(&house, BURSTS);
    assert_eq!((told.len(), told[0].data["act"].as_str()), (1, "posts_wait"));
    for post in &posts {
        let post = now(&house, post).await;
        assert_eq!(
            (&*stands(&post), &*waits(&post)),
            ("asked suspicious.burst", "scheduled approval")
        );
    }
    // Not what was written before, nor what is out; and the channel goes on.
    assert_eq!(stands(&now(&house, &before).await), "");
    assert_eq!(stands(&now(&house, &out).await), "");
    let channel = house.get(&format!("/channels/{}", staff.feed)).await.json();
    assert_eq!(channel["paused"], false);
    // More of it waits from the first moment on, though it was said once: it could be due now.
    let more = ask(&house, &house.key, Method::POST, "/posts", &body).await.json();
    assert_eq!((&*stands(&more), &*waits(&more)), ("asked suspicious.burst", "scheduled approval"));
    house.services.judge(house.scope(), None).await.unwrap();
    assert_eq!(stands(&now(&house, &more).await), "asked suspicious.burst");
    assert_eq!(raised(&house, BURSTS).len(), 1);
    // The key cannot write its way out of it, nor schedule what it kept as a draft.
    let words = json!({ "parts": [{ "text": "other" }] });
    let still = staff.patch(&house.key, &more, &words).await.json();
    assert_eq!(stands(&still), "asked suspicious.burst");
    let scheduled = staff.patch(&house.key, &draft, &json!({ "draft": false })).await.json();
    assert_eq!(stands(&scheduled), "asked suspicious.burst");
    // An editor lets nothing out; an admin does, though the workspace asks nobody.
    assert_eq!(staff.approve(&staff.editor.token, &more).await.said(), "403 forbidden");
    let done = staff.approve(&staff.admin.token, &more).await;
    assert_eq!((done.status, &*waits(&done.json())), (200, "scheduled due"));
    let asked = raised(&house, "post.approval_asked");
    assert_eq!(asked.len(), 21, "each once: 19, one more, and the draft when it was scheduled");
    assert!(asked.iter().all(|event| event.data["why"] == BURSTS));
    // Judged again, what somebody let out stays out.
    staff.write(&house.key).await;
    house.services.judge(house.scope(), None).await.unwrap();
    assert!(stands(&now(&house, &more).await).starts_with("given user:"));
}

#[tokio::test]
async fn what_a_channel_gets_far_too_much_of_waits() {
    let house = House::new().await;
    let staff = Staff::new(&house).await;
    stop_bursts(&house).await;
    let other = house.new_feed().await;
    let at = json!({ "at": "2026-12-20T09:00", "zone": "UTC" });
    house.new_post(&other, at.clone()).await;
    house.services.judge(house.scope(), None).await.unwrap();
    house.clock.advance(Duration::from_hours(48));
    let mut posts = Vec::new();
    for n in 0..22 {
        // Slowly enough for the rule that counts by the minute.
        if n % 10 == 9 {
            house.clock.advance(Duration::from_mins(2));
        }
        posts.push(house.new_post(&other, at.clone()).await);
    }
    let elsewhere = house.new_post(&staff.feed, at.clone()).await;
    house.services.judge(house.scope(), None).await.unwrap();
    let told = raised(&house, "suspicious.channel_burst");
    assert_eq!((told.len(), told[0].data["act"].as_str()), (1, "posts_wait"));
    for post in &posts {
        assert_eq!(stands(&now(&house, post).await), "asked suspicious.channel_burst");
    }
    assert_eq!(stands(&now(&house, &elsewhere).await), "");
    assert_eq!(raised(&house, BURSTS).len(), 0);
}

#[tokio::test]
async fn a_text_that_many_workspaces_have_waits_where_that_is_asked_for() {
    let house = House::new().await;
    stop_bursts(&house).await;
    let feed = house.new_feed().await;
    let post = |feed: &str| {
        json!({
            "parts": [{ "text": "Buy now, and buy much of it!" }], "channels": [feed],
            "schedule": { "at": "2026-12-01T09:00", "zone": "UTC" },
        })
    };
    let ours = house.post("/posts", &post(&feed)).await.json();
    let other = house.new_post(&feed, json!({ "at": "2026-12-01T09:00", "zone": "UTC" })).await;
    for n in 0..4 {
        let workspace = house.new_workspace(&format!("W{n}")).await;
        let args = json!({ "network": "feed", "name": "News" });
        let feed = house.verb(("channel", "add"), Some(&workspace), args).await;
        let key = house.new_key(&workspace, &["admin"]).await;
        let call = house.bare(Method::POST, &format!("/api/v1/workspaces/{workspace}/posts"));
        let made = call.key(&key).json(&post(&text(&feed["id"]))).send().await;
        assert_eq!(made.status, 201);
        house.services.judge(house.scope_of(&key), None).await.unwrap();
    }
    house.services.judge(house.scope(), None).await.unwrap();
    let told = raised(&house, "suspicious.same_text");
    assert_eq!((told.len(), told[0].data["act"].as_str()), (1, "posts_wait"));
    assert_eq!(stands(&now(&house, &ours).await), "asked suspicious.same_text");
    assert_eq!(stands(&now(&house, &other).await), "");
}

#[tokio::test]
async fn what_is_done_is_one_of_three_words_and_the_old_two_still_count() {
    let house = House::new().await;
    let put = async |body: Value| house.call(Method::PUT, "/security").json(&body).send().await;
    for (given, word) in [
        (json!({ "bursts": "approve" }), "approve"),
        (json!({}), "approve"),
        // Of one who knows two words: it takes back what it could have asked for, and no more.
        (json!({ "pause_bursts": false }), "approve"),
        (json!({ "pause_bursts": true }), "pause"),
        (json!({ "pause_bursts": false }), "tell"),
        (json!({ "bursts": "pause" }), "pause"),
    ] {
        let mut body = json!({ "totp_required": false });
        body.as_object_mut().unwrap().extend(given.as_object().unwrap().clone());
        let shown = put(body).await.json();
        assert_eq!(
            (&shown["bursts"], &shown["pause_bursts"]),
            (&json!(word), &json!(word == "pause"))
        );
    }
    let both = json!({ "totp_required": false, "bursts": "tell", "pause_bursts": true });
    assert_eq!(put(both).await.said(), "422 invalid_field pause_bursts");
    let wrong = json!({ "totp_required": false, "bursts": "stop" });
    assert_eq!(put(wrong).await.said(), "422 invalid_field bursts");
}
