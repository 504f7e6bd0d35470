//! The live stream: what it tells, where it goes on, and that it ends with the right to read it.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use carillon::base::{Clock, CorrelationId, ManualClock};
use carillon::domain::event::{Actor, Event};
use carillon::http::{Peer, Readiness, Settings};
use carillon::store::WriteError;
use futures_util::FutureExt as _;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::harness::House;
use super::users::{Person, token_of};

/// Access that was lost ends a stream within this.
const SECOND: Duration = Duration::from_secs(1);

pub struct Stream {
    body: Body,
    clock: ManualClock,
}

/// What came of waiting for the next piece.
#[derive(Debug, PartialEq)]
pub enum Came {
    Text(String),
    End,
    Cut,
    /// Nothing, in all that time.
    Nothing,
}

impl Stream {
    /// Opens a stream, or whatever else goes on, and reads nothing of it.
    pub async fn open(house: &House, path: &str, headers: &[(&str, &str)]) -> Result<Self, u16> {
        Self::open_from(house, None, path, headers).await
    }

    /// The same, for who comes from somewhere.
    pub async fn open_from(
        house: &House,
        peer: Option<Peer>,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Self, u16> {
        let path = format!("/api/v1/workspaces/{}{path}", house.workspace);
        let mut request = Request::builder().method(Method::GET).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::empty()).unwrap();
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        let response = house.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let (body, clock) = (response.into_body(), house.clock.clone());
        if status == 200 { Ok(Self { body, clock }) } else { Err(status) }
    }

    /// The next piece, if it comes before so much time has passed.
    pub fn within(&mut self, most: Duration) -> Came {
        let until = self.clock.monotonic() + most;
        let mut frame = std::pin::pin!(self.body.frame());
        loop {
            match frame.as_mut().now_or_never() {
                Some(None) => return Came::End,
                Some(Some(Err(_))) => return Came::Cut,
                Some(Some(Ok(frame))) => {
                    let bytes = frame.into_data().unwrap();
                    return Came::Text(String::from_utf8(bytes.to_vec()).unwrap());
                }
                None => {}
            }
            let step = self.clock.next_sleeper().unwrap_or(most);
            if self.clock.monotonic() + step > until {
                return Came::Nothing;
            }
            self.clock.advance_to_next();
        }
    }

    /// The events of the next piece, by number and kind.
    fn told(&mut self) -> Vec<(u64, String)> {
        let Came::Text(text) = self.within(SECOND) else { return Vec::new() };
        events(&text).iter().map(|one| (number(one), text_of(one, "kind"))).collect()
    }
}

fn events(text: &str) -> Vec<Value> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|json| serde_json::from_str(json).unwrap()).collect()
}

fn number(event: &Value) -> u64 {
    event["sequence"].as_u64().unwrap()
}

fn text_of(event: &Value, name: &str) -> String {
    event[name].as_str().unwrap().to_owned()
}

async fn opened(house: &House, key: &str) -> Stream {
    let bearer = format!("Bearer {key}");
    let mut stream = Stream::open(house, "/stream", &[("authorization", &bearer)]).await.unwrap();
    let Came::Text(first) = stream.within(Duration::ZERO) else { panic!("nothing comes") };
    assert!(first.starts_with("retry: 1000\nid: "), "{first}");
    stream
}

#[tokio::test]
async fn what_happens_is_told_and_gone_on_with() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let mut stream = opened(&house, &house.key).await;
    assert_eq!(stream.within(SECOND), Came::Nothing, "what was is not told");
    let post = house.new_post(&feed, json!({ "now": true })).await;
    let Came::Text(text) = stream.within(SECOND) else { panic!("nothing comes") };
    let told = events(&text);
    assert_eq!((told.len(), &told[0]["subject"]), (1, &post["id"]));
    assert!(text.starts_with(&format!("id: {}\n", number(&told[0]))), "{text}");
    assert_eq!(house.get("/activity").await.json()["items"][0], told[0], "the same shape");

    // Nothing of what others do, nor noise.
    let theirs = house.new_workspace("Others").await;
    house.new_key(&theirs, &["read"]).await;
    house.get("/events/export").await;
    assert_eq!(stream.within(SECOND), Came::Nothing);

    // Who comes back misses nothing and gets nothing twice.
    house.publish(post["targets"][0]["delivery"].as_str().unwrap()).await;
    let first = stream.told();
    assert_eq!(first.len(), 1);
    drop(stream);
    house.new_post(&feed, json!({ "now": true })).await;
    house.new_post(&feed, json!({ "now": true })).await;
    let (bearer, last) = (format!("Bearer {}", house.key), first[0].0.to_string());
    let headers = [("authorization", bearer.as_str()), ("last-event-id", last.as_str())];
    let mut stream = Stream::open(&house, "/stream", &headers).await.unwrap();
    assert!(matches!(stream.within(Duration::ZERO), Came::Text(_)));
    let kinds: Vec<String> = stream.told().into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(kinds, ["post.created", "post.created"]);
    let path = format!("/stream?after={}", first[0].0 - 1);
    let mut again = Stream::open(&house, &path, &headers[..1]).await.unwrap();
    assert!(matches!(again.within(Duration::ZERO), Came::Text(_)));
    assert_eq!(again.told().len(), 3);
    // A number that is not there yet is the end.
    let mut ahead = Stream::open(&house, "/stream?after=99999", &headers[..1]).await.unwrap();
    assert!(matches!(ahead.within(Duration::ZERO), Came::Text(_)));
    house.new_post(&feed, json!({ "now": true })).await;
    assert_eq!(ahead.told().len(), 1);
}

