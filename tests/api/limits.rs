//! More than is taken at a time: a key that asks too often, and too many requests at once.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use carillon::http::Settings;
use http::{Method, Request};
use tower::ServiceExt as _;

use super::harness::{House, send};

#[tokio::test]
async fn a_key_that_asks_too_often_is_told_when_to_come_again() {
    let house = House::with(Settings { key_rate: 5, ..Settings::default() }).await;
    let other = house.new_key(&house.workspace, &["read"]).await;
    for _ in 0..5 {
        assert_eq!(house.get("/posts").await.status, 200);
    }
    // Whatever it asks for, and before anything is done.
    for path in ["/posts", "/channels", "/posts/nothing"] {
        let answer = house.get(path).await;
        assert_eq!(answer.said(), "429 rate_limited");
        assert_eq!(answer.header("retry-after"), "1");
        assert_eq!(answer.header("ratelimit-policy"), "\"key\";q=5;w=1");
        assert_eq!(answer.header("ratelimit"), "\"key\";r=0;t=1");
        assert_eq!(answer.json()["params"]["limit_per_second"], "5");
    }
    let by_other = house.call(Method::GET, "/posts").key(&other).send().await;
    assert_eq!(by_other.status, 200, "others are not touched");
    assert_eq!(house.bare(Method::GET, "/api/v1/networks").send().await.status, 401);
    house.clock.advance(Duration::from_millis(200));
    assert_eq!(house.get("/posts").await.status, 200);
    assert_eq!(house.get("/posts").await.status, 429);
    house.clock.advance(Duration::from_secs(1));
    assert_eq!(house.get("/posts").await.status, 200);
    let text = house.services.metrics_text().await;
    assert!(text.contains("carillon_http_refused_total{reason=\"rate\"} 4\n"), "{text}");
}

#[tokio::test]
async fn too_many_at_once_are_refused_but_not_those_who_look_after_it() {
    let house = House::with(Settings { requests: 2, key_rate: 0, ..Settings::default() }).await;
    // Requests whose bodies do not come.
    let waiting = || {
        type Piece = Result<&'static [u8], std::io::Error>;
        let never = Body::from_stream(futures_util::stream::pending::<Piece>());
        let path = format!("/api/v1/workspaces/{}/posts", house.workspace);
        let request = Request::post(path)
            .header("authorization", format!("Bearer {}", house.key))
            .header("content-type", "application/json");
        Box::pin(house.router.clone().oneshot(request.body(never).unwrap()))
    };
    let (mut first, mut second) = (waiting(), waiting());
    for held in [&mut first, &mut second] {
        // Begun, and not ended.
        poll_fn(|cx| {
            assert!(held.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
    }
    let answer = house.get("/posts").await;
    assert_eq!((answer.said().as_str(), answer.header("retry-after")), ("503 overloaded", "1"));
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(house.bare(Method::GET, path).send().await.status, 200);
    }
    let request = Request::get("/health/live").body(Body::empty()).unwrap();
    assert_eq!(send(&house.admin, request).await.status, 200);
    drop(second);
    assert_eq!(house.get("/posts").await.status, 200, "there is a place again");
    let text = house.services.metrics_text().await;
    assert!(text.contains("carillon_http_refused_total{reason=\"busy\"} 1\n"), "{text}");
}
