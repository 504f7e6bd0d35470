//! The real binary, and people who sign in at a certified `OpenID` provider from npm: an account by
//! domain, by password once, in the same account after kill -9, a proof anew, and tokens by both kinds
//! of keys that providers use. Needs what `oidc` needs.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use support::Node;

use crate::connections::{header, path_of};
use crate::program::{Server, ask, carillon, get, host_of};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const SAME: (&str, &str) = ("sec-fetch-site", "same-origin");

/// A browser with cookies for both sides, which follows what it is told.
#[derive(Default)]
struct Browser(BTreeMap<(String, String), String>);

struct Page {
    status: u16,
    /// Where it ended: host and path.
    at: String,
    text: String,
}

impl Browser {
    fn ask(&mut self, method: &str, url: &str, form: &str) -> (u16, String, String) {
        let at = host_of(url).to_owned();
        let mine = self.0.iter().filter(|((host, _), _)| *host == at);
        let cookies: Vec<String> =
            mine.map(|((_, name), value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let mut headers = vec![("cookie", cookies.as_str())];
        if method == "POST" {
            headers.extend([FORM, SAME]);
        }
        let (status, head, text) = ask(method, &at, path_of(url), &headers, form);
        let sets = head.lines().filter(|it| it.to_ascii_lowercase().starts_with("set-cookie: "));
        for set in sets {
            let set = set.split_once(": ").unwrap().1;
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            let key = (at.clone(), name.to_owned());
            if value.is_empty() {
                self.0.remove(&key);
            } else {
                self.0.insert(key, value.to_owned());
            }
        }
        (status, head, text)
    }

    /// Asks, and goes wherever it is sent.
    fn go(&mut self, method: &str, url: &str, form: &str) -> Page {
        let (mut url, mut asked) = (url.to_owned(), (method, form));
        for _ in 0..20 {
            let (status, head, text) = self.ask(asked.0, &url, asked.1);
            asked = ("GET", "");
            let refresh = header(&head, "refresh").strip_prefix("0; url=").unwrap_or_default();
            let to = if refresh.is_empty() { header(&head, "location") } else { refresh };
            if to.is_empty() {
                return Page { status, at: url, text };
            }
            let base = format!("http://{}", host_of(&url));
            url = if to.starts_with('/') { format!("{base}{to}") } else { to.to_owned() };
        }
        panic!("it goes round in circles: {url}");
    }
}

/// The certified provider, and a server that sends people to it.
struct Pair {
    _node: Node,
    provider: String,
    place: tempfile::TempDir,
    server: Server,
    extra: [String; 2],
}

/// Settings of a server whose people come by this client.
fn settings(place: &Path, provider: &str, client: &str) -> [String; 2] {
    let (file, secret) = (place.join("settings.toml"), place.join("secret"));
    std::fs::write(&secret, format!("secret of {client}\n")).unwrap();
    let text = format!(
        "[oidc]\nissuer = \"{provider}\"\nclient_id = \"{client}\"\nclient_secret_file = \"{}\"\n\
         name = \"Acme\"\naccounts_for = [\"example.org\"]\n",
        secret.display()
    );
    std::fs::write(&file, text).unwrap();
    ["--config".to_owned(), file.to_str().unwrap().to_owned()]
}

impl Pair {
    fn start(client: &str) -> Option<Self> {
        Self::start_as(client, "")
    }

    /// The provider has one more word on what it is to be.
    fn start_as(client: &str, kind: &str) -> Option<Self> {
        let Some(folder) = std::env::var_os("CARILLON_OIDC") else {
            support::skip("CARILLON_OIDC names no folder with the package oidc-provider");
            return None;
        };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/sign_in.mjs");
        let (node, line) = Node::start_with(&script, &folder, kind);
        let line: Value = serde_json::from_str(&line).unwrap();
        let provider = line["at"].as_str().unwrap().to_owned();
        let place = tempfile::tempdir().unwrap();
        let extra = settings(place.path(), &provider, client);
        let server = Server::start(&[&extra[0], &extra[1]]);
        let pair = Self { _node: node, provider, place, server, extra };
        pair.tell_redirect();
        pair.account("root@example.org", &["--admin"]);
        Some(pair)
    }

    /// An account with a password.
    fn account(&self, email: &str, more: &[&str]) {
        let file = self.place.path().join("password");
        std::fs::write(&file, "correct horse battery\n").unwrap();
        let mut create = carillon();
        create.arg("--socket").arg(self.server.socket());
        create.args(["user", "create", email, "--password-stdin"]).args(more);
        let made = create.stdin(std::fs::File::open(&file).unwrap()).output().unwrap();
        assert!(made.status.success(), "{made:?}");
    }

    fn tell_redirect(&self) {
        let redirect = self.server.url("/sign-in/oidc/callback");
        get(host_of(&self.provider), &format!("/_redirect?to={redirect}"), &[]);
    }

    /// Who sits at the browser when the provider asks next.
    fn next(&self, sub: &str, email: &str) {
        let person = format!("/_next?sub={sub}&email={email}&name=Ann");
        assert_eq!(get(host_of(&self.provider), &person, &[]).0, 200);
    }

    fn sign_in(&self, browser: &mut Browser) -> Page {
        browser.go("POST", &self.server.url("/sign-in/oidc"), "next=%2Faccount")
    }

    /// Neither what proves this installation to the provider nor what a person brought from there is
    /// anywhere: `eyJ` begins every token of the kind.
    fn shows_no_secret(&mut self) {
        let said = |args: &[&str]| String::from_utf8(self.server.run(args).stdout).unwrap();
        let mut seen = vec![
            (
                "config show",
                carillon().args(["config", "show"]).args(&self.extra).output().unwrap().stdout,
            ),
            ("user list", said(&["user", "list", "--json"]).into_bytes()),
            ("record", said(&["event", "installation", "--json"]).into_bytes()),
        ];
        seen.push(("log", self.server.process.stdout().join("\n").into_bytes()));
        for file in ["carillon.redb", "carillon.slots"] {
            let bytes = std::fs::read(self.server.folder.path().join("data").join(file)).unwrap();
            seen.push((file, bytes));
        }
        for (place, bytes) in seen {
            for secret in ["secret of by-rsa", "code=", "state=", "correct horse", "eyJ"] {
                let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
                assert!(!found, "{secret} in {place}");
            }
        }
    }

    fn user(&self, email: &str) -> Value {
        self.server.json(&["user", "show", email])
    }
}

#[test]
fn people_come_by_a_certified_provider() {
    let Some(mut pair) = Pair::start("by-rsa") else { return };
    pair.next("1", "ann@example.org");
    let mut browser = Browser::default();
    let page = pair.sign_in(&mut browser);
    assert!(page.status == 200 && page.at.ends_with("/account"), "{}: {}", page.at, page.text);
    assert!(page.text.contains("ann@example.org"), "{}", page.text);
    let ann = pair.user("ann@example.org");
    assert_eq!(
        (&ann["password"], &ann["identity"]),
        (&Value::Bool(false), &"ann@example.org".into())
    );

    // By another browser, after a crash and with another e-mail there: the same account.
    let extra = [pair.extra[0].as_str(), pair.extra[1].as_str()];
    pair.server.kill_and_start(&extra);
    pair.tell_redirect();
    pair.next("1", "boss@example.org");
    let mut other = Browser::default();
    let page = pair.sign_in(&mut other);
    assert!(page.text.contains("ann@example.org"), "{}", page.text);
    assert_eq!(pair.user("ann@example.org")["id"], ann["id"]);
    assert!(!pair.server.run(&["user", "show", "boss@example.org"]).status.success());

    // A proof is asked of the person anew, and shows which person it is.
    let prove = pair.server.url("/account/oidc/prove");
    let page = other.go("POST", &prove, "");
    assert!(page.at.ends_with("/account?done=proved"), "{}: {}", page.at, page.text);
    pair.next("2", "carl@example.org");
    // Somebody else sits there, with the session here.
    other.0.retain(|(host, _), _| host != host_of(&pair.provider));
    let page = other.go("POST", &prove, "");
    assert!(page.status == 403 && page.text.contains("somebody else"), "{}", page.text);

    // Somebody with a password gives it once.
    pair.account("ben@example.org", &[]);
    pair.next("3", "ben@example.org");
    let mut ben = Browser::default();
    let page = pair.sign_in(&mut ben);
    assert!(page.at.ends_with("/finish") && page.text.contains("this once"), "{}", page.text);
    let finish = pair.server.url("/sign-in/oidc/finish");
    let page = ben.go("POST", &finish, "password=correct+horse+battery");
    assert!(
        page.at.ends_with("/account") && page.text.contains("ben@example.org"),
        "{}",
        page.text
    );
    let page = pair.sign_in(&mut Browser::default());
    assert!(
        page.at.ends_with("/account") && page.text.contains("ben@example.org"),
        "{}",
        page.text
    );

    pair.shows_no_secret();
}

/// What stands in a page behind this.
fn behind<'p>(page: &'p Page, what: &str) -> &'p str {
    let rest = page.text.split_once(what).unwrap_or_else(|| panic!("no {what} in {}", page.text)).1;
    rest.split('"').next().unwrap()
}

