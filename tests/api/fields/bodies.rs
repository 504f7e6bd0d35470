//! The fields of request bodies.

use http::Method;
use serde_json::{Value, json};

use super::super::document::{fetch, operations};
use super::super::harness::{Answer, Call, House, PICTURE};
use super::super::users::{PASSWORD, Person, account, code, text, token_of};
use super::mutations::{self, Mutation};
use super::places::{Place, Step, places, resolve, takes};

/// A member who is an editor.
const MEMBER: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const MARK: &str = "@@here@@";

/// What the calls need to be right but for one field.
struct Fixture {
    house: House,
    feed: String,
    post: String,
    asset: String,
    /// A held delivery; used up by a decision.
    held: Option<String>,
    /// The token of a person's session; used up by what changes it.
    person: Option<String>,
    people: usize,
    /// The key of a host that has opened a page before.
    host: String,
}

impl Fixture {
    async fn new() -> Self {
        let house = House::new().await;
        let feed = house.new_feed().await;
        let later = json!({ "at": "2027-06-01T09:00", "zone": "Europe/Berlin" });
        let post = house.new_post(&feed, later).await["id"].as_str().unwrap().to_owned();
        let png = support::media::png(4, 3);
        let asset = house.upload("a.png", "image/png", &png, "").await.json();
        let asset = asset["id"].as_str().unwrap().to_owned();
        house.put_user(MEMBER.parse().unwrap()).await;
        let args = json!({ "user": MEMBER, "role": "editor" });
        house.verb(("member", "add"), Some(&house.workspace), args).await;
        let host = super::host(&house).await;
        Self { house, feed, post, asset, held: None, person: None, people: 0, host }
    }

    async fn held(&mut self) -> String {
        if let Some(id) = &self.held {
            return id.clone();
        }
        let post = self.house.new_post(&self.feed, json!({ "now": true })).await;
        let id = post["targets"][0]["delivery"].as_str().unwrap().to_owned();
        self.house.miss(&id).await;
        self.held.insert(id).clone()
    }

    /// The session of somebody new.
    async fn person(&mut self) -> String {
        if let Some(token) = &self.person {
            return token.clone();
        }
        self.people += 1;
        let email = format!("{}@example.org", self.people);
        let person = Person::new(&self.house, &email).await;
        self.house.verb(("user", "promote"), None, json!({ "email": email })).await;
        self.person.insert(person.token).clone()
    }

    /// The token of a link of this verb.
    async fn link(&self, named: (&str, &str), workspace: Option<&str>, args: Value) -> String {
        token_of(&self.house.verb(named, workspace, args).await["link"])
    }

    /// A body that is right, with as many of its fields as can be together, for what people do.
    async fn body_of_people(&mut self, operation: &str) -> Option<Value> {
        let email = "body@example.org";
        Some(match operation {
            "create_session" => {
                account(&self.house, email).await;
                json!({ "email": email, "password": PASSWORD, "code": "000000", "device": "x" })
            }
            "prove_session" => json!({ "password": PASSWORD, "code": "000000" }),
            "change_me" => json!({ "name": "Ann Baker" }),
            "change_password" => {
                json!({ "password": PASSWORD, "new_password": "four other words here" })
            }
            "confirm_totp" => {
                // One who has not mistyped anything.
                self.person = None;
                let token = self.person().await;
                let call = self.house.bare(Method::POST, "/api/v1/me/totp").key(&token);
                let secret = text(&call.send().await.json()["secret"]);
                json!({ "code": code(&self.house, &secret, 0) })
            }
            "reset_password" => {
                let email = "reset@example.org";
                account(&self.house, email).await;
                let args = json!({ "email": email });
                let token = self.link(("user", "reset-link"), None, args).await;
                json!({ "token": token, "password": "four other words here" })
            }
            "accept_invitation" => {
                let args = json!({ "email": "new@example.org", "role": "viewer" });
                let workspace = self.house.workspace.clone();
                let token = self.link(("invitation", "create"), Some(&workspace), args).await;
                json!({ "token": token, "name": "New", "password": PASSWORD })
            }
            "create_invitation" => {
                let channels = json!({ self.feed.clone(): "draft" });
                json!({ "email": "ben@example.org", "role": "editor", "channels": channels })
            }
            "change_security" => json!({ "totp_required": false, "bursts": "approve" }),
            "change_approvals" => json!({ "rule": "reviewers", "reviewers": [MEMBER] }),
            "set_app" => json!({
                "client_id": "a", "client_secret": "b", "without": ["r_member_postAnalytics"],
            }),
            "rotate_app" => {
                let app = json!({ "network": "linkedin", "client-id": "a", "client-secret": "b" });
                self.house.verb(("app", "set"), None, app).await;
                json!({ "client_secret": "b" })
            }
            "set_webhook_secret" => {
                let app = json!({ "network": "x", "client-id": "a", "client-secret": "b" });
                self.house.verb(("app", "set"), None, app).await;
                json!({ "webhook_secret": "b" })
            }
            _ => return None,
        })
    }

