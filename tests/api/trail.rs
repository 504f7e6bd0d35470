//! What is done to people's accounts is on record: who made a link for a new password, who became
//! an administrator, who ended which sessions. And operators reach everybody who is listed, those
//! whom a host made, too.

use std::time::Duration;

use carillon::base::Code;
use carillon::domain::event::Event;
use http::Method;
use serde_json::{Value, json};

use super::harness::House;
use super::users::pages::{Browser, fields};
use super::users::{ANN, PASSWORD, Person, account, text, token_of};

const OPERATOR: &str = "operator:1000";

/// The installation's record of people, oldest first: what happened, to whom, by whom. It names
/// nobody.
async fn record(house: &House) -> Vec<(String, String, String)> {
    let found = house.verb(("event", "installation"), None, json!({})).await;
    assert!(!found.to_string().contains('@'), "{found}");
    let items = found["items"].as_array().unwrap().iter().rev();
    let items = items.map(|it| (text(&it["kind"]), text(&it["subject"]), text(&it["actor"])));
    items.filter(|(kind, ..)| kind.starts_with("user.")).collect()
}

fn entry(kind: &str, subject: &str, actor: &str) -> (String, String, String) {
    (kind.to_owned(), subject.to_owned(), actor.to_owned())
}

/// A key to the one workspace of somebody.
async fn key_of(person: &Person<'_>) -> String {
    let [(_, workspace)] = person.workspaces().await.try_into().unwrap();
    person.house.new_key(&workspace, &["admin"]).await
}

/// The events of this kind in the workspace of a key. They name nobody.
fn told(house: &House, key: &str, kind: &str) -> Vec<Event> {
    let mut events = house.events_of(key);
    assert!(!format!("{events:?}").contains('@'), "{events:?}");
    events.retain(|event| event.kind == kind);
    events
}

#[tokio::test]
async fn a_link_for_a_new_password_is_on_record_when_it_is_made() {
    let house = House::new().await;
    let ann = Person::new(&house, ANN).await;
    let key = key_of(&ann).await;
    let made = house.verb(("user", "reset-link"), None, json!({ "email": ANN })).await;
    assert_eq!(record(&house).await, [entry("user.reset_link_made", &ann.id, OPERATOR)]);
    let events = told(&house, &key, "user.reset_link_made");
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((event.subject.as_str(), event.actor.word()), (&*ann.id, OPERATOR.to_owned()));
    assert!(event.data.is_empty(), "above all not the link: {event:?}");
    // Who used it is another event, which comes after.
    let body = json!({ "token": token_of(&made["link"]), "password": "a new one of four" });
    let reset = house.bare(Method::POST, "/api/v1/password-resets").json(&body).send().await;
    assert_eq!(reset.status, 204);
    let kinds: Vec<_> = house.events_of(&key).into_iter().map(|event| event.kind).collect();
    let place = |kind: &str| kinds.iter().position(|known| known == kind).unwrap();
    assert!(place("user.reset_link_made") < place("user.password_reset"), "{kinds:?}");
}

#[tokio::test]
async fn who_becomes_an_administrator_is_on_record() {
    let house = House::new().await;
    let args = json!({ "email": "boss@example.org", "password": PASSWORD, "admin": true });
    let boss = text(&house.verb(("user", "create"), None, args).await["id"]);
    assert_eq!(record(&house).await, [entry("user.promoted", &boss, OPERATOR)]);
    assert_eq!(told(&house, &house.key, "user.promoted").len(), 1, "who owns it from now on");
    let ann = Person::new(&house, ANN).await;
    let key = key_of(&ann).await;
    assert_eq!(record(&house).await.len(), 1, "others are none");
    let args = json!({ "email": ANN });
    for verb in ["promote", "promote", "demote", "demote"] {
        house.verb(("user", verb), None, args.clone()).await;
    }
    let expected = [
        entry("user.promoted", &boss, OPERATOR),
        entry("user.promoted", &ann.id, OPERATOR),
        entry("user.demoted", &ann.id, OPERATOR),
    ];
    assert_eq!(record(&house).await, expected, "what changes nothing is none");
    assert!(!told(&house, &key, "user.promoted").is_empty(), "it is with her, too");
    assert!(!told(&house, &key, "user.demoted").is_empty());
}

