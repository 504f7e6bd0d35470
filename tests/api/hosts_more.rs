//! What a host cannot do to a workspace that it made, what is on record of hosts, and the doors of pages and
//! rules: who finds a form to connect accounts, and who lifts what a workspace asks of people.

use std::time::Duration;

use carillon::base::Clock as _;
use http::Method;
use serde_json::{Value, json};

use super::connections::set_app;
use super::harness::{Answer, Call, House};
use super::users::pages::{Browser, check};
use super::users::{ANN, PASSWORD, Person, account, code, text};

const CRM: &str = "https://crm.example";
const PLAN: &str = "/api/v1/hosted-workspaces/a-1/plan";
const MISSING: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// A host: its id and key.
async fn host(house: &House) -> (String, String) {
    let made =
        house.verb(("host", "create"), None, json!({ "name": "CRM", "origin": [CRM] })).await;
    (text(&made["id"]), text(&made["key"]))
}

/// Opens a page of the one workspace, for the person whom the host calls so.
async fn open(house: &House, key: &str, person: &str, role: &str) -> Answer {
    let body = json!({
        "user": { "id": person, "email": format!("{person}@acme.example"), "name": "Ann" },
        "workspace": { "id": "a-1", "name": "Acme of the CRM" },
        "role": role, "origin": CRM,
    });
    house.bare(Method::POST, "/api/v1/embed-sessions").key(key).json(&body).send().await
}

fn current<'h>(house: &'h House, opened: &Value) -> Call<'h> {
    house.bare(Method::GET, "/api/v1/embed-sessions/current").key(&text(&opened["token"]))
}

#[tokio::test]
async fn a_host_cannot_take_the_last_owner_away() {
    let house = House::new().await;
    let (_, key) = host(&house).await;
    let opened = open(&house, &key, "u-1", "owner").await;
    assert_eq!(opened.status, 201, "{}", opened.text());
    let opened = opened.json();
    for role in ["viewer", "editor", "admin"] {
        assert_eq!(open(&house, &key, "u-1", role).await.said(), "409 last_owner", "{role}");
    }
    assert_eq!(current(&house, &opened).send().await.json()["role"], "owner");
    // With another owner it can, and then the other one is the last.
    assert_eq!(open(&house, &key, "u-2", "owner").await.status, 201);
    assert_eq!(open(&house, &key, "u-1", "viewer").await.status, 201);
    assert_eq!(current(&house, &opened).send().await.json()["role"], "viewer");
    assert_eq!(open(&house, &key, "u-2", "admin").await.said(), "409 last_owner");
    assert_eq!(open(&house, &key, "u-2", "owner").await.status, 201, "which changes nothing");
}

#[tokio::test]
async fn hosts_come_and_go_on_the_record_of_the_installation() {
    let house = House::new().await;
    let (id, key) = host(&house).await;
    for _ in 0..2 {
        house.verb(("host", "revoke"), None, json!({ "id": id })).await;
    }
    let told = house.verb(("event", "installation"), None, json!({})).await;
    let told = told["items"].as_array().unwrap().clone();
    let of = |event: &Value| {
        let words = ["kind", "subject", "actor"].map(|name| text(&event[name]));
        (words, text(&event["data"]["name"]))
    };
    let told: Vec<_> = told.iter().map(of).collect();
    let expected =
        |kind: &str| ([kind.to_owned(), id.clone(), "operator:1000".to_owned()], "CRM".to_owned());
    // The newest first; to revoke one that is revoked does nothing.
    assert_eq!(told, ["host.revoked", "host.created"].map(expected));
    assert!(!format!("{told:?}").contains(&key));
}

/// A workspace in the operator's list.
async fn listed(house: &House, workspace: &str) -> Value {
    let all = house.verb(("workspace", "list"), None, json!({})).await;
    let all = all["items"].as_array().unwrap().clone();
    all.into_iter().find(|one| one["id"] == workspace).unwrap()
}

#[tokio::test]
async fn a_deleted_workspace_is_shut_for_its_host_too_and_the_list_says_so() {
    let house = House::new().await;
    let (_, key) = host(&house).await;
    let opened = open(&house, &key, "u-1", "owner").await.json();
    let workspace = text(&opened["workspace"]);
    let own = house.new_key(&workspace, &["admin"]).await;
    let plan = json!({ "plan": "starter" });
    let preview = format!("{PLAN}/preview");
    let calls = [
        house.bare(Method::GET, PLAN).key(&key),
        house.bare(Method::PUT, PLAN).key(&key).json(&plan),
        house.bare(Method::POST, &preview).key(&key).json(&plan),
    ];
    let live = listed(&house, &workspace).await;
    assert_eq!((&live["state"], &live["erased_after"]), (&json!("active"), &Value::Null));

    house.verb(("workspace", "delete"), Some(&workspace), json!({})).await;
    for call in calls.clone() {
        let told = format!("{} {}", call.method, call.path);
        let refused = call.send().await;
        assert_eq!(refused.said(), "403 forbidden", "{told}");
        assert_eq!(refused.json()["params"], json!({ "workspace": "deleted" }), "{told}");
    }
    assert_eq!(open(&house, &key, "u-1", "owner").await.said(), "403 forbidden");
    assert_eq!(current(&house, &opened).send().await.said(), "404 not_found");
    let changed = house.events_of(&own).iter().filter(|event| event.kind == "plan.changed").count();
    assert_eq!(changed, 0, "nothing was written");
    let gone = listed(&house, &workspace).await;
    let end = house.clock.now().plus(Duration::from_hours(24)).to_string();
    assert_eq!((&gone["state"], &gone["erased_after"]), (&json!("deleted"), &json!(end)));
    assert_eq!(gone["name"], live["name"]);
    assert_eq!(listed(&house, &house.workspace).await["state"], "active");

    house.verb(("workspace", "restore"), Some(&workspace), json!({})).await;
    for call in calls {
        assert_eq!(call.send().await.status, 200);
    }
    assert_eq!(current(&house, &opened).send().await.status, 200);
    assert_eq!(listed(&house, &workspace).await, live);
}

