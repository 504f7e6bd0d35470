//! Keys that are limited to addresses: good from there however it is said, and from elsewhere as good as
//! unknown, which is on record where the key is from.

use std::time::Duration;

use axum::body::Body;
use carillon::domain::event::Event;
use carillon::http::Peer;
use carillon::service::VERBS;
use http::{Method, Request};
use serde_json::{Value, json};

use super::harness::{Answer, House, send};
use super::stream::{Came, Stream};
use super::suspicion::raised;

const NETS: [&str; 3] = ["203.0.113.0/24", "198.51.100.7", "2001:db8:7::/48"];
const INSIDE: &str = "203.0.113.9";
const OUTSIDE: &str = "192.0.2.1";
/// A proxy of ours.
const OURS: &str = "10.0.0.1";
const SECOND: Duration = Duration::from_secs(1);
const TEN: Duration = Duration::from_mins(10);

/// A key that is limited to these: its id and its secret.
async fn limited(house: &House, scope: &str, nets: &[&str]) -> (String, String) {
    let body = json!({ "name": "Office", "scopes": [scope], "addresses": nets });
    let made = house.post("/keys", &body).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("id"), text("key"))
}

fn peer(ip: &str) -> Peer {
    Peer::Tcp(format!("{ip}:9").parse().unwrap())
}

/// What a key gets at an address, of a connection from somewhere.
async fn ask(
    house: &House,
    path: &str,
    key: &str,
    (from, forwarded): (Option<Peer>, Option<&str>),
) -> Answer {
    let mut request = Request::get(path).header("authorization", format!("Bearer {key}"));
    if let Some(forwarded) = forwarded {
        request = request.header("x-forwarded-for", forwarded);
    }
    let mut request = request.body(Body::empty()).unwrap();
    if let Some(from) = from {
        request.extensions_mut().insert(from);
    }
    send(&house.router, request).await
}

/// The same at the posts, of a connection from an address.
async fn come(house: &House, key: &str, ip: &str) -> Answer {
    ask(house, &posts(house), key, (Some(peer(ip)), None)).await
}

fn posts(house: &House) -> String {
    format!("/api/v1/workspaces/{}/posts", house.workspace)
}

/// All of an answer but what is another's in each.
fn plain(mut answer: Answer) -> (u16, http::HeaderMap, Value) {
    let mut body = answer.json();
    body.as_object_mut().unwrap().remove("correlation_id").unwrap();
    answer.headers.remove("x-correlation-id").unwrap();
    (answer.status, answer.headers, body)
}

fn shown<'l>(list: &'l Value, id: &str) -> &'l Value {
    list["items"].as_array().unwrap().iter().find(|key| key["id"] == id).unwrap()
}

fn told(house: &House) -> Vec<Event> {
    house.events().into_iter().filter(|event| event.kind == "key.elsewhere").collect()
}

#[tokio::test]
async fn a_limited_key_is_unknown_elsewhere() {
    let house = House::new().await;
    let (id, key) = limited(&house, "read", &NETS).await;
    let unknown = plain(come(&house, "ck_nobodys", OUTSIDE).await);
    assert_eq!(unknown.0, 401);
    for ip in [OUTSIDE, "203.0.114.9", "198.51.100.8", "[2001:db8:8::1]", "[::ffff:192.0.2.1]"] {
        assert_eq!(plain(come(&house, &key, ip).await), unknown, "{ip}");
    }
    let nowhere = ask(&house, &posts(&house), &key, (None, None)).await;
    assert_eq!(plain(nowhere), unknown, "where it comes from nobody knows");
    let list = house.get("/keys").await.json();
    assert_eq!(shown(&list, &id)["last_used_at"], Value::Null, "to try it is no use of it");
    for ip in [INSIDE, "198.51.100.7", "[2001:db8:7:1::5]", "[::ffff:203.0.113.9]"] {
        assert_eq!(come(&house, &key, ip).await.status, 200, "{ip}");
    }
    // One without a limit is good everywhere.
    let free = house.new_key(&house.workspace, &["read"]).await;
    for ip in [INSIDE, OUTSIDE] {
        assert_eq!(come(&house, &free, ip).await.status, 200, "{ip}");
    }
}