#[tokio::test]
async fn the_first_user_is_on_record_as_an_administrator() {
    let house = House::new().await;
    let link = text(&house.verb(("setup-link", ""), None, json!({})).await["link"]);
    let path = link.trim_start_matches("https://carillon.example");
    let form = fields(&[
        ("email", ANN),
        ("name", "Ann Baker"),
        ("password", PASSWORD),
        ("workspace", "Bakery"),
    ]);
    assert_eq!(Browser::new(&house).post(path, &form).await.status, 303);
    let shown = house.verb(("user", "show"), None, json!({ "email": ANN })).await;
    let ann = text(&shown["id"]);
    let expected = [
        entry("user.setup_link_made", "", OPERATOR),
        entry("user.promoted", &ann, &format!("user:{ann}")),
    ];
    assert_eq!(record(&house).await, expected);
}

#[tokio::test]
async fn a_link_for_the_first_user_is_on_record_when_it_is_made() {
    let house = House::new().await;
    let made = house.verb(("setup-link", ""), None, json!({})).await;
    assert_eq!(record(&house).await, [entry("user.setup_link_made", "", OPERATOR)]);
    let told = house.verb(("event", "installation"), None, json!({})).await.to_string();
    assert!(!told.contains(&token_of(&made["link"])), "above all not the link: {told}");
    account(&house, ANN).await;
    let refused = house.try_verb(("setup-link", ""), None, json!({})).await.unwrap_err();
    assert_eq!(refused.code, Code::SetUpDone);
    assert_eq!(record(&house).await.len(), 1, "nothing was made");
}