#[tokio::test]
async fn it_lives_on_and_says_so() {
    let house = House::new().await;
    let mut stream = opened(&house, &house.key).await;
    let began = house.clock.monotonic();
    for _ in 0..20 {
        let Came::Text(sign) = stream.within(Duration::from_secs(16)) else { panic!("no sign") };
        assert!(sign.starts_with(": ") && sign.contains("\nid: "), "{sign}");
    }
    let lived = house.clock.monotonic().saturating_sub(began);
    assert!(lived > Settings::default().request_timeout * 9, "{lived:?}");
}

/// One way to lose access, and what it does.
async fn ends(house: &House, key: &str, told: &str, lose: impl AsyncFnOnce()) {
    let feed = house.new_feed().await;
    let mut stream = opened(house, key).await;
    house.new_post(&feed, json!({ "now": true })).await;
    assert!(!stream.told().is_empty(), "{told}: it works before");
    lose().await;
    // What comes after that is for others.
    house.new_post(&feed, json!({ "now": true })).await;
    assert_eq!(stream.within(SECOND), Came::End, "{told}");
}

#[tokio::test]
async fn it_ends_within_a_second_of_lost_access() {
    let house = House::new().await;
    house.clock.advance(SECOND);
    let key = house.new_key(&house.workspace, &["read"]).await;
    let list = house.get("/keys").await.json();
    let id = list["items"][0]["id"].as_str().unwrap();
    ends(&house, &key, "key revoked", async || {
        assert_eq!(house.delete(&format!("/keys/{id}")).await.status, 204);
    })
    .await;
    let end = house.clock.now().plus(Duration::from_mins(1)).to_string();
    let body = json!({ "name": "x", "scopes": ["read"], "expires_at": end });
    let key = text_of(&house.post("/keys", &body).await.json(), "key");
    ends(&house, &key, "key expired", async || house.clock.advance(Duration::from_mins(1))).await;
    let mut stream = opened(&house, &house.key).await;
    *house.readiness.lock().unwrap() = Readiness::Stopping;
    assert_eq!(stream.within(SECOND), Came::End, "the server stops");
}

/// A member with a session of their own.
async fn member<'h>(house: &'h House, email: &str) -> Person<'h> {
    let person = Person::new(house, email).await;
    let args = json!({ "user": email, "role": "viewer" });
    house.verb(("member", "add"), Some(&house.workspace), args).await;
    person
}

/// Every way in which a person can lose it.
#[tokio::test]
async fn whoever_is_shut_out_loses_the_stream_within_a_second() {
    let house = House::new().await;
    let workspace = Some(house.workspace.as_str());
    let verb = async |noun: &str, verb: &str, args: Value| {
        let workspace = workspace.filter(|_| noun != "user");
        house.verb((noun, verb), workspace, args).await;
    };
    for (n, told) in
        ["suspended", "removed", "disabled", "signed out", "password reset"].into_iter().enumerate()
    {
        let email = format!("p{n}@example.org");
        let person = member(&house, &email).await;
        let (id, mail) = (json!({ "user": person.id }), json!({ "email": email }));
        ends(&house, &person.token, told, async || match told {
            "suspended" => verb("member", "suspend", id).await,
            "removed" => verb("member", "remove", id).await,
            "disabled" => verb("user", "disable", mail).await,
            "signed out" => verb("user", "sign-out", mail).await,
            _ => {
                let link = house.verb(("user", "reset-link"), None, mail).await["link"].clone();
                let body = json!({ "token": token_of(&link), "password": "quite another one 77" });
                let reset = house.bare(Method::POST, "/api/v1/password-resets").json(&body);
                assert_eq!(reset.send().await.status, 204);
            }
        })
        .await;
    }
    let person = member(&house, "leaves@example.org").await;
    ends(&house, &person.token, "left", async || {
        let leave = format!("/workspaces/{}/leave", house.workspace);
        let leave = person.call(Method::POST, &leave).send();
        assert_eq!(leave.await.status, 204);
    })
    .await;
    let person = member(&house, "out@example.org").await;
    ends(&house, &person.token, "session ended", async || {
        let list = person.get("/sessions").await.json();
        let id = list["items"][0]["id"].as_str().unwrap().to_owned();
        assert_eq!(person.delete(&format!("/sessions/{id}")).await.status, 204);
    })
    .await;
    let person = member(&house, "late@example.org").await;
    ends(&house, &person.token, "session over", async || {
        house.clock.advance(Duration::from_hours(12));
    })
    .await;
    let person = member(&house, "codeless@example.org").await;
    ends(&house, &person.token, "an authenticator is asked for", async || {
        verb("workspace", "security", json!({ "totp": "required" })).await;
    })
    .await;
}

