//! Webhooks: the client and the practice receiver, each against the library that others wrote
//! (the Python package `standardwebhooks`), and the receiver's own traps.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use carillon::base::{
    ChannelId, Clock as _, CorrelationId, DeliveryId, SeededRng, SystemClock, Timestamp,
};
use carillon::domain::post::PartDraft;
use carillon::domain::publish::{Outcome, Receipt, Source};
use carillon::networks::{self, Call, Connected, Facts, Grant, Hosts, PartCall, SIGNING_SECRET};
use carillon::outbound::{Body, Request, Response, SendError, Transport};
use carillon::practice::{self, Fate, World};
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use support::skip;
use url::Url;

const HOST: &str = "hook.test";
const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
/// What the script exits with when its library is missing.
const MISSING: i32 = 77;

/// Keeps each request, and answers as it was told.
struct Recorder {
    seen: Mutex<Vec<Request>>,
    answer: Result<(u16, HeaderMap), SendError>,
}

#[async_trait]
impl Transport for Recorder {
    async fn send(&self, request: Request) -> Result<Response, SendError> {
        self.seen.lock().unwrap().push(request);
        let (status, headers) = self.answer.clone()?;
        Ok(Response { status, headers, body: Bytes::from_static(b"no thanks") })
    }
}

/// Connects, and publishes one part twice; what was sent, and what the answers meant.
async fn sent(
    answer: Result<(u16, HeaderMap), SendError>,
    now: Timestamp,
    before: &[Receipt],
) -> (String, Vec<Request>, Vec<Outcome>) {
    let recorder = Recorder { seen: Mutex::default(), answer };
    let rng = SeededRng::new(7);
    let network = networks::named("webhook").unwrap();
    let facts = Facts::new();
    let url = Url::parse("https://hook.test/in/secret?k=v").unwrap();
    let mut call = Call {
        transport: &recorder,
        instance: Some(&url),
        credential: None,
        account: None,
        facts: &facts,
        app: None,
        hosts: &Hosts::default(),
        public_url: "https://carillon.test",
        now,
        deadline: Duration::from_secs(30),
        correlation: CorrelationId::new(&rng),
    };
    let made = network.connect(&call, Grant::Register { rng: &rng }).await;
    let Ok(Connected::Account { account, credential: Some(credential), .. }) = made else {
        panic!("a webhook is connected without asking anybody")
    };
    assert_eq!((account.handle.as_str(), account.url), (HOST, None));
    (call.instance, call.credential) = (None, Some(&credential));
    let text = "Caf\u{e9} \u{1F950}\n\"quoted\" \\ </script>".to_owned();
    let draft = PartDraft { text, ..PartDraft::default() };
    let part = PartCall {
        channel: ChannelId::new(now, &rng),
        delivery: DeliveryId::new(now, &rng),
        index: 0,
        draft: &draft,
        media: &[],
        options: None,
        due: now,
        key: "abc234",
        ticket: &[],
        before,
        known: &[],
        in_doubt: false,
    };
    let first = network.commit(&call, &part).await;
    call.now = now.plus(Duration::from_mins(1));
    let second = network.commit(&call, &part).await;
    let secret = credential.get(SIGNING_SECRET).unwrap().to_owned();
    let seen = recorder.seen.into_inner().unwrap();
    (secret, seen, vec![first, second])
}

fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    request.headers[name].to_str().unwrap()
}

fn body(request: &Request) -> String {
    match &request.body {
        Body::Whole(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        Body::Stream { .. } => panic!("a message is signed whole"),
    }
}

/// What the library says; `None` where it is not installed.
fn library(args: &[&str], input: &str) -> Option<(bool, String)> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/networks/webhook.py");
    let child = Command::new("python3")
        .arg(script)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        skip("python3 is not on this machine");
        return None;
    };
    // A script that ends at once does not read.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    if output.status.code() == Some(MISSING) {
        skip(&format!("standardwebhooks: {said}"));
        return None;
    }
    Some((output.status.success(), said))
}

