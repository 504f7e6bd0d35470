//! Where requests come from, and what they call the server: many accounts tried from one network, one from
//! many, a country that is new, and names that are not the server's own.

use std::time::Duration;

use axum::body::Body;
use carillon::http::{Names, Peer, Settings};
use http::{Method, Request};
use serde_json::{Value, json};

use super::harness::{Answer, House, send};
use super::users::{ANN, PASSWORD, Person, account};

/// A proxy of ours.
const OURS: &str = "10.0.0.1";

/// A request of a connection from an address.
async fn ask(
    house: &House,
    (method, path): (Method, &str),
    peer: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if body.is_some() {
        request = request.header("content-type", "application/json");
    }
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let mut request = request.body(body).unwrap();
    request.extensions_mut().insert(Peer::Tcp(format!("{peer}:9").parse().unwrap()));
    send(&house.router, request).await
}

async fn fail(house: &House, ip: &str, email: &str) -> u16 {
    let body = json!({ "email": email, "password": "wrong horse battery" });
    ask(house, (Method::POST, "/api/v1/sessions"), ip, &[], Some(&body)).await.status
}

/// The events of somebody's own workspace that begin so, after they were judged.
async fn told(house: &House, person: &Person<'_>, kind: &str) -> Vec<(String, Value)> {
    let [(_, workspace)] = person.workspaces().await.try_into().unwrap();
    let key = house.new_key(&workspace, &["admin"]).await;
    house.services.judge(house.scope_of(&key), None).await.unwrap();
    let events = house.events_of(&key).into_iter().filter(|event| event.kind.starts_with(kind));
    events.map(|event| (event.kind, json!(event.data))).collect()
}

#[tokio::test]
async fn a_network_that_tries_many_accounts_waits_and_their_owners_are_told() {
    let house = House::new().await;
    let (ann, ben) = (Person::new(&house, ANN).await, Person::new(&house, "ben@x.example").await);
    // An office where everybody mistypes once, and comes in.
    for n in 0..25 {
        let email = format!("{n}@office.example");
        account(&house, &email).await;
        let body = json!({ "email": email, "password": PASSWORD });
        let opened =
            ask(&house, (Method::POST, "/api/v1/sessions"), "203.0.113.1", &[], Some(&body));
        assert_eq!(opened.await.status, 201);
    }
    assert_eq!(fail(&house, "198.51.100.1", ANN).await, 401);
    for n in 1..19 {
        assert_eq!(fail(&house, "198.51.100.2", &format!("{n}@x.example")).await, 401, "{n}");
    }
    assert!(told(&house, &ann, "sign_in.").await.is_empty());
    assert_eq!(fail(&house, "198.51.100.3", "20@x.example").await, 401, "the twentieth account");
    let waits = fail(&house, "198.51.100.4", "21@x.example").await;
    assert_eq!(waits, 429, "from then on the whole network waits");
    assert_eq!(fail(&house, "203.0.113.1", "21@x.example").await, 401, "and no other");
    let raised = told(&house, &ann, "suspicious.").await;
    assert_eq!(raised.len(), 1);
    assert_eq!(
        (raised[0].0.as_str(), &raised[0].1["act"]),
        ("suspicious.spray", &json!("network_waits"))
    );
    assert!(told(&house, &ben, "suspicious.").await.is_empty(), "nobody tried his");
    // Where she has been before she comes in from that very network; and in the end anybody.
    let mut body = json!({ "email": ANN, "password": PASSWORD, "device": ann.device });
    let sign_in = (Method::POST, "/api/v1/sessions");
    let known = ask(&house, sign_in.clone(), "198.51.100.5", &[], Some(&body)).await;
    assert_eq!(known.status, 201);
    body.as_object_mut().unwrap().remove("device");
    let stranger = ask(&house, sign_in.clone(), "198.51.100.5", &[], Some(&body)).await;
    assert_eq!((stranger.status, stranger.header("retry-after")), (429, "900"));
    house.clock.advance(Duration::from_mins(15));
    assert_eq!(ask(&house, sign_in, "198.51.100.5", &[], Some(&body)).await.status, 201);
}

#[tokio::test]
async fn an_account_that_is_tried_from_many_networks_is_told() {
    let house = House::new().await;
    let ann = Person::new(&house, ANN).await;
    for n in 0..9 {
        fail(&house, &format!("198.51.{n}.1"), ANN).await;
    }
    assert!(told(&house, &ann, "sign_in.gathered").await.is_empty());
    assert_eq!(fail(&house, "198.51.9.1", ANN).await, 429, "it waits already");
    let raised = told(&house, &ann, "suspicious.").await;
    let [first, second] = &raised[..] else { panic!("{raised:?}") };
    assert_eq!(first.0, "suspicious.sign_ins");
    assert_eq!(
        (second.0.as_str(), &second.1["act"]),
        ("suspicious.sign_ins_from_many", &json!("account_waits"))
    );
}