#[test]
fn who_came_by_the_wrong_account_is_let_choose_another() {
    for (kind, word) in [("", "select_account"), ("nochoice", "login")] {
        let Some(pair) = Pair::start_as("by-rsa", kind) else { return };
        pair.next("1", "carl@elsewhere.test");
        let mut browser = Browser::default();
        let page = pair.sign_in(&mut browser);
        assert!(page.status == 403 && page.text.contains("carl@elsewhere.test"), "{}", page.text);
        // The provider knows this browser, and does not ask: the same person comes back.
        pair.next("2", "ann@example.org");
        let page = pair.sign_in(&mut browser);
        assert!(page.status == 403 && page.text.contains("carl@elsewhere.test"), "{}", page.text);
        assert!(page.text.contains("Choose another account at Acme"), "{}", page.text);
        let page = browser.go("POST", &pair.server.url("/sign-in/oidc"), "choose=1");
        // It ends its session of the other one by a form of its own, which sends itself.
        assert!(host_of(&page.at) == host_of(&pair.provider), "{word}: {}: {}", page.at, page.text);
        let action = behind(&page, "action=\"").to_owned();
        let xsrf = behind(&page, "name=\"xsrf\" value=\"").to_owned();
        let page = browser.go("POST", &action, &format!("xsrf={xsrf}&logout=yes"));
        assert!(page.at.ends_with("/account"), "{word}: {}: {}", page.at, page.text);
        assert!(page.text.contains("ann@example.org"), "{word}: {}", page.text);
    }
}

