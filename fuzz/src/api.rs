//! Requests to the API: whatever is sent, the answer is no fault of the server's, a refusal says
//! what it is, and the same request with the same key is answered alike.

use axum::body::Body;
use serde_json::Value;

use super::given::Given;
use super::house::{self, House};

/// A line with method and address within the workspace, then the body.
pub fn check(data: &[u8]) {
    let mut given = Given(data);
    let line = given.words();
    let body = given.rest();
    let (method, path) = line.split_once(' ').unwrap_or(("POST", &line));
    house::with(|house| {
        let Some(first) = ask(house, (method, path), body, None) else { return };
        if first.0 >= 300 || method == "GET" {
            return;
        }
        // It was accepted: now twice with one key, which does it once more, and no third time.
        let key = Some("the-same");
        let pair = [key, key].map(|key| ask(house, (method, path), body, key));
        let [first, again] = pair.map(|answer| answer.map(|(status, body)| (status, id(&body))));
        assert_eq!(first, again, "{line}");
    });
}

/// What was made. The rest may differ: a secret is shown only once.
fn id(body: &[u8]) -> Option<Value> {
    serde_json::from_slice::<Value>(body).ok()?.get("id").cloned()
}

/// Status and body.
fn ask(
    house: &House,
    (method, path): (&str, &str),
    body: &[u8],
    key: Option<&str>,
) -> Option<(u16, bytes::Bytes)> {
    let mut request = house.request(method, path)?.header("content-type", "application/json");
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let request = request.body(Body::from(body.to_vec())).ok()?;
    let answer = house::wait(house.ask(request));
    // A refusal names the request in the log, which differs.
    let body = if answer.status < 400 { answer.body } else { bytes::Bytes::new() };
    Some((answer.status, body))
}