#[tokio::test]
async fn behind_our_proxy_the_address_that_it_saw_counts() {
    let house = House::new().await;
    let (_, key) = limited(&house, "read", &NETS).await;
    for (from, forwarded, status) in [
        (OURS, INSIDE, 200),
        (OURS, "2001:db8:7::1", 200),
        (OURS, "192.0.2.1, 203.0.113.9", 200),
        (OURS, OUTSIDE, 401),
        (OURS, "203.0.113.9, 192.0.2.1", 401),
        // A stranger's word.
        (OUTSIDE, INSIDE, 401),
        (INSIDE, OUTSIDE, 200),
    ] {
        let from = (Some(peer(from)), Some(forwarded));
        let answer = ask(&house, &posts(&house), &key, from).await;
        assert_eq!(answer.status, status, "{from:?}");
    }
    assert_eq!(come(&house, &key, OURS).await.status, 401, "the proxy itself is elsewhere");
    // Whom a proxy of ours does not name is not the proxy.
    let (_, inner) = limited(&house, "read", &["10.0.0.0/8"]).await;
    assert_eq!(come(&house, &inner, OURS).await.status, 200);
    for forwarded in ["unknown", "203.0.113.9, unknown", "203.0.113.9"] {
        let answer = ask(&house, &posts(&house), &inner, (Some(peer(OURS)), Some(forwarded))).await;
        assert_eq!(answer.status, 401, "{forwarded}");
    }
}

#[tokio::test]
async fn metrics_ask_for_the_address_too() {
    let house = House::new().await;
    let (_, key) = limited(&house, "metrics", &NETS).await;
    let scrape = async |from: Option<Peer>| ask(&house, "/metrics", &key, (from, None)).await;
    assert_eq!(scrape(Some(peer(INSIDE))).await.status, 200);
    for from in [Some(peer(OUTSIDE)), Some(peer("127.0.0.1")), Some(Peer::Unix { uid: 7 }), None] {
        assert_eq!(scrape(from).await.said(), "401 unauthenticated", "{from:?}");
    }
    assert_eq!(told(&house).len(), 1);
}

#[tokio::test]
async fn a_stream_goes_on_for_who_was_let_in() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let (_, key) = limited(&house, "read", &NETS).await;
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    let from = |ip: &str| Some(peer(ip));
    let out = Stream::open_from(&house, from(OUTSIDE), "/stream", &headers).await;
    assert_eq!(out.err(), Some(401));
    let mut stream = Stream::open_from(&house, from(INSIDE), "/stream", &headers).await.unwrap();
    let Came::Text(first) = stream.within(Duration::ZERO) else { panic!("nothing comes") };
    assert!(first.starts_with("retry: "), "{first}");
    for _ in 0..3 {
        house.new_post(&feed, json!({ "now": true })).await;
        let Came::Text(text) = stream.within(SECOND) else { panic!("nothing comes") };
        assert!(text.contains("post.created"), "{text}");
        assert_eq!(stream.within(SECOND), Came::Nothing);
    }
    // That somebody came from elsewhere is no activity, and is not for whoever may read.
    assert_eq!(told(&house).len(), 1);
    assert!(!house.get("/activity").await.text().contains("key.elsewhere"));
}

