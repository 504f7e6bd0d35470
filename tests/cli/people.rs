//! People and the real binary: the first user by a link, others by a verb, and none of their secrets
//! in a file.

use std::io::Write as _;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::program::{Server, ask, carillon};

const PASSWORD: &str = "canary horse battery";

fn verb(server: &Server, args: &[&str], stdin: &str) -> Output {
    let mut command = carillon();
    command.arg("--socket").arg(server.socket()).args(args).arg("--json");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn sign_in(server: &Server, email: &str, password: &str) -> (u16, Value) {
    let body = json!({ "email": email, "password": password }).to_string();
    let headers = [("content-type", "application/json"), ("user-agent", "test")];
    let (status, _, body) = ask("POST", &server.address, "/api/v1/sessions", &headers, &body);
    (status, serde_json::from_str(&body).unwrap())
}

fn me(server: &Server, token: &str) -> (u16, Value) {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let (status, _, body) = ask("GET", &server.address, "/api/v1/me", &headers, "");
    (status, serde_json::from_str(&body).unwrap())
}

#[test]
fn the_first_user_comes_by_a_link_and_others_by_a_verb() {
    let server = Server::start(&[]);
    let link = server.json(&["setup-link"])["link"].as_str().unwrap().to_owned();
    let path = link.strip_prefix(&server.url("")).unwrap();
    let (status, head, page) = ask("GET", &server.address, path, &[], "");
    assert_eq!(status, 200, "{head}");
    assert!(head.to_lowercase().contains("content-security-policy") && page.contains("<form"));
    let form = "email=ann%40example.org&name=Ann&workspace=Bakery&password=canary+horse+battery";
    let origin = server.url("");
    let headers =
        [("content-type", "application/x-www-form-urlencoded"), ("origin", origin.as_str())];
    let (status, head, _) = ask("POST", &server.address, path, &headers, form);
    assert_eq!(status, 303, "{head}");
    let (status, _, _) = ask("POST", &server.address, path, &headers, form);
    assert_eq!(status, 404, "for one use");
    let (exit, said) = server.fails(&["setup-link"]);
    assert_eq!(exit, 5, "{said}");
    assert!(said.contains("error[set_up_done]"), "{said}");
    assert_eq!(server.json(&["workspace", "list"])["items"][0]["slug"], "bakery");

    let made = ["user", "create", "ben@example.org", "--admin", "--password-stdin"];
    let output = verb(&server, &made, &format!("{PASSWORD}\n"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (status, opened) = sign_in(&server, "ben@example.org", PASSWORD);
    assert_eq!(status, 201, "{opened}");
    let token = opened["token"].as_str().unwrap();
    assert_eq!(me(&server, token).1["email"], "ben@example.org");
    let table =
        String::from_utf8(server.run(&["user", "sessions", "ben@example.org"]).stdout).unwrap();
    assert!(table.contains("127.0.0.1") && table.contains("test"), "{table}");
    let shut = server.run(&["user", "disable", "ben@example.org"]);
    let said = String::from_utf8(shut.stdout).unwrap();
    assert!(said.contains("\nownerless: ben\n"), "his own workspace: {said}");
    assert_eq!(me(&server, token).0, 401, "at once");
    assert_eq!(sign_in(&server, "ben@example.org", PASSWORD).1["code"], "sign_in_refused");

    let short = verb(&server, &["user", "create", "c@example.org", "--password-stdin"], "short\n");
    assert_eq!(short.status.code(), Some(2));
    let both = ["user", "create", "c@example.org", "--password-stdin", "--password-file", "x"];
    assert_eq!(server.fails(&both).0, 2);
}

/// Every file below a folder that holds one of the marks.
fn holding(folder: &Path, marks: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, marks));
        } else if let Ok(bytes) = std::fs::read(&path) {
            let has = |mark: &&&str| bytes.windows(mark.len()).any(|part| part == mark.as_bytes());
            found.extend(
                marks.iter().filter(has).map(|mark| format!("{mark} in {}", path.display())),
            );
        }
    }
    found
}