/// A page inside a host ends by itself, by its host, and with it.
#[tokio::test]
async fn a_page_that_ends_loses_the_stream_within_a_second() {
    let mut house = House::new().await;
    let origin = "https://crm.example";
    let args = json!({ "name": "CRM", "origin": [origin] });
    let host = house.verb(("host", "create"), None, args).await;
    let (id, key) = (text_of(&host, "id"), text_of(&host, "key"));
    let body = json!({
        "user": { "id": "u", "email": "u@crm.example", "name": "U" },
        "workspace": { "id": "w", "name": "W" }, "role": "editor", "origin": origin,
    });
    let first = house.bare(Method::POST, "/api/v1/embed-sessions").key(&key).json(&body);
    let first = first.send().await.json();
    // The rest is about the workspace of the page.
    house.workspace = text_of(&first, "workspace");
    house.key = house.new_key(&house.workspace, &["admin"]).await;
    let house = house;
    let open = async || {
        let page = house.bare(Method::POST, "/api/v1/embed-sessions").key(&key).json(&body);
        page.send().await.json()
    };
    let page = open().await;
    ends(&house, &text_of(&page, "token"), "ended", async || {
        let path = format!("/api/v1/embed-sessions/{}", text_of(&page, "id"));
        assert_eq!(house.bare(Method::DELETE, &path).key(&key).send().await.status, 204);
    })
    .await;
    let page = open().await;
    ends(&house, &text_of(&page, "token"), "over", async || {
        house.clock.advance(Duration::from_mins(15));
    })
    .await;
    let page = open().await;
    ends(&house, &text_of(&page, "token"), "suspended", async || {
        let args = json!({ "user": page["user"] });
        house.verb(("member", "suspend"), Some(&house.workspace), args).await;
    })
    .await;
    let args = json!({ "user": page["user"] });
    house.verb(("member", "restore"), Some(&house.workspace), args).await;
    let page = open().await;
    ends(&house, &text_of(&page, "token"), "host revoked", async || {
        house.verb(("host", "revoke"), None, json!({ "id": id })).await;
    })
    .await;
}

#[tokio::test]
async fn an_export_ends_with_the_right_to_it() {
    let house = House::new().await;
    let (scope, at) = (house.scope(), house.clock.now());
    let correlation = CorrelationId::new(house.services.rng.as_ref());
    let event = Event {
        at,
        actor: Actor::System,
        kind: "post.changed".to_owned(),
        subject: "x".to_owned(),
        data: BTreeMap::new(),
        correlation,
    };
    let written = house.services.store.write(move |tx| {
        for _ in 0..900 {
            tx.append_event(&scope, event.clone())?;
        }
        Ok::<_, WriteError<()>>(())
    });
    written.await.unwrap();
    house.clock.advance(SECOND);
    let key = house.new_key(&house.workspace, &["admin"]).await;
    let list = house.get("/keys").await.json();
    let id = list["items"][0]["id"].as_str().unwrap();
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    let mut whole = Stream::open(&house, "/events/export", &headers).await.unwrap();
    let mut pieces = 0;
    while let Came::Text(text) = whole.within(Duration::ZERO) {
        assert!(text.lines().count() <= 200);
        pieces += 1;
    }
    assert_eq!(pieces, 5, "so many rows are in memory at a time");
    let mut export = Stream::open(&house, "/events/export", &headers).await.unwrap();
    assert!(matches!(export.within(Duration::ZERO), Came::Text(_)));
    assert_eq!(house.delete(&format!("/keys/{id}")).await.status, 204);
    assert_eq!(export.within(Duration::ZERO), Came::Cut, "and nobody takes it for whole");
}

#[tokio::test]
async fn streams_are_bounded_and_places_are_given_back() {
    let settings = Settings { key_rate: 0, streams: 4, streams_each: 3, ..Settings::default() };
    let house = House::with(settings).await;
    let other = house.new_key(&house.workspace, &["read"]).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(opened(&house, &house.key).await);
    }
    let more = house.get("/stream").await;
    assert_eq!((more.said(), more.header("retry-after")), ("503 overloaded".to_owned(), "1"));
    assert_eq!(more.json()["params"], json!({ "limit_streams": "3" }));
    open.push(opened(&house, &other).await);
    let more = house.call(Method::GET, "/stream").key(&other).send().await;
    assert_eq!(more.json()["params"], json!({ "limit_streams": "4" }));
    // They take no place of other requests.
    assert_eq!(house.get("/posts").await.status, 200);
    open.remove(0);
    assert_eq!(house.get("/stream").await.status, 200, "who leaves makes room");
}
