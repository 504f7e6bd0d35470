//! The real binary against a server of Mastodon's API that others wrote (npm
//! `@rmdes/indiekit-endpoint-activitypub`, see mastodon.mjs). Needs node, and the folder that
//! `.ci/run` makes in `CARILLON_MASTODON`; skips without, unless `CARILLON_REQUIRE_REAL_PARTS=1`.

use std::path::Path;

use serde_json::{Value, json};
use support::Node;
use support::media::jpeg;

use crate::connect::connect;
use crate::media::{key, upload};
use crate::program::{Server, ask, get, host_of};

/// Seconds instead of minutes. What the site behind the API lists later than this it lists too
/// late to prove anything.
const SETTINGS: &str = r#"
[publish]
late_window = "300ms"
read_lag = "100ms"
second_look = "100ms"
look_budget = "5m"
retry_base = "200ms"
key_settle = "100ms"
catch_up_spacing = "1ms"
"#;

struct Real {
    _node: Node,
    host: String,
}

impl Real {
    fn start() -> Option<Self> {
        let Some(folder) = std::env::var_os("CARILLON_MASTODON") else {
            support::skip("CARILLON_MASTODON names no folder with a server of Mastodon's API");
            return None;
        };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/mastodon.mjs");
        let (node, line) = Node::start(&script, &folder);
        let told: Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("it says {line:?}"));
        let host = host_of(told["base"].as_str().unwrap()).to_owned();
        Some(Self { _node: node, host })
    }

    fn set(&self, what: &Value) {
        let kind = [("content-type", "application/json")];
        assert_eq!(ask("POST", &self.host, "/_set", &kind, &what.to_string()).0, 200);
    }

    /// All that was posted, oldest first.
    fn posts(&self) -> Vec<Value> {
        serde_json::from_str(&get(&self.host, "/_posts", &[]).2).unwrap()
    }

    fn texts(&self) -> Vec<String> {
        let text = |post: &Value| post["content"]["text"].as_str().unwrap().to_owned();
        self.posts().iter().map(text).collect()
    }

    /// What a person does in a browser: opens the address, agrees, and copies the code.
    fn code(&self, authorize_url: &str) -> String {
        let (_, target) = authorize_url.split_once(&self.host).unwrap();
        let (status, head, page) = get(&self.host, target, &[]);
        assert_eq!(status, 200, "{page}");
        let cookie = head.split("set-cookie: ").nth(1).or(head.split("Set-Cookie: ").nth(1));
        let cookie = cookie.unwrap().split(';').next().unwrap();
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        for field in page.split("<input type=\"hidden\" name=\"").skip(1) {
            let (name, rest) = field.split_once("\" value=\"").unwrap();
            let value = rest.split_once('"').unwrap().0;
            assert!(!value.is_empty(), "{name}: the client asks for a code with PKCE");
            form.append_pair(name, value);
        }
        let body = form.append_pair("decision", "approve").finish();
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("cookie", cookie)];
        let (_, _, page) = ask("POST", &self.host, "/oauth/authorize", &headers, &body);
        let (_, code) = page.split_once("<code>").unwrap_or_else(|| panic!("{page}"));
        code.split_once('<').unwrap().0.to_owned()
    }
}

/// Carillon with an account on it.
struct Set {
    real: Real,
    server: Server,
    config: String,
    channel: String,
    workspace: String,
    key: String,
}

impl Set {
    fn up() -> Option<Self> {
        let real = Real::start()?;
        let file = tempfile::NamedTempFile::new().unwrap().into_temp_path().keep().unwrap();
        let text = format!("{SETTINGS}\n[outbound]\nallow = [\"{}\"]\n", real.host);
        std::fs::write(&file, text).unwrap();
        let config = file.to_str().unwrap().to_owned();
        let server = Server::start(&["--config", &config]);
        let made = server.json(&["workspace", "create", "Acme"]);
        let workspace = made["id"].as_str().unwrap().to_owned();
        let instance = format!("http://{}", real.host);
        let add = ["channel", "add", "-w", "acme", "--network", "mastodon", "--name", "Us"];
        let added = server.json(&[&add[..], &["--instance", &instance]].concat());
        assert_eq!(added["state"], "connecting", "{added}");
        let id = added["id"].as_str().unwrap();
        let code = real.code(added["authorize_url"].as_str().unwrap());
        let wrong = connect(&server, "acme", id, "not-the-code");
        assert!(!wrong.status.success());
        let done = connect(&server, "acme", id, &code);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let again = connect(&server, "acme", id, &code);
        assert!(!again.status.success(), "a code is good once");
        let key = key(&server, "acme");
        let channel = id.to_owned();
        Some(Self { real, server, config, channel, workspace, key })
    }

    fn api(&self, path: &str, body: &Value) -> Value {
        let headers = [("authorization", self.key.as_str()), ("content-type", "application/json")];
        let path = format!("/api/v1/workspaces/{}/{path}", self.workspace);
        let body = body.to_string();
        let (status, _, answer) = ask("POST", &self.server.address, &path, &headers, &body);
        assert_eq!(status, 201, "{answer}");
        serde_json::from_str(&answer).unwrap()
    }

    /// Posts now; the delivery's id.
    fn post(&self, parts: &Value, options: &Value) -> String {
        let made = self.api(
            "posts",
            &json!({
                "parts": parts,
                "channels": [self.channel],
                "variants": { self.channel.as_str(): { "options": options } },
                "schedule": { "now": true },
            }),
        );
        made["deliveries"][0]["id"].as_str().unwrap().to_owned()
    }

