//! Events on the command line: list, export, note the head; and check files without a server.

use std::path::Path;
use std::process::Output;

use crate::program::{Server, carillon};

fn verify(file: &Path, more: &[&str]) -> (Option<i32>, String) {
    let args = [&["event", "verify", file.to_str().unwrap()], more].concat();
    let Output { status, stdout, stderr } = carillon().args(args).output().unwrap();
    (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

#[test]
fn a_chain_is_listed_exported_and_checked_without_the_server() {
    let mut server = Server::start(&[]);
    server.json(&["workspace", "create", "Acme"]);
    let w = ["-w", "acme"];
    server.json(&["channel", "add", "-w", "acme", "--network", "feed", "--name", "News"]);
    server.json(&["key", "create", "ci", "--scope", "read", "-w", "acme"]);
    let made = server.json(&["event", "list", "--kind", "key.", "-w", "acme"]);
    assert_eq!(made["items"].as_array().unwrap().len(), 1);
    assert_eq!(made["items"][0]["kind"], "key.created");
    let number = made["items"][0]["sequence"].to_string();
    let one = server.json(&["event", "show", &number, "-w", "acme"]);
    assert_eq!(one, made["items"][0]);
    let table = server.run(&[&["event", "activity"][..], &w].concat());
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.starts_with("SEQUENCE ") && table.contains("channel.added"), "{table}");
    assert!(!table.contains("operator.entered"), "{table}");

    let away = tempfile::tempdir().unwrap();
    let file = |name: &str| away.path().join(name);
    let (jsonl, csv) = (file("events.jsonl"), file("events.csv"));
    for (format, to) in [("jsonl", &jsonl), ("csv", &csv)] {
        let to = to.to_str().unwrap();
        let args = ["event", "export", "--format", format, "--to", to, "-w", "acme"];
        let done = server.run(&args);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert_eq!(server.fails(&args).0, 2, "no file is written over");
    }
    let head = server.json(&["event", "head", "-w", "acme"]);
    let head = head["head"].as_str().unwrap().to_owned();
    let (code, said) = verify(&jsonl, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("ok: workspace ") && said.contains("events, head "), "{said}");
    assert_eq!(verify(&csv, &[]).0, Some(0));
    // The head was noted after the exports were made.
    let (code, said) = verify(&csv, &["--head", &head]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the end was cut off"), "{said}");

    let text = std::fs::read_to_string(&jsonl).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.remove(2);
    let cut = lines.join("\n") + "\n";
    let broken = file("cut.jsonl");
    std::fs::write(&broken, cut).unwrap();
    let (code, said) = verify(&broken, &[]);
    assert_eq!((code, said.contains("event 3 is missing")), (Some(1), true), "{said}");
    let json = verify(&broken, &["--json"]).1;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["ok"], &json["items"][0]["sequence"]), (&false.into(), &3.into()));
    let (code, said) = verify(&file("nothing"), &[]);
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(verify(&csv, &["--head", "x"]).0, Some(2));

    // The database itself, once nobody has it open.
    let database = server.folder.path().join("data/carillon.redb");
    let (code, said) = verify(&database, &[]);
    assert_eq!((code, said.contains("in use")), (Some(1), true), "{said}");
    server.process.kill();
    let before = std::fs::read(&database).unwrap();
    let (code, said) = verify(&database, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("ok: workspace ")).count(), 1, "{said}");
    assert_eq!(std::fs::read(&database).unwrap(), before, "nothing was written");
}
