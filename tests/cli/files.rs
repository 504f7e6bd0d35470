//! The verbs of media against the real binary: files go in and come out whole.

use serde_json::json;
use support::media::{jpeg, png};

use crate::program::Server;

#[test]
fn a_file_goes_in_is_described_and_comes_out_whole() {
    let server = Server::start(&[]);
    server.json(&["workspace", "create", "Acme"]);
    let folder = server.folder.path();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    // Longer than what the socket takes of words.
    let picture = png(900, 700);
    assert!(picture.len() > 300_000, "{}", picture.len());
    let named = path("caf\u{e9} \"1\".png");
    std::fs::write(&named, &picture).unwrap();
    let asset = server.json(&["media", "upload", &named, "-w", "acme", "--alt", "Stripes, \u{e9}"]);
    for (field, value) in [
        ("name", json!("caf\u{e9} \"1\".png")),
        ("alt", json!("Stripes, \u{e9}")),
        ("bytes", json!(picture.len())),
        ("width", json!(900)),
    ] {
        assert_eq!(asset[field], value, "{field}");
    }
    let id = asset["id"].as_str().unwrap();
    let table = server.run(&["media", "list", "-w", "acme"]);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.contains(id) && table.contains("image/png"), "{table}");
    let edited = server.json(&["media", "edit", id, "-w", "acme", "--alt", "Waves"]);
    assert_eq!((&edited["alt"], &edited["revision"]), (&json!("Waves"), &json!(2)));
    assert_eq!(server.json(&["media", "show", id, "-w", "acme"]), edited);

    let copy = path("copy.png");
    let download = ["media", "download", id, "-w", "acme", "--to", &copy];
    assert!(server.run(&download).status.success());
    assert_eq!(std::fs::read(&copy).unwrap(), picture);
    let (code, said) = server.fails(&download);
    assert!(code != 0 && said.contains("copy.png"), "nothing is written over: {said}");
    assert_eq!(std::fs::read(&copy).unwrap(), picture);
    let small = server.run(&["media", "download", id, "-w", "acme", "--thumbnail", "--to", "-"]);
    assert!(small.stdout.starts_with(&[0xff, 0xd8]), "a JPEG");

    assert_eq!(server.json(&["media", "delete", id, "-w", "acme"])["state"], "deleted");
    let gone = path("gone.png");
    let (code, _) = server.fails(&["media", "download", id, "-w", "acme", "--to", &gone]);
    assert_eq!(code, 3);
    assert!(!std::path::Path::new(&gone).exists(), "no file for a refusal");
}

#[test]
fn what_cannot_be_kept_is_told_with_the_remedy() {
    let server = Server::start(&[]);
    server.json(&["workspace", "create", "Acme"]);
    let folder = server.folder.path();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    std::fs::write(path("a.png"), jpeg(4, 4)).unwrap();
    std::fs::write(path("page.jpg"), "<html>").unwrap();
    let folder = folder.to_str().unwrap().to_owned();
    for (args, code, says) in [
        (["upload", &path("a.png")], 2, "name it .jpg"),
        (["upload", &path("page.jpg")], 2, "save it as one of them"),
        (["upload", &path("missing.jpg")], 2, "missing.jpg"),
        (["upload", &folder], 2, "directory"),
        (["import", "https://127.0.0.1/a.jpg"], 2, "`url`"),
        (["import", "http://a.example/a.jpg"], 2, "https"),
        (["show", "nonsense"], 2, "`id`"),
    ] {
        let (exit, said) = server.fails(&[&["media"], &args[..], &["-w", "acme"]].concat());
        assert_eq!(exit, code, "{args:?}: {said}");
        assert!(said.contains(says), "{args:?}: {said}");
    }
    assert_eq!(server.json(&["media", "list", "-w", "acme"])["items"], json!([]));
    let network = server.json(&["network", "show", "bluesky"]);
    assert_eq!(network["limits"]["media"]["types"][0], "image/jpeg");
    let text = String::from_utf8(server.run(&["network", "show", "mastodon"]).stdout).unwrap();
    assert!(text.contains("image_bytes: 16777216") && text.contains("video/mp4"), "{text}");
    let (code, said) = server.fails(&["network", "show", "myspace"]);
    assert!(code == 2 && said.contains("mastodon"), "{said}");
}