#[tokio::test]
async fn a_form_to_connect_accounts_is_for_those_who_may() {
    let house = House::new().await;
    set_app(&house).await;
    account(&house, ANN).await;
    let ann = Person::signed_in(&house, ANN).await;
    let [(_, home)] = ann.workspaces().await.try_into().unwrap();
    let mut browser = Browser::new(&house);
    browser.sign_in().await;
    let choose = |workspace: &str| format!("/workspaces/{workspace}/connect");

    // What is another's, what is not there, and what is no id look the same.
    for elsewhere in [house.workspace.as_str(), MISSING, "abc"] {
        let page = browser.get(&choose(elsewhere)).await;
        check(&page);
        assert_eq!(page.status, 404, "{elsewhere}: {}", page.text());
        assert!(!page.text().contains("<form"), "{}", page.text());
    }
    let who = format!("user:{}", ann.id);
    assert_eq!(house.actors_of("access.probed"), [who]);
    let own = house.new_key(&home, &["admin"]).await;
    let tried = house.events_of(&own).into_iter();
    let mut tried = tried.filter(|event| event.kind == "access.cross_tenant");
    assert!(tried.any(|event| event.subject == house.workspace), "the attempt is on record");

    let args = json!({ "user": ANN, "role": "viewer" });
    house.verb(("member", "add"), Some(&house.workspace), args).await;
    for page in [
        browser.get(&choose(&house.workspace)).await,
        browser.post(&choose(&house.workspace), "account=x").await,
    ] {
        check(&page);
        assert_eq!(page.status, 403, "{}", page.text());
        let said = page.text();
        assert!(said.contains("named below") && said.contains("<p>role: admin</p>"), "{said}");
    }

    let page = browser.get(&choose(&home)).await;
    assert!(page.status == 200 && page.text().contains("value=\"x\""), "{}", page.text());
    // One that no application was set for: which network it is stands on the page.
    let page = browser.post(&choose(&home), "account=linkedin").await;
    check(&page);
    assert!(page.status == 409 && page.text().contains("network: linkedin"), "{}", page.text());
    house.clock.advance(Duration::from_mins(11));
    let page = browser.get(&choose(&home)).await;
    check(&page);
    assert!(page.status == 403 && page.text().contains("/account"), "{}", page.text());
}

#[tokio::test]
async fn an_address_that_is_no_text_leads_to_a_page() {
    let house = House::new().await;
    account(&house, ANN).await;
    let mut browser = Browser::new(&house);
    browser.sign_in().await;
    for path in [
        "/invitations/%ff",
        "/reset/%ff",
        "/setup/%ff",
        "/connect/%ff",
        "/oauth/%ff/callback",
        "/workspaces/%ff/connect",
        "/workspaces/%ff/connections/%ff",
    ] {
        let page = browser.get(path).await;
        check(&page);
        assert_eq!(page.status, 404, "{path}");
        assert!(page.text().contains("leads nowhere"), "{path}: {}", page.text());
    }
}

#[tokio::test]
async fn to_ask_for_no_authenticator_any_more_takes_a_fresh_proof() {
    let house = House::new().await;
    let mut ann = Person::new(&house, ANN).await;
    let [(_, workspace)] = ann.workspaces().await.try_into().unwrap();
    let rule = format!("/workspaces/{workspace}/security");
    let (required, optional) =
        (json!({ "totp_required": true }), json!({ "totp_required": false }));
    let (secret, _) = ann.set_up_totp().await;
    house.clock.advance(Duration::from_mins(11));
    assert_eq!(ann.put(&rule, &optional).await.status, 200, "it is as it was");
    assert_eq!(ann.put(&rule, &required).await.status, 200, "to ask for more takes none");
    assert_eq!(ann.put(&rule, &optional).await.said(), "403 step_up_needed");
    let bursts = json!({ "totp_required": true, "pause_bursts": true });
    let shown = ann.put(&rule, &bursts).await.json();
    assert_eq!((&shown["totp_required"], &shown["bursts"]), (&json!(true), &json!("pause")));
    let both = json!({ "password": PASSWORD, "code": code(&house, &secret, 0) });
    let ann = Person::of(&house, &ann.post("/sessions/prove", &both).await.json());
    assert_eq!(ann.put(&rule, &optional).await.json()["totp_required"], false);

    // A host's word that it is them is no such proof.
    let (_, key) = host(&house).await;
    let opened = open(&house, &key, "u-1", "owner").await.json();
    let theirs = text(&opened["workspace"]);
    house.verb(("workspace", "security"), Some(&theirs), json!({ "totp": "required" })).await;
    let path = format!("/api/v1/workspaces/{theirs}/security");
    let lift = house.bare(Method::PUT, &path).key(&text(&opened["token"])).json(&optional);
    assert_eq!(lift.send().await.said(), "403 step_up_needed");
}
