//! Accounts that are connected on the network's own page, against a practice X in process: from the
//! application to a channel, by a session and by a link; all that can go wrong; and the tokens.

mod apps;
mod refusals;
mod tokens;
mod withdrawn;

use std::collections::BTreeSet;

use carillon::base::{Clock as _, CorrelationId};
use carillon::practice::{self, Request};
use carillon::service::run_verb;
use carillon::store::Operator;
use http::{HeaderMap, Method};
use serde_json::{Map, Value, json};
use url::Url;

use super::harness::{APP, House, LINKEDIN, X};
use super::users::pages::{Browser, check, fields};
use super::users::{ANN, account, text, token_of};

/// Sets the application that the practice X knows.
pub async fn set_app(house: &House) {
    let args = json!({ "network": "x", "client-id": APP.0, "client-secret": APP.1 });
    house.verb(("app", "set"), None, args).await;
}

/// What a verb is refused for.
async fn refused(house: &House, named: (&str, &str), args: Value) -> String {
    let args: Map<String, Value> = serde_json::from_value(args).unwrap();
    let correlation = CorrelationId::new(house.services.rng.as_ref());
    let operator = Operator::new(1_000);
    let done = run_verb(&house.services, operator, named, None, &args, correlation).await;
    done.unwrap_err().code.word().to_owned()
}

/// One call to the practice X, as a browser makes it.
fn ask_x(house: &House, method: Method, path: &str, query: &str, body: &str) -> practice::Answer {
    ask_at(house, X, method, (path, query, body))
}

fn ask_at(
    house: &House,
    host: &str,
    method: Method,
    (path, query, body): (&str, &str, &str),
) -> practice::Answer {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/x-www-form-urlencoded".parse().unwrap());
    let (query, body) = (query.to_owned(), body.to_owned().into());
    let request = Request { method, path: path.to_owned(), query, headers, body };
    practice::handle(&mut house.world.lock().unwrap(), host, &request, house.clock.now())
}

/// What somebody does on the page of X; the path by which they come back.
pub fn at_x(house: &House, authorize_url: &str, answer: &str) -> String {
    let url = Url::parse(authorize_url).unwrap();
    assert_eq!((url.host_str(), url.path()), (Some(X), "/i/oauth2/authorize"));
    let query = url.query().unwrap();
    let page = ask_x(house, Method::GET, url.path(), query, "");
    let page = String::from_utf8_lossy(&page.body).into_owned();
    assert!(page.contains("Authorize as acme") && page.contains("tweet.write"), "{page}");
    let done = ask_x(house, Method::POST, url.path(), "", &format!("{query}&{answer}"));
    assert_eq!(done.status, 302, "{:?}", done.body);
    let back = Url::parse(done.headers["location"].to_str().unwrap()).unwrap();
    assert_eq!(back.as_str().split('?').next(), Some("https://carillon.example/oauth/x/callback"));
    format!("{}?{}", back.path(), back.query().unwrap())
}

/// Where a page sends the browser on to.
pub fn sent_to(page: &super::harness::Answer) -> String {
    assert_eq!(page.status, 200, "{}", page.text());
    let to = page.header("refresh").strip_prefix("0; url=").unwrap().to_owned();
    let link = to.replace('&', "&#38;");
    assert!(page.text().contains(&format!("<a href=\"{link}\">Go on</a>")), "{}", page.text());
    to
}

/// A link for a new account, or to connect one again.
pub async fn new_link(house: &House, body: &Value) -> (String, String) {
    let made = house.post("/connections", body).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    assert!(made.get("authorize_url").is_none() && made["state"] == "open", "{made}");
    (text(&made["id"]), format!("/connect/{}", token_of(&made["link"])))
}

/// Goes from a link to the page of X, and back with this answer; where that leads.
pub async fn go(house: &House, browser: &mut Browser<'_>, link: &str, answer: &str) -> String {
    let page = browser.get(link).await;
    check(&page);
    let away = browser.post(link, "").await;
    let back = at_x(house, &sent_to(&away), answer);
    let came = browser.get(&back).await;
    assert_eq!(came.status, 303, "{}", came.text());
    came.header("location").to_owned()
}

