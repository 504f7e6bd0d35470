//! Fault scripts, chaos, late landings and the pages of the practice networks.

use std::time::Duration;

use carillon::base::Timestamp;
use carillon::practice::mastodon::Settings;
use carillon::practice::{Act, Fate, Matcher, Reset};
use http::Method;
use serde_json::{Value, json};

use crate::twin::{START, Twin, header, id, open};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn every_act_does_or_does_not_apply_the_call() {
    let ms = Duration::from_millis;
    for (act, status, applied) in [
        (Act::ErrorBefore { status: 500 }, Some(500), 0),
        (Act::ErrorAfter { status: 503 }, Some(503), 1),
        (Act::AcceptThenDrop, None, 1),
        (Act::DropBefore, None, 0),
        (Act::LandLate { after: ms(5) }, None, 0),
        (Act::RateLimited { reset_after: ms(60_000) }, Some(429), 0),
        (Act::RateLimitedAs { form: Reset::Silent, reset_after: ms(60_000) }, Some(429), 0),
        (Act::False401, Some(401), 0),
        (Act::RevokeToken, Some(401), 0),
        (Act::Html502, Some(502), 0),
        (Act::Html200, Some(200), 0),
        (Act::CutBody { after: 10 }, Some(200), 1),
        (Act::SlowBody { every: ms(5) }, Some(200), 1),
        (Act::SlowStart { delay: ms(5) }, Some(200), 1),
        (Act::GarbageJson, Some(200), 1),
        (Act::WrongShape, Some(200), 1),
    ] {
        let mut twin = Twin::new();
        twin.fault(Matcher::Write, act.clone());
        let answer = twin.publish("k", &json!({ "status": "x" }));
        let seen = (answer.fate != Fate::HangUp).then_some(answer.status);
        assert_eq!((seen, twin.created()), (status, applied), "{act:?}");
        let line = twin.world.requests().last().unwrap();
        assert_eq!((line.status, line.fault.as_ref()), (status, Some(&act)));
        // The same call again, unless the token is gone: still one status, never two.
        let again = twin.publish("k", &json!({ "status": "x" }));
        twin.after(ms(10));
        twin.world.settle(twin.now);
        let revoked = act == Act::RevokeToken;
        assert_eq!(again.status, if revoked { 401 } else { 200 }, "{act:?}");
        assert_eq!(twin.created(), usize::from(!revoked), "{act:?}");
    }
}

#[test]
fn answers_are_spoiled_as_the_script_says() {
    let mut twin = Twin::new();
    twin.fault(Matcher::Write, Act::RateLimited { reset_after: Duration::from_mins(1) });
    let answer = twin.publish("", &json!({ "status": "x" }));
    let reset = Timestamp::parse(header(&answer, "x-ratelimit-reset")).unwrap();
    assert_eq!(reset.since(twin.now), Duration::from_mins(1));
    twin.fault(Matcher::Verify, Act::False401);
    twin.fault(Matcher::Listing, Act::GarbageJson);
    twin.fault(Matcher::Any, Act::Html502);
    assert_eq!(open(&twin.publish("", &json!({ "status": "x" }))), (502, Value::Null));
    assert_eq!(twin.get("/api/v1/accounts/verify_credentials", "t-ann").0, 401);
    assert_eq!(twin.get("/api/v1/accounts/verify_credentials", "t-ann").0, 200);
    assert_eq!(twin.get("/api/v1/accounts/1/statuses", "t-ann"), (200, Value::Null));
    twin.fault(Matcher::Any, Act::DropBefore);
    twin.world.clear_faults();
    assert_eq!(twin.post(&json!({ "status": "x" })).0, 200);
}