#[tokio::test]
async fn whoever_comes_from_elsewhere_is_on_record_once_in_a_while() {
    let house = House::new().await;
    let (id, key) = limited(&house, "read", &NETS).await;
    let first = come(&house, &key, "[::ffff:192.0.2.1]").await;
    for ip in [OUTSIDE, "192.0.2.2", INSIDE, OUTSIDE] {
        come(&house, &key, ip).await;
    }
    let [event] = <[Event; 1]>::try_from(told(&house)).unwrap();
    assert_eq!((event.actor.word(), &event.subject), (format!("key:{id}"), &id));
    assert_eq!(json!(event.data), json!({ "address": OUTSIDE }));
    assert_eq!(event.correlation.to_string(), first.header("x-correlation-id"));
    assert_eq!(raised(&house, &house.key).await, ["suspicious.key_elsewhere"]);
    // Each key for itself, and again when it goes on.
    let (other, others) = limited(&house, "read", &NETS).await;
    house.clock.advance(TEN.checked_sub(SECOND).unwrap());
    for key in [&key, &others] {
        assert_eq!(come(&house, key, OUTSIDE).await.status, 401);
    }
    assert_eq!((told(&house).len(), &told(&house)[1].subject), (2, &other));
    house.clock.advance(SECOND);
    come(&house, &key, OUTSIDE).await;
    assert_eq!((told(&house).len(), &told(&house)[2].subject), (3, &id));
    let raised = raised(&house, &house.key).await;
    assert_eq!(raised, ["suspicious.key_elsewhere"; 2], "once in an hour for each");
    // Of one that is over, and of a workspace that is, there is nothing to tell.
    house.clock.advance(TEN);
    assert_eq!(house.delete(&format!("/keys/{id}")).await.status, 204);
    assert_eq!(come(&house, &key, OUTSIDE).await.status, 401);
    house.verb(("workspace", "delete"), Some(&house.workspace), json!({})).await;
    assert_eq!(come(&house, &others, OUTSIDE).await.status, 401);
    assert_eq!(told(&house).len(), 3);
}

#[tokio::test]
async fn what_is_no_address_is_refused_by_its_place() {
    let house = House::new().await;
    let body = |nets: Value| json!({ "name": "x", "scopes": ["read"], "addresses": nets });
    for (nets, field) in [
        (json!(["10.0.0.0/33"]), "addresses[0]"),
        (json!(["10.0.0.0/8", "office.example"]), "addresses[1]"),
        (json!(["10.0.0.0/8", "10.0.0.1:80"]), "addresses[1]"),
        (json!([]), "addresses"),
        (json!(vec!["10.0.0.1"; 17]), "addresses"),
        (json!(null), "addresses"),
    ] {
        let answer = house.post("/keys", &body(nets.clone())).await;
        assert_eq!(answer.said(), format!("422 invalid_field {field}"), "{nets}");
    }
    let answer = house.post("/keys", &body(json!(["nowhere"]))).await.json();
    let said = answer["errors"][0]["message"].as_str().unwrap();
    assert!(said.contains("192.0.2.1") && said.contains("10.0.0.0/8"), "{said}");
    // An operator's words.
    for (nets, field) in [(["nowhere", "::1"], "address"), (["::1", "nowhere"], "address[1]")] {
        let args = json!({ "name": "x", "scope": ["read"], "address": nets });
        let refused = house.try_verb(("key", "create"), Some(&house.workspace), args).await;
        assert_eq!(refused.unwrap_err().fields[0].field, field);
    }
}

#[tokio::test]
async fn the_addresses_of_a_key_are_shown_in_one_form() {
    let house = House::new().await;
    let nets = ["203.0.113.9/24", "::ffff:203.0.113.0/120", "198.51.100.7/32", "2001:DB8:0::/32"];
    let form = ["203.0.113.0/24", "198.51.100.7", "2001:db8::/32"];
    let (id, _) = limited(&house, "read", &nets).await;
    let args = json!({ "name": "x", "scope": ["read"], "address": nets });
    let made = house.verb(("key", "create"), Some(&house.workspace), args).await;
    assert_eq!(made["addresses"], json!(form), "{made}");
    let list = house.get("/keys").await.json();
    assert_eq!(shown(&list, &id)["addresses"], json!(form));
    let free = house.post("/keys", &json!({ "name": "Free", "scopes": ["read"] })).await.json();
    assert_eq!(free["addresses"], Value::Null, "anywhere: {free}");
    let verb = VERBS.iter().find(|verb| (verb.noun, verb.verb) == ("key", "list")).unwrap();
    assert!(verb.columns.contains(&"addresses"), "{:?}", verb.columns);
    let mut events = house.events().into_iter();
    let made = events.find(|event| event.kind == "key.created" && event.subject == id).unwrap();
    assert_eq!(made.data["addresses"], form.join(","));
    // A repeated request is answered with the same.
    let body = json!({ "name": "x", "scopes": ["read"], "addresses": nets });
    let call = || house.call(Method::POST, "/keys").header("idempotency-key", "a").json(&body);
    let (first, again) = (call().send().await.json(), call().send().await.json());
    assert_eq!((&again["id"], &again["addresses"]), (&first["id"], &json!(form)));
}
