//! Attempts at what is not allowed are on record on both sides, bounded; and what looks suspicious
//! is told, with what was done about it.

use std::time::Duration;

use carillon::domain::event::Event;
use carillon::store::rows::ChainedEvent;
use carillon::store::{Scope, Span};
use http::Method;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::harness::{House, send};
use super::users::{ANN, PASSWORD, Person};

const MISSING: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// Another workspace: its id, a key, a feed, and its events.
struct Neighbour {
    id: String,
    key: String,
    feed: String,
}

impl Neighbour {
    async fn of(house: &House) -> Self {
        let id = house.new_workspace("Others").await;
        let key = house.new_key(&id, &["admin"]).await;
        let args = json!({ "network": "feed", "name": "Theirs" });
        let feed = house.verb(("channel", "add"), Some(&id), args).await;
        Self { id, key, feed: feed["id"].as_str().unwrap().to_owned() }
    }

    fn scope(&self, house: &House) -> Scope {
        let hash: [u8; 32] = Sha256::digest(&self.key).into();
        let found = house.services.store.read_now(|view| Scope::by_key_hash(view, &hash));
        found.unwrap().unwrap().0
    }

    fn events(&self, house: &House, kind: &str) -> Vec<Event> {
        let (scope, span) = (self.scope(house), Span::first(10_000));
        let found = house.services.store.read_now(|view| view.scan::<ChainedEvent>(&scope, &span));
        let events = found.unwrap().into_iter().map(|(_, row)| row.event);
        events.filter(|event| event.kind.starts_with(kind)).collect()
    }
}

fn own(house: &House, kind: &str) -> Vec<Event> {
    house.events().into_iter().filter(|event| event.kind.starts_with(kind)).collect()
}

fn times(events: &[Event]) -> u64 {
    events.iter().map(carillon::domain::suspicion::times).sum()
}

#[tokio::test]
async fn attempts_are_on_record_on_both_sides() {
    let house = House::new().await;
    let other = Neighbour::of(&house).await;
    let key = house.new_key(&house.workspace, &["read"]).await;
    let theirs = format!("/api/v1/workspaces/{}/posts", other.id);
    assert_eq!(house.bare(Method::GET, &theirs).key(&key).send().await.status, 404);
    let mine = own(&house, "access.");
    assert_eq!((mine.len(), mine[0].kind.as_str()), (1, "access.cross_tenant"));
    assert_eq!((&mine[0].subject, &mine[0].data["noun"]), (&other.id, &"workspace".to_owned()));
    let seen = other.events(&house, "access.");
    assert_eq!((seen.len(), seen[0].kind.as_str()), (1, "access.probed"));
    assert_eq!(seen[0].actor, mine[0].actor);

    // A thing of theirs, asked for here; the answer is that for what is nowhere.
    let path = format!("/channels/{}", other.feed);
    let there = house.call(Method::GET, &path).key(&key).send().await;
    let nowhere = house.call(Method::GET, &format!("/channels/{MISSING}")).key(&key).send().await;
    assert_eq!((there.said(), nowhere.said()), ("404 not_found".into(), "404 not_found".into()));
    let mine = own(&house, "access.");
    assert_eq!((mine.len(), &mine[1].subject), (2, &other.feed), "only what is somebody's");
    assert_eq!(mine[1].data, [("noun".to_owned(), "channel".to_owned())].into(), "not whose");
    assert_eq!(other.events(&house, "access.probed").len(), 2);

    // What they may not do at home.
    let denied = house.call(Method::POST, "/posts").key(&key).json(&json!({})).send().await;
    assert_eq!(denied.status, 403);
    let mine = own(&house, "access.denied");
    assert_eq!((mine.len(), &mine[0].data["scope"]), (1, &"write".to_owned()));
    // Nobody is on record who could not say who they are.
    assert_eq!(house.bare(Method::GET, &theirs).key("ck_x").send().await.status, 401);
    assert_eq!(own(&house, "access.").len() + other.events(&house, "access.").len(), 5);
}