    /// A body that is right, with as many of its fields as can be together.
    async fn body(&mut self, operation: &str) -> Value {
        if let Some(body) = self.body_of_people(operation).await {
            return body;
        }
        let post = json!({
            "parts": [{ "text": "One", "media": [], "delay_minutes": 0 }, { "text": "Two" }],
            "channels": [self.feed],
            "schedule": { "at": "2027-06-01T09:00", "zone": "Europe/Berlin" },
            "variants": { self.feed.clone(): { "parts": [{ "text": "Uno" }], "options": {} } },
            "tags": ["a"],
            "draft": false,
        });
        match operation {
            "create_post" | "change_post" => post,
            "create_channel" => json!({ "network": "feed", "name": "News" }),
            "refresh_channels" => json!({ "channels": [self.feed] }),
            "begin_connection" => {
                for network in ["x", "linkedin"] {
                    let app = json!({ "network": network, "client-id": "a", "client-secret": "b" });
                    self.house.verb(("app", "set"), None, app).await;
                }
                json!({ "network": "x", "name": "Us", "link": true, "life_minutes": 60 })
            }
            "change_channel" => json!({ "name": "News", "paused": false, "grace_minutes": 60 }),
            "create_key" => {
                json!({
                    "name": "k", "scopes": ["read"], "expires_at": "2028-01-01T00:00:00Z",
                    "channels": { self.feed.clone(): "draft" },
                    "addresses": ["192.0.2.0/24", "2001:db8::7"],
                })
            }
            "change_member" => json!({
                "role": "editor", "channels": { self.feed.clone(): "draft" }, "suspended": false,
            }),
            "preview_plan" | "set_hosted_plan" | "preview_hosted_plan" => plan(),
            "open_embed_session" => {
                let mut page = super::page();
                page["plan"] = plan();
                page["theme"] = json!({ "accent": "#c2185b", "radius": "6px", "font": "serif" });
                page
            }
            "import_asset" => json!({ "url": PICTURE, "alt": "A red bicycle" }),
            "change_asset" => json!({ "alt": "A red bicycle" }),
            "resolve_delivery" => {
                json!({ "decision": "it_is_there", "url": "https://x.example/1" })
            }
            other => panic!("say what a right body of {other} is"),
        }
    }

    async fn call(&mut self, method: &Method, path: &str) -> Call<'_> {
        let mut path = path
            .replace("{workspace}", &self.house.workspace)
            .replace("{channel}", &self.feed)
            .replace("{post}", &self.post)
            .replace("{asset}", &self.asset)
            .replace("{user}", MEMBER)
            .replace("{network}/webhook-secret", "x/webhook-secret")
            .replace("{network}", "linkedin")
            .replace("{external}", "a-1");
        if path.contains("{delivery}") {
            path = path.replace("{delivery}", &self.held().await);
        }
        if path.ends_with("/approvals") {
            // Where there is a rule, no key makes it another.
            let (workspace, off) = (self.house.workspace.as_str(), json!({ "rule": "off" }));
            self.house.verb(("workspace", "approvals"), Some(workspace), off).await;
        }
        let own = ["/api/v1/me", "/api/v1/sessions/", "/api/v1/apps/"]
            .iter()
            .any(|start| path.starts_with(start));
        let token = if own { Some(self.person().await) } else { None };
        let call = self.house.bare(method.clone(), &path);
        match token {
            Some(token) => call.key(&token),
            // Somebody with a token accepts as who they are.
            None if path == "/api/v1/invitations/accept" => call,
            None if super::is_for_hosts(&path) => call.key(&self.host),
            None => call.key(&self.house.key),
        }
    }

    async fn send(&mut self, method: &Method, path: &str, body: String) -> Answer {
        let call = self.call(method, path).await;
        let answer = call.raw("application/json", body).send().await;
        if answer.status < 300 {
            self.held = None;
            self.person = None;
        }
        answer
    }
}

