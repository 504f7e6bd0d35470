//! Connecting an account the way people do: register, open an address, bring the code back.

use std::process::Stdio;

use serde_json::Value;

use crate::program::{Server, ask, carillon, get, host_of};

/// What a person does in a browser: opens the address, agrees, and copies the code.
fn code_of(authorize_url: &str) -> String {
    let host = host_of(authorize_url);
    let target = authorize_url.split_once(host).unwrap().1;
    let (status, _, page) = get(host, target, &[]);
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("Authorize as bakery"), "{page}");
    let (path, query) = target.split_once('?').unwrap();
    let form = ("content-type", "application/x-www-form-urlencoded");
    let (_, _, page) = ask("POST", host, path, &[form], &format!("{query}&username=bakery"));
    let code = page.split_once("id=\"code\">").unwrap().1;
    code.split_once('<').unwrap().0.to_owned()
}

pub fn connect(server: &Server, workspace: &str, id: &str, code: &str) -> std::process::Output {
    use std::io::Write as _;
    let mut child = carillon()
        .args(["channel", "connect", id, "-w", workspace, "--json", "--code-file", "-"])
        .arg("--socket")
        .arg(server.socket())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(code.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_mastodon_account_by_a_registered_application() {
    let (mut server, practice, workspace) = Server::demo();
    let instance = format!("{practice}practice-a");
    let added = server.json(&[
        "channel",
        "add",
        "-w",
        &workspace,
        "--network",
        "mastodon",
        "--name",
        "By code",
        "--instance",
        &instance,
    ]);
    assert_eq!(added["state"], "connecting", "{added}");
    let id = added["id"].as_str().unwrap();
    let wrong = connect(&server, &workspace, id, "not-the-code");
    assert!(!wrong.status.success());
    let said: Value = serde_json::from_slice(&wrong.stdout).unwrap();
    assert_eq!(said["params"]["code"], "code_refused", "{said}");
    let code = code_of(added["authorize_url"].as_str().unwrap());
    let done = connect(&server, &workspace, id, &format!("{code}\n"));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let done: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(
        (&done["state"], &done["handle"]),
        (&"connected".into(), &"@bakery@127.0.0.1".into())
    );
    let tested = server.json(&["channel", "test", id, "-w", &workspace]);
    assert_eq!(tested["handle"], "@bakery@127.0.0.1", "{tested}");
    let post = server.json(&[
        "post",
        "create",
        "-w",
        &workspace,
        "--channel",
        id,
        "--text",
        "By code and key",
        "--now",
    ]);
    let delivery = post["deliveries"][0]["id"].as_str().unwrap();
    let shown = server.published(&workspace, delivery);
    assert!(shown["permalink"].as_str().unwrap().starts_with(&instance), "{shown}");
    server.process.terminate();
    assert!(server.process.wait(std::time::Duration::from_secs(20)).success());
}

#[test]
fn a_webhook_shows_its_secret_once_and_its_address_never() {
    let server = Server::start(&[]);
    server.json(&["workspace", "create", "Acme"]);
    let add = ["channel", "add", "-w", "acme", "--network", "webhook", "--name", "Site", "--url"];
    let added = server.json(&[&add[..], &["https://example.org/hook?key=hidden"]].concat());
    let secret = added["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_"), "{added}");
    assert_eq!((&added["state"], &added["handle"]), (&"connected".into(), &"example.org".into()));
    let shown = server.json(&["channel", "show", added["id"].as_str().unwrap(), "-w", "acme"]);
    assert!(shown.get("secret").is_none(), "{shown}");
    assert!(!format!("{added}{shown}").contains("hidden"), "{added} {shown}");
    let (code, said) = server.fails(&[&add[..], &["https://127.0.0.1/hook"]].concat());
    assert!(code == 2 && said.contains("`--url`"), "{said}");
    let (code, said) = server.fails(&[&add[..], &["example.org"]].concat());
    assert!(code == 2 && said.contains("https://example.org/hook"), "{said}");
    let (code, said) = server.fails(&add[..8]);
    assert!(code == 2 && said.contains("`--url`"), "{said}");
    let file = server.folder.path().join("secret");
    std::fs::write(&file, "whsec_c2hvcnQ=").unwrap();
    let more = ["https://example.org/hook", "--token-file", file.to_str().unwrap()];
    let (_, said) = server.fails(&[&add[..], &more].concat());
    assert!(said.contains("error[channel_refused]"), "{said}");
}
