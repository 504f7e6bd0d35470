//! What an operator decides from the terminal: to stop and go on at every level, what becomes of a
//! held delivery, and the end of a key.

use serde_json::Value;

use crate::program::{Server, ask, get, host_of};

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

/// Publishes at once to a channel; the delivery's id.
fn post(server: &Server, workspace: &str, channel: &str, words: &str) -> String {
    let verb = ["post", "create", "-w", workspace, "--channel", channel, "--text", words, "--now"];
    text(&server.json(&verb)["deliveries"][0], "id").to_owned()
}

#[test]
fn a_pause_at_any_level_holds_back_until_it_ends() {
    let server = Server::start(&[]);
    server.json(&["workspace", "create", "Acme"]);
    let feed =
        server.json(&["channel", "add", "-w", "acme", "--network", "feed", "--name", "News"]);
    let feed = text(&feed, "id");
    for level in [
        &["publishing"][..],
        &["network", "feed"],
        &["workspace", "-w", "acme"],
        &["channel", feed, "-w", "acme"],
    ] {
        let turn = |verb| server.json(&[&[level[0], verb], &level[1..]].concat());
        turn("pause");
        let delivery = post(&server, "acme", feed, level[0]);
        // A feed publishes within a look or two, if it may.
        for _ in 0..20 {
            let held = server.json(&["delivery", "show", &delivery, "-w", "acme"]);
            assert_eq!((text(&held, "state"), text(&held, "reason")), ("scheduled", "paused"));
        }
        turn("resume");
        server.until("acme", &delivery, "published");
    }
}

#[test]
fn a_held_delivery_ends_as_a_person_decides() {
    let (server, practice, workspace) = Server::demo();
    let revoke = r#"{"on":"write","host":"practice-a","act":"revoke_token"}"#;
    let json = [("content-type", "application/json")];
    let (status, _, body) = ask("POST", host_of(&practice), "/_practice/faults", &json, revoke);
    assert_eq!(status, 204, "{body}");
    let channels = server.json(&["channel", "list", "-w", &workspace]);
    let mut channels = channels["items"].as_array().unwrap().iter();
    let ours =
        channels.find(|c| c["instance"].as_str().is_some_and(|at| at.contains("practice-a")));
    let channel = text(ours.unwrap(), "id");
    let held =
        [post(&server, &workspace, channel, "Gone?"), post(&server, &workspace, channel, "No")];
    for delivery in &held {
        let shown = server.until(&workspace, delivery, "held");
        assert_eq!(text(&shown, "reason"), "reconnect_needed");
    }
    let waiting = server.json(&["status"])["waits_for_a_person"].clone();
    assert!(waiting["held"].as_u64().unwrap() >= 2, "{waiting}");
    assert_eq!(waiting["channels_to_reconnect"], 1);
    let list = server.json(&["delivery", "list", "-w", &workspace, "--state", "held"]);
    assert!(list["items"].as_array().unwrap().iter().any(|d| d["id"] == held[0].as_str()));
    let (code, said) =
        server.fails(&["delivery", "resolve", &held[0], "-w", &workspace, "--as", "x"]);
    assert!(code == 2 && said.contains("it_is_there"), "{said}");
    let there = format!("{practice}practice-a/@bakery/1");
    let resolve = |id: &str, how: &[&str]| {
        server.json(&[&["delivery", "resolve", id, "-w", &workspace, "--as"], how].concat())
    };
    let shown = resolve(&held[0], &["it-is-there", "--url", &there]);
    assert_eq!((text(&shown, "state"), text(&shown, "permalink")), ("published", there.as_str()));
    assert_eq!(shown["parts"][0]["source"], "person");
    let dropped = resolve(&held[1], &["drop"]);
    assert_eq!(text(&dropped, "state"), "cancelled", "{dropped}");
}

#[test]
fn a_revoked_key_opens_nothing() {
    let server = Server::start(&[]);
    let workspace = server.json(&["workspace", "create", "Acme"]);
    let made = server.json(&["key", "create", "tool", "-w", "acme", "--scope", "read"]);
    let path = format!("/api/v1/workspaces/{}/posts", text(&workspace, "id"));
    let bearer = format!("Bearer {}", text(&made, "key"));
    let status = || get(&server.address, &path, &[("authorization", &bearer)]).0;
    assert_eq!(status(), 200);
    server.json(&["key", "revoke", text(&made, "id"), "-w", "acme"]);
    assert_eq!(status(), 401);
}

/// What a key writes waits for a word from the terminal, and goes out, or not, by it.
#[test]
fn a_post_that_waits_goes_out_when_it_is_approved() {
    let server = Server::start(&[]);
    let workspace = server.json(&["workspace", "create", "Acme"]);
    let feed =
        server.json(&["channel", "add", "-w", "acme", "--network", "feed", "--name", "News"]);
    let rule = server.json(&["workspace", "approvals", "-w", "acme", "--rule", "any-admin"]);
    assert_eq!(text(&rule, "rule"), "any_admin");
    assert_eq!(server.json(&["workspace", "approvals", "-w", "acme"]), rule);
    let made = server.json(&["key", "create", "tool", "-w", "acme", "--scope", "publish"]);
    let path = format!("/api/v1/workspaces/{}/posts", text(&workspace, "id"));
    let bearer = format!("Bearer {}", text(&made, "key"));
    let headers = [("authorization", &*bearer), ("content-type", "application/json")];
    let write = |words: &str| -> Value {
        let body = serde_json::json!({
            "parts": [{ "text": words }], "channels": [feed["id"]], "schedule": { "now": true },
        });
        let (status, _, body) = ask("POST", &server.address, &path, &headers, &body.to_string());
        assert_eq!(status, 201, "{body}");
        serde_json::from_str(&body).unwrap()
    };
    let (good, bad) = (write("good"), write("bad"));
    let delivery = |post: &Value| text(&post["deliveries"][0], "id").to_owned();
    let own = post(&server, "acme", text(&feed, "id"), "an operator's");
    server.until("acme", &own, "published");
    let shown = server.json(&["delivery", "show", &delivery(&good), "-w", "acme"]);
    assert_eq!((text(&shown, "state"), text(&shown, "reason")), ("scheduled", "approval"));
    let list = server.json(&["post", "list", "-w", "acme", "--approval", "asked"]);
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    let table = || {
        let listed = server.run(&["post", "list", "-w", "acme"]);
        String::from_utf8(listed.stdout).unwrap()
    };
    assert_eq!(table().matches("  approval  ").count(), 2, "{}", table());
    assert_eq!(server.json(&["status"])["waits_for_a_person"]["unapproved"], 2);
    let (good, bad) = (text(&good, "id").to_owned(), bad);
    let stale = ["post", "approve", &good, "-w", "acme", "--revision", "7"];
    assert_eq!(server.fails(&stale).0, 5);
    let approved = server.json(&["post", "approve", &good, "-w", "acme", "--revision", "1"]);
    assert_eq!(text(&approved["approval"], "state"), "given");
    server.until("acme", &delivery(&approved), "published");
    let note = "not like this";
    let declined =
        server.json(&["post", "decline", text(&bad, "id"), "-w", "acme", "--note", note]);
    assert_eq!(text(&declined["approval"], "note"), note);
    assert_eq!(server.json(&["status"])["waits_for_a_person"]["unapproved"], 0);
    assert!(table().contains("  declined  ") && !table().contains("  approval  "), "{}", table());
    let (code, said) = server.fails(&["post", "approve", text(&bad, "id"), "-w", "acme"]);
    assert!(code == 5 && said.contains("nothing_to_approve"), "{said}");
}