#[tokio::test]
async fn nobody_fills_the_disk_with_attempts() {
    let house = House::new().await;
    let other = Neighbour::of(&house).await;
    let keys = [
        house.new_key(&house.workspace, &["read"]).await,
        house.new_key(&house.workspace, &["read"]).await,
    ];
    let theirs = format!("/api/v1/workspaces/{}/posts", other.id);
    for _ in 0..500 {
        for key in &keys {
            assert_eq!(house.bare(Method::GET, &theirs).key(key).send().await.status, 404);
            let call = house.call(Method::POST, "/keys").key(key).json(&json!({}));
            assert_eq!(call.send().await.status, 403);
        }
    }
    let [crossed, denied] = ["access.cross_tenant", "access.denied"].map(|kind| own(&house, kind));
    // 10, then 20, 40, 80, 160 and 320 for each key.
    assert_eq!((crossed.len(), denied.len()), (30, 30));
    assert_eq!((times(&crossed), times(&denied)), (640, 640));
    let probed = other.events(&house, "access.probed");
    assert_eq!((probed.len(), times(&probed)), (16, 640), "all strangers have one count");
    // The next minute's first row says how many were left out.
    house.clock.advance(Duration::from_mins(1));
    house.bare(Method::GET, &theirs).key(&keys[0]).send().await;
    assert_eq!(own(&house, "access.cross_tenant").last().unwrap().data["times"], "181");
}

#[tokio::test]
async fn a_key_that_tries_other_workspaces_is_revoked() {
    let house = House::new().await;
    let other = Neighbour::of(&house).await;
    let key = house.new_key(&house.workspace, &["admin"]).await;
    let ours = house.scope();
    let mut reached = house.services.judge(ours, None).await.unwrap();
    let path = format!("/channels/{}", other.feed);
    for n in 1..=5 {
        let answer = house.call(Method::GET, &path).key(&key).send().await;
        assert_eq!(answer.said(), "404 not_found", "{n}");
        reached = house.services.judge(ours, Some(reached)).await.unwrap();
        assert_eq!(own(&house, "suspicious.").len(), usize::from(n == 5));
        house.clock.advance(Duration::from_mins(1));
    }
    let gone = house.call(Method::GET, "/posts").key(&key).send().await;
    assert_eq!(gone.said(), "401 unauthenticated");
    let raised = own(&house, "suspicious.");
    assert_eq!(
        (raised[0].kind.as_str(), &raised[0].data["act"]),
        ("suspicious.cross_tenant", &"key_revoked".to_owned())
    );
    assert_eq!((&raised[0].data["count"], &raised[0].data["minutes"]), (&"5".into(), &"10".into()));
    let revoked = own(&house, "key.revoked");
    assert_eq!(revoked[0].data["reason"], "suspicious.cross_tenant");
    assert_eq!(raised[0].subject, format!("key:{}", revoked[0].subject));
    // People find it, and nothing is judged twice, not even from the beginning.
    let found = house.get("/events?kind=suspicious").await.json();
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
    house.services.judge(ours, None).await.unwrap();
    house.services.judge(ours, Some(0)).await.unwrap();
    assert_eq!(own(&house, "suspicious.").len(), 1);
    // Others are not touched.
    assert_eq!(house.get("/posts").await.status, 200);
}

