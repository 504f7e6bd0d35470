//! Webhooks that networks send: challenges and signatures, what is kept, and what is not. The signatures
//! are made here from nothing but SHA-256.

mod handled;
mod refused;

use std::time::Duration;

use carillon::base::Timestamp;
use carillon::domain::space::Space;
use data_encoding::{BASE64, HEXLOWER};
use http::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::connections::set_app;
use super::harness::{APP, Answer, Call, House};
use super::users::{ANN, Person, text};

/// What X signs webhooks with; it is not the secret of the application.
const CONSUMER: &str = "consumer-secret-1";
const X: &str = "/hooks/x";
const LINKEDIN: &str = "/hooks/linkedin";
const CODE: &str = "890e4665-4dfe-4ab1-b689-ed553bceeed0";

/// RFC 2104.
fn hmac(secret: &str, message: &[u8]) -> Vec<u8> {
    let mut key = secret.as_bytes().to_vec();
    key.resize(64, 0);
    let pad = |with: u8| key.iter().map(|byte| byte ^ with).collect::<Vec<u8>>();
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

fn of_x(secret: &str, body: &[u8]) -> String {
    format!("sha256={}", BASE64.encode(&hmac(secret, body)))
}

fn of_linkedin(secret: &str, body: &[u8]) -> String {
    HEXLOWER.encode(&hmac(secret, &[b"hmacsha256=", body].concat()))
}

/// Both applications, and the secret of X.
async fn set_up(house: &House) {
    set_app(house).await;
    let app = json!({ "network": "linkedin", "client-id": APP.0, "client-secret": APP.1 });
    house.verb(("app", "set"), None, app).await;
    let secret = json!({ "network": "x", "webhook-secret": CONSUMER });
    house.verb(("app", "webhook-secret"), None, secret).await;
}

fn sent<'h>(house: &'h House, path: &str, body: &[u8]) -> Call<'h> {
    house.bare(Method::POST, path).raw("application/json", body.to_vec())
}

/// A delivery of X as it should be.
async fn from_x(house: &House, body: &[u8]) -> Answer {
    let signature = of_x(CONSUMER, body);
    sent(house, X, body).header("x-twitter-webhooks-signature", &signature).send().await
}

async fn from_linkedin(house: &House, body: &Value) -> Answer {
    let body = body.to_string();
    let signature = of_linkedin(APP.1, body.as_bytes());
    sent(house, LINKEDIN, body.as_bytes()).header("x-li-signature", &signature).send().await
}

