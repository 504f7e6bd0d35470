//! What is seen from outside: metrics, health, logs with one correlation id, feeds.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::Tool;

use crate::program::{Server, get};

/// A server with a feed and one published post; also the feed's id.
fn published() -> (Server, String, Value) {
    let server = Server::start(&[]);
    server.json(&["workspace", "create", "Acme"]);
    let feed =
        server.json(&["channel", "add", "-w", "acme", "--network", "feed", "--name", "<News>"]);
    let feed = feed["id"].as_str().unwrap().to_owned();
    let text = "Caf\u{e9} & <b>more</b>\n\nhttps://example.org/a?b=c&d";
    let post = server.json(&[
        "post",
        "create",
        "-w",
        "acme",
        "--channel",
        &feed,
        "--text",
        text,
        "--now",
        "--tag",
        "t",
    ]);
    let delivery = post["deliveries"][0]["id"].as_str().unwrap().to_owned();
    let shown = server.published("acme", &delivery);
    (server, feed, shown)
}

fn pipe(command: &mut Command, input: &str) -> (bool, String) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn metrics_are_what_prometheus_takes() {
    let (server, _, _) = published();
    // What was committed is counted right after that, not with it.
    let counted = "carillon_deliveries_total{network=\"feed\",state=\"published\"} 1";
    let deadline = Instant::now() + Duration::from_secs(10);
    let text = loop {
        let (status, _, text) = get(&server.address, "/metrics", &[]);
        assert_eq!(status, 200);
        if text.contains(counted) {
            break text;
        }
        assert!(Instant::now() < deadline, "{counted}\n{text}");
        std::thread::sleep(Duration::from_millis(20));
    };
    for metric in [
        "carillon_attempts_total{network=\"feed\",result=\"done\"} 1",
        "carillon_store_commits_total",
        "carillon_publish_lateness_seconds_bucket",
        "carillon_boot_epoch 1",
        "process_resident_memory_bytes",
    ] {
        assert!(text.contains(metric), "{metric}\n{text}");
    }
    if Tool::Program("promtool").available_or_skip() {
        let (fine, said) = pipe(Command::new("promtool").args(["check", "metrics"]), &text);
        assert!(fine && said.trim().is_empty(), "{said}");
    }
}

#[test]
fn health_is_public_and_says_no_more() {
    let server = Server::start(&[]);
    let (status, _, body) = get(&server.address, "/health/live", &[]);
    assert_eq!((status, body.as_str()), (200, "{\"status\":\"live\"}"));
    let (status, _, body) = get(&server.address, "/health/ready", &[]);
    assert_eq!((status, body.as_str()), (200, "{\"status\":\"ready\"}"));
}

/// One id from the request to the network's answer.
#[test]
fn one_correlation_id_leads_from_the_request_to_the_delivery() {
    let (mut server, _, delivery) = published();
    let id = delivery["correlation_id"].as_str().unwrap().to_owned();
    server.process.terminate();
    assert!(server.process.wait(Duration::from_secs(20)).success());
    let lines: Vec<Value> = server
        .process
        .stdout()
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
        .filter(|line: &Value| line["correlation_id"] == id.as_str())
        .collect();
    let said: Vec<&str> = lines.iter().filter_map(|line| line["message"].as_str()).collect();
    assert!(said.iter().any(|line| line.contains("armed")), "{said:?}");
    assert!(said.iter().any(|line| line.contains("answered")), "{said:?}");
    assert!(lines.iter().any(|line| line["route"] == "/admin/run"), "{lines:?}");
}

#[test]
fn feeds_are_valid_to_a_feed_parser() {
    let (server, feed, delivery) = published();
    let (status, head, atom) = get(&server.address, &format!("/feed/{feed}/atom.xml"), &[]);
    assert_eq!(status, 200);
    assert!(head.to_lowercase().contains("application/atom+xml"), "{head}");
    let (status, _, json) = get(&server.address, &format!("/feed/{feed}/feed.json"), &[]);
    assert_eq!(status, 200);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["version"], "https://jsonfeed.org/version/1.1");
    assert_eq!(json["items"][0]["url"], delivery["permalink"]);
    assert_eq!(json["title"], "<News>");
    let (status, _, page) = get(&server.address, &format!("/feed/{feed}"), &[]);
    assert_eq!(status, 200);
    assert!(!page.contains("<b>more"), "{page}");
    if Tool::PythonModule("feedparser").available_or_skip() {
        let script = "import feedparser, json, sys\n\
                      f = feedparser.parse(sys.stdin.buffer.read())\n\
                      assert not f.bozo, f.bozo_exception\n\
                      assert f.version == 'atom10', f.version\n\
                      print(json.dumps([f.feed.title, f.entries[0].link, f.entries[0].id]))";
        let (fine, said) = pipe(Command::new("python3").args(["-c", script]), &atom);
        assert!(fine, "{said}\n{atom}");
        let parsed: Value = serde_json::from_str(said.trim()).unwrap();
        assert_eq!(parsed[1], delivery["permalink"]);
        assert_eq!(parsed[2], format!("urn:uuid:{}", delivery["id"].as_str().unwrap()));
    }
}