fn plan() -> Value {
    json!({ "plan": "free", "overrides": {
        "channels": "12", "posts_a_month": "unlimited",
        "evergreen": true, "rss_autopost": false, "ai": true,
    } })
}

/// What no key may.
const NO_KEY: [&str; 3] = ["transfer_workspace", "approve_post", "decline_post"];

/// A body with one value changed.
fn changed(base: &Value, place: &Place, mutation: &Mutation) -> String {
    let mut body = base.clone();
    // One form of a schedule has no field of the other.
    if let Some(schedule) = body.get_mut("schedule").filter(|_| place.name() == "schedule.now") {
        *schedule = json!({});
    }
    match &mutation.raw {
        None => {
            place.set(&mut body, None);
            body.to_string()
        }
        Some(raw) => {
            place.set(&mut body, Some(json!(MARK)));
            body.to_string().replace(&format!("\"{MARK}\""), raw)
        }
    }
}

/// Whether it is about a secret of a person.
fn is_of_people(told: &str) -> bool {
    const OPERATIONS: [&str; 6] = [
        "create_session",
        "prove_session",
        "change_password",
        "confirm_totp",
        "reset_password",
        "accept_invitation",
    ];
    OPERATIONS.iter().any(|operation| told.starts_with(operation))
}

/// Holds one answer to the rules of the table.
fn judge(told: &str, answer: &Answer, name: &str, mutation: &Mutation) {
    assert!(answer.status < 500, "{told}: {}", answer.text());
    if answer.status < 300 {
        assert!(!mutation.wrong, "{told}: the document forbids it, and it was taken");
        return;
    }
    match answer.code().as_str() {
        // Right by itself, but not with the other fields.
        "invalid_field" if mutation.what == "one of its words" => {}
        "invalid_field" => {
            let inside = [format!("{name}."), format!("{name}[")];
            let names = |field: &String| {
                field == name || inside.iter().any(|start| field.starts_with(start))
            };
            assert!(answer.fields().iter().any(names), "{told}: {}", answer.text());
        }
        "bad_request" => assert!(mutation.broken, "{told}: {}", answer.text()),
        // What is too long for a body, or would be too long for a row.
        "too_large" => {
            assert!(mutation.raw.as_ref().is_some_and(|raw| raw.len() > 40_000), "{told}");
        }
        // A secret of a person that is not theirs, or was used up.
        "sign_in_refused" | "too_many_attempts" | "not_found" if is_of_people(told) => {}
        // A secret that nobody knows; an address that nobody has.
        "channel_refused" | "network_unreachable" => {
            assert!(["token", "code", "instance", "url"].contains(&name), "{told}");
        }
        // A role that a key does not give.
        "forbidden" => {
            assert_eq!((name, mutation.what.as_str()), ("role", "one of its words"), "{told}");
        }
        other => panic!("{told}: {other}"),
    }
}