/// Lets a house get one, of X; its id.
pub async fn one(house: &House) -> String {
    set_up(house).await;
    let answer = from_x(house, br#"{"for_user_id":"2244994945"}"#).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    text(&kept(house).await[0]["id"])
}

/// All that are kept, newest first.
async fn kept(house: &House) -> Vec<Value> {
    let listed = house.verb(("hook", "list"), None, json!({})).await;
    listed["items"].as_array().unwrap().clone()
}

fn metric(text: &str, network: &str, result: &str) -> u64 {
    let name = format!("carillon_hooks_total{{network=\"{network}\",result=\"{result}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.map_or(0, |count| count.parse().unwrap())
}

#[tokio::test]
async fn a_challenge_is_answered_if_it_looks_like_one_and_a_secret_is_set() {
    let house = House::new().await;
    let ask = async |path: &str| house.bare(Method::GET, path).send().await;
    let x = async |token: &str| ask(&format!("{X}?crc_token={token}")).await;
    assert_eq!(x("abc").await.said(), "401 hook_unsigned");
    set_app(&house).await;
    assert_eq!(x("abc").await.said(), "401 hook_unsigned", "the client secret is another");
    set_up(&house).await;
    let token = "ZjE2-3_b=";
    let answer = x(token).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!(answer.json(), json!({ "response_token": of_x(CONSUMER, token.as_bytes()) }));
    assert_eq!(
        ask(&format!("{X}?nonce=1&crc_token={token}")).await.status,
        200,
        "more is passed by"
    );
    let answer = ask(&format!("{LINKEDIN}?challengeCode={CODE}&applicationId=7")).await;
    let signed = HEXLOWER.encode(&hmac(APP.1, CODE.as_bytes()));
    assert_eq!(answer.json(), json!({ "challengeCode": CODE, "challengeResponse": signed }));

    let json = "%7B%22user_event%22:1%7D";
    let long = "x".repeat(129);
    let twice = format!("a&crc_token={token}");
    for bad in ["", json, "a%20b", "%5B1%5D", "a%0A", &long, &twice, "%22a%22", "a.b", "%C3%A9"] {
        let answer = x(bad).await;
        assert_eq!(answer.said(), "400 bad_request", "{bad}");
        assert!(!answer.text().contains("sha256"), "{bad}");
    }
    for bad in ["", "abc", CODE.get(1..).unwrap(), json, &CODE.replace('-', "")] {
        let answer = ask(&format!("{LINKEDIN}?challengeCode={bad}")).await;
        assert_eq!(answer.said(), "400 bad_request", "{bad}");
    }
    for (path, said) in [
        (X, "400 bad_request"),
        ("/hooks/x?challengeCode=a", "400 bad_request"),
        ("/hooks/feed", "404 not_found"),
        ("/hooks/mastodon?crc_token=a", "404 not_found"),
        ("/hooks/X", "404 not_found"),
        ("/hooks/%00", "404 not_found"),
        ("/hooks/", "404 not_found"),
    ] {
        assert_eq!(ask(path).await.said(), said, "{path}");
    }
}

/// Whoever could have anything signed as a challenge would have the signature of a delivery.
#[tokio::test]
async fn the_answer_to_a_challenge_signs_no_delivery() {
    let house = House::new().await;
    set_up(&house).await;
    for token in ["abc", "12", "null", "true", "A_b-c="] {
        let path = format!("{X}?crc_token={token}");
        let answer = house.bare(Method::GET, &path).send().await.json();
        let signature = text(&answer["response_token"]);
        assert_eq!(signature, of_x(CONSUMER, token.as_bytes()));
        let call = sent(&house, X, token.as_bytes());
        let answer = call.header("x-twitter-webhooks-signature", &signature).send().await;
        assert_eq!(answer.said(), "401 hook_unsigned", "{token}");
    }
    let path = format!("{LINKEDIN}?challengeCode={CODE}");
    let answer = house.bare(Method::GET, &path).send().await.json();
    let signature = text(&answer["challengeResponse"]);
    let call = sent(&house, LINKEDIN, CODE.as_bytes()).header("x-li-signature", &signature);
    assert_eq!(call.send().await.said(), "401 hook_unsigned");
    // Nor does a bare signature of the body, as a challenge is signed, or one with another secret.
    let body = b"{\"a\":1}";
    for bad in [HEXLOWER.encode(&hmac(APP.1, body)), of_linkedin(CONSUMER, body)] {
        let call = sent(&house, LINKEDIN, body).header("x-li-signature", &bad);
        assert_eq!(call.send().await.said(), "401 hook_unsigned");
    }
    assert!(kept(&house).await.is_empty());
}

#[tokio::test]
async fn only_what_the_network_signed_is_kept() {
    let house = House::new().await;
    let body: &[u8] = "{\"for_user_id\": \"1\", \"text\":\"caf\u{e9} \\u001b[2J\"}\n".as_bytes();
    let header = "x-twitter-webhooks-signature";
    let right = of_x(CONSUMER, body);
    let with = async |signature: &str| sent(&house, X, body).header(header, signature).send().await;
    assert_eq!(with(&right).await.said(), "401 hook_unsigned", "no application");
    set_app(&house).await;
    for signature in [&right, &of_x(APP.1, body), &of_x("", body)] {
        assert_eq!(with(signature).await.said(), "401 hook_unsigned", "no secret");
    }
    set_up(&house).await;
    let bare = sent(&house, X, body);
    assert_eq!(bare.clone().send().await.said(), "401 hook_unsigned", "no signature");
    let mut twice = bare.clone().header(header, &right);
    twice.headers.push((header.to_owned(), right.clone()));
    assert_eq!(twice.send().await.said(), "401 hook_unsigned");
    let other = of_x("another", body);
    let elsewhere = of_x(CONSUMER, b"{}");
    for bad in [
        &other,
        &elsewhere,
        "",
        "sha256=",
        right.get(7..).unwrap(),
        &right.replace("sha256", "sha1"),
    ] {
        assert_eq!(with(bad).await.said(), "401 hook_unsigned", "{bad}");
    }
    let wrong_place = bare.header("x-li-signature", &of_linkedin(CONSUMER, body));
    assert_eq!(wrong_place.send().await.said(), "401 hook_unsigned");
    let to_linkedin = sent(&house, LINKEDIN, body).header(header, &right);
    assert_eq!(to_linkedin.send().await.said(), "401 hook_unsigned");
    for bad in [&b"[1]"[..], b"\"a\"", b"{", b"{}{}", b"", b"\xff{}"] {
        assert_eq!(from_x(&house, bad).await.said(), "401 hook_unsigned", "{bad:?}");
    }
    assert!(kept(&house).await.is_empty());

    assert_eq!((with(&right).await.status, with(&right).await.body.len()), (200, 0));
    house.clock.advance(Duration::from_secs(1));
    let signed = of_linkedin(APP.1, body);
    let call =
        sent(&house, LINKEDIN, body).header("x-li-signature", &format!("hmacsha256={signed}"));
    assert_eq!(call.send().await.status, 200, "the same body, of another network");
    let all = kept(&house).await;
    assert_eq!(all.len(), 2, "{all:#?}");
    let one = house.verb(("hook", "show"), None, json!({ "id": all[1]["id"] })).await;
    assert_eq!(one["body"].as_str().unwrap().as_bytes(), body, "to the byte");
    assert_eq!(one["bytes"], body.len());
    assert!(Timestamp::parse(one["received_at"].as_str().unwrap()).is_some());
    assert_eq!((&one["network"], &one["state"]), (&json!("x"), &json!("waiting")));
}

#[tokio::test]
async fn a_repeat_is_answered_like_the_first_and_costs_nothing() {
    let house = House::new().await;
    set_up(&house).await;
    let body = br#"{"for_user_id":"1"}"#;
    assert_eq!(from_x(&house, body).await.status, 200);
    let commits = house.services.store.stats().commits;
    for _ in 0..5 {
        assert_eq!(from_x(&house, body).await.status, 200);
    }
    assert_eq!(from_x(&house, br#"{"for_user_id":"2"}"#).await.status, 200, "that is no repeat");
    assert_eq!(house.services.store.stats().commits, commits + 1);
    let told = |ids: &[u64], at: u64| {
        let all: Vec<_> = ids.iter().map(|id| json!({ "notificationId": id })).collect();
        json!({ "notifications": all, "sent": at })
    };
    for (ids, at, is_new) in [
        (&[1, 2][..], 1, true),
        (&[1, 2], 2, false), // said anew, with nothing new in it
        (&[2], 3, false),
        (&[2, 3], 4, true),
        (&[3, 1], 5, false),
        (&[], 6, true),
        (&[], 6, false),
        (&[], 7, true),
        (&[4, 4], 8, true),
        (&[4], 9, false),
    ] {
        let before = kept(&house).await.len();
        assert_eq!(from_linkedin(&house, &told(ids, at)).await.status, 200);
        assert_eq!(kept(&house).await.len() - before, usize::from(is_new), "{ids:?} {at}");
    }
    let metrics = house.services.metrics_text().await;
    let counted = ["accepted", "replayed"].map(|result| metric(&metrics, "x", result));
    assert_eq!(counted, [2, 5]);
    let counted = ["accepted", "replayed"].map(|result| metric(&metrics, "linkedin", result));
    assert_eq!(counted, [5, 5]);
}

/// Several at once are one, and kept once.
#[tokio::test]
async fn the_same_at_the_same_time_is_kept_once() {
    let house = House::new().await;
    set_up(&house).await;
    let body = br#"{"for_user_id":"1"}"#;
    let send = || from_x(&house, body);
    let (a, b, c, d) = tokio::join!(send(), send(), send(), send());
    assert_eq!([a.status, b.status, c.status, d.status], [200; 4]);
    assert_eq!(kept(&house).await.len(), 1);
    let metrics = house.services.metrics_text().await;
    assert_eq!(metric(&metrics, "x", "accepted"), 1);
}

#[tokio::test]
async fn a_body_has_a_bound_and_a_disk_an_end() {
    let house = House::new().await;
    set_up(&house).await;
    let body = |bytes: usize| {
        let rest = bytes - r#"{"a":""}"#.len();
        format!(r#"{{"a":"{}"}}"#, "x".repeat(rest)).into_bytes()
    };
    let most = 60 * 1024;
    let long = from_x(&house, &body(most + 1)).await;
    assert_eq!(
        (long.said().as_str(), &long.json()["params"]["limit_bytes"]),
        ("413 too_large", &json!("61440"))
    );
    let unsigned = sent(&house, X, &body(most + 1)).send().await;
    assert_eq!(unsigned.said(), "413 too_large");
    // Whoever sent them: that is not looked at, and so they are none of those that are refused.
    let nobody = sent(&house, "/hooks/feed", &body(most + 1)).send().await;
    assert_eq!(nobody.status, 404);
    let metrics = house.services.metrics_text().await;
    let counted = |result| metric(&metrics, "x", result);
    assert_eq!((counted("too_large"), counted("refused")), (2, 0), "{metrics}");
    assert!(!metrics.contains("network=\"feed\",result=\"too_large\""));
    assert_eq!(from_x(&house, &body(most)).await.status, 200);
    // With as many ids as are looked at, in as long a body.
    let ids: Vec<_> = (0..64).map(|n| json!({ "notificationId": n })).collect();
    let mut told = json!({ "notifications": ids, "pad": "" });
    told["pad"] = json!("x".repeat(most - told.to_string().len()));
    assert_eq!(from_linkedin(&house, &told).await.status, 200);
    let all = kept(&house).await;
    assert_eq!((all.len(), &all[0]["bytes"]), (2, &json!(most)));
    house.disk.set_space(Some(Space { free: 200 * 1024 * 1024, size: 1 << 40 }));
    house.clock.advance(Duration::from_secs(1));
    assert_eq!(from_x(&house, br#"{"b":1}"#).await.said(), "507 disk_full");
    assert_eq!(from_x(&house, &body(most)).await.status, 200, "a repeat takes no room");
    assert_eq!(kept(&house).await.len(), 2);
}

#[tokio::test]
async fn administrators_see_them_and_nobody_else() {
    let house = House::new().await;
    let id = one(&house).await;
    house.clock.advance(Duration::from_secs(1));
    from_linkedin(&house, &json!({ "a": "b" })).await;
    let ann = Person::new(&house, ANN).await;
    assert_eq!(ann.get("/hooks").await.said(), "403 forbidden");
    house.verb(("user", "promote"), None, json!({ "email": ANN })).await;
    let all = ann.get("/hooks").await.json();
    let networks: Vec<_> =
        all["items"].as_array().unwrap().iter().map(|hook| text(&hook["network"])).collect();
    assert_eq!(networks, ["linkedin", "x"], "newest first");
    assert_eq!(all["items"][0]["body"], Value::Null);
    let first = ann.get("/hooks?limit=1").await.json();
    assert_eq!(
        (first["items"].as_array().unwrap().len(), &first["items"][0]),
        (1, &all["items"][0])
    );
    let second = ann.get(&format!("/hooks?limit=1&cursor={}", text(&first["next"]))).await.json();
    assert_eq!((&second["items"][0]["id"], &second["next"]), (&json!(id), &Value::Null));
    let of_x = ann.get("/hooks?network=x").await.json();
    assert_eq!(of_x["items"].as_array().unwrap().len(), 1, "{of_x}");
    assert_eq!(ann.get("/hooks?network=feed").await.said(), "422 invalid_field network");
    let shown = ann.get(&format!("/hooks/{id}")).await.json();
    assert_eq!(shown["body"], r#"{"for_user_id":"2244994945"}"#);
    assert_eq!(ann.get(&format!("/hooks/{}", house.workspace)).await.status, 404);
}

#[tokio::test]
async fn the_secret_of_webhooks_is_set_where_it_is_one_of_its_own() {
    let house = House::new().await;
    let ann = Person::new(&house, ANN).await;
    house.verb(("user", "promote"), None, json!({ "email": ANN })).await;
    let set = async |network: &str, secret: &str| {
        let body = json!({ "webhook_secret": secret });
        ann.put(&format!("/apps/{network}/webhook-secret"), &body).await
    };
    assert_eq!(set("x", CONSUMER).await.said(), "409 app_missing");
    set_app(&house).await;
    let shown = ann.get("/apps/x").await.json();
    assert_eq!(shown["webhook_uri"], "https://carillon.example/hooks/x");
    assert_eq!(shown["webhook_ready"], false, "{shown}");
    let done = set("x", CONSUMER).await;
    assert_eq!((done.status, &done.json()["webhook_ready"]), (200, &json!(true)));
    assert!(!done.text().contains(CONSUMER), "{}", done.text());
    assert_eq!(set("linkedin", "s").await.said(), "422 invalid_field webhook_secret");
    assert_eq!(set("x", "two words").await.said(), "422 invalid_field webhook_secret");
    assert_eq!(set("x", "").await.said(), "422 invalid_field webhook_secret");
    assert_eq!(set("feed", "s").await.status, 404);
    // Another secret of the same application leaves it; another application has another.
    ann.put("/apps/x/secret", &json!({ "client_secret": "another-one" })).await;
    set_app(&house).await;
    assert_eq!(ann.get("/apps/x").await.json()["webhook_ready"], true);
    let other = json!({ "client_id": "other", "client_secret": "b" });
    assert_eq!(ann.put("/apps/x", &other).await.json()["webhook_ready"], false);
    let linkedin = json!({ "client_id": "a", "client_secret": "b" });
    assert_eq!(ann.put("/apps/linkedin", &linkedin).await.json()["webhook_ready"], true);
    let events = house.verb(("event", "installation"), None, json!({})).await;
    let kinds: Vec<_> =
        events["items"].as_array().unwrap().iter().map(|event| text(&event["kind"])).collect();
    assert!(kinds.contains(&"app.webhook_secret_set".to_owned()), "{kinds:?}");
    assert!(!events.to_string().contains(CONSUMER));
    house.clock.advance(Duration::from_mins(11));
    assert_eq!(set("x", CONSUMER).await.said(), "403 step_up_needed");
}