#[tokio::test]
async fn a_key_that_is_made_from_a_new_country_is_told() {
    let country = Some("cf-ipcountry".parse().unwrap());
    let house = House::with(Settings { country, key_rate: 0, ..Settings::default() }).await;
    let key = house.new_key(&house.workspace, &["admin"]).await;
    let bearer = format!("Bearer {key}");
    let path = format!("/api/v1/workspaces/{}/keys", house.workspace);
    let made = json!({ "name": "x", "scopes": ["read"] });
    let make = async |peer: &str, country: &str| {
        let headers = [("authorization", bearer.as_str()), ("cf-ipcountry", country)];
        let answer = ask(&house, (Method::POST, &path), peer, &headers, Some(&made)).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        house.services.judge(house.scope(), None).await.unwrap();
        let events = house.events().into_iter().map(|event| event.kind);
        events.filter(|kind| kind.contains("new_country")).collect::<Vec<_>>()
    };
    assert!(make(OURS, "DE").await.is_empty() && make(OURS, "DE").await.is_empty());
    assert!(make(OURS, "XX").await.is_empty() && make(OURS, "T1").await.is_empty(), "not known");
    assert!(make("203.0.113.7", "FR").await.is_empty(), "a stranger says so");
    assert_eq!(make(OURS, "fr").await, ["access.new_country", "suspicious.new_country"]);
    assert_eq!(
        house.events().iter().rfind(|e| e.kind == "access.new_country").unwrap().data["country"],
        "FR"
    );
    house.clock.advance(Duration::from_hours(2));
    assert_eq!(make(OURS, "fr").await.len(), 2, "by now it lives there");
    // Without the setting the header says nothing.
    let other = House::new().await;
    let headers = [("authorization", &*format!("Bearer {}", other.key)), ("cf-ipcountry", "DE")];
    let path = format!("/api/v1/workspaces/{}/keys", other.workspace);
    for country in ["DE", "FR"] {
        let headers = [headers[0], ("cf-ipcountry", country)];
        ask(&other, (Method::POST, &path), OURS, &headers, Some(&made)).await;
    }
    assert!(other.events().iter().all(|event| event.kind != "access.new_country"));
}

#[tokio::test]
async fn a_name_that_is_not_the_servers_own_is_refused() {
    let names = Names::new(["carillon.example"]);
    let house = House::with(Settings { names, key_rate: 0, ..Settings::default() }).await;
    let bearer = format!("Bearer {}", house.key);
    let api = format!("/api/v1/workspaces/{}/posts", house.workspace);
    let far = "203.0.113.7";
    for path in [api.as_str(), "/sign-in", "/", "/api/openapi.json", "/nowhere"] {
        for host in ["evil.example", "10.0.0.1", "localhost", "carillon.example.evil.example"] {
            let headers = [("host", host), ("authorization", bearer.as_str())];
            let answer = ask(&house, (Method::GET, path), far, &headers, None).await;
            assert_eq!(answer.said(), "421 misdirected", "{path} {host}");
            assert!(!answer.text().contains("evil"), "it is not said again");
        }
        for host in ["carillon.example", "Carillon.Example:443"] {
            // What proxies and others add changes nothing.
            let headers = [
                ("host", host),
                ("authorization", bearer.as_str()),
                ("x-forwarded-host", "evil.example"),
                ("forwarded", "host=evil.example"),
            ];
            let answer = ask(&house, (Method::GET, path), far, &headers, None).await;
            assert_ne!(answer.status, 421, "{path} {host}");
            assert!(!answer.text().contains("evil"), "{path}");
        }
    }
    let near =
        ask(&house, (Method::GET, "/sign-in"), "127.0.0.1", &[("host", "localhost:8080")], None);
    assert_eq!(near.await.status, 200);
    for path in ["/health/live", "/health/ready"] {
        let probe = ask(&house, (Method::GET, path), far, &[("host", "10.0.0.9:8080")], None).await;
        assert_eq!(probe.status, 200, "probes come by address");
    }
    // Nothing was written or noted for somebody who asked under another name.
    let before = house.events().len();
    let post = json!({ "parts": [{ "text": "x" }], "channels": [] });
    let headers = [("host", "evil.example"), ("authorization", bearer.as_str())];
    assert_eq!(ask(&house, (Method::POST, &api), far, &headers, Some(&post)).await.status, 421);
    assert_eq!(house.events().len(), before);
}
