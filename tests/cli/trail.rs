//! Operators of the real binary: whom a host made is listed with an id and reached by it, what is done to
//! people is on the installation's record, and where and when a key was used is known.

use serde_json::{Value, json};

use crate::program::{Server, ask};

#[test]
fn whom_a_host_made_is_listed_with_an_id_and_reached_by_it() {
    let server = Server::start(&[]);
    let made = server.json(&["host", "create", "CRM", "--origin", "https://crm.example"]);
    let bearer = format!("Bearer {}", made["key"].as_str().unwrap());
    let body = json!({
        "user": { "id": "u-1", "email": "ann@example.org", "name": "Ann" },
        "workspace": { "id": "w", "name": "W" }, "role": "editor", "origin": "https://crm.example",
    });
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let (status, _, said) =
        ask("POST", &server.address, "/api/v1/embed-sessions", &headers, &body.to_string());
    assert_eq!(status, 201, "{said}");
    let opened: Value = serde_json::from_str(&said).unwrap();
    let id = opened["user"].as_str().unwrap();

    let table = String::from_utf8(server.run(&["user", "list"]).stdout).unwrap();
    assert!(table.starts_with("ID") && table.contains(id), "{table}");
    assert!(table.contains("  HOST  ") && table.contains("  CRM  "), "{table}");
    assert_eq!(server.fails(&["user", "show", "ann@example.org"]).0, 3);
    let shown = server.json(&["user", "show", id]);
    assert_eq!((&shown["email"], &shown["host"]), (&json!("ann@example.org"), &json!("CRM")));
    assert!(server.json(&["user", "disable", id])["disabled_at"].is_string());
    assert!(server.json(&["user", "enable", id])["disabled_at"].is_null());
    let (code, said) = server.fails(&["user", "reset-link", id]);
    assert!(code == 2 && said.contains("no password here"), "{said}");

    let ben = server.json(&["user", "create", "ben@example.org", "--admin"]);
    server.json(&["user", "reset-link", ben["id"].as_str().unwrap()]);
    let record = server.json(&["event", "installation"]);
    let of_ben = record["items"].as_array().unwrap().iter().filter(|it| it["subject"] == ben["id"]);
    let kinds: Vec<_> = of_ben.map(|it| &it["kind"]).collect();
    assert_eq!(kinds, ["user.reset_link_made", "user.promoted"], "{record}");
}

#[test]
fn when_a_key_was_used_is_listed() {
    let server = Server::start(&[]);
    let workspace = server.json(&["workspace", "create", "Acme"]);
    let path = format!("/api/v1/workspaces/{}/posts", workspace["id"].as_str().unwrap());
    let key = server.json(&["key", "create", "Reader", "-w", "acme", "--scope", "read"]);
    let used = || server.json(&["key", "list", "-w", "acme"])["items"][0]["last_used_at"].clone();
    assert_eq!(used(), Value::Null);
    let bearer = format!("Bearer {}", key["key"].as_str().unwrap());
    let (status, _, said) = ask("GET", &server.address, &path, &[("authorization", &bearer)], "");
    assert_eq!(status, 200, "{said}");
    assert!(used().is_string());
    let record = server.json(&["event", "list", "-w", "acme"]);
    let made = record["items"].as_array().unwrap().iter().find(|it| it["kind"] == "key.created");
    assert_eq!(made.unwrap()["data"], json!({ "scopes": "read" }));
}

#[test]
fn a_key_can_be_limited_to_addresses() {
    let server = Server::start(&[]);
    let workspace = server.json(&["workspace", "create", "Acme"]);
    let path = format!("/api/v1/workspaces/{}/posts", workspace["id"].as_str().unwrap());
    let limited = |nets: &[&str]| {
        let create = ["key", "create", "Office", "-w", "acme", "--scope", "read"];
        let nets = nets.iter().flat_map(|net| ["--address", *net]);
        server.json(&create.into_iter().chain(nets).collect::<Vec<_>>())
    };
    let status = |key: &Value| {
        let bearer = format!("Bearer {}", key["key"].as_str().unwrap());
        ask("GET", &server.address, &path, &[("authorization", &bearer)], "").0
    };
    let here = limited(&["192.0.2.0/24", "127.1.2.3/8"]);
    assert_eq!(here["addresses"], json!(["192.0.2.0/24", "127.0.0.0/8"]), "{here}");
    assert_eq!(status(&here), 200);
    let elsewhere = limited(&["192.0.2.0/24"]);
    assert_eq!(status(&elsewhere), 401);
    let told = server.json(&["event", "list", "-w", "acme", "--kind", "key.elsewhere"]);
    assert_eq!(told["items"].as_array().unwrap().len(), 1, "{told}");
    let told = &told["items"][0];
    assert_eq!(
        (&told["subject"], &told["data"]),
        (&elsewhere["id"], &json!({ "address": "127.0.0.1" }))
    );
    let table = String::from_utf8(server.run(&["key", "list", "-w", "acme"]).stdout).unwrap();
    assert!(table.contains("  ADDRESSES  ") && table.contains("192.0.2.0/24"), "{table}");
    let create = ["key", "create", "k", "-w", "acme", "--scope", "read", "--address"];
    let (code, said) = server.fails(&[&create[..], &["::1", "--address", "nowhere"]].concat());
    assert!(code == 2 && said.contains("`--address[1]` must be an address"), "{said}");
}