#[tokio::test]
async fn what_is_much_at_once_is_told_once() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let key = house.new_key(&house.workspace, &["admin"]).await;
    let ours = house.scope();
    let mut posts = Vec::new();
    for _ in 0..30 {
        let post = house.new_post(&feed, json!({ "at": "2026-12-01T09:00", "zone": "UTC" })).await;
        posts.push(post["id"].as_str().unwrap().to_owned());
    }
    house.services.judge(ours, None).await.unwrap();
    let kinds = |house: &House| -> Vec<String> {
        own(house, "suspicious.").into_iter().map(|event| event.kind).collect()
    };
    assert_eq!(kinds(&house), ["suspicious.burst"]);
    for post in &posts[..19] {
        assert_eq!(house.delete(&format!("/posts/{post}")).await.status, 204);
    }
    house.services.judge(ours, None).await.unwrap();
    assert_eq!(kinds(&house).len(), 1, "nineteen are not many");
    house.clock.advance(Duration::from_mins(10));
    for post in &posts[19..] {
        assert_eq!(house.delete(&format!("/posts/{post}")).await.status, 204);
    }
    house.services.judge(ours, None).await.unwrap();
    assert_eq!(kinds(&house).len(), 1, "nor are they many when they are long ago");
    for _ in 0..6 {
        house.call(Method::GET, "/events/export").key(&key).send().await;
    }
    for _ in 0..25 {
        let call = house.call(Method::POST, "/posts").key(&key).send().await;
        assert_ne!(call.status, 403);
    }
    let read = house.new_key(&house.workspace, &["read"]).await;
    for _ in 0..25 {
        assert_eq!(house.call(Method::POST, "/posts").key(&read).send().await.status, 403);
    }
    house.services.judge(ours, None).await.unwrap();
    let expected = ["suspicious.burst", "suspicious.mass_export", "suspicious.denials"];
    assert_eq!(kinds(&house), expected);
    // It is told again when it goes on.
    house.clock.advance(Duration::from_hours(1));
    for _ in 0..6 {
        house.call(Method::GET, "/events/export").key(&key).send().await;
    }
    house.services.judge(ours, None).await.unwrap();
    assert_eq!(kinds(&house).last().unwrap(), "suspicious.mass_export");
    assert_eq!(kinds(&house).len(), 4);
}

/// A key that comes from five networks within an hour was passed on.
#[tokio::test]
async fn a_key_that_is_used_in_many_places_is_told() {
    let house = House::new().await;
    let key = house.new_key(&house.workspace, &["read"]).await;
    let ours = house.scope();
    let path = format!("/api/v1/workspaces/{}/posts", house.workspace);
    let come = async |ip: &str| {
        let request = http::Request::get(&path).header("authorization", format!("Bearer {key}"));
        let mut request = request.body(axum::body::Body::empty()).unwrap();
        let peer = carillon::http::Peer::Tcp(format!("{ip}:9").parse().unwrap());
        request.extensions_mut().insert(peer);
        assert_eq!(send(&house.router, request).await.status, 200, "nobody is refused for it");
    };
    for network in 1..=4 {
        for host in 1..=9 {
            come(&format!("198.51.{network}.{host}")).await;
        }
    }
    house.services.judge(ours, None).await.unwrap();
    assert_eq!(own(&house, "access.new_place").len(), 3, "each network once");
    assert_eq!(own(&house, "suspicious.").len(), 0);
    come("198.51.5.1").await;
    house.services.judge(ours, None).await.unwrap();
    let raised = own(&house, "suspicious.");
    assert_eq!(raised[0].kind, "suspicious.key_places");
    assert!(raised[0].subject.starts_with("key:") && !raised[0].data.contains_key("act"));
    let told = format!("{:?}", house.events());
    assert!(!told.contains("198.51."), "no address is kept");
}