/// Connects an account by a link; its channel.
pub async fn connected(house: &House, username: &str) -> String {
    let (id, link) = new_link(house, &json!({ "network": "x" })).await;
    let mut browser = Browser::new(house);
    let page = go(house, &mut browser, &link, &format!("username={username}")).await;
    let asked = browser.get(&page).await.text();
    let account = asked.split("name=\"account\" value=\"").nth(1).unwrap();
    let account = account.split('"').next().unwrap();
    let done = browser.post(&page, &fields(&[("account", account)])).await;
    assert_eq!((done.status, done.header("location")), (303, page.as_str()), "{}", done.text());
    let shown = house.get(&format!("/connections/{id}")).await.json();
    assert_eq!(shown["state"], "done", "{shown}");
    text(&shown["channels"][0])
}

async fn kinds(house: &House, prefix: &str) -> Vec<String> {
    let events = house.events().into_iter().filter(|event| event.kind.starts_with(prefix));
    events.map(|event| event.kind).collect()
}

#[tokio::test]
async fn an_application_is_set_tested_rotated_and_removed_while_it_runs() {
    let house = House::new().await;
    let none = house.post("/connections", &json!({ "network": "x" })).await;
    assert_eq!(none.said(), "409 app_missing");
    let other = house.post("/connections", &json!({ "network": "feed" })).await;
    assert_eq!(other.said(), "422 invalid_field network");
    assert_eq!(refused(&house, ("app", "test"), json!({ "network": "x" })).await, "app_missing");
    let shown = house.verb(("app", "show"), None, json!({ "network": "x" })).await;
    assert_eq!((&shown["set"], &shown["client_id"]), (&json!(false), &Value::Null));
    assert_eq!(shown["redirect_uri"], "https://carillon.example/oauth/x/callback");
    let scopes =
        json!(["tweet.read", "tweet.write", "users.read", "media.write", "offline.access"]);
    assert_eq!(shown["scopes"], scopes);

    set_app(&house).await;
    let network = house.get_networks().await;
    assert_eq!(network["app_set"], true, "{network}");
    let tested = house.verb(("app", "test"), None, json!({ "network": "x" })).await;
    assert_eq!((&tested["set"], &tested["client_id"]), (&json!(true), &json!(APP.0)));
    assert!(!tested.to_string().contains(APP.1), "the secret is never shown");
    assert_eq!((&tested["tested"], &tested["rotated_at"]), (&json!("ok"), &Value::Null));

    let rotate = |secret: &str| json!({ "network": "x", "client-secret": secret });
    house.verb(("app", "rotate"), None, rotate("another-secret")).await;
    let wrong = refused(&house, ("app", "test"), json!({ "network": "x" })).await;
    assert_eq!(wrong, "app_refused");
    let heard = house.verb(("app", "show"), None, json!({ "network": "x" })).await;
    assert_eq!(heard["tested"], "refused");
    assert!(heard["tested_at"].is_string() && heard["rotated_at"].is_string(), "{heard}");
    let told = house.verb(("alert", "list"), None, json!({})).await;
    assert_eq!(
        (&told["items"][0]["id"], &told["items"][0]["look"]),
        (&json!("apps"), &json!("app list"))
    );
    {
        let mut world = house.world.lock().unwrap();
        let redirect = "https://carillon.example/oauth/x/callback";
        world.x(X).unwrap().authority.add_app(APP.0, "another-secret", redirect);
    }
    house.verb(("app", "test"), None, json!({ "network": "x" })).await;
    for bad in ["", "with space", "\u{e9}"] {
        assert_eq!(refused(&house, ("app", "rotate"), rotate(bad)).await, "invalid_field", "{bad}");
    }
    let removed = house.verb(("app", "remove"), None, json!({ "network": "x" })).await;
    assert_eq!(removed["set"], false);
    assert_eq!(refused(&house, ("app", "remove"), json!({ "network": "x" })).await, "app_missing");
}

impl House {
    async fn get_networks(&self) -> Value {
        let all = self.call(Method::GET, "").key(&self.key);
        let all = super::harness::Call { path: "/api/v1/networks".to_owned(), ..all };
        let all = all.send().await.json();
        all["items"].as_array().unwrap().iter().find(|n| n["id"] == "x").unwrap().clone()
    }
}

