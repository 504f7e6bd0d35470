//! What is refused before a use case sees it, and what goes wrong inside: always a problem.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use carillon::base::ManualClock;
use carillon::http::{Face, Limits, Settings, public_router};
use carillon::store::FaultKind;
use futures_util::{StreamExt, future, stream};
use http::{Method, Request};
use serde_json::json;

use super::harness::{Answer, House, send};

#[tokio::test]
async fn bodies_that_cannot_be_read_are_told_apart() {
    let house = House::new().await;
    let raw = |kind: &str, body: &[u8]| {
        house.call(Method::POST, "/posts").raw(kind, Bytes::copy_from_slice(body)).send()
    };
    let ok = br#"{"parts":[{"text":"x"}],"draft":true}"#;
    for kind in ["application/json", "Application/JSON; charset=\"UTF-8\"", "application/json;x=1"]
    {
        assert_eq!(raw(kind, ok).await.status, 201, "{kind}");
    }
    for kind in ["text/plain", "", "application/jsonp", "application/json; charset=latin1", "json"]
    {
        assert_eq!(raw(kind, ok).await.said(), "415 unsupported_media_type", "{kind}");
    }
    let json = |body: &'static [u8]| raw("application/json", body);
    for (body, said) in [
        (&b""[..], "400 bad_request"),
        (b"{", "400 bad_request"),
        (b"{\"parts\":[}", "400 bad_request"),
        (b"{\"parts\":[{\"text\":\"\xff\"}]}", "400 bad_request"),
        (b"\xef\xbb\xbf{}", "400 bad_request"),
        (b"{\"parts\":[{\"text\":\"\\ud800\"}]}", "400 bad_request"),
        (b"{\"parts\":[{\"text\":\"a\x01b\"}]}", "400 bad_request"),
        (b"{}{}", "422 invalid_field parts"),
        (b"{\"parts\":[{\"text\":\"x\"}],\"draft\":true} {}", "400 bad_request"),
        (b"[]", "422 invalid_field"),
        (b"null", "422 invalid_field"),
        (b"\"x\"", "422 invalid_field"),
    ] {
        let told = String::from_utf8_lossy(body);
        assert_eq!(json(body).await.said(), said, "{told}");
    }
    let broken = json(b"{\n  \"parts\": [,]\n}").await.json();
    assert_eq!(broken["params"], json!({ "line": "2", "column": "13" }));
    let detail = "The request could not be read (column: 13, line: 2).";
    assert_eq!(broken["detail"], detail);
}

#[tokio::test]
async fn a_body_is_bounded_whatever_it_says_of_its_length() {
    let house = House::new().await;
    let limit = 256 * 1024;
    let ends = "{\"parts\":[{\"text\":\"x\"}],\"draft\":true}";
    let fits = format!("{ends}{}", " ".repeat(limit - ends.len()));
    let posts = || house.call(Method::POST, "/posts");
    assert_eq!(posts().raw("application/json", fits.clone()).send().await.status, 201);
    let large = posts().raw("application/json", format!("{fits} ")).send().await;
    assert_eq!(large.said(), "413 too_large");
    assert_eq!(large.json()["params"], json!({ "limit_bytes": "262144" }));
    let announced = posts().raw("application/json", "{}").header("content-length", "262145");
    assert_eq!(announced.send().await.said(), "413 too_large");
    // In pieces, without a length.
    let pieces = |count: usize| {
        let piece = Bytes::from(vec![b' '; 64 * 1024]);
        stream::iter(std::iter::repeat_n(Ok::<_, Infallible>(piece), count))
    };
    let request = |body: Body| request(&house, body);
    let many = send(&house.router, request(Body::from_stream(pieces(5)))).await;
    assert_eq!(many.said(), "413 too_large");
    let few = pieces(3).chain(stream::iter([Ok(Bytes::from(ends))]));
    assert_eq!(send(&house.router, request(Body::from_stream(few))).await.status, 201);
}

fn request(house: &House, body: Body) -> Request<Body> {
    let call = house.call(Method::POST, "/posts");
    Request::post(call.path)
        .header("authorization", format!("Bearer {}", house.key))
        .header("content-type", "application/json")
        .body(body)
        .unwrap()
}

/// Answers while the clock is moved on whenever everything waits for it.
async fn in_time(clock: &ManualClock, answer: impl Future<Output = Answer>) -> Answer {
    let mut answer = std::pin::pin!(answer);
    loop {
        match future::poll_immediate(answer.as_mut()).await {
            Some(answer) => return answer,
            None => assert!(clock.advance_to_next(), "nothing waits for the clock"),
        }
    }
}