/// A workspace that asks for it has the channels of a burst paused; what was written waits there.
#[tokio::test]
async fn the_channels_of_a_burst_are_paused_where_that_is_asked_for() {
    let house = House::new().await;
    let (feed, other) = (house.new_feed().await, house.new_feed().await);
    let ours = house.scope();
    let burst = async || {
        house.clock.advance(Duration::from_mins(2));
        let at = json!({ "at": "2026-12-01T09:00", "zone": "UTC" });
        for _ in 0..21 {
            house.new_post(&feed, at.clone()).await;
        }
        house.services.judge(ours, None).await.unwrap();
    };
    let paused = async |channel: &str| house.get(&format!("/channels/{channel}")).await.json();
    burst().await;
    assert_eq!(own(&house, "suspicious.").len(), 1);
    assert_eq!(paused(&feed).await["paused"], false, "nobody asked for more than to be told");
    let rules = json!({ "bursts": "pause" });
    let rules = house.verb(("workspace", "security"), Some(&house.workspace), rules).await;
    assert_eq!(rules, json!({ "totp_required": false, "bursts": "pause", "pause_bursts": true }));
    // A person may write as much as they like, and no other channel is touched.
    burst().await;
    assert_eq!(own(&house, "suspicious.burst")[1].data["act"], "channels_paused");
    let channel = paused(&feed).await;
    assert_eq!(
        (&channel["paused"], &paused(&other).await["paused"]),
        (&json!(true), &json!(false))
    );
    let told = own(&house, "channel.paused");
    assert_eq!((told.len(), &told[0].subject, told[0].actor.word()), (1, &feed, "system".into()));
    assert_eq!(told[0].data["reason"], "suspicious.burst");
    let waits = house.get("/deliveries?state=scheduled").await.json();
    assert_eq!(waits["items"][0]["reason"], "paused", "{}", waits["items"][0]);
    // Who looked at it lets it go on.
    let resumed = json!({ "paused": false });
    assert_eq!(house.patch(&format!("/channels/{feed}"), &resumed).await.status, 200);
    house.services.judge(ours, Some(0)).await.unwrap();
    assert_eq!(paused(&feed).await["paused"], false);
}

#[tokio::test]
async fn one_text_in_five_workspaces_is_told_in_each() {
    let house = House::new().await;
    let mut keys = vec![house.key.clone()];
    let write = async |key: &str, workspace: &str, text: &str| {
        let call = |path: &str| {
            let path = format!("/api/v1/workspaces/{workspace}{path}");
            house.bare(Method::POST, &path).key(key)
        };
        let feed = json!({ "network": "feed", "name": "News" });
        let feed = call("/channels").json(&feed).send().await.json()["id"].clone();
        let schedule = json!({ "at": "2026-12-01T09:00", "zone": "UTC" });
        let post = json!({ "parts": [{ "text": text }], "channels": [feed], "schedule": schedule });
        assert_eq!(call("/posts").json(&post).send().await.status, 201);
    };
    let text = ["Buy  now, and buy much of it!", "buy now, and BUY much\nof it!"];
    // One of them asks for more than to be told.
    let rules = json!({ "bursts": "pause" });
    house.verb(("workspace", "security"), Some(&house.workspace), rules).await;
    write(&house.key, &house.workspace, text[0]).await;
    for n in 0..4 {
        let workspace = house.new_workspace(&format!("W{n}")).await;
        let key = house.new_key(&workspace, &["admin"]).await;
        assert!(house.events_of(&keys[0]).iter().all(|event| event.kind != "post.echoed"), "{n}");
        write(&key, &workspace, "Good morning!").await;
        write(&key, &workspace, text[n % 2]).await;
        keys.push(key);
    }
    for key in &keys {
        let hash: [u8; 32] = Sha256::digest(key).into();
        let scope = house.services.store.read_now(|view| Scope::by_key_hash(view, &hash));
        house.services.judge(scope.unwrap().unwrap().0, None).await.unwrap();
        let told: Vec<_> = house.events_of(key).into_iter().map(|event| event.kind).collect();
        let count = |kind: &str| told.iter().filter(|it| *it == kind).count();
        assert_eq!((count("post.echoed"), count("suspicious.same_text")), (1, 1), "{told:?}");
    }
    // It names a post of one's own, and nobody else.
    let told = own(&house, "post.echoed");
    assert_eq!(house.get(&format!("/posts/{}", told[0].subject)).await.status, 200);
    assert_eq!(told[0].data, [("workspaces".to_owned(), "5".to_owned())].into());
    let raised = own(&house, "suspicious.same_text");
    assert_eq!(raised[0].data["act"], "channels_paused");
    let waits = house.get("/deliveries?state=scheduled").await.json();
    assert_eq!(waits["items"][0]["reason"], "paused", "{}", waits["items"][0]);
    for key in &keys[1..] {
        assert!(house.events_of(key).iter().all(|event| event.kind != "channel.paused"));
    }
}