#[tokio::test]
async fn somebody_without_an_account_connects_by_a_link_once() {
    let house = House::new().await;
    set_app(&house).await;
    let (id, link) = new_link(&house, &json!({ "network": "x" })).await;
    let mut browser = Browser::new(&house);
    let page = browser.get(&link).await;
    check(&page);
    for word in ["Connect an account on X", "Acme asks you", "no account here"] {
        assert!(page.text().contains(word), "{word}: {}", page.text());
    }
    // A look does not use it up.
    let away = browser.post(&link, "").await;
    let to = sent_to(&away);
    let cookie = away.header("set-cookie").to_owned();
    assert!(cookie.starts_with("__Host-carillon_connecting=") && cookie.contains("HttpOnly"));
    let query = Url::parse(&to).unwrap();
    let query: BTreeSet<String> = query.query_pairs().map(|(n, _)| n.into_owned()).collect();
    let needed = ["state", "code_challenge", "client_id", "redirect_uri", "scope"];
    assert!(needed.iter().all(|name| query.contains(*name)) && !to.contains("secret"), "{to}");
    for again in [browser.get(&link).await, Browser::new(&house).post(&link, "").await] {
        assert_eq!(again.status, 404);
        assert!(again.text().contains("leads nowhere"), "{}", again.text());
    }
    let shown = house.get(&format!("/connections/{id}")).await.json();
    assert_eq!(shown["state"], "away", "{shown}");

    let back = at_x(&house, &to, "username=acme");
    let came = browser.get(&back).await;
    let page = came.header("location").to_owned();
    assert_eq!(came.status, 303);
    assert!(!page.contains("code") && page.ends_with(&id), "{page}");
    let asked = browser.get(&page).await;
    check(&asked);
    assert!(asked.text().contains("Connect @acme to Acme?"), "{}", asked.text());
    // Nothing is kept before somebody has said yes.
    assert_eq!(house.get("/channels").await.json()["items"], json!([]));
    // To any other browser there is no such page.
    let stranger = Browser::new(&house).get(&page).await;
    assert_eq!(stranger.status, 404);
    let stranger = Browser::new(&house).post(&page, "account=2244994945").await;
    assert_eq!(stranger.status, 404);
    for wrong in ["", "account=7", "account=2244994945&account=7"] {
        let wrong = browser.post(&page, wrong).await;
        assert_eq!(wrong.status, 422);
        assert!(wrong.text().contains("Choose at least one"), "{}", wrong.text());
    }
    let done = browser.post(&page, "account=2244994945").await;
    assert_eq!(done.status, 303, "{}", done.text());
    let done = browser.get(&page).await;
    check(&done);
    assert!(done.text().contains("connected to Acme now"), "{}", done.text());
    let again = browser.post(&page, "account=2244994945").await;
    assert_eq!(again.status, 200, "it is done: {}", again.text());

    let channels = house.get("/channels").await.json();
    let channel = channels["items"][0].clone();
    assert_eq!((&channel["handle"], &channel["name"]), (&json!("@acme"), &json!("@acme")));
    let one = house.get(&format!("/channels/{}", text(&channel["id"]))).await.json();
    assert_eq!(one["grant"]["scopes"].as_array().unwrap().len(), 5, "{one}");
    assert_eq!(one["grant"]["lacks"], json!([]));
    let tested = house.post(&format!("/channels/{}/test", text(&channel["id"])), &json!({})).await;
    assert_eq!(tested.status, 200, "{}", tested.text());
    let shown = house.get(&format!("/connections/{id}")).await.json();
    assert_eq!((&shown["state"], &shown["channels"][0]), (&json!("done"), &channel["id"]));
    let told = kinds(&house, "connection.").await;
    assert_eq!(told, ["connection.begun", "connection.granted", "connection.done"]);
    assert_eq!(kinds(&house, "channel.").await, ["channel.added"]);
    let revoked = house.delete(&format!("/connections/{id}")).await;
    assert_eq!(revoked.said(), "409 connection_over");
}

/// What is there is named before it changes; and a code that was taken shows that the application is
/// known again.
#[tokio::test]
async fn an_account_that_has_a_channel_keeps_it_and_the_page_says_so() {
    let house = House::new().await;
    set_app(&house).await;
    let channel = connected(&house, "acme").await;
    let app = |secret: &str| {
        let redirect = "https://carillon.example/oauth/x/callback";
        house.world.lock().unwrap().x(X).unwrap().authority.add_app(APP.0, secret, redirect);
    };
    app("another-secret");
    assert_eq!(refused(&house, ("app", "test"), json!({ "network": "x" })).await, "app_refused");
    app(APP.1);
    let tested = async || {
        let shown = house.verb(("app", "show"), None, json!({ "network": "x" })).await;
        text(&shown["tested"])
    };
    assert_eq!(tested().await, "refused");

    let (_, link) = new_link(&house, &json!({ "network": "x", "name": "Other" })).await;
    let mut browser = Browser::new(&house);
    let page = go(&house, &mut browser, &link, "username=acme").await;
    let asked = browser.get(&page).await;
    check(&asked);
    assert!(asked.text().contains("@acme is connected already, as @acme"), "{}", asked.text());
    assert_eq!(tested().await, "ok");
    assert_eq!(browser.post(&page, "account=2244994945").await.status, 303);
    let channels = house.get("/channels").await.json();
    let channels = channels["items"].as_array().unwrap();
    assert_eq!(channels.len(), 1);
    assert_eq!((text(&channels[0]["id"]), text(&channels[0]["name"])), (channel, "@acme".into()));
}

