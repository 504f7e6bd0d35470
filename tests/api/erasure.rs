//! Erasing a person: who may, that nothing of them is left but an id, that the record of events still
//! verifies, and that nobody else is touched.

use std::time::Duration;

use carillon::base::{Code, UserId};
use carillon::store::rows::Administers;
use carillon::store::{Chains, Table};
use http::Method;
use serde_json::json;

use super::harness::House;
use super::users::pages::{Browser, fields};
use super::users::{PASSWORD, Person, account, sign_in, text, with_password};

const EMAIL: &str = "canary.eve@canary.example";

fn canary(bytes: &[u8]) -> bool {
    bytes.windows(6).any(|part| part.eq_ignore_ascii_case(b"canary"))
}

/// The tables in which something of the canary stands, and how many chains of events are whole.
fn left(house: &House) -> (Vec<Table>, usize) {
    let (mut tables, mut chains) = (Vec::new(), Chains::default());
    let all = house.services.store.dump(|table, key, value| {
        chains.push(table, key, value);
        if canary(key) || canary(value) {
            tables.push(table);
        }
        Ok::<(), ()>(())
    });
    all.unwrap().unwrap();
    let verdicts = chains.finish();
    assert!(verdicts.iter().all(|(_, verdict)| verdict.is_ok()), "{verdicts:?}");
    (tables, verdicts.len())
}

/// Eve, known in as many places as there are: an owner, a member, invited twice, signed in twice, with an
/// authenticator, a link for a new password, and a page at a host that calls her so.
async fn eve(house: &House) -> Person<'_> {
    let owned = json!({ "email": EMAIL, "role": "editor" });
    house.verb(("invitation", "create"), Some(&house.workspace), owned.clone()).await;
    let made = house.verb(("invitation", "create"), Some(&house.workspace), owned).await;
    let accept = json!({
        "token": super::users::token_of(&made["link"]), "name": "Canary Eve", "password": PASSWORD,
    });
    let accept = house.bare(Method::POST, "/api/v1/invitations/accept").json(&accept).send().await;
    let mut eve = Person::of(house, &accept.json()["opened"]);
    let mut browser = Browser::new(house);
    let form = fields(&[("email", EMAIL), ("password", PASSWORD)]);
    assert_eq!(browser.post("/sign-in", &form).await.status, 303);
    house.verb(("user", "reset-link"), None, json!({ "email": EMAIL })).await;
    eve.set_up_totp().await;
    eve
}