    fn published(&self, texts: &[&str]) -> Value {
        let parts: Vec<Value> = texts.iter().map(|text| json!({ "text": text })).collect();
        self.server.published("acme", &self.post(&parts.into(), &json!({})))
    }
}

impl Drop for Set {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.config));
    }
}

#[test]
fn a_thread_with_all_there_is_arrives_as_it_was_meant() {
    let Some(set) = Set::up() else { return };
    let path = format!("/api/v1/workspaces/{}/media", set.workspace);
    let file = jpeg(320, 200);
    let (status, asset) = upload(&set.server.address, &path, &set.key, "a.jpg", &file);
    assert_eq!((status, &asset["fitness"]["mastodon"]["fits"]), (201, &json!(true)), "{asset}");
    let words =
        "Caf\u{e9} <b> & \u{1F950} https://e.example/a?b=1 #soon @bob@far.example\nsecond line";
    let parts = json!([
        { "text": words, "media": [asset["id"]] }, { "text": "a reply" }, { "text": "and another" },
    ]);
    let options = json!({
        "visibility": "unlisted", "spoiler_text": "about food", "language": "fr",
    });
    let shown = set.server.published("acme", &set.post(&parts, &options));
    let posts = set.real.posts();
    assert_eq!(set.real.texts(), [words, "a reply", "and another"]);
    let [root, reply, last] = &posts[..] else { panic!("{posts:#?}") };
    assert_eq!(root["photo"][0]["alt"], "A pattern", "{root}");
    assert_eq!(root["photo"].as_array().unwrap().len(), 1);
    let size = root["photo"][0]["url"].as_str().unwrap().rsplit('/').next().unwrap();
    assert_eq!(size.parse::<usize>().unwrap(), file.len(), "{root}");
    for (name, value) in
        [("visibility", "unlisted"), ("content-warning", "about food"), ("mp-language", "fr")]
    {
        assert_eq!(root[name], value, "{root}");
    }
    assert_eq!(shown["permalink"], root["url"], "{shown}");
    // Replies are replies, although this server's answers name ids that it does not take.
    assert_eq!((&reply["in-reply-to"], &last["in-reply-to"]), (&root["url"], &reply["url"]));
    // What it does not do it says, and so do we.
    let refused = set.post(&json!([{ "text": "only you" }]), &json!({ "visibility": "direct" }));
    let failed = set.server.until("acme", &refused, "failed");
    assert!(failed.to_string().contains("Direct messages are not supported"), "{failed}");
    assert_eq!(set.real.posts().len(), 3);
}

#[test]
fn answers_that_are_lost_double_nothing() {
    let Some(set) = Set::up() else { return };
    set.published(&["first"]);
    // Found in the account's listing, though the server adds its own address to the words. Here it
    // forgets keys too, so that nothing but the reading is in the way of a second post.
    set.real.set(&json!({ "lose": 1, "forget": true }));
    let shown = set.published(&["second"]);
    assert_eq!(shown["permalink"], set.real.posts()[1]["url"], "{shown}");
    // The same words as before are told apart from those.
    set.real.set(&json!({ "lose": 1 }));
    let shown = set.published(&["second"]);
    assert_eq!(shown["permalink"], set.real.posts()[2]["url"], "{shown}");
    // A reply, which the listing shows without its parent.
    let parts = json!([{ "text": "root" }, { "text": "reply" }, { "text": "last" }]);
    set.real.set(&json!({ "lose": 2 }));
    let id = set.post(&parts, &json!({}));
    set.server.published("acme", &id);
    let posts = set.real.posts();
    assert_eq!(set.real.texts()[3..], ["root", "reply", "last"]);
    assert_eq!(
        (&posts[4]["in-reply-to"], &posts[5]["in-reply-to"]),
        (&posts[3]["url"], &posts[4]["url"])
    );
    // Listed so late that it counts as absent: it is sent once more, with its key.
    set.real.set(&json!({ "lose": 1, "lag": 3_000, "forget": false }));
    let shown = set.published(&["late"]);
    assert_eq!(set.real.texts()[6..], ["late"], "the key is honoured");
    assert_eq!(shown["permalink"], set.real.posts()[6]["url"], "{shown}");
}

#[test]
fn a_token_that_ended_is_renewed_and_the_new_pair_outlives_a_kill() {
    let Some(mut set) = Set::up() else { return };
    for (n, text) in ["one", "two", "three"].into_iter().enumerate() {
        set.real.set(&json!({ "expire": true }));
        set.published(&[text]);
        assert_eq!(set.real.posts().len(), n + 1);
        set.server.kill_and_start(&["--config", &set.config]);
    }
    let tested = set.server.json(&["channel", "test", &set.channel, "-w", "acme"]);
    assert_eq!(tested["state"], "connected", "{tested}");
    // A lost answer and a dead token at once: the reading renews it too.
    let held = set.server.json(&["channel", "pause", &set.channel, "-w", "acme"]);
    assert_eq!(held["paused"], true, "{held}");
    let id = set.post(&json!([{ "text": "four" }]), &json!({}));
    set.real.set(&json!({ "lose": 1, "expire_after": true }));
    set.server.json(&["channel", "resume", &set.channel, "-w", "acme"]);
    set.server.published("acme", &id);
    assert_eq!(set.real.texts(), ["one", "two", "three", "four"]);
}
