//! Signing in: what is told to whom, how often it may be tried, and which passwords are taken.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use carillon::http::Peer;
use http::{Method, Request};
use serde_json::{Value, json};

use super::super::harness::{Answer, House, send};
use super::{ANN, PASSWORD, Person, account, sign_in, text, with_password};

/// An answer without what differs from request to request.
fn plain(answer: &Answer) -> (u16, Value, Vec<String>) {
    let mut json = answer.json();
    json.as_object_mut().unwrap().remove("correlation_id");
    let names = answer.headers.keys().map(ToString::to_string).collect();
    (answer.status, json, names)
}

#[tokio::test]
async fn a_password_opens_a_session_and_a_workspace_is_there() {
    let house = House::new().await;
    let made = account(&house, " Ann@Example.ORG ").await;
    assert_eq!((&made["email"], &made["name"]), (&json!(ANN), &json!("Ann")));
    assert!(made.get("link").is_none() && made["totp"] == false);
    let answer = with_password(&house, "ANN@example.org", PASSWORD).await;
    assert_eq!((answer.status, answer.header("cache-control")), (201, "no-store"));
    let opened = answer.json();
    assert!(text(&opened["token"]).starts_with("cs_") && text(&opened["token"]).len() == 46);
    assert!(answer.headers.get("set-cookie").is_none(), "the API speaks of no cookies");
    let ann = Person::of(&house, &opened);
    let me = ann.get("/me").await;
    assert_eq!((me.status, me.json()), (200, opened["user"].clone()));
    let [(name, workspace)] = ann.workspaces().await.try_into().unwrap();
    assert_eq!(name, "Ann");
    let feed = json!({ "network": "feed", "name": "News" });
    let made = ann.post(&format!("/workspaces/{workspace}/channels"), &feed).await;
    assert_eq!(made.status, 201, "an owner may: {}", made.text());
    assert_eq!(ann.get(&format!("/workspaces/{}", house.workspace)).await.status, 404);
    // A key is no person.
    let key = house.bare(Method::GET, "/api/v1/me").key(&house.key).send().await;
    assert_eq!(key.said(), "403 person_needed");
}

#[tokio::test]
async fn nobody_learns_who_has_an_account() {
    let house = House::new().await;
    account(&house, ANN).await;
    account(&house, "gone@example.org").await;
    let args = json!({ "email": "gone@example.org" });
    house.verb(("user", "disable"), None, args).await;
    house.verb(("user", "create"), None, json!({ "email": "new@example.org" })).await;
    let hashed = || house.services.people.passwords.hashed();
    let mut seen = Vec::new();
    for (email, password) in [
        (ANN, "another horse battery"),
        ("nobody@example.org", PASSWORD),
        ("no address at all", PASSWORD),
        ("gone@example.org", PASSWORD),
        ("new@example.org", PASSWORD),
    ] {
        let before = hashed();
        let answer = with_password(&house, email, password).await;
        assert_eq!(answer.said(), "401 sign_in_refused", "{email}");
        assert_eq!(hashed() - before, 1, "{email}: as much work as for anybody");
        seen.push(plain(&answer));
    }
    seen.dedup();
    assert_eq!(seen.len(), 1, "{seen:#?}");
    let before = hashed();
    assert_eq!(with_password(&house, ANN, PASSWORD).await.status, 201);
    assert_eq!(hashed() - before, 1);
}

#[tokio::test]
async fn failures_make_the_next_attempt_wait_and_lock_nobody_out() {
    let house = House::new().await;
    let ann = Person::new(&house, ANN).await;
    for email in [ANN, "nobody@example.org"] {
        let mut waits = Vec::new();
        for _ in 0..10 {
            for _ in 0..2 {
                let before = house.services.people.passwords.hashed();
                let answer = with_password(&house, email, "another horse battery").await;
                if answer.status == 429 {
                    assert_eq!(answer.code(), "too_many_attempts");
                    assert_eq!(house.services.people.passwords.hashed(), before, "not even hashed");
                    let wait: u64 = answer.header("retry-after").parse().unwrap();
                    assert_eq!(answer.json()["params"]["retry_after_seconds"], wait.to_string());
                    waits.push(wait);
                    house.clock.advance(Duration::from_secs(wait));
                }
            }
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64], "{email}");
        house.clock.advance(Duration::from_secs(128));
        assert_eq!(
            with_password(&house, email, PASSWORD).await.status,
            if email == ANN { 201 } else { 401 }
        );
    }
    // Somebody else keeps at it; she comes in all the same, from where she has been before.
    for _ in 0..6 {
        with_password(&house, ANN, "another horse battery").await;
    }
    assert_eq!(with_password(&house, ANN, PASSWORD).await.status, 429);
    let mut body = json!({ "email": ANN, "password": PASSWORD, "device": ann.device });
    assert_eq!(sign_in(&house, &body).await.status, 201);
    // A mark that is made up, or another's, is none.
    let ben = Person::new(&house, "ben@example.org").await;
    for device in [ben.device.as_str(), "", "AAAA", &"A".repeat(64)] {
        body["device"] = json!(device);
        assert_eq!(sign_in(&house, &body).await.status, 429, "{device}");
    }
    // And from there, too, one may not guess for ever.
    body = json!({ "email": ANN, "password": "another horse battery", "device": ann.device });
    let mut refused = 0;
    for _ in 0..9 {
        refused += usize::from(sign_in(&house, &body).await.status == 429);
    }
    assert_eq!(refused, 3);
    house.clock.advance(Duration::from_mins(15));
    assert_eq!(with_password(&house, ANN, PASSWORD).await.status, 201);
    let kinds: Vec<_> = ann_events(&house, &ann).await;
    assert!(kinds.contains(&"sign_in.throttled".to_owned()), "{kinds:?}");
    assert!(kinds.contains(&"user.signed_in".to_owned()), "{kinds:?}");
}