#[tokio::test]
async fn a_retry_is_the_same_message_and_the_library_takes_both() {
    let now = SystemClock::new().now();
    let (secret, seen, outcomes) = sent(Ok((204, HeaderMap::new())), now, &[]).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Done(_))), "{outcomes:?}");
    let [first, second] = &seen[..] else { panic!("two requests") };
    assert_eq!(first.url.as_str(), "https://hook.test/in/secret?k=v");
    assert_eq!(header(first, "webhook-id"), "msg_abc234");
    assert_eq!(header(first, "webhook-id"), header(second, "webhook-id"));
    assert_eq!(body(first), body(second));
    assert_ne!(header(first, "webhook-timestamp"), header(second, "webhook-timestamp"));
    assert_ne!(header(first, "webhook-signature"), header(second, "webhook-signature"));
    for request in &seen {
        let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
        let headers: Value = names.iter().map(|n| (*n, header(request, n))).collect();
        let body = body(request);
        let message = json!({ "headers": headers, "body": body });
        let Some((fine, said)) = library(&["verify", &secret], &message.to_string()) else {
            return;
        };
        assert!(fine, "{said}");
        let read: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(read["type"], "post.published");
        assert_eq!(read["data"]["text"], "Caf\u{e9} \u{1F950}\n\"quoted\" \\ </script>");
        // The library is awake: another secret, another body, an old message.
        assert!(!library(&["verify", SECRET], &message.to_string()).unwrap().0);
        let forged = message.to_string().replace("quoted", "forged");
        assert!(!library(&["verify", &secret], &forged).unwrap().0);
    }
    let old = sent(Ok((204, HeaderMap::new())), now.minus(Duration::from_hours(1)), &[]).await;
    let request = &old.1[0];
    let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    let headers: Value = names.iter().map(|n| (*n, header(request, n))).collect();
    let body = body(request);
    let message = json!({ "headers": headers, "body": body }).to_string();
    let (fine, said) = library(&["verify", &old.0], &message).unwrap();
    assert!(!fine && said.contains("too old"), "{said}");
}

#[tokio::test]
async fn each_answer_means_one_thing() {
    let now = Timestamp::parse("2026-11-22T09:00:00Z").unwrap();
    let plain = HeaderMap::new;
    let wait = |text: &str| {
        HeaderMap::from_iter([("retry-after".parse().unwrap(), text.parse().unwrap())])
    };
    let lost = |status| Err(SendError::Lost { status, why: "the connection broke" });
    for (answer, expected) in [
        (Ok((200, plain())), "done"),
        (Ok((202, plain())), "done"),
        (lost(Some(200)), "done"),
        (lost(None), "lost no_answer"),
        (lost(Some(500)), "lost no_answer"),
        (Ok((500, plain())), "lost network_error"),
        (Ok((408, plain())), "lost network_error"),
        (Err(SendError::NotSent { why: "refused" }), "transient unreachable"),
        (Err(SendError::Refused { host: "x".to_owned() }), "refused address_refused"),
        (Ok((301, plain())), "refused redirected"),
        (Ok((400, plain())), "refused validation"),
        (Ok((401, plain())), "reconnect unauthorized"),
        (Ok((410, plain())), "reconnect gone"),
        (Ok((403, plain())), "refused policy"),
        (Ok((404, plain())), "refused not_found"),
        (Ok((429, wait("90"))), "until 90 s"),
        (Ok((429, wait("Sun, 22 Nov 2026 09:02:00 GMT"))), "until 120 s"),
        (Ok((429, wait("soon"))), "until 60 s"),
        (Ok((429, wait("99999999"))), "until 86400 s"),
    ] {
        let (_, _, outcomes) = sent(answer.clone(), now, &[]).await;
        let found = match outcomes.into_iter().next().unwrap() {
            Outcome::Done(_) => "done".to_owned(),
            Outcome::Lost(failure) => format!("lost {}", failure.code),
            Outcome::Transient(failure) => format!("transient {}", failure.code),
            Outcome::Refused(failure) => format!("refused {}", failure.code),
            Outcome::Reconnect(failure) => format!("reconnect {}", failure.code),
            Outcome::RateLimited { until, .. } => format!("until {} s", until.since(now).as_secs()),
            other => format!("{other:?}"),
        };
        assert_eq!(found, expected, "{answer:?}");
    }
}

