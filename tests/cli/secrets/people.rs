//! The secrets of people, of products that embed this, and of links: each is brought or made once,
//! used, and then looked for like the others.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use data_encoding::BASE32_NOPAD;
use serde_json::{Value, json};

use super::Set;
use crate::program::{ask, carillon};

/// The marks of what people type.
const ANN: &str = "canary-ann-battery-4410";
const WRONG: &str = "canary-wrong-battery-8820";
const BEN: &str = "canary-ben-battery-1290";
const LATER: &str = "canary-later-battery-3377";
const MAIL: &str = "ann@example.org";
const ORIGIN: &str = "https://crm.example";

/// The last piece of a link, which is what counts of it.
fn token_of(link: &str) -> String {
    link.rsplit('/').next().unwrap().to_owned()
}

/// A code of an authenticator for this moment.
fn code(secret: &[u8]) -> String {
    let totp = totp_rs::Builder::new().with_secret(secret.to_vec()).build().unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    totp.generate(now).to_string()
}

impl Set {
    fn secret(&mut self, what: &'static str, secret: &str) {
        assert!(secret.len() >= 8, "{what}: {secret} is too short to be looked for");
        self.secrets.push((what, secret.to_owned()));
    }

    /// Takes a secret out of the answer that gives it, and notes it.
    fn gives(&mut self, what: &'static str, answer: &mut Value, field: &str) -> String {
        let secret = answer[field].take();
        let secret = secret.as_str().unwrap_or_else(|| panic!("{what}: no {field} in {answer}"));
        self.secret(what, secret);
        secret.to_owned()
    }

    /// A verb that answers with a link; its token.
    fn link(&mut self, what: &'static str, args: &[&str]) -> String {
        let mut made = self.server.json(args);
        let token = token_of(made["link"].take().as_str().unwrap());
        self.secret(what, &token);
        self.seen.add(args.join(" "), made.to_string().as_bytes());
        token
    }

    /// A request; its status and JSON. What is said is for the caller to keep.
    fn send(&mut self, method: &str, path: &str, bearer: &str, body: &Value) -> (u16, Value) {
        let bearer = format!("Bearer {bearer}");
        let mut headers = vec![("content-type", "application/json")];
        headers.extend((bearer != "Bearer ").then_some(("authorization", bearer.as_str())));
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let (status, head, body) = ask(method, &self.server.address, path, &headers, &text);
        self.seen.add(format!("{method} {path}"), head.as_bytes());
        let json = serde_json::from_str(&body).unwrap_or(Value::String(body));
        (status, json)
    }

    fn keep(&mut self, what: &str, answer: &Value) {
        self.seen.add(what, answer.to_string().as_bytes());
    }