#[tokio::test]
async fn a_person_connects_in_their_session_by_the_page_and_by_the_api() {
    let house = House::new().await;
    set_app(&house).await;
    account(&house, ANN).await;
    let mut browser = Browser::new(&house);
    let away = browser.get(&format!("/workspaces/{}/connect", house.workspace)).await;
    assert!(away.header("location").starts_with("/sign-in?next="), "{away:?}");
    browser.sign_in().await;
    let token = browser.session().unwrap();
    let home = house.bare(Method::GET, "/api/v1/workspaces").key(&token).send().await.json();
    let home = text(&home["items"][0]["id"]);

    let choose = format!("/workspaces/{home}/connect");
    let page = browser.get(&choose).await;
    check(&page);
    assert!(page.text().contains("value=\"x\""), "{}", page.text());
    let back = at_x(&house, &sent_to(&browser.post(&choose, "account=x").await), "username=acme");
    let page = browser.get(&back).await.header("location").to_owned();
    assert!(browser.get(&page).await.text().contains("Connect @acme to"));
    assert_eq!(browser.post(&page, "account=2244994945").await.status, 303);
    let call = |method: Method, path: &str| {
        house.bare(method, &format!("/api/v1/workspaces/{home}{path}")).key(&token)
    };
    let channels = call(Method::GET, "/channels").send().await.json();
    assert_eq!(channels["items"][0]["handle"], "@acme", "{channels}");

    house.clock.advance(std::time::Duration::from_secs(1));
    let begun = call(Method::POST, "/connections").json(&json!({ "network": "x", "name": "Two" }));
    let begun = begun.header("idempotency-key", "k1");
    let first = begun.clone().send().await;
    let repeat = begun.send().await.json();
    let first = first.json();
    assert_eq!(repeat["id"], first["id"]);
    assert!(repeat.get("authorize_url").is_none() && first.get("link").is_none());
    let back = at_x(&house, &text(&first["authorize_url"]), "username=bakery");
    let page = browser.get(&back).await.header("location").to_owned();
    assert_eq!(browser.post(&page, "account=2244994946").await.status, 303);
    let channels = call(Method::GET, "/channels").send().await.json();
    let second = &channels["items"][1];
    assert_eq!((&second["handle"], &second["name"]), (&json!("@bakery"), &json!("Two")));

    // Whoever is no admin any more has not connected anything.
    let begun = call(Method::POST, "/connections").json(&json!({ "network": "x", "link": true }));
    assert!(begun.send().await.json().get("link").is_some());
    // A proof of who they are that is too old is asked for anew.
    house.clock.advance(std::time::Duration::from_mins(11));
    let stale = call(Method::POST, "/connections").json(&json!({ "network": "x" })).send().await;
    assert_eq!(stale.said(), "403 step_up_needed");
    let page = browser.post(&choose, "account=x").await;
    assert!(page.status == 403 && page.text().contains("/account"), "{}", page.text());
}

#[tokio::test]
async fn verbs_make_links_list_them_and_take_them_back() {
    let house = House::new().await;
    set_app(&house).await;
    let here = Some(house.workspace.as_str());
    let made =
        house.verb(("channel", "link"), here, json!({ "network": "x", "minutes": "5" })).await;
    let link = format!("/connect/{}", token_of(&made["link"]));
    assert_eq!(Browser::new(&house).get(&link).await.status, 200);
    let all = house.verb(("channel", "links"), here, json!({})).await;
    assert_eq!(all["items"][0]["state"], "open", "{all}");
    assert!(all["items"][0].get("link").is_none());
    house.verb(("channel", "unlink"), here, json!({ "id": made["id"] })).await;
    let over = Browser::new(&house).get(&link).await;
    assert_eq!(over.status, 404);
    assert!(
        over.text().contains("ask whoever gave you this link for a new one"),
        "{}",
        over.text()
    );
    assert_eq!(Browser::new(&house).get("/connect/nonsense").await.text(), over.text());
    // One that nobody uses ends by itself.
    house.clock.advance(std::time::Duration::from_secs(1));
    let made =
        house.verb(("channel", "link"), here, json!({ "network": "x", "minutes": "5" })).await;
    let link = format!("/connect/{}", token_of(&made["link"]));
    house.clock.advance(std::time::Duration::from_mins(5));
    assert_eq!(Browser::new(&house).get(&link).await.status, 404);
    let all = house.verb(("channel", "links"), here, json!({})).await;
    let states: Vec<_> = all["items"].as_array().unwrap().iter().map(|c| &c["state"]).collect();
    assert_eq!(states, [&json!("expired"), &json!("revoked")]);
    // One whose maker has no key any more leads nowhere.
    let key = house.post("/keys", &json!({ "name": "k", "scopes": ["admin"] })).await.json();
    let by_key = house.call(Method::POST, "/connections").key(key["key"].as_str().unwrap());
    let made = by_key.json(&json!({ "network": "x" })).send().await.json();
    let link = format!("/connect/{}", token_of(&made["link"]));
    assert_eq!(Browser::new(&house).get(&link).await.status, 200);
    house.delete(&format!("/keys/{}", text(&key["id"]))).await;
    assert_eq!(Browser::new(&house).get(&link).await.status, 404);
}

