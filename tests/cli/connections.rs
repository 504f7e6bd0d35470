//! The real binary: somebody without an account here connects an account of X by a link, in a browser
//! that keeps a cookie; then it publishes, and its token is renewed while nobody looks.

use std::time::Duration;

use carillon::practice::oauth::Rules;

use crate::program::{Server, ask, get, host_of};
use crate::x::practice;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const SAME: (&str, &str) = ("sec-fetch-site", "same-origin");

pub fn path_of(url: &str) -> &str {
    let host = url.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap());
    host.map_or(url, |host| url.split_once(host).unwrap().1)
}

pub fn header<'h>(head: &'h str, name: &str) -> &'h str {
    let begins = |line: &&str| line.to_ascii_lowercase().starts_with(&format!("{name}: "));
    head.lines().find(begins).map_or("", |line| line.split_once(": ").unwrap().1)
}

/// What somebody does with a link and a browser, without an account here; `agree` is what they do at
/// the network, and gives the address that it sends them back to. That address is given back.
pub fn connect_by_link(server: &Server, agree: impl Fn(&str) -> String) -> String {
    let back = by_link(server, &["channel", "link", "-w", "acme", "--network", "x"], agree);
    let channel = server.json(&["channel", "list", "-w", "acme"])["items"][0].clone();
    assert_eq!(channel["handle"], "@acme", "{channel}");
    back
}