    /// A form of a page, or without one a look at it; cookies that it gives are secrets, and the rest
    /// of what it says is kept.
    fn page(&mut self, path: &str, cookie: &str, form: Option<&str>) -> (u16, Vec<String>) {
        let origin = self.server.url("");
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("origin", origin.as_str()),
            ("cookie", cookie),
        ];
        let method = if form.is_some() { "POST" } else { "GET" };
        let (status, head, body) =
            ask(method, &self.server.address, path, &headers, form.unwrap_or_default());
        let (set, other): (Vec<&str>, Vec<&str>) =
            head.lines().partition(|line| line.to_lowercase().starts_with("set-cookie:"));
        let cookies: Vec<String> = set
            .iter()
            .map(|line| line.split_once(": ").unwrap().1.split(';').next().unwrap().to_owned())
            .filter(|pair| !pair.ends_with('='))
            .collect();
        for pair in &cookies {
            self.secret("a cookie", pair.split_once('=').unwrap().1);
        }
        // The address of a link is known to whoever opens it.
        let place = format!("page {}", path.split('/').nth(1).unwrap_or_default());
        self.seen.add(place, (other.join("\n") + &body).as_bytes());
        (status, cookies)
    }

    /// The first user by a link, with an authenticator; another by an invitation; a new password.
    pub(super) fn people(&mut self) {
        for (what, typed) in [
            ("a password", ANN),
            ("a password that was wrong", WRONG),
            ("a password of somebody invited", BEN),
            ("a new password", LATER),
        ] {
            self.secret(what, typed);
        }
        let token = self.link("the link of the first user", &["setup-link"]);
        let path = format!("/setup/{token}");
        assert_eq!(self.page(&path, "", None).0, 200);
        let form = format!("email=ann%40example.org&name=Ann&password={ANN}");
        let (status, cookies) = self.page(&path, "", Some(&form));
        assert_eq!((status, cookies.len()), (303, 2));
        assert_eq!(self.page("/account", &cookies.join("; "), None).0, 200);
        let wrong = format!("email=ann%40example.org&password={WRONG}");
        assert_eq!(self.page("/sign-in", "", Some(&wrong)).0, 422);
        let session = self.signs_in();
        let session = self.authenticator(&session);
        self.invited(&session);
        let reset = self.link("the link for a new password", &["user", "reset-link", MAIL]);
        assert_eq!(self.page(&format!("/reset/{reset}"), "", None).0, 200);
        let body = json!({ "token": reset, "password": LATER });
        let (status, answer) = self.send("POST", "/api/v1/password-resets", "", &body);
        assert_eq!(status, 204, "{answer}");
        for args in [&["user", "list"][..], &["user", "show", MAIL], &["user", "sessions", MAIL]] {
            self.run(args);
            self.run(&[args, &["--json"]].concat());
        }
    }

    /// By the API, wrongly and rightly; the token of the session.
    fn signs_in(&mut self) -> String {
        let body = json!({ "email": MAIL, "password": WRONG });
        let (status, answer) = self.send("POST", "/api/v1/sessions", "", &body);
        assert_eq!(status, 401);
        self.keep("a sign-in that was refused", &answer);
        let body = json!({ "email": MAIL, "password": ANN });
        let (status, mut opened) = self.send("POST", "/api/v1/sessions", "", &body);
        assert_eq!(status, 201, "{opened}");
        let token = self.gives("the token of a session", &mut opened, "token");
        self.gives("the mark of a device", &mut opened, "device");
        self.keep("a sign-in", &opened);
        token
    }

    /// Sets one up, and signs in with a recovery code; the new token of the session.
    fn authenticator(&mut self, session: &str) -> String {
        let (status, mut begun) = self.send("POST", "/api/v1/me/totp", session, &Value::Null);
        assert_eq!(status, 201, "{begun}");
        let secret = self.gives("the secret of an authenticator", &mut begun, "secret");
        // Its address and its square hold the same secret.
        begun.as_object_mut().unwrap().retain(|name, _| name == "account" || name == "issuer");
        self.keep("an authenticator", &begun);
        let raw = BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
        self.raw.push(("the bytes of an authenticator's secret", raw.clone()));
        let body = json!({ "code": code(&raw) });
        let (status, mut done) = self.send("PUT", "/api/v1/me/totp", session, &body);
        assert_eq!(status, 200, "{done}");
        let token = self.gives("the token after a proof", &mut done, "token");
        self.gives("the mark of a device after a proof", &mut done, "device");
        let codes = done["recovery_codes"].take();
        for code in codes.as_array().unwrap() {
            self.secret("a recovery code", code.as_str().unwrap());
        }
        self.keep("an authenticator that is set up", &done);
        let body = json!({ "email": MAIL, "password": ANN, "code": codes[0] });
        let (status, mut opened) = self.send("POST", "/api/v1/sessions", "", &body);
        assert_eq!(status, 201, "{opened}");
        self.gives("the token of another session", &mut opened, "token");
        self.gives("the mark of another device", &mut opened, "device");
        let (status, me) = self.send("GET", "/api/v1/me", &token, &Value::Null);
        assert_eq!(status, 200);
        self.keep("me", &me);
        let (_, sessions) = self.send("GET", "/api/v1/sessions", &token, &Value::Null);
        self.keep("sessions", &sessions);
        token
    }

    fn invited(&mut self, session: &str) {
        let list = self.server.json(&["workspace", "list"]);
        let workspace = list["items"][0]["id"].as_str().unwrap().to_owned();
        let path = format!("/api/v1/workspaces/{workspace}/invitations");
        let body = json!({ "email": "ben@example.org", "role": "editor" });
        let (status, mut made) = self.send("POST", &path, session, &body);
        assert_eq!(status, 201, "{made}");
        let token = token_of(made["link"].take().as_str().unwrap());
        self.secret("the link of an invitation", &token);
        self.keep("an invitation", &made);
        assert_eq!(self.page(&format!("/invitations/{token}"), "", None).0, 200);
        let body = json!({ "token": token, "name": "Ben", "password": BEN });
        let (status, mut done) = self.send("POST", "/api/v1/invitations/accept", "", &body);
        assert_eq!(status, 200, "{done}");
        self.gives("the first token of somebody invited", &mut done["opened"], "token");
        self.gives("the first mark of their device", &mut done["opened"], "device");
        self.keep("an invitation that was accepted", &done);
        let args = ["invitation", "create", "eve@example.org", "--role", "viewer", "-w", "acme"];
        self.link("the link of an invitation by a verb", &args);
    }

    /// A product, and a page of its; both are used.
    pub(super) fn hosts(&mut self) {
        let args = ["host", "create", "CRM", "--origin", ORIGIN];
        self.made(&args, Some(("the key of a host", "key")));
        let key = self.secrets.last().unwrap().1.clone();
        let body = json!({
            "user": { "id": "u", "email": "u@crm.example", "name": "U" },
            "workspace": { "id": "w", "name": "W" }, "role": "owner", "origin": ORIGIN,
        });
        let (status, mut page) = self.send("POST", "/api/v1/embed-sessions", &key, &body);
        assert_eq!(status, 201, "{page}");
        let token = self.gives("the bearer of a page", &mut page, "token");
        self.keep("a page", &page);
        let posts = format!("/api/v1/workspaces/{}/posts", page["workspace"].as_str().unwrap());
        for path in ["/api/v1/embed-sessions/current", &posts, "/api/v1/me"] {
            let (_, answer) = self.send("GET", path, &token, &Value::Null);
            self.keep(path, &answer);
        }
        self.run(&["host", "list"]);
        self.run(&["host", "list", "--json"]);
    }

    /// What goes on: the live stream of a workspace, while something happens; and its exports.
    pub(super) fn goes_on(&mut self, key: &str) {
        let list = self.server.json(&["workspace", "list"]);
        let workspace = list["items"][0]["id"].as_str().unwrap().to_owned();
        let path = format!("/api/v1/workspaces/{workspace}/stream?after=0");
        let mut stream = TcpStream::connect(&self.server.address).unwrap();
        let address = self.server.address.clone();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let (mut told, mut piece) = (Vec::new(), [0; 4096]);
        while let Ok(n @ 1..) = stream.read(&mut piece) {
            told.extend_from_slice(&piece[..n]);
        }
        let text = String::from_utf8_lossy(&told).into_owned();
        assert!(text.contains("member.joined") && text.contains("post.created"), "{text}");
        self.seen.add("the stream", &told);
        for format in ["jsonl", "csv"] {
            let path = format!("/api/v1/workspaces/{workspace}/events/export?format={format}");
            let (status, export) = self.send("GET", &path, key, &Value::Null);
            assert_eq!(status, 200);
            let text = export.as_str().map_or_else(|| export.to_string(), str::to_owned);
            assert!(text.contains("key.created"), "{text}");
            self.seen.add(format!("export as {format}"), text.as_bytes());
        }
    }

    /// Every screen of the console, as lines, and what its palette shows.
    pub(super) fn console(&mut self) {
        let mut console = carillon();
        console.arg("--socket").arg(self.server.socket()).args(["console", "--plain"]);
        console.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = console.spawn().unwrap();
        let (mut keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut said = Vec::new();
        // Each line is answered, and then it asks for the next.
        let mut answered = |said: &mut Vec<u8>| {
            let (before, mut piece) = (said.len(), [0; 4096]);
            while said.len() == before || !said.ends_with(b"> ") {
                let n = screen.read(&mut piece).unwrap();
                assert!(n > 0, "{}", String::from_utf8_lossy(said));
                said.extend_from_slice(&piece[..n]);
            }
        };
        answered(&mut said);
        let screens = ["1", "2", "3", "4", "5", "6", "7", "8", "9"].into_iter();
        let screens = screens.chain(["workspaces", "plan", "networks", "backups", "settings"]);
        let mut lines: Vec<String> = Vec::new();
        for screen in screens {
            lines.extend([screen, "1", "menu"].map(str::to_owned));
        }
        for verb in ["channel list", "key list", "event list", "invitation list", "post list"] {
            lines.extend([format!(":{verb} -w acme"), String::new()]);
        }
        for verb in [":user list", ":host list"] {
            lines.extend([verb.to_owned(), String::new()]);
        }
        for line in lines {
            keys.write_all(format!("{line}\n").as_bytes()).unwrap();
            answered(&mut said);
        }
        keys.write_all(b"q\n").unwrap();
        screen.read_to_end(&mut said).unwrap();
        assert!(child.wait().unwrap().success());
        self.seen.add("the console", &said);
    }
}