#[tokio::test]
async fn a_webhook_that_is_added_is_told() {
    let house = House::new().await;
    house.new_feed().await;
    let hook = json!({ "network": "webhook", "name": "Site", "url": "https://hook.example/x" });
    let made = house.post("/channels", &hook).await;
    assert_eq!(made.status, 201, "{}", made.text());
    house.services.judge(house.scope(), None).await.unwrap();
    let raised = own(&house, "suspicious.");
    assert_eq!((raised.len(), raised[0].kind.as_str()), (1, "suspicious.webhook_added"));
    assert_eq!(raised[0].subject, made.json()["id"].as_str().unwrap());
}

/// A channel that gets five times what it got in any hour of thirty days gets it from somebody else.
#[tokio::test]
async fn a_channel_that_gets_far_more_than_ever_is_told_of_and_paused_where_that_is_asked_for() {
    let house = House::new().await;
    let (feed, other) = (house.new_feed().await, house.new_feed().await);
    let ours = house.scope();
    let at = json!({ "at": "2026-12-20T09:00", "zone": "UTC" });
    let write = async |channel: &str, count: usize| {
        for n in 0..count {
            // Slowly enough for the rule that counts by the minute.
            if n % 15 == 14 {
                house.clock.advance(Duration::from_mins(2));
            }
            house.new_post(channel, at.clone()).await;
        }
        house.services.judge(ours, None).await.unwrap();
    };
    write(&feed, 40).await;
    assert_eq!(own(&house, "suspicious.").len(), 0, "on its first day all is new");
    house.clock.advance(Duration::from_hours(24));
    write(&other, 3).await;
    house.clock.advance(Duration::from_hours(24));
    write(&feed, 60).await;
    assert_eq!(own(&house, "suspicious.").len(), 0, "it gets that much");
    write(&other, 20).await;
    assert_eq!(own(&house, "suspicious.").len(), 0, "little is never a burst");
    write(&other, 1).await;
    let raised = own(&house, "suspicious.");
    assert_eq!((raised.len(), raised[0].kind.as_str()), (1, "suspicious.channel_burst"));
    assert_eq!((&raised[0].subject, raised[0].data.get("act")), (&other, None));
    assert_eq!((&raised[0].data["count"], &raised[0].data["most"]), (&"21".into(), &"3".into()));
    assert!(raised[0].data["by"].starts_with("key:"));
    let paused = async |channel: &str| house.get(&format!("/channels/{channel}")).await.json();
    assert_eq!(paused(&other).await["paused"], false);
    // It is said once for an hour; and the next one, where that is asked for, is held back.
    write(&other, 5).await;
    assert_eq!(own(&house, "suspicious.").len(), 1);
    let rules = json!({ "bursts": "pause" });
    house.verb(("workspace", "security"), Some(&house.workspace), rules).await;
    house.clock.advance(Duration::from_hours(24));
    write(&other, 131).await;
    let raised = own(&house, "suspicious.");
    assert_eq!((raised.len(), &raised[1].data["act"]), (2, &"channels_paused".to_owned()));
    let (it, its) = (paused(&other).await, own(&house, "channel.paused"));
    assert_eq!((&it["paused"], its.len()), (&json!(true), 1));
    assert_eq!(its[0].data["reason"], "suspicious.channel_burst");
    assert_eq!(paused(&feed).await["paused"], false);
}