#[tokio::test]
async fn a_body_or_answer_that_does_not_come_ends() {
    let house = House::new().await;
    let stalled = || {
        let start = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"{"))]);
        Body::from_stream(start.chain(stream::pending()))
    };
    let answer = in_time(&house.clock, send(&house.router, request(&house, stalled()))).await;
    assert_eq!(answer.said(), "408 request_timeout");
    let settings = Settings { request_timeout: Duration::from_secs(10), ..Settings::default() };
    let house = House::with(settings).await;
    let answer = in_time(&house.clock, send(&house.router, request(&house, stalled()))).await;
    assert_eq!(answer.said(), "503 overloaded");
    let broken = stream::iter([Err::<Bytes, _>(std::io::Error::other("gone"))]);
    let broken = request(&house, Body::from_stream(broken));
    assert_eq!(send(&house.router, broken).await.said(), "400 bad_request");
}

#[tokio::test]
async fn addresses_and_methods_that_are_none_are_told() {
    let house = House::new().await;
    for path in ["/nothing", "/api", "/api/v1/", "/api/v2/workspaces", "//", "/%00", "/admin/run"] {
        let answer = house.bare(Method::GET, path).send().await;
        assert_eq!(answer.said(), "404 not_found", "{path}");
    }
    let put = house.call(Method::PUT, "/posts").send().await;
    assert_eq!(put.said(), "405 method_not_allowed");
    let mut allowed: Vec<&str> = put.header("allow").split(',').collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["GET", "HEAD", "POST"]);
    for method in ["OPTIONS", "TRACE", "CONNECT", "BREW"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = house.bare(method, "/health/live").send().await;
        assert_eq!(answer.said(), "405 method_not_allowed");
    }
    let run = house.admin.clone();
    let get = Request::get("/admin/run").body(Body::empty()).unwrap();
    assert_eq!(send(&run, get).await.said(), "405 method_not_allowed");
    let head = house.bare(Method::HEAD, "/health/live").send().await;
    assert_eq!(head.status, 200);
}

#[tokio::test]
async fn a_panic_becomes_a_problem_that_says_nothing() {
    let house = House::new().await;
    let face = Arc::new(Face {
        services: house.services.clone(),
        settings: Settings::default(),
        limits: Limits::new(&Settings::default()),
        readiness: Box::new(|| panic!("a secret")),
        consoles: Box::new(|_, _| panic!("not on the public face")),
    });
    let router = public_router(&face);
    let request = Request::get("/health/ready").body(Body::empty()).unwrap();
    let answer = send(&router, request).await;
    assert_eq!(answer.said(), "500 internal");
    assert!(!answer.text().contains("secret"), "{}", answer.text());
    let again = Request::get("/health/live").body(Body::empty()).unwrap();
    assert_eq!(send(&router, again).await.status, 200);
}

#[tokio::test]
async fn a_disk_that_fails_is_no_fault_of_the_caller() {
    let house = House::new().await;
    let feed = json!({ "network": "feed", "name": "News" });
    for kind in [FaultKind::Io, FaultKind::Full] {
        house.disk.fail_at(house.disk.operations() + 1, kind, false);
        let call = house.call(Method::POST, "/channels").json(&feed);
        let call = call.header("idempotency-key", &format!("{kind:?}"));
        let answer = call.clone().send().await;
        assert_eq!(answer.said(), "503 store_unavailable");
        assert!(!answer.text().contains("injected"), "{}", answer.text());
        house.disk.heal();
        assert_eq!(call.send().await.status, 201, "the same request works when the disk does");
    }
    assert_eq!(house.get("/channels").await.json()["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn every_request_is_observed_by_its_template() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    house.get(&format!("/channels/{feed}")).await;
    house.bare(Method::GET, "/wp-login.php?x=1").send().await;
    house.bare(Method::GET, "/health/live").send().await;
    house.call(Method::PUT, "/posts").send().await;
    let text = house.services.metrics_text().await;
    let channel = "/api/v1/workspaces/{workspace}/channels/{channel}";
    for (face, method, route, status) in [
        ("api", "GET", channel, "2xx"),
        ("none", "GET", "none", "4xx"),
        ("public", "GET", "/health/live", "2xx"),
        ("api", "PUT", "/api/v1/workspaces/{workspace}/posts", "4xx"),
    ] {
        let labels = format!("{{face=\"{face}\",method=\"{method}\",route=\"{route}\",");
        let line = format!("carillon_http_requests_total{labels}status=\"{status}\"}} 1");
        assert!(text.contains(&line), "{line}\n{text}");
    }
    assert!(!text.contains("wp-login") && !text.contains(&feed));
}