#[test]
fn a_token_that_a_curve_has_signed_is_taken_and_doctor_looks_at_the_provider() {
    let Some(pair) = Pair::start("by-curve") else { return };
    pair.next("1", "ann@example.org");
    let page = pair.sign_in(&mut Browser::default());
    assert!(
        page.at.ends_with("/account") && page.text.contains("ann@example.org"),
        "{}",
        page.text
    );
    let doctor = |settings: &str| {
        let data = pair.server.folder.path().join("data");
        let mut command = carillon();
        command.args(["doctor", "--json", "--config", settings, "--data"]).arg(data);
        let output = command.output().unwrap();
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        let rows = found.as_array().or_else(|| found["items"].as_array()).unwrap().clone();
        rows.into_iter().find(|row| row["check"] == "sign-in").unwrap()
    };
    // It has no public address here.
    let fine = doctor(&pair.extra[1]);
    let seen = fine["seen"].as_str().unwrap();
    assert!(fine["level"] == "warn" && seen.contains("knows this client"), "{fine}");
    std::fs::write(pair.place.path().join("secret"), "another\n").unwrap();
    let other = doctor(&pair.extra[1]);
    assert_eq!(other["level"], "fail", "{other}");
    assert!(other["seen"].as_str().unwrap().contains("invalid_client"), "{other}");
    // An issuer that is nearly right.
    let wrong = settings(pair.place.path(), &format!("{}/", pair.provider), "by-curve");
    let wrong = doctor(&wrong[1]);
    let seen = wrong["seen"].as_str().unwrap();
    assert!(wrong["level"] == "fail" && seen.contains("it calls itself"), "{wrong}");
}