/// Connects a member of LinkedIn and one of their organizations by one consent: the page that asked,
/// and the connection.
async fn at_linkedin(house: &House) -> (super::harness::Answer, Value) {
    let app = json!({ "network": "linkedin", "client-id": APP.0, "client-secret": APP.1 });
    house.verb(("app", "set"), None, app).await;
    house.verb(("app", "test"), None, json!({ "network": "linkedin" })).await;
    let (id, link) = new_link(house, &json!({ "network": "linkedin", "name": "Unused" })).await;
    let mut browser = Browser::new(house);
    let to = Url::parse(&sent_to(&browser.post(&link, "").await)).unwrap();
    let (path, query) = (to.path().to_owned(), to.query().unwrap().to_owned());
    let agreed = format!("{query}&username=ann");
    let agreed = ask_at(house, LINKEDIN, Method::POST, (&path, "", &agreed));
    let back = Url::parse(agreed.headers["location"].to_str().unwrap()).unwrap();
    let came = browser.get(&format!("{}?{}", back.path(), back.query().unwrap())).await;
    let page = came.header("location").to_owned();
    let asked = browser.get(&page).await;
    let picks = "account=urn:li:person:m-ann&account=urn:li:organization:72";
    assert_eq!(browser.post(&page, picks).await.status, 303);
    let shown = house.get(&format!("/connections/{id}")).await.json();
    (asked, shown)
}

#[tokio::test]
async fn one_consent_can_cover_a_member_and_organizations() {
    let house = House::new().await;
    let (asked, shown) = at_linkedin(&house).await;
    check(&asked);
    for word in ["Which accounts for Acme?", "Company 71", "Company 72", "organization", "member"] {
        assert!(asked.text().contains(word), "{word}: {}", asked.text());
    }
    assert!(!asked.text().contains("999"), "one with a role that does not post is not offered");
    assert_eq!(shown["channels"].as_array().unwrap().len(), 2, "{shown}");
    for (channel, handle) in shown["channels"].as_array().unwrap().iter().zip(["ann", "Company 72"])
    {
        let path = format!("/channels/{}", text(channel));
        let one = house.get(&path).await.json();
        assert_eq!((&one["handle"], &one["name"]), (&json!(handle), &json!(handle)));
        assert_eq!(one["grant"]["ends_at"], "2027-11-22T09:00:00.000Z", "a year, {one}");
        let tested = house.post(&format!("{path}/test"), &json!({})).await;
        assert_eq!(tested.status, 200, "{}", tested.text());
        let renewed = house.post(&format!("{path}/refresh"), &json!({})).await;
        assert_eq!(renewed.status, 200, "{}", renewed.text());
        assert_eq!(renewed.json()["grant"]["ends_at"], one["grant"]["ends_at"], "it does not move");
    }
    // An application without these products asks for less, and what is missing is told.
    let app = json!({
        "network": "linkedin", "client-id": APP.0, "client-secret": APP.1,
        "without": ["w_organization_social", "rw_organization_admin", "r_organization_social"],
    });
    let set = house.verb(("app", "set"), None, app).await;
    let scopes = json!(["openid", "profile", "w_member_social", "r_member_postAnalytics"]);
    assert_eq!(set["scopes"], scopes);
    let wrong = json!({
        "network": "linkedin", "client-id": "a", "client-secret": "b", "without": ["openid"],
    });
    assert_eq!(refused(&house, ("app", "set"), wrong).await, "invalid_field");
}