/// The kinds of events in the workspace of a person.
async fn ann_events(house: &House, person: &Person<'_>) -> Vec<String> {
    let [(_, workspace)] = person.workspaces().await.try_into().unwrap();
    let key = house.new_key(&workspace, &["admin"]).await;
    house.events_of(&key).into_iter().map(|event| event.kind).collect()
}

#[tokio::test]
async fn an_address_that_tries_many_accounts_waits() {
    let house = House::new().await;
    account(&house, ANN).await;
    let from = |address: &str, forwarded: Option<&str>, email: &str| {
        let peer: SocketAddr = address.parse().unwrap();
        let body = json!({ "email": email, "password": "wrong horse battery" });
        let mut request =
            Request::post("/api/v1/sessions").header("content-type", "application/json");
        if let Some(forwarded) = forwarded {
            request = request.header("x-forwarded-for", forwarded);
        }
        let mut request = request.body(Body::from(body.to_string())).unwrap();
        request.extensions_mut().insert(Peer::Tcp(peer));
        let router = house.router.clone();
        async move { send(&router, request).await.status }
    };
    let mut statuses = Vec::new();
    for n in 0..35 {
        // So few accounts that it is not told of as a spray.
        statuses.push(from("198.51.100.7:1", None, &format!("{}@example.org", n % 19)).await);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 31);
    assert_eq!(from("198.51.100.9:1", None, "x@example.org").await, 429, "a neighbour of it");
    assert_eq!(from("203.0.113.7:1", None, "x@example.org").await, 401, "nobody else");
    // Behind our own proxy the address that it names counts; a stranger's word does not.
    assert_eq!(from("127.0.0.1:1", Some("198.51.100.7"), "y@example.org").await, 429);
    assert_eq!(from("198.51.100.7:1", Some("203.0.113.99"), "y@example.org").await, 429);
    assert_eq!(from("127.0.0.1:1", Some("203.0.113.8"), "y@example.org").await, 401);
}

#[tokio::test]
async fn first_guesses_are_no_passwords() {
    let house = House::new().await;
    let ann = Person::new(&house, ANN).await;
    for new in ["short", "eleven char", "password1234", "aaaaaaaaaaaaaaa", "ann@example.org1"] {
        let body = json!({ "password": PASSWORD, "new_password": new });
        let answer = ann.put("/me/password", &body).await;
        assert_eq!(answer.said(), "422 invalid_field new_password", "{new}");
    }
    let body = json!({ "password": "not this one at all", "new_password": "an entirely new one" });
    assert_eq!(ann.put("/me/password", &body).await.said(), "401 sign_in_refused");
    assert!(ann.works().await);
}

#[tokio::test]
async fn a_hash_of_an_older_cost_is_renewed_at_sign_in() {
    use carillon::domain::user::{Proofs, User};
    use carillon::service::{Cost, People, Services};
    let house = House::new().await;
    account(&house, ANN).await;
    let stored = || {
        let found = house.services.store.read_now(|view| {
            let id = view.scan_global::<User>(None, 1)?[0].0;
            view.get_global::<Proofs>(&id)
        });
        found.unwrap().unwrap().password.unwrap()
    };
    assert!(stored().starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{}", stored());
    let people = std::sync::Arc::new(People::new(Cost { memory_kib: 32, passes: 2 }));
    let dearer = Services { people, ..house.services.clone() };
    let visitor = carillon::service::Visitor {
        address: None,
        agent: String::new(),
        correlation: carillon::base::CorrelationId::new(house.services.rng.as_ref()),
    };
    let given = carillon::service::Credentials {
        email: ANN.to_owned(),
        password: carillon::base::Secret::new(PASSWORD.to_owned()),
        code: None,
        device: None,
    };
    dearer.sign_in(&given, &visitor).await.unwrap();
    assert!(stored().starts_with("$argon2id$v=19$m=32,t=2,p=1$"), "{}", stored());
    assert_eq!(with_password(&house, ANN, PASSWORD).await.status, 201);
}