/// networks.md 0.5: every form in which a 429 says when to come again.
#[test]
fn a_429_says_its_reset_in_every_form() {
    for (form, name, said) in [
        (Reset::Seconds, "retry-after", Some("90".to_owned())),
        (Reset::Date, "retry-after", Some("GMT".to_owned())),
        (Reset::Epoch, "x-ratelimit-reset", None),
        (Reset::Left, "ratelimit-reset", Some("90".to_owned())),
    ] {
        let mut twin = Twin::new();
        twin.fault(Matcher::Write, Act::RateLimitedAs { form, reset_after: 90 * SECOND });
        let at = twin.now.plus(90 * SECOND).as_millis() / 1_000;
        let answer = twin.publish("k", &json!({ "status": "x" }));
        let said = said.unwrap_or_else(|| at.to_string());
        assert!(header(&answer, name).ends_with(&said), "{form:?}: {:?}", answer.headers);
        assert_eq!((answer.status, twin.created()), (429, 0));
    }
    let mut twin = Twin::new();
    twin.fault(Matcher::Write, Act::RateLimitedAs { form: Reset::Silent, reset_after: SECOND });
    let answer = twin.publish("k", &json!({ "status": "x" }));
    assert_eq!(answer.headers.keys().collect::<Vec<_>>(), ["content-type"]);
}

/// An act that comes after the call does not make a success of a refusal.
#[test]
fn what_was_refused_is_never_spoiled_into_a_success() {
    for act in [Act::WrongShape, Act::GarbageJson] {
        let mut twin = Twin::new();
        twin.fault(Matcher::Write, act.clone());
        let answer = twin.publish("k", &json!({ "status": "" }));
        assert_eq!((answer.status, twin.created()), (422, 0), "{act:?}");
    }
}

#[test]
fn a_late_request_lands_by_itself_and_may_make_a_second_status() {
    let mut twin = Twin::with(Settings::compat("https://practice-a.test"));
    twin.fault(Matcher::Write, Act::LandLate { after: Duration::from_secs(30) });
    let answer = twin.publish("k", &json!({ "status": "x" }));
    assert_eq!((answer.fate, twin.created()), (Fate::HangUp, 0));
    let lands = twin.world.next_landing().unwrap();
    assert_eq!(lands, START.plus(Duration::from_secs(30)));
    // A retry before that is what must never happen without a key that counts.
    twin.publish("k", &json!({ "status": "x" }));
    twin.now = lands.plus(Duration::from_secs(5));
    let listed = twin.get("/api/v1/accounts/1/statuses", "t-ann").1;
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!((twin.created(), twin.world.journal()[1].at), (2, lands));
    assert_eq!(twin.world.next_landing(), None);
}

#[test]
fn chaos_never_lies_in_the_journal() {
    let shares = vec![
        (Act::DropBefore, 200),
        (Act::AcceptThenDrop, 200),
        (Act::ErrorAfter { status: 500 }, 200),
        (Act::LandLate { after: Duration::from_secs(1) }, 200),
    ];
    let run = |seed| {
        let mut twin = Twin::new();
        twin.world.chaos(seed, shares.clone());
        for n in 0..50 {
            let key = format!("k{n}");
            let body = json!({ "status": key });
            while twin.publish(&key, &body).fate == Fate::HangUp {
                twin.after(Duration::from_secs(2));
            }
        }
        twin.after(Duration::from_secs(2));
        twin.world.settle(twin.now);
        assert_eq!(twin.created(), 50);
        twin.world.journal().to_vec()
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

#[test]
fn the_pages_show_what_was_published_and_nothing_runs() {
    let mut twin = Twin::new();
    let name = id(&twin.post(&json!({ "status": "<script>alert(1)</script>" })));
    twin.post(&json!({ "status": "More", "in_reply_to_id": name }));
    for target in [format!("/@ann/{name}"), "/@ann".to_owned(), "/".to_owned()] {
        let answer = twin.call(Method::GET, &target, &[], "");
        let html = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(answer.status == 200 && html.contains("alert(1)"), "{target}: {html}");
        assert!(!html.contains("<script"), "{target}: {html}");
        assert!(header(&answer, "content-security-policy").starts_with("default-src 'none'"));
    }
    assert_eq!(twin.call(Method::GET, &format!("/@ben/{name}"), &[], "").status, 404);
    let shown = twin.world.timeline();
    let reply = &shown[0].statuses[0];
    assert_eq!(reply.in_reply_to_url, Some(format!("https://practice-a.test/@ann/{name}")));
}
