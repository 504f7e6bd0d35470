//! Webhooks through the real binary, from a Python program that plays X and LinkedIn with an HMAC that
//! is not ours: what was answered with 200 is there after a `kill -9` at that very moment, and once.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Tool, repo_root};

use crate::program::Server;

const CONSUMER: &str = "consumer-secret-of-x";
const CLIENT: &str = "client-secret-of-linkedin";
const REVOKED: &str = r#"{"user_event":{"revoke":{"date_time":"2026-11-22T09:00:00Z","target":{"app_id":"7"},"source":{"user_id":"63046977"}}}}"#;
const NOTIFIED: &str = r#"{"notifications":[{"notificationId":2001,"action":"LIKE"}]}"#;

/// Lets a network register the address and deliver; with `kill`, the server dies with its answer.
fn play(server: &Server, network: &str, secret: &str, body: &str, kill: bool) -> Value {
    let mut command = Command::new("python3");
    command.arg(repo_root().join("tests/cli/hooks.py"));
    command.args([network, &server.address, secret, body]);
    if kill {
        command.arg(server.process.pid().to_string());
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn listed(server: &Server, network: &str) -> Vec<Value> {
    let listed = server.json(&["hook", "list", "--network", network]);
    listed["items"].as_array().unwrap().clone()
}

/// The only one of a network, once it is handled.
fn handled(server: &Server, network: &str) -> Value {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let all = listed(server, network);
        assert_eq!(all.len(), 1, "{all:#?}");
        if all[0]["state"] == "handled" {
            return all[0].clone();
        }
        assert!(Instant::now() < deadline, "{all:#?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn secret_file(folder: &Path, secret: &str) -> String {
    let path = folder.join("secret");
    std::fs::write(&path, format!("{secret}\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

fn set_apps(server: &Server) {
    let folder = tempfile::tempdir().unwrap();
    for network in ["x", "linkedin"] {
        let file = secret_file(folder.path(), CLIENT);
        let set = ["app", "set", network, "--client-id", "my-id", "--client-secret-file", &file];
        server.json(&set);
    }
    let file = secret_file(folder.path(), CONSUMER);
    let set = server.json(&["app", "webhook-secret", "x", "--webhook-secret-file", &file]);
    assert_eq!(set["webhook_ready"], true, "{set}");
    let (exit, said) =
        server.fails(&["app", "webhook-secret", "linkedin", "--webhook-secret-file", &file]);
    assert!(exit == 2 && said.contains("webhook-secret-file` is not for this network"), "{said}");
}

#[test]
fn what_a_network_was_told_is_kept_outlasts_a_kill_and_is_kept_once() {
    if !Tool::Program("python3").available_or_skip() {
        return;
    }
    let mut server = Server::start(&[]);
    set_apps(&server);
    for (network, secret, body, outcome) in
        [("x", CONSUMER, REVOKED, "no_channel"), ("linkedin", CLIENT, NOTIFIED, "kept")]
    {
        let said = play(&server, network, secret, body, true);
        assert_eq!(said, json!({ "registered": true, "delivered": 200 }), "{network}");
        server.kill_and_start(&[]);
        let hook = handled(&server, network);
        assert_eq!(hook["outcome"], outcome, "{hook}");
        let shown = server.json(&["hook", "show", hook["id"].as_str().unwrap()]);
        assert_eq!(shown["body"], body);
        // The network did not hear the answer, perhaps, and says it once more.
        let said = play(&server, network, secret, body, false);
        assert_eq!(said, json!({ "registered": true, "delivered": 200 }), "{network}");
        assert_eq!(listed(&server, network).len(), 1);
        let wrong = play(&server, network, "another-secret", "{\"a\":1}", false);
        assert_eq!(wrong, json!({ "registered": false, "delivered": 401 }), "{network}");
    }
    let wrong = server.json(&["event", "installation"]);
    let refused = |event: &&Value| event["kind"] == "hook.refused";
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut events = wrong;
    while events["items"].as_array().unwrap().iter().filter(refused).count() < 2 {
        assert!(Instant::now() < deadline, "{events:#?}");
        std::thread::sleep(Duration::from_millis(100));
        events = server.json(&["event", "installation"]);
    }
    let text = server.run(&["hook", "list"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.starts_with("ID") && text.contains("no_channel"), "{text}");
}