#[test]
fn no_secret_of_a_person_is_in_a_file() {
    let mut server = Server::start(&["--log-level", "debug"]);
    server.json(&["workspace", "create", "Acme"]);
    let args = ["user", "create", "ann@example.org", "--admin", "--password-stdin"];
    assert!(verb(&server, &args, PASSWORD).status.success());
    let (_, opened) = sign_in(&server, "ann@example.org", PASSWORD);
    let [token, device] = ["token", "device"].map(|name| opened[name].as_str().unwrap());
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let (status, _, begun) = ask("POST", &server.address, "/api/v1/me/totp", &headers, "");
    let begun: Value = serde_json::from_str(&begun).unwrap();
    assert_eq!(status, 201, "{begun}");
    let secret = begun["secret"].as_str().unwrap();
    let raw = data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
    let reset = server.json(&["user", "reset-link", "ann@example.org"])["link"].clone();
    let args = ["invitation", "create", "ben@example.org", "--role", "editor", "-w", "acme"];
    let invited = server.json(&args)["link"].clone();
    let tokens = [&reset, &invited].map(|link| link.as_str().unwrap().rsplit('/').next().unwrap());
    let marks = [PASSWORD, token, device, secret, tokens[0], tokens[1]];
    assert_eq!(holding(server.folder.path(), &marks), [""; 0]);
    let database = std::fs::read(server.folder.path().join("data/carillon.redb")).unwrap();
    assert!(!database.windows(raw.len()).any(|part| part == raw), "not sealed");
    // What is looked for would be found: the address is there.
    assert!(!holding(server.folder.path(), &["ann@example.org"]).is_empty());
    let events = server.json(&["status"]).to_string();
    assert!(marks.iter().all(|mark| !events.contains(mark)));
    let log = server.process.stdout().to_vec();
    assert!(log.iter().all(|line| marks.iter().all(|mark| !line.contains(mark))), "{log:?}");
}

/// The status of an answer to somebody who calls the server so.
fn called(server: &Server, name: &str, path: &str) -> String {
    use std::io::Read as _;
    let mut stream = std::net::TcpStream::connect(&server.address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn somebody_is_invited_for_some_channels_only_and_erased() {
    let server = Server::start(&["--public-url", "https://social.test/carillon"]);
    for (name, path, status) in [
        ("social.test", "/sign-in", "200"),
        ("localhost", "/sign-in", "200"),
        ("evil.test", "/sign-in", "421"),
        ("evil.test", "/health/live", "200"),
    ] {
        assert_eq!(called(&server, name, path), status, "{name} {path}");
    }
    server.json(&["workspace", "create", "Acme"]);
    let feed = ["channel", "add", "-w", "acme", "--network", "feed", "--name", "News"];
    let feed = server.json(&feed)["id"].as_str().unwrap().to_owned();
    let invite = ["invitation", "create", "ben@example.org", "--role", "editor", "-w", "acme"];
    let grant = format!("{feed}:draft");
    let invited = server.json(&[&invite[..], &["--channel", &grant]].concat());
    let token = invited["link"].as_str().unwrap().rsplit('/').next().unwrap();
    let body = json!({ "token": token, "name": "Ben", "password": PASSWORD }).to_string();
    let headers = [("content-type", "application/json")];
    let (status, _, said) =
        ask("POST", &server.address, "/api/v1/invitations/accept", &headers, &body);
    assert_eq!(status, 200, "{said}");
    let members = server.json(&["member", "list", "-w", "acme"]);
    assert_eq!(members["items"][0]["channels"], json!({ feed: "draft" }));
    let owner = ["invitation", "create", "c@example.org", "--role", "owner", "-w", "acme"];
    let (exit, said) = server.fails(&[&owner[..], &["--channel", &grant]].concat());
    assert!(exit == 2 && said.contains("channel"), "{said}");

    // He asks to be forgotten: his own workspace goes first.
    let (exit, said) = server.fails(&["user", "erase", "ben@example.org"]);
    assert!(exit == 5 && said.contains("last_owner"), "{said}");
    server.json(&["workspace", "delete", "-w", "ben"]);
    server.json(&["user", "erase", "ben@example.org"]);
    assert_eq!(server.fails(&["user", "show", "ben@example.org"]).0, 3);
    assert_eq!(server.json(&["member", "list", "-w", "acme"])["items"], json!([]));
    assert_eq!(server.json(&["erasure", "list"])["items"], json!([]), "not before its day");
}
