//! Media through the real binary: brought over a socket, published on a practice network, and still
//! there after `kill -9`.

use std::io::{Read as _, Write as _};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use support::Carillon;
use support::media::{jpeg, png};

use crate::program::{Server, ask, carillon, get, host_of};

/// A key of the workspace, as a header.
pub fn key(server: &Server, workspace: &str) -> String {
    let made = server.json(&["key", "create", "media", "-w", workspace, "--scope", "publish"]);
    format!("Bearer {}", made["key"].as_str().unwrap())
}

/// Uploads a file the way a form does; status and answer.
pub fn upload(address: &str, path: &str, key: &str, name: &str, file: &[u8]) -> (u16, Value) {
    let head = format!(
        "--b\r\ncontent-disposition: form-data; name=\"alt\"\r\n\r\nA pattern\r\n--b\r\n\
         content-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n"
    );
    let body = [head.as_bytes(), file, b"\r\n--b--\r\n"].concat();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: {key}\r\nconnection: close\r\n\
         content-type: multipart/form-data; boundary=b\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream.write_all(&body).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

#[test]
fn a_picture_is_published_with_its_words_on_a_practice_network() {
    let (server, _practice, workspace) = Server::demo();
    let id = server.json(&["workspace", "list"])["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["id"] == workspace.as_str() || one["slug"] == workspace.as_str())
        .unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let key = key(&server, &workspace);
    let base = format!("/api/v1/workspaces/{id}");
    let picture = jpeg(640, 480);
    let media = format!("{base}/media");
    let (status, asset) = upload(&server.address, &media, &key, "a.jpg", &picture);
    assert_eq!((status, &asset["width"]), (201, &json!(640)), "{asset}");
    assert_eq!(asset["fitness"]["mastodon"]["fits"], true, "{asset}");
    assert_eq!(asset["thumbnail"]["width"], 480, "{asset}");

    let channels = server.json(&["channel", "list", "-w", &workspace]);
    let channels = channels["items"].as_array().unwrap();
    let masto = channels.iter().find(|channel| channel["network"] == "mastodon").unwrap();
    let body = json!({
        "parts": [{ "text": "Look at this", "media": [asset["id"]] }],
        "channels": [masto["id"]],
        "schedule": { "now": true },
    });
    let headers = [("authorization", key.as_str()), ("content-type", "application/json")];
    let posts = format!("{base}/posts");
    let (status, _, made) = ask("POST", &server.address, &posts, &headers, &body.to_string());
    assert_eq!(status, 201, "{made}");
    let made: Value = serde_json::from_str(&made).unwrap();
    let delivery = made["deliveries"][0]["id"].as_str().unwrap();
    let shown = server.published(&workspace, delivery);
    let permalink = shown["permalink"].as_str().unwrap();
    let (_, path) = permalink.split_once(host_of(permalink)).unwrap();
    let (status, _, page) = get(host_of(permalink), path, &[]);
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("alt=\"A pattern\""), "{page}");
}

#[test]
fn what_was_kept_is_there_after_a_kill_and_nothing_else_is() {
    let mut server = Server::start(&[]);
    let made = server.json(&["workspace", "create", "Acme"]);
    let key = key(&server, "acme");
    let media = format!("/api/v1/workspaces/{}/media", made["id"].as_str().unwrap());
    let (status, asset) = upload(&server.address, &media, &key, "a.png", &png(64, 64));
    assert_eq!(status, 201, "{asset}");
    let (status, refused) = upload(&server.address, &media, &key, "a.png", b"<svg/>");
    assert_eq!((status, &refused["errors"][0]["code"]), (422, &json!("not_media")), "{refused}");
    server.process.kill();

    let data = server.folder.path().join("data");
    let staged = std::fs::read_dir(data.join("media/staging")).unwrap().count();
    assert_eq!(staged, 0, "nothing is left of files on their way");
    let mut command: Command = carillon();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
    let mut again = Carillon::start(&mut command);
    let ready = again.wait_until("says ready", Duration::from_secs(20), |line| {
        line.contains("\"message\":\"ready\"")
    });
    let ready: Value = serde_json::from_str(&ready).unwrap();
    let address = ready["address"].as_str().unwrap();
    let path = format!("{media}/{}", asset["id"].as_str().unwrap());
    let (status, _, shown) = get(address, &path, &[("authorization", &key)]);
    assert_eq!((status, serde_json::from_str::<Value>(&shown).unwrap()), (200, asset));
    let range = [("authorization", key.as_str()), ("range", "bytes=1-3")];
    let (status, head, part) = get(address, &format!("{path}/file"), &range);
    assert_eq!((status, part.as_str()), (206, "PNG"), "{head}");
}

/// `--media ID` and `--media N:ID` of `post create`: which text shows what, and what cannot be.
#[test]
fn a_post_is_written_with_media_on_the_command_line() {
    let server = Server::start(&[]);
    server.json(&["workspace", "create", "Acme"]);
    let feed = ["channel", "add", "-w", "acme", "--network", "feed", "--name", "News"];
    let channel = server.json(&feed)["id"].as_str().unwrap().to_owned();
    let file = server.folder.path().join("dog.jpg");
    std::fs::write(&file, jpeg(640, 480)).unwrap();
    let upload = ["media", "upload", file.to_str().unwrap(), "--alt", "A dog", "-w", "acme"];
    let dog = server.json(&upload)["id"].as_str().unwrap().to_owned();
    let write = |more: &[&str]| {
        let post = ["post", "create", "-w", "acme", "--channel", &channel, "--now"];
        [&post, more].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let run = |more: &[&str]| {
        let words = write(more);
        server.json(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let one = run(&["--text", "Look", "--media", &dog]);
    assert_eq!(one["parts"][0]["media"], json!([dog]));
    let two = run(&["--text", "First", "--text", "Second", "--media", &format!("2:{dog}")]);
    assert_eq!(two["parts"][1]["media"], json!([dog]));
    assert!(two["parts"][0]["media"].as_array().is_none_or(Vec::is_empty), "{two}");
    let delivery = one["deliveries"][0]["id"].as_str().unwrap();
    server.published("acme", delivery);
    let (status, _, page) = get(&server.address, &format!("/feed/{channel}/{delivery}"), &[]);
    assert!(status == 200 && page.contains("alt=\"A dog\""), "{page}");

    let second = format!("2:{dog}");
    let zeroth = format!("0:{dog}");
    for (more, says) in [
        (&["--text", "x", "--media", &second][..], "N from 1 to 1"),
        (&["--text", "x", "--media", &zeroth], "N from 1 to 1"),
        (&["--media", &dog], "`--text`"),
        (&["--text", "x", "--media", "nonsense"], "`--media`"),
        (&["--text", "x", "--media", "01934f00-0000-7000-8000-000000000001"], "`--media`"),
    ] {
        let words = write(more);
        let (exit, said) = server.fails(&words.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(exit == 2 && said.contains(says), "{more:?}: {exit} {said}");
    }
}