/// The same with a link that this verb makes.
pub fn by_link(server: &Server, link: &[&str], agree: impl Fn(&str) -> String) -> String {
    let made = server.json(link);
    let link = path_of(made["link"].as_str().unwrap()).to_owned();
    let (status, _, page) = get(&server.address, &link, &[]);
    assert!(status == 200 && page.contains("Acme asks you"), "{page}");
    let (status, head, page) = ask("POST", &server.address, &link, &[SAME], "");
    assert_eq!(status, 200, "{page}");
    let cookie = header(&head, "set-cookie").split(';').next().unwrap().to_owned();
    let cookie = ("cookie", cookie.as_str());
    let back = agree(header(&head, "refresh").strip_prefix("0; url=").unwrap());
    let (status, head, page) = get(&server.address, path_of(&back), &[cookie]);
    assert_eq!(status, 303, "{page}");
    let question = header(&head, "location").to_owned();
    let (_, _, page) = get(&server.address, &question, &[cookie]);
    assert!(page.contains("acme"), "{page}");
    let account =
        page.split("name=\"account\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let body = format!("account={account}");
    let (status, _, page) = ask("POST", &server.address, &question, &[cookie, SAME, FORM], &body);
    assert_eq!(status, 303, "{page}");
    let (_, _, page) = get(&server.address, &question, &[cookie]);
    assert!(page.contains("connected to Acme now"), "{page}");
    back
}

/// The secret of the application, set and asked about.
pub fn set_app(server: &Server, secret: &str) -> bool {
    set_app_of(server, "x", secret)
}

pub fn set_app_of(server: &Server, network: &str, secret: &str) -> bool {
    let file = server.folder.path().join("secret");
    std::fs::write(&file, format!("{secret}\n")).unwrap();
    let set = ["app", "set", network, "--client-id", "my-id", "--client-secret-file"];
    let shown = server.json(&[&set[..], &[file.to_str().unwrap()]].concat());
    std::fs::remove_file(file).unwrap();
    assert!(!shown.to_string().contains(secret), "{shown}");
    server.run(&["app", "test", network]).status.success()
}

/// A server whose X is at `base`.
pub fn with_x(base: &str, folder: &tempfile::TempDir, public_url: &str) -> [String; 2] {
    let settings = folder.path().join("settings.toml");
    let at = host_of(base);
    let text = format!(
        "{public_url}[outbound]\nallow = [\"{at}\"]\n[networks.x]\napi_url = \"{base}\"\n\
         web_url = \"{base}\"\n"
    );
    std::fs::write(&settings, text).unwrap();
    ["--config".to_owned(), settings.to_str().unwrap().to_owned()]
}

/// A server whose X and LinkedIn are practice networks below `base`.
pub fn with_networks(base: &str, folder: &tempfile::TempDir) -> [String; 2] {
    let settings = folder.path().join("settings.toml");
    let at = host_of(&format!("{base}/")).to_owned();
    let of = |network: &str| {
        let url = format!("\"{base}/{network}\"");
        format!("[networks.{network}]\napi_url = {url}\nweb_url = {url}\n")
    };
    // The same after a restart, on another port.
    let public = "[server]\npublic_url = \"https://carillon.example\"\n";
    let text = format!("{public}[outbound]\nallow = [\"{at}\"]\n{}{}", of("x"), of("linkedin"));
    std::fs::write(&settings, text).unwrap();
    ["--config".to_owned(), settings.to_str().unwrap().to_owned()]
}

/// What somebody does on the page of the practice X, or LinkedIn.
pub fn agree(to: &str) -> String {
    let (at, target) = (host_of(to), path_of(to));
    let (status, _, page) = get(at, target, &[]);
    assert!(status == 200 && page.contains("Authorize as acme"), "{page}");
    let (path, query) = target.split_once('?').unwrap();
    let (status, head, _) = ask("POST", at, path, &[FORM], &format!("{query}&username=acme"));
    assert_eq!(status, 302, "{head}");
    header(&head, "location").to_owned()
}

#[test]
fn a_stranger_connects_by_a_link_and_the_token_is_renewed() {
    let (at, world) = practice();
    let place = tempfile::tempdir().unwrap();
    let extra = with_x(&format!("http://{at}/x"), &place, "");
    let mut server = Server::start(&[&extra[0], &extra[1]]);
    server.json(&["workspace", "create", "Acme"]);
    let shown = server.json(&["app", "show", "x"]);
    {
        let mut world = world.lock().unwrap();
        let authority = &mut world.x("x").unwrap().authority;
        authority.add_app("my-id", "my-secret", shown["redirect_uri"].as_str().unwrap());
        // Two hours are too long to wait for.
        authority.rules = Rules { access_life: Duration::from_secs(10), ..Rules::x() };
    }
    assert!(!set_app(&server, "a-wrong-secret") && set_app(&server, "my-secret"));
    let back = connect_by_link(&server, agree);
    let channel = server.json(&["channel", "list", "-w", "acme"])["items"][0].clone();
    let id = channel["id"].as_str().unwrap();
    let publish = |text: &str| {
        let create = ["post", "create", "-w", "acme", "--channel", id, "--now", "--text", text];
        let post = server.json(&create);
        server.published("acme", post["deliveries"][0]["id"].as_str().unwrap())
    };
    publish("By a link");
    let trades = || {
        let world = world.lock().unwrap();
        world.requests().filter(|request| request.path == "/2/oauth2/token").count()
    };
    let before = trades();
    std::thread::sleep(Duration::from_millis(10_100));
    publish("By its second token");
    assert!(trades() > before, "it was renewed");
    let refreshed = server.json(&["channel", "refresh", id, "-w", "acme"]);
    assert_eq!(refreshed["items"][0]["result"], "renewed", "{refreshed}");
    assert_eq!(world.lock().unwrap().journal().len(), 2);
    // Neither secrets nor codes are in the log or the database.
    let value = |name: &str| {
        let rest = back.split(&format!("{name}=")).nth(1).unwrap();
        rest.split('&').next().unwrap().to_owned()
    };
    server.process.terminate();
    assert!(server.process.wait(Duration::from_secs(20)).success());
    let log = server.process.stdout().join("\n");
    let database = std::fs::read(server.folder.path().join("data/carillon.redb")).unwrap();
    for secret in ["my-secret", "a-wrong-secret", &value("state"), &value("code")] {
        assert!(!log.contains(secret), "the log has {secret}");
        let found = database.windows(secret.len()).any(|bytes| bytes == secret.as_bytes());
        assert!(!found, "the database has {secret}");
    }
}