#[tokio::test]
async fn the_secret_must_be_one_and_a_reply_names_its_parent() {
    let now = Timestamp::parse("2026-11-22T09:00:00Z").unwrap();
    let parent =
        Receipt { remote_id: "msg_root".to_owned(), url: None, at: now, source: Source::Answer };
    let (secret, seen, _) = sent(Ok((200, HeaderMap::new())), now, &[parent]).await;
    let body: Value = serde_json::from_str(&body(&seen[0])).unwrap();
    assert_eq!(body["data"]["in_reply_to"], "msg_root");
    assert_eq!(body["timestamp"], "2026-11-22T09:00:00.000Z");
    assert!(secret.starts_with("whsec_") && secret.len() == "whsec_".len() + 44);
}

/// A message to the practice receiver, in process.
fn take(world: &mut World, now: Timestamp, headers: &[(&str, &str)], body: &str) -> u16 {
    let mut map = HeaderMap::new();
    map.insert("content-type", "application/json".parse().unwrap());
    for (name, value) in headers {
        let name: http::HeaderName = name.parse().unwrap();
        map.insert(name, value.parse().unwrap());
    }
    let request = practice::Request {
        method: Method::POST,
        path: "/in".to_owned(),
        query: String::new(),
        headers: map,
        body: Bytes::copy_from_slice(body.as_bytes()),
    };
    let answer = practice::handle(world, HOST, &request, now);
    assert_eq!(answer.fate, Fate::Whole);
    answer.status
}

/// The library signs, so that the receiver does not only agree with our own signatures.
#[test]
fn the_receiver_takes_what_the_library_signs_once_and_nothing_else() {
    let mut world = World::new(1);
    world.add_webhook(HOST, SECRET);
    let body = json!({
        "type": "post.published", "timestamp": "2026-11-22T09:00:00Z", "data": { "text": "hi" },
    });
    let body = body.to_string();
    let Some((fine, said)) = library(&["sign", SECRET, "msg_1"], &body) else { return };
    assert!(fine, "{said}");
    let signed: Value = serde_json::from_str(&said).unwrap();
    let text = |name: &str| signed[name].as_str().unwrap().to_owned();
    let (at, signature) = (text("webhook-timestamp"), text("webhook-signature"));
    let good = [
        ("webhook-id", "msg_1"),
        ("webhook-timestamp", at.as_str()),
        ("webhook-signature", signature.as_str()),
    ];
    let now = Timestamp::from_millis(at.parse::<u64>().unwrap() * 1000);
    let other = [good[0], good[1], ("webhook-signature", "v1,AAAA")];
    let both = format!("v1a,AAAA v1,AAAA {signature}");
    let rotated = [good[0], good[1], ("webhook-signature", both.as_str())];
    let later = now.plus(Duration::from_mins(5) + Duration::from_millis(1));
    for (name, at, headers, text, status) in [
        ("no id", now, &good[1..], body.as_str(), StatusCode::BAD_REQUEST),
        ("another signature", now, &other[..], &body, StatusCode::UNAUTHORIZED),
        ("another body", now, &good[..], "{}", StatusCode::UNAUTHORIZED),
        ("too old", later, &good[..], &body, StatusCode::BAD_REQUEST),
        ("good", now, &good[..], &body, StatusCode::OK),
        ("the same again", now, &rotated[..], &body, StatusCode::OK),
    ] {
        assert_eq!(take(&mut world, at, headers, text), status.as_u16(), "{name}");
    }
    assert_eq!(world.journal().len(), 1, "{:#?}", world.journal());
    // Another message under the same id is a mistake of the sender, and is told.
    let changed = body.replace("hi", "ho");
    let (_, said) = library(&["sign", SECRET, "msg_1"], &changed).unwrap();
    let signed: Value = serde_json::from_str(&said).unwrap();
    let headers: Vec<(&str, &str)> =
        good.iter().map(|(name, _)| (*name, signed[*name].as_str().unwrap())).collect();
    assert_eq!(take(&mut world, now, &headers, &changed), 422);
    assert_eq!(world.journal().len(), 1);
}