#[tokio::test]
async fn every_field_of_every_body() {
    let mut fixture = Fixture::new().await;
    let document = fetch(&fixture.house).await;
    let (mut cases, mut refused, mut fields) = (0, 0, 0);
    for (path, method, operation) in operations(&document) {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        if schema.is_null() {
            continue;
        }
        let id = operation["operationId"].as_str().unwrap();
        if NO_KEY.contains(&id) {
            continue; // Their one field is tried where people are.
        }
        let base = fixture.body(id).await;
        let right = fixture.send(&method, &path, base.to_string()).await;
        assert!(right.status < 300, "{id}: {}", right.text());
        for place in places(&document, schema, &[], &fixture.feed) {
            fields += 1;
            let listed = place.path.last() == Some(&Step::First);
            for mutation in mutations::of(&place.schema, place.required) {
                if listed && mutation.raw.is_none() {
                    // That is a shorter list, which is tried there.
                    continue;
                }
                let told = format!("{id}: {} {}", place.name(), mutation.what);
                let body = changed(&base, &place, &mutation);
                let answer = fixture.send(&method, &path, body).await;
                // A schedule without its only field is told as a whole.
                let bare = mutation.raw.is_none() && place.name() == "schedule.now";
                let name = if bare { "schedule".to_owned() } else { place.name() };
                judge(&told, &answer, &name, &mutation);
                cases += 1;
                refused += usize::from(answer.status >= 400);
            }
        }
    }
    println!("{cases} cases of {fields} fields, {refused} refused");
    assert!(cases > 1_500 && refused > cases / 2);
}

/// The names of fields: unknown ones, and those given twice, at every depth.
#[tokio::test]
async fn every_object_of_every_body() {
    let mut fixture = Fixture::new().await;
    let document = fetch(&fixture.house).await;
    let mut cases = 0;
    for (path, method, operation) in operations(&document) {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        if schema.is_null() {
            continue;
        }
        let id = operation["operationId"].as_str().unwrap().to_owned();
        if NO_KEY.contains(&id.as_str()) {
            continue;
        }
        let base = fixture.body(&id).await;
        let root = resolve(&document, schema);
        let mut objects = vec![(String::new(), root)];
        let places = places(&document, schema, &[], &fixture.feed);
        objects.extend(places.iter().map(|place| (place.name(), place.schema.clone())));
        for place in &places {
            // Given twice, with the same value.
            let mut body = base.clone();
            let field = place.name().rsplit('.').next().unwrap().to_owned();
            if field.ends_with(']') || place.name() == "schedule.now" {
                continue;
            }
            let value = base.pointer(&pointer(&place.name())).cloned();
            let value = value.unwrap_or_else(|| example(&place.schema));
            place.set(&mut body, Some(json!(MARK)));
            let twice = format!("{value},\"{field}\":{value}");
            let body = body.to_string().replace(&format!("\"{MARK}\""), &twice);
            let answer = fixture.send(&method, &path, body).await;
            let told = format!("{id}: {} given twice: {}", place.name(), answer.text());
            assert_eq!(answer.said(), format!("422 invalid_field {}", place.name()), "{told}");
            assert_eq!(answer.json()["errors"][0]["code"], "twice", "{told}");
            cases += 1;
        }
        for (name, schema) in objects {
            let object = schema["additionalProperties"] == false || schema["oneOf"].is_array();
            let Some(at) = base.pointer(&pointer(&name)).filter(|at| object && at.is_object())
            else {
                continue;
            };
            for unknown in ["surprise", "", "text ", "__proto__", "parts[0]", "a`, expected b"] {
                let mut inner = at.clone();
                inner[unknown] = json!(1);
                let mut body = base.clone();
                *body.pointer_mut(&pointer(&name)).unwrap() = inner;
                let answer = fixture.send(&method, &path, body.to_string()).await;
                let told = format!("{id}: {name} with {unknown:?}: {}", answer.text());
                let field =
                    if name.is_empty() { unknown.into() } else { format!("{name}.{unknown}") };
                assert_eq!(answer.said(), format!("422 invalid_field {field}").trim(), "{told}");
                assert_eq!(answer.json()["errors"][0]["code"], "unknown_field", "{told}");
                cases += 1;
            }
        }
    }
    println!("{cases} cases of unknown names and names given twice");
    assert!(cases > 80);
}

/// Something of the right type.
fn example(schema: &Value) -> Value {
    match () {
        () if takes(schema, "integer") => json!(1),
        () if takes(schema, "boolean") => json!(true),
        () if takes(schema, "array") => json!([]),
        () if takes(schema, "object") => json!({}),
        () => json!("x"),
    }
}

/// `parts[0].text` as a JSON pointer.
fn pointer(name: &str) -> String {
    if name.is_empty() {
        return String::new();
    }
    format!("/{}", name.replace("[0]", "/0").replace('.', "/"))
}
