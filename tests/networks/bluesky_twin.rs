//! The practice Bluesky is as strict as the network, and in the same words.

use std::time::Duration;

use bytes::Bytes;
use carillon::base::Timestamp;
use carillon::practice::bluesky::{Settings, Standing};
use carillon::practice::{Answer, Effect, Request, World, handle};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

use crate::twin::{START, header, open};

const HOST: &str = "bluesky.test";
const OWN: &str = "own.test";
const KEY: &str = "3mabcdefghijk";
const PUT: &str = "com.atproto.repo.putRecord";

struct Twin {
    world: World,
    now: Timestamp,
    did: String,
}

/// What a session answers.
struct Tokens {
    access: String,
    refresh: String,
}

impl Twin {
    fn new() -> Self {
        let own = Some((OWN.to_owned(), format!("https://{OWN}")));
        let mut world = World::new(1);
        let settings = Settings::new("https://bluesky.test");
        world.add_bluesky(HOST, Settings { own, ..settings });
        world.add_account(HOST, "ben.test", "other-word", "").unwrap();
        let did = world.add_account(HOST, "ann.test", "pass-word", "").unwrap();
        Self { world, now: START, did }
    }

    fn call(&mut self, host: &str, token: &str, target: &str, body: Option<&Value>) -> Answer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: &str| {
            let value = HeaderValue::from_str(value).unwrap();
            headers.insert(HeaderName::from_static(name), value);
        };
        if !token.is_empty() {
            set("authorization", &format!("Bearer {token}"));
        }
        if body.is_some() {
            set("content-type", "application/json");
        }
        let get = ["getRecord", "listRecords", "getSession", "resolveHandle"];
        let get = get.iter().any(|name| path.ends_with(name));
        let request = Request {
            method: if get { Method::GET } else { Method::POST },
            path: format!("/xrpc/{path}"),
            query: query.to_owned(),
            headers,
            body: body.map(|body| Bytes::from(body.to_string())).unwrap_or_default(),
        };
        handle(&mut self.world, host, &request, self.now)
    }

    fn sign_in(&mut self) -> Tokens {
        let input = json!({ "identifier": "ann.test", "password": "pass-word" });
        tokens(&self.call(HOST, "", "com.atproto.server.createSession", Some(&input)))
    }

    fn refresh(&mut self, token: &str) -> Answer {
        self.call(OWN, token, "com.atproto.server.refreshSession", None)
    }

    /// Writes under `key`, with more fields of the input.
    fn put(&mut self, token: &str, key: &str, record: &Value, more: &Value) -> (u16, Value) {
        let mut input = json!({
            "repo": self.did, "collection": "app.bsky.feed.post", "rkey": key, "record": record,
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            input[name] = value.clone();
        }
        open(&self.call(OWN, token, PUT, Some(&input)))
    }

    fn journal(&self) -> usize {
        self.world.journal().len()
    }
}

fn tokens(answer: &Answer) -> Tokens {
    let (status, json) = open(answer);
    assert_eq!(status, 200, "{json}");
    let text = |name: &str| json[name].as_str().unwrap().to_owned();
    Tokens { access: text("accessJwt"), refresh: text("refreshJwt") }
}

fn refused(found: &(u16, Value)) -> String {
    format!("{} {}", found.0, found.1["error"].as_str().unwrap_or("nothing"))
}

fn post(text: &str) -> Value {
    json!({ "$type": "app.bsky.feed.post", "text": text, "createdAt": "2026-11-22T09:00:00.000Z" })
}

fn with(field: &str, value: Value) -> Value {
    let mut record = post("caf\u{e9} x");
    record[field] = value;
    record
}

fn link(start: usize, end: usize) -> Value {
    json!([{
        "index": { "byteStart": start, "byteEnd": end },
        "features": [{ "$type": "app.bsky.richtext.facet#link", "uri": "https://e.example" }],
    }])
}

#[test]
fn tokens_end_and_a_used_refresh_token_has_its_grace() {
    let mut twin = Twin::new();
    let first = twin.sign_in();
    assert_eq!(twin.put(&first.access, KEY, &post("x"), &json!({})).0, 200);
    twin.now = twin.now.plus(Duration::from_hours(2));
    let late = twin.put(&first.access, KEY, &post("y"), &json!({}));
    assert_eq!(refused(&late), "400 ExpiredToken");
    assert_eq!(refused(&twin.put("", KEY, &post("y"), &json!({}))), "401 AuthMissing");
    assert_eq!(refused(&twin.put(&first.refresh, KEY, &post("y"), &json!({}))), "400 InvalidToken");
    let second = tokens(&twin.refresh(&first.refresh));
    let again = tokens(&twin.refresh(&first.refresh));
    assert_eq!(second.refresh, again.refresh);
    assert_eq!(twin.put(&again.access, KEY, &post("y"), &json!({})).0, 200);
    let with_body =
        twin.call(OWN, &second.refresh, "com.atproto.server.refreshSession", Some(&json!({})));
    assert_eq!(refused(&open(&with_body)), "400 InvalidRequest");
    twin.now = twin.now.plus(Duration::from_hours(2));
    assert_eq!(refused(&open(&twin.refresh(&first.refresh))), "400 ExpiredToken");
    tokens(&twin.refresh(&second.refresh));
    twin.world.bluesky(HOST).unwrap().set_standing("ann.test", Standing::TakenDown);
    assert_eq!(refused(&open(&twin.refresh(&second.refresh))), "401 AccountTakedown");
}