#[tokio::test]
async fn nothing_of_a_person_is_left_but_an_id() {
    let house = House::new().await;
    account(&house, "ann@example.org").await;
    let add = json!({ "user": "ann@example.org", "role": "owner" });
    house.verb(("member", "add"), Some(&house.workspace), add).await;
    let eve = eve(&house).await;
    let feed = house.new_feed().await;
    let post = json!({ "parts": [{ "text": "Hello" }], "channels": [feed], "draft": true });
    let path = format!("/workspaces/{}/posts", house.workspace);
    assert_eq!(eve.post(&path, &post).await.status, 201);
    let erase = |email: &str| format!("/me?{}", fields(&[("email", email)]));

    // She alone owns her first workspace: that goes before she does.
    let refused = eve.delete(&erase(EMAIL)).await;
    assert_eq!(refused.said(), "409 last_owner");
    let own = text(&refused.json()["params"]["workspace"]);
    assert!(eve.works().await, "nothing was done");
    assert_eq!(eve.delete(&format!("/workspaces/{own}")).await.status, 200);
    // Not by mistake, nor from a session that was left open.
    assert_eq!(eve.delete(&erase("ann@example.org")).await.said(), "422 invalid_field email");
    assert_eq!(eve.delete("/me").await.status, 422);
    let key = house.bare(Method::DELETE, &format!("/api/v1{}", erase(EMAIL))).key(&house.key);
    assert_eq!(key.send().await.said(), "403 person_needed");
    house.clock.advance(Duration::from_mins(11));
    assert_eq!(eve.delete(&erase(EMAIL)).await.said(), "403 step_up_needed");
    house.clock.advance(Duration::from_hours(24));
    assert_eq!(house.services.erase_deleted().await, Ok(1), "with its name, which was hers");
    let (before, _) = left(&house);
    for table in [Table::Users, Table::Emails, Table::Invitations] {
        assert!(before.contains(&table), "{table:?}: {before:?}");
    }
    assert!(!before.contains(&Table::Events), "events name nobody");
    house.verb(("user", "reset-totp"), None, json!({ "email": EMAIL })).await;
    house.verb(("user", "promote"), None, json!({ "email": EMAIL })).await;
    let ann = Person::signed_in(&house, "ann@example.org").await;
    let eve = Person::signed_in(&house, EMAIL).await;
    assert_eq!(eve.delete(&erase(EMAIL)).await.status, 204);

    let (after, chains) = left(&house);
    assert_eq!((after, chains), (vec![], 4), "nothing of her, and each chain is whole");
    let id: UserId = eve.id.parse().unwrap();
    let rights = house.services.store.read_now(|view| view.get_global::<Administers>(&id));
    assert_eq!(rights.unwrap(), None, "nor what she might do to the installation");
    assert!(!eve.works().await);
    assert_eq!(with_password(&house, EMAIL, PASSWORD).await.said(), "401 sign_in_refused");
    let device = json!({ "email": EMAIL, "password": PASSWORD, "device": eve.device });
    assert_eq!(sign_in(&house, &device).await.said(), "401 sign_in_refused");
    let members = ann.get(&format!("/workspaces/{}/members", house.workspace)).await.json();
    assert_eq!(members["items"].as_array().unwrap().len(), 1, "{members}");
    // What she did stays, under an id.
    let told = house.events().into_iter().rfind(|event| event.kind == "user.erased").unwrap();
    assert_eq!((told.subject.as_str(), told.actor.word()), (&*eve.id, format!("user:{}", eve.id)));
    assert!(house.actors_of("post.created").contains(&format!("user:{}", eve.id)));
    // The id is nobody's, and nobody is made of it; the e-mail is free for another.
    let add = json!({ "user": eve.id, "role": "editor" });
    let added = house.try_verb(("member", "add"), Some(&house.workspace), add).await.unwrap_err();
    assert_eq!(added.code, Code::InvalidField, "{added:?}");
    let made = account(&house, EMAIL).await;
    assert_ne!(made["id"], *eve.id);
    // Nobody else was touched.
    assert!(ann.works().await);
    assert_eq!(ann.get(&path).await.status, 200);
}

#[tokio::test]
async fn an_operator_erases_whoever_asks_for_it() {
    let house = House::new().await;
    let host = json!({ "name": "CRM", "origin": ["https://crm.example"] });
    let host = text(&house.verb(("host", "create"), None, host).await["key"]);
    let page = json!({
        "user": { "id": "canary-7", "email": "hosted@example.org", "name": "H" },
        "workspace": { "id": "w", "name": "W" }, "role": "editor", "origin": "https://crm.example",
    });
    let open = house.bare(Method::POST, "/api/v1/embed-sessions").key(&host).json(&page);
    assert_eq!(open.send().await.status, 201);
    let person = Person::new(&house, EMAIL).await;
    let args = json!({ "email": EMAIL });
    let refused = house.try_verb(("user", "erase"), None, args.clone()).await.unwrap_err();
    assert_eq!(refused.code, Code::LastOwner);
    let [(_, own)] = person.workspaces().await.try_into().unwrap();
    house.verb(("workspace", "delete"), Some(&own), json!({})).await;
    let erased = house.verb(("user", "erase"), None, args.clone()).await;
    assert_eq!(erased, json!({ "id": person.id, "erased": true }));
    assert!(!person.works().await);
    assert!(
        house.try_verb(("user", "erase"), None, args).await.is_err(),
        "there is nobody to erase"
    );
    let users = house.verb(("user", "list"), None, json!({})).await;
    assert!(users["items"].as_array().unwrap().iter().all(|user| user["name"] != "(erased)"));
}