/// What was judged to be suspicious in a workspace, now.
pub async fn raised(house: &House, key: &str) -> Vec<String> {
    let scope = house.scope_of(key);
    house.services.judge(scope, None).await.unwrap();
    let kinds = house.events_of(key).into_iter().map(|event| event.kind);
    kinds.filter(|kind| kind.starts_with("suspicious.")).collect()
}

#[tokio::test]
async fn what_is_done_to_people_and_by_many_small_steps_is_told() {
    let house = House::new().await;
    let (mut ann, ben) =
        (Person::new(&house, ANN).await, Person::new(&house, "ben@example.org").await);
    let [(_, workspace)] = ann.workspaces().await.try_into().unwrap();
    let key = house.new_key(&workspace, &["admin"]).await;
    // Somebody is made an owner.
    let args = json!({ "user": "ben@example.org", "role": "admin" });
    house.verb(("member", "add"), Some(&workspace), args).await;
    assert_eq!(raised(&house, &key).await, [""; 0]);
    let args = json!({ "user": ben.id, "role": "owner" });
    house.verb(("member", "set-role"), Some(&workspace), args).await;
    assert_eq!(raised(&house, &key).await, ["suspicious.new_owner"]);
    // An authenticator is taken off.
    ann.set_up_totp().await;
    assert_eq!(raised(&house, &key).await.len(), 1, "that one was set up is well");
    house.verb(("user", "reset-totp"), None, json!({ "email": ANN })).await;
    assert_eq!(raised(&house, &key).await.last().unwrap(), "suspicious.second_factor_off");
    // A session is had by two.
    let old = Person::signed_in(&house, ANN).await;
    let proof = json!({ "password": PASSWORD });
    house.clock.advance(Duration::from_mins(10));
    let new = Person::of(&house, &old.post("/sessions/prove", &proof).await.json());
    house.clock.advance(Duration::from_mins(2));
    assert!(!old.works().await && !new.works().await);
    assert_eq!(raised(&house, &key).await.last().unwrap(), "suspicious.session_reused");
    // Keys are made, one after the other; and much is deleted.
    let path = format!("/api/v1/workspaces/{workspace}");
    for n in 0..5 {
        let body = json!({ "name": n.to_string(), "scopes": ["read"] });
        let made = house.bare(Method::POST, &format!("{path}/keys")).key(&key).json(&body);
        assert_eq!(made.send().await.status, 201);
    }
    assert_eq!(raised(&house, &key).await.last().unwrap(), "suspicious.keys");
    for _ in 0..20 {
        let draft = json!({ "parts": [{ "text": "x" }], "draft": true });
        let made = house.bare(Method::POST, &format!("{path}/posts")).key(&key).json(&draft);
        let made = made.send().await;
        assert_eq!(made.status, 201, "{}", made.text());
        let id = made.json()["id"].as_str().unwrap().to_owned();
        let gone = house.bare(Method::DELETE, &format!("{path}/posts/{id}")).key(&key);
        assert_eq!(gone.send().await.status, 204);
    }
    assert_eq!(raised(&house, &key).await.last().unwrap(), "suspicious.mass_deletion");
    assert_eq!(raised(&house, &key).await.len(), 5);
}

/// A rule that looks for what no event says is never broken, and nobody notices.
#[test]
fn each_rule_is_broken_by_a_test_of_the_real_routes() {
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();
    let here = support::repo_root().join("tests/api");
    let texts = [
        "suspicion.rs",
        "strangers.rs",
        "key_places.rs",
        "connections/refusals.rs",
        "oidc/steps.rs",
    ]
    .map(|name| read(&here.join(name)));
    let rules = carillon::domain::suspicion::RULES.iter().map(|rule| rule.word);
    for rule in rules.chain([carillon::domain::suspicion::CHANNEL_BURST]) {
        let word = format!("\"suspicious.{rule}\"");
        assert!(texts.iter().any(|text| text.contains(&word)), "no test has {word}");
    }
}