#[tokio::test]
async fn sessions_that_their_holder_ends_are_on_record_as_those_that_an_operator_ends() {
    let house = House::new().await;
    let first = Person::new(&house, ANN).await;
    let key = key_of(&first).await;
    house.clock.advance(Duration::from_secs(1));
    let second = Person::signed_in(&house, ANN).await;
    let listed = second.get("/sessions").await.json();
    let other = text(&listed["items"][1]["id"]);
    assert_eq!(second.delete(&format!("/sessions/{other}")).await.status, 204);
    let by_her = format!("user:{}", first.id);
    let events = told(&house, &key, "user.signed_out");
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((event.subject.as_str(), event.actor.word()), (&*first.id, by_her.clone()));
    assert_eq!(event.data.get("session"), Some(&other));

    assert_eq!(second.delete(&format!("/sessions/{other}")).await.said(), "404 not_found");
    assert_eq!(second.delete("/sessions").await.status, 204);
    assert_eq!(told(&house, &key, "user.signed_out").len(), 1, "nothing was left to end");
    let _third = Person::signed_in(&house, ANN).await;
    let _fourth = Person::signed_in(&house, ANN).await;
    assert_eq!(second.delete("/sessions").await.status, 204);
    let events = told(&house, &key, "user.signed_out");
    let [_, event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((event.subject.as_str(), event.actor.word()), (&*first.id, by_her));
    assert_eq!(event.data.get("sessions").map(String::as_str), Some("2"));

    let ended = house.verb(("user", "sign-out"), None, json!({ "email": ANN })).await;
    assert_eq!(ended, json!({ "id": first.id, "email": ANN, "sessions_ended": 1 }));
    let events = told(&house, &key, "user.signed_out");
    assert_eq!(events.last().unwrap().actor.word(), OPERATOR);
    assert_eq!(events.len(), 3);
}

/// Opens a page of a host for somebody whom it calls Ann, with the e-mail of another Ann here.
async fn page(house: &House, host: &str) -> (u16, Value) {
    let page = json!({
        "user": { "id": "u-1", "email": ANN, "name": "Ann of the CRM" },
        "workspace": { "id": "w", "name": "W" }, "role": "editor", "origin": "https://crm.example",
    });
    let open = house.bare(Method::POST, "/api/v1/embed-sessions").key(host).json(&page);
    let answer = open.send().await;
    (answer.status, answer.json())
}

async fn host(house: &House) -> String {
    let host = json!({ "name": "CRM", "origin": ["https://crm.example"] });
    text(&house.verb(("host", "create"), None, host).await["key"])
}

#[tokio::test]
async fn whom_a_host_made_is_reached_by_an_id() {
    let house = House::new().await;
    let own = account(&house, ANN).await;
    let host = host(&house).await;
    let (_, opened) = page(&house, &host).await;
    let (id, token) = (text(&opened["user"]), text(&opened["token"]));
    let listed = house.verb(("user", "list"), None, json!({})).await;
    let host_of = |id: &Value| {
        let mut items = listed["items"].as_array().unwrap().iter();
        items.find(|it| it["id"] == *id).unwrap()["host"].clone()
    };
    let hosts = [host_of(&json!(id)), host_of(&own["id"])];
    assert_eq!(hosts, [json!("CRM"), Value::Null], "{listed}");
    let by = async |verb: &str, name: &str| {
        house.try_verb(("user", verb), None, json!({ "email": name })).await
    };
    // The address leads to whom it belongs, and the id to whom it is of: of every kind of user.
    assert_eq!(by("show", ANN).await.unwrap(), own);
    assert_eq!(by("show", &text(&own["id"])).await.unwrap()["email"], ANN);
    assert_eq!(by("show", &id).await.unwrap()["host"], "CRM");
    let shown = by("show", &format!(" {} ", id.to_uppercase())).await.unwrap();
    assert_eq!((&shown["id"], &shown["name"]), (&json!(id), &json!("Ann of the CRM")));

    let current = house.bare(Method::GET, "/api/v1/embed-sessions/current").key(&token);
    assert_eq!(current.clone().send().await.status, 200);
    assert!(by("disable", &id).await.unwrap()["disabled_at"].is_string());
    assert_eq!(current.send().await.said(), "401 unauthenticated");
    assert_eq!(page(&house, &host).await.0, 403);
    assert!(by("show", ANN).await.unwrap()["disabled_at"].is_null(), "nobody else");
    assert!(by("enable", &id).await.unwrap()["disabled_at"].is_null());
    assert_eq!(page(&house, &host).await.0, 201);

    for nobody in ["0192aaaa-0000-7000-8000-000000000000", "0192aaaa", "nobody@example.org"] {
        assert_eq!(by("show", nobody).await.unwrap_err().code, Code::NotFound, "{nobody}");
    }
}

#[tokio::test]
async fn whom_a_host_made_is_erased_by_an_id() {
    let house = House::new().await;
    account(&house, ANN).await;
    let host = host(&house).await;
    let id = text(&page(&house, &host).await.1["user"]);
    let args = json!({ "email": id });
    let invited = json!({ "email": ANN, "role": "viewer" });
    assert_eq!(house.post("/invitations", &invited).await.status, 201);
    let before = house.get("/invitations").await.text();
    assert!(before.contains(ANN));
    let erased = house.verb(("user", "erase"), None, args.clone()).await;
    assert_eq!(erased, json!({ "id": id, "erased": true }));
    let shown = house.try_verb(("user", "show"), None, args).await;
    assert_eq!(shown.unwrap_err().code, Code::NotFound);
    assert_eq!(house.get("/invitations").await.text(), before, "that is somebody else");
    assert_eq!(house.verb(("user", "show"), None, json!({ "email": ANN })).await["email"], ANN);
    assert_eq!(page(&house, &host).await.1["user_created"], true, "to the host they are new");
}

#[tokio::test]
async fn the_list_goes_on_behind_whoever_was_erased() {
    let house = House::new().await;
    account(&house, ANN).await;
    house.clock.advance(Duration::from_secs(1));
    let ben = account(&house, "ben@example.org").await;
    house.verb(("workspace", "delete"), Some("ann"), json!({})).await;
    house.verb(("user", "erase"), None, json!({ "email": ANN })).await;
    let first = house.verb(("user", "list"), None, json!({ "limit": "1" })).await;
    assert_eq!(first["items"], json!([]), "she is shown no more");
    let next = json!({ "limit": "1", "cursor": first["next"] });
    let next = house.verb(("user", "list"), None, next).await;
    assert_eq!(next["items"], json!([ben]));
}

#[tokio::test]
async fn no_link_is_handed_out_that_leads_nowhere() {
    let house = House::new().await;
    let ann = account(&house, ANN).await;
    let hosted = text(&page(&house, &host(&house).await).await.1["user"]);
    let refused = async |verb: &str, name: &str| {
        let refused = house.try_verb(("user", verb), None, json!({ "email": name })).await;
        let refused = refused.unwrap_err();
        let fields: Vec<_> = refused.fields.iter().map(|wrong| wrong.field.clone()).collect();
        assert_eq!((refused.code, fields), (Code::InvalidField, vec!["email".to_owned()]));
        refused.fields[0].wrong.to_string()
    };
    assert!(refused("reset-link", &hosted).await.contains("no password here"));
    assert!(refused("promote", &hosted).await.contains("host"), "they could not use it");
    house.verb(("user", "disable"), None, json!({ "email": ANN })).await;
    assert!(refused("reset-link", ANN).await.contains("shut out"));
    assert!(record(&house).await.is_empty(), "nothing was made");
    house.verb(("user", "enable"), None, json!({ "email": ANN })).await;
    let link = house.verb(("user", "reset-link"), None, json!({ "email": ann["id"] })).await;
    assert!(link["link"].is_string(), "{link}");
}