/// As RFC 9700 (4.14.2) wants it of servers that rotate refresh tokens.
#[test]
fn where_it_is_strict_a_replay_ends_every_session() {
    let mut twin = Twin::new();
    let settings = &mut twin.world.bluesky(HOST).unwrap().settings;
    (settings.grace, settings.replay_kills) = (std::time::Duration::ZERO, true);
    let (first, other) = (twin.sign_in(), twin.sign_in());
    let second = tokens(&twin.refresh(&first.refresh));
    let replay = open(&twin.refresh(&first.refresh));
    assert_eq!(refused(&replay), "400 ExpiredToken");
    for tokens in [second, other] {
        assert_eq!(refused(&open(&twin.refresh(&tokens.refresh))), "400 ExpiredToken");
        let put = twin.put(&tokens.access, KEY, &post("x"), &json!({}));
        assert_eq!(refused(&put), "400 InvalidToken");
    }
    assert_eq!(twin.journal(), 0);
    twin.sign_in();
}

#[test]
fn a_key_is_written_once_unless_asked_otherwise() {
    let mut twin = Twin::new();
    let token = twin.sign_in().access;
    let null = json!({ "swapRecord": null });
    let first = twin.put(&token, KEY, &post("x"), &null);
    assert_eq!((first.0, first.1.get("commit").is_some()), (200, true));
    // The same is no write; another one is told.
    let same = twin.put(&token, KEY, &post("x"), &null);
    assert_eq!((same.0, &same.1["cid"], same.1.get("commit")), (200, &first.1["cid"], None));
    assert_eq!(refused(&twin.put(&token, KEY, &post("y"), &null)), "400 InvalidSwap");
    assert_eq!(twin.journal(), 1);
    assert_eq!(twin.put(&token, KEY, &post("y"), &json!({})).0, 200);
    assert!(matches!(twin.world.journal()[1].effect, Effect::StatusEdited { .. }));
    let input = json!({
        "repo": twin.did, "collection": "app.bsky.feed.post", "rkey": KEY, "record": post("z"),
    });
    let create = "com.atproto.repo.createRecord";
    let duplicate = open(&twin.call(OWN, &token, create, Some(&input)));
    assert_eq!(refused(&duplicate), "500 InternalServerError");
    // The host that signs people in does not hold their records.
    let elsewhere = open(&twin.call(HOST, &token, create, Some(&input)));
    assert_eq!(refused(&elsewhere), "400 InvalidRequest");
    let missing = format!(
        "com.atproto.repo.getRecord?repo={}&collection=app.bsky.feed.post&rkey=3mabcdefghijz",
        twin.did
    );
    assert_eq!(refused(&open(&twin.call(OWN, "", &missing, None))), "400 RecordNotFound");
}

#[test]
fn records_must_fit_the_lexicon() {
    let mut twin = Twin::new();
    let token = twin.sign_in().access;
    let none = json!({});
    for key in ["not-a-tid", "zzzzzzzzzzzzz", "3mabcdefghij", "3MABCDEFGHIJK"] {
        assert_eq!(refused(&twin.put(&token, key, &post("x"), &none)), "400 InvalidRequest");
    }
    let reference =
        json!({ "uri": format!("at://{}/app.bsky.feed.post/{KEY}", twin.did), "cid": "x" });
    let label = json!({ "values": [{ "val": "porn" }] });
    for record in [
        post(&"x".repeat(301)),
        post(&"\u{1F469}\u{200D}\u{1F469}\u{200D}\u{1F467}".repeat(170)),
        with("createdAt", json!("2026-11-22")),
        with("langs", json!(["en", "de", "fr", "it"])),
        with("langs", json!(["english"])),
        with("facets", link(0, 8)),
        with("facets", link(5, 1)),
        // Through the middle of the two bytes of an e with an accent.
        with("facets", link(0, 4)),
        with("facets", json!([link(0, 3)[0], link(2, 5)[0]])),
        with("reply", json!({ "root": reference, "parent": reference })),
        with("labels", label),
        with("lang", json!("en")),
        json!({ "text": "x", "createdAt": "2026-11-22T09:00:00Z" }),
    ] {
        let found = twin.put(&token, KEY, &record, &none);
        assert_eq!(refused(&found), "400 InvalidRequest", "{record}");
    }
    assert_eq!(twin.journal(), 0);
    assert_eq!(twin.put(&token, KEY, &with("facets", link(0, 5)), &none).0, 200);
}

#[test]
fn limits_are_counted_in_points_and_told_in_seconds() {
    let mut twin = Twin::new();
    let wrong = json!({ "identifier": "ann.test", "password": "wrong" });
    let sign_in = "com.atproto.server.createSession";
    for _ in 0..30 {
        let answer = twin.call(HOST, "", sign_in, Some(&wrong));
        assert_eq!(refused(&open(&answer)), "401 AuthenticationRequired");
    }
    let answer = twin.call(HOST, "", sign_in, Some(&wrong));
    assert_eq!(refused(&open(&answer)), "429 RateLimitExceeded");
    assert_eq!(header(&answer, "retry-after"), "300");
    let reset: u64 = header(&answer, "ratelimit-reset").parse().unwrap();
    assert_eq!(reset, START.as_millis() / 1_000 + 300);
    twin.now = twin.now.plus(Duration::from_mins(5));
    let token = twin.sign_in().access;
    let input = json!({
        "repo": twin.did, "collection": "app.bsky.feed.post", "rkey": KEY, "record": post("x"),
    });
    twin.call(OWN, &token, PUT, Some(&input));
    let answer = twin.call(OWN, &token, PUT, Some(&input));
    let told = ["limit", "remaining", "policy"].map(|n| header(&answer, &format!("ratelimit-{n}")));
    // 2 points each; the calls in five minutes are nearer to their end.
    assert_eq!(told, ["3000", "2997", "3000;w=300"]);
}
