//! The access log: one line per request, and nothing in it that is nobody's business.

use std::io;
use std::sync::{Mutex, OnceLock};

use carillon::http::Settings;
use http::Method;
use serde_json::{Value, json};

use super::harness::{Answer, House};

/// What all tests of this binary log.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Writer;

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Must run before anything is logged: a place that has found nobody listening does not ask again.
pub fn listen() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        let log = tracing_subscriber::fmt().json().with_writer(|| Writer).finish();
        tracing::subscriber::set_global_default(log).unwrap();
    });
}

/// The lines about one request.
fn lines_of(answer: &Answer) -> Vec<String> {
    let log = String::from_utf8(LOG.lock().unwrap().clone()).unwrap();
    let id = answer.header("x-correlation-id");
    log.lines().filter(|line| line.contains(id)).map(str::to_owned).collect()
}

#[tokio::test]
async fn one_line_tells_what_was_asked_by_whom_and_how_it_went() {
    // The ids of requests are drawn from a seed: here one of its own.
    let house = House::seeded(99, Settings::default()).await;
    let feed = house.new_feed().await;
    let post = json!({ "parts": [{ "text": "private words" }], "channels": [feed], "draft": true });
    let secret = json!({ "network": "feed", "name": "x", "token": "private-token" });
    let answers = [
        house.post("/posts", &post).await,
        house.get("/posts?cursor=private-query").await,
        house.bare(Method::GET, "/private-path").key("ck_private").send().await,
        house.post("/channels", &secret).await,
    ];
    for answer in &answers {
        let lines = lines_of(answer);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(!lines[0].contains("private") && !lines[0].contains(&house.key), "{lines:?}");
    }
    let line = |answer: &Answer| -> Value { serde_json::from_str(&lines_of(answer)[0]).unwrap() };
    let made = &answers[0];
    let key = made.json()["author"].as_str().unwrap().trim_start_matches("key:").to_owned();
    let expected = json!({
        "message": "request", "method": "POST", "status": 201, "duration_ms": 0,
        "route": "/api/v1/workspaces/{workspace}/posts", "key": key,
        "correlation_id": made.header("x-correlation-id"),
    });
    assert_eq!((&line(made)["level"], &line(made)["fields"]), (&json!("INFO"), &expected));
    let nowhere = &line(&answers[2])["fields"];
    assert_eq!((&nowhere["route"], &nowhere["key"]), (&json!("none"), &Value::Null));
}
