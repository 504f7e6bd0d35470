//! Webhooks through the real binary, from a Python program that plays X and LinkedIn with an HMAC that
//! is not ours: what was answered with 200 is there after a `kill -9` at that very moment, and once.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Tool, repo_root};

use crate::program::{Server, carillon};

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

/// What the doctor says of webhooks, in the order of networks.
fn doctor(server: &Server) -> Vec<(String, String, String)> {
    let mut command = carillon();
    command.args(["doctor", "--json", "--data"]).arg(server.folder.path().join("data"));
    let told: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    let text = |item: &Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
    let items = told["items"].as_array().unwrap();
    let ours = items.iter().filter(|item| item["check"] == "webhooks");
    ours.map(|item| (text(item, "level"), text(item, "seen"), text(item, "do"))).collect()
}

#[test]
fn the_doctor_says_whether_webhooks_can_come_in() {
    if !Tool::Program("python3").available_or_skip() {
        return;
    }
    let public = ["--public-url", "https://social.example.org"];
    let mut server = Server::start(&[]);
    assert_eq!(doctor(&server), [], "nobody set an application");
    let folder = tempfile::tempdir().unwrap();
    let file = secret_file(folder.path(), CLIENT);
    server.json(&["app", "set", "x", "--client-id", "my-id", "--client-secret-file", &file]);
    let found = doctor(&server);
    let [(level, seen, remedy)] = found.as_slice() else { panic!("{found:?}") };
    assert!(level == "warn" && seen.contains("no secret"), "{seen}");
    assert!(remedy.starts_with("carillon app webhook-secret x"), "{remedy}");
    set_apps(&server);
    let found = doctor(&server);
    assert_eq!(found.len(), 2, "{found:?}");
    for (level, seen, remedy) in found {
        assert!(level == "warn" && seen.contains("is not https"), "{seen}");
        assert!(remedy.contains("server.public_url"), "{remedy}");
    }
    server.kill_and_start(&public);
    for (network, (level, seen, _)) in ["x", "linkedin"].into_iter().zip(doctor(&server)) {
        let own = format!("{network}: https://social.example.org/hooks/{network}: none came yet");
        assert_eq!((level.as_str(), seen), ("ok", own));
    }
    let said = play(&server, "x", CONSUMER, NOTIFIED, false);
    assert_eq!(said["delivered"], 200);
    let at = listed(&server, "x")[0]["received_at"].as_str().unwrap().to_owned();
    let (level, seen, _) = doctor(&server).swap_remove(0);
    assert!(level == "ok" && seen.ends_with(&format!("the last one came at {at}")), "{seen}");
    // What is refused is written down a moment later.
    assert_eq!(play(&server, "linkedin", "another-secret", "{\"a\":1}", false)["delivered"], 401);
    let deadline = Instant::now() + Duration::from_secs(20);
    let (seen, remedy) = loop {
        let (level, seen, remedy) = doctor(&server).swap_remove(1);
        if level == "warn" {
            break (seen, remedy);
        }
        assert!(Instant::now() < deadline, "{seen}");
    };
    assert!(seen.contains("none came yet; ") && seen.contains("refused within an hour"), "{seen}");
    assert!(remedy.contains("carillon app rotate linkedin"), "{remedy}");
    assert_eq!(doctor(&server)[0].0, "ok", "x is not to blame");
}
