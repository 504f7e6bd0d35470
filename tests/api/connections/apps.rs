//! Applications of networks over HTTP: for people who administer the installation, by a session and a
//! fresh proof, and for nobody else. What they did is on record; the secret goes in and never out.

use std::time::Duration;

use carillon::domain::event::Actor;
use http::Method;
use serde_json::{Value, json};

use super::super::harness::{APP, House};
use super::super::users::{ANN, Person, text};

fn app(secret: &str) -> Value {
    json!({ "client_id": APP.0, "client_secret": secret })
}

async fn promote(house: &House, verb: &str) {
    house.verb(("user", verb), None, json!({ "email": ANN })).await;
}

#[tokio::test]
async fn an_administrator_sets_tests_rotates_and_removes_one() {
    let house = House::new().await;
    let ann = Person::new(&house, ANN).await;
    // Who owns a workspace does not own the installation.
    assert_eq!(ann.get("/apps").await.said(), "403 forbidden");
    promote(&house, "promote").await;
    let all = ann.get("/apps").await.json();
    let words: Vec<_> =
        all["items"].as_array().unwrap().iter().map(|a| text(&a["network"])).collect();
    assert_eq!(words, ["x", "linkedin"]);
    let shown = ann.get("/apps/x").await.json();
    assert_eq!(shown, all["items"][0]);
    assert_eq!((&shown["set"], &shown["client_id"]), (&json!(false), &Value::Null));
    assert_eq!(shown["redirect_uri"], "https://carillon.example/oauth/x/callback");
    let test = |path: &str| ann.call(Method::POST, path);
    assert_eq!(test("/apps/x/test").send().await.said(), "409 app_missing");

    let set = ann.put("/apps/x", &app(APP.1)).await;
    assert_eq!(set.status, 200, "{}", set.text());
    assert!(!set.text().contains(APP.1), "{}", set.text());
    let tested = test("/apps/x/test").send().await;
    assert_eq!((tested.status, &tested.json()["set"]), (200, &json!(true)));
    let rotated = ann.put("/apps/x/secret", &json!({ "client_secret": "another-one" })).await;
    assert_eq!(rotated.status, 200, "{}", rotated.text());
    assert_eq!(test("/apps/x/test").send().await.said(), "422 app_refused");

    let mut without = app(APP.1);
    without["without"] = json!(["w_organization_social", "r_member_postAnalytics"]);
    let set = ann.put("/apps/linkedin", &without).await.json();
    let scopes = set["scopes"].as_array().unwrap();
    assert!(!scopes.contains(&json!("r_member_postAnalytics")), "{set}");
    without["without"] = json!(["w_member_social"]);
    let needed = ann.put("/apps/linkedin", &without).await;
    assert_eq!(needed.said(), "422 invalid_field without[0]");
    for missing in ["/apps/feed", "/apps/mastodon", "/apps/X", "/apps/%00"] {
        assert_eq!(ann.get(missing).await.status, 404, "{missing}");
    }
    assert_eq!(ann.delete("/apps/x").await.status, 204);
    assert_eq!(ann.delete("/apps/x").await.said(), "409 app_missing");

    // Each is an event in a workspace of who did it, and none of them says a secret.
    let home = ann.workspaces().await.remove(0).1;
    let events = ann.get(&format!("/workspaces/{home}/events?kind=app.")).await.json();
    let events = events["items"].as_array().unwrap();
    let kinds: Vec<_> = events.iter().map(|event| text(&event["kind"])).collect();
    assert_eq!(kinds, ["app.removed", "app.set", "app.rotated", "app.set"], "{events:#?}");
    let actor = Actor::User(ann.id.parse().unwrap()).word();
    assert!(events.iter().all(|event| event["actor"] == actor.as_str()), "{events:#?}");
    let told = serde_json::to_string(events).unwrap();
    assert!(!told.contains(APP.1) && !told.contains("another-one"));
    let denied = ann.get(&format!("/workspaces/{home}/events?kind=access.")).await.json();
    assert_eq!(denied["items"][0]["data"]["role"], "administrator", "{denied}");
}

#[tokio::test]
async fn it_takes_a_session_and_a_fresh_proof_and_ends_with_the_right() {
    let house = House::new().await;
    let ann = Person::new(&house, ANN).await;
    let key = house.bare(Method::GET, "/api/v1/apps").key(&house.key).send().await;
    assert_eq!(key.said(), "403 person_needed");
    promote(&house, "promote").await;
    let listed = house.verb(("user", "administrators"), None, json!({})).await;
    assert_eq!(listed["items"][0]["email"], ANN);
    house.clock.advance(Duration::from_mins(11));
    assert_eq!(ann.get("/apps/x").await.status, 200, "a look takes none");
    let stale = [
        ann.put("/apps/x", &app(APP.1)).await,
        ann.put("/apps/x/secret", &json!({ "client_secret": "s" })).await,
        ann.call(Method::POST, "/apps/x/test").send().await,
        ann.delete("/apps/x").await,
    ];
    for answer in stale {
        assert_eq!(answer.said(), "403 step_up_needed");
    }
    assert_eq!(ann.get("/apps/x").await.json()["set"], false);
    promote(&house, "demote").await;
    assert_eq!(ann.get("/apps").await.said(), "403 forbidden");
    let listed = house.verb(("user", "administrators"), None, json!({})).await;
    assert_eq!(listed["items"], json!([]));
    // Who is made to administer from the start, does.
    let args = json!({ "email": "ben@example.org", "password": super::super::users::PASSWORD, "admin": true });
    house.verb(("user", "create"), None, args).await;
    let ben = Person::signed_in(&house, "ben@example.org").await;
    assert_eq!(ben.put("/apps/x", &app(APP.1)).await.status, 200);
}
