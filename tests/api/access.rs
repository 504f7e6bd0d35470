//! Who may do what: every operation with every kind of caller.

use std::time::Duration;

use carillon::domain::access::Scope;
use http::Method;
use serde_json::{Value, json};

use super::document::{fetch, operations};
use super::harness::{Call, House};

/// What each operation needs.
enum Needs {
    /// It is open to strangers.
    Nothing,
    /// Any live key, or a person.
    AnyKey,
    Scope(Scope),
    /// A person; no key is one.
    Person,
    /// A host; nobody else is one.
    Host,
}

fn needs(operation: &str) -> Needs {
    Needs::Scope(match operation {
        "create_session" | "reset_password" | "accept_invitation" => return Needs::Nothing,
        "list_networks" | "show_embed_session" => return Needs::AnyKey,
        "open_embed_session"
        | "end_embed_session"
        | "show_hosted_plan"
        | "set_hosted_plan"
        | "preview_hosted_plan" => return Needs::Host,
        "list_sessions"
        | "end_other_sessions"
        | "end_session"
        | "prove_session"
        | "show_me"
        | "change_me"
        | "erase_me"
        | "change_password"
        | "begin_totp"
        | "confirm_totp"
        | "end_totp"
        | "renew_recovery_codes"
        | "transfer_workspace"
        | "approve_post"
        | "decline_post"
        | "delete_workspace"
        | "restore_workspace"
        | "list_apps"
        | "show_app"
        | "set_app"
        | "remove_app"
        | "rotate_app"
        | "set_webhook_secret"
        | "list_hooks"
        | "show_hook"
        | "test_app" => return Needs::Person,
        "show_security" | "show_approvals" | "list_workspaces" | "show_workspace"
        | "list_channels" | "show_channel" | "list_posts" | "show_post" | "list_deliveries"
        | "show_delivery" | "list_assets" | "show_asset" | "read_asset" | "read_thumbnail"
        | "list_activity" | "stream_events" | "show_plan" | "preview_plan" | "list_members"
        | "show_member" | "leave_workspace" => Scope::Read,
        "cancel_post" | "resolve_delivery" | "acknowledge_delivery" => Scope::Publish,
        "create_post" | "change_post" | "delete_post" | "upload_asset" | "import_asset"
        | "create_upload" | "show_upload" | "write_upload" | "stop_upload" | "change_asset"
        | "delete_asset" => Scope::Write,
        "refresh_channel" | "refresh_channels" | "list_connections" | "begin_connection"
        | "show_connection" | "revoke_connection" | "create_channel" | "change_channel"
        | "remove_channel" | "test_channel" | "list_keys" | "create_key" | "revoke_key"
        | "list_invitations" | "create_invitation" | "revoke_invitation" | "change_security"
        | "change_approvals" | "list_events" | "show_event" | "show_event_head"
        | "export_events" | "change_member" | "remove_member" => Scope::Admin,
        other => panic!("say which scope {other} needs"),
    })
}

const MISSING: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// A call to every operation, with ids of nothing and no body.
async fn calls(house: &House) -> Vec<(String, Call<'_>)> {
    let document = fetch(house).await;
    let call = |(path, method, operation): (String, Method, Value)| {
        let mut path = path.replace("{workspace}", &house.workspace);
        for word in [
            "{channel}",
            "{post}",
            "{delivery}",
            "{key}",
            "{asset}",
            "{user}",
            "{session}",
            "{invitation}",
            "{external}",
            "{network}",
        ] {
            path = path.replace(word, MISSING);
        }
        path = path.replace("{event}", "999");
        let name = operation["operationId"].as_str().unwrap().to_owned();
        (name, house.bare(method, &path))
    };
    operations(&document).into_iter().map(call).collect()
}

#[tokio::test]
async fn every_operation_asks_for_a_live_key() {
    let house = House::new().await;
    let body = json!({ "name": "x", "scopes": ["admin"], "expires_at": "2026-11-22T09:01:00Z" });
    let expired = house.post("/keys", &body).await.json()["key"].as_str().unwrap().to_owned();
    let body = json!({ "name": "x", "scopes": ["admin"] });
    let revoked = house.post("/keys", &body).await.json();
    house.delete(&format!("/keys/{}", revoked["id"].as_str().unwrap())).await;
    let revoked = revoked["key"].as_str().unwrap();
    assert_eq!(house.call(Method::GET, "").key(&expired).send().await.status, 200);
    house.clock.advance(Duration::from_mins(1));

    for (name, call) in calls(&house).await {
        if matches!(needs(&name), Needs::Nothing) {
            continue;
        }
        assert_eq!(call.clone().send().await.said(), "401 unauthenticated", "{name}");
        for key in [&expired, revoked, "ck_nonsense", &house.key.to_lowercase(), &"x".repeat(9_000)]
        {
            assert_eq!(call.clone().key(key).send().await.said(), "401 unauthenticated", "{name}");
        }
        for header in ["", "Bearer", "Bearer ", "Basic YTpi", &house.key, "bearer"] {
            let call = call.clone().header("authorization", header);
            assert_eq!(call.send().await.said(), "401 unauthenticated", "{name} {header}");
        }
        let mut two = call.key(&house.key);
        two.headers.push(("authorization".to_owned(), format!("Bearer {}", house.key)));
        assert_eq!(two.send().await.said(), "401 unauthenticated", "{name}");
    }
    let lower = format!("bearer  {}", house.key);
    let lower = house.call(Method::GET, "").header("authorization", &lower).send().await;
    assert_eq!(lower.status, 200);
}

#[tokio::test]
async fn every_operation_asks_for_its_scope() {
    let house = House::new().await;
    let scopes = [Scope::Read, Scope::Write, Scope::Publish, Scope::Admin, Scope::Metrics];
    for scope in scopes {
        let key = house.new_key(&house.workspace, &[scope.word()]).await;
        for (name, call) in calls(&house).await {
            let answer = call.key(&key).send().await;
            let told = format!("{name} with {}", scope.word());
            if name == "leave_workspace" {
                assert_eq!(answer.status, 403, "{told}"); // by its scope, or as no person
                continue;
            }
            let needed = match needs(&name) {
                Needs::Nothing => continue,
                Needs::Person => {
                    assert_eq!(answer.said(), "403 person_needed", "{told}");
                    continue;
                }
                Needs::Host => {
                    assert_eq!(answer.said(), "401 unauthenticated", "{told}");
                    continue;
                }
                Needs::AnyKey => None,
                Needs::Scope(needed) => Some(needed),
            };
            match needed.filter(|needed| scope == Scope::Metrics || scope < *needed) {
                None => assert!(![401, 403].contains(&answer.status), "{told}: {}", answer.text()),
                Some(_) if answer.body.is_empty() => {
                    assert_eq!(answer.said(), "403 forbidden", "{told}"); // to HEAD
                }
                Some(needed) => {
                    assert_eq!(answer.said(), "403 forbidden", "{told}");
                    let params = json!({ "scope": needed.word() });
                    assert_eq!(answer.json()["params"], params, "{told}");
                }
            }
        }
    }
}

#[tokio::test]
async fn another_workspace_is_as_good_as_missing() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let theirs = house.new_workspace("Others").await;
    let their_key = house.new_key(&theirs, &["admin"]).await;
    let without_id = |text: &str| {
        // Answers to HEAD have no words.
        let text = if text.is_empty() { "{}" } else { text };
        let mut json: Value = serde_json::from_str(text).unwrap();
        json.as_object_mut().unwrap().remove("correlation_id");
        json.to_string()
    };
    let events_before = house.events().len();
    let mut seen = 0;
    for (name, call) in calls(&house).await {
        let foreign = Call { path: call.path.replace(&house.workspace, &theirs), ..call.clone() };
        if foreign.path == call.path {
            continue;
        }
        let missing = Call { path: call.path.replace(&house.workspace, MISSING), ..call.clone() };
        let foreign = foreign.key(&house.key).send().await;
        let missing = missing.key(&house.key).send().await;
        assert_eq!(foreign.said(), "404 not_found", "{name}");
        assert_eq!(without_id(&foreign.text()), without_id(&missing.text()), "{name}");
        let names = |answer: &super::harness::Answer| -> Vec<String> {
            answer.headers.keys().map(ToString::to_string).collect()
        };
        assert_eq!(names(&foreign), names(&missing), "{name}");
        let nonsense = Call { path: call.path.replace(&house.workspace, "%00..%2f"), ..call };
        assert_eq!(nonsense.key(&house.key).send().await.said(), "404 not_found", "{name}");
        seen += 1;
        // Of very many in a minute only some would be written.
        house.clock.advance(Duration::from_mins(1));
    }
    assert_eq!(seen, 63);
    // Every attempt at a workspace is on record in the workspace of the key, and in no other.
    let events = house.events().split_off(events_before);
    assert_eq!(events.len(), 2 * seen);
    assert!(events.iter().all(|event| event.kind == "access.cross_tenant"), "{events:?}");
    assert_eq!(events.iter().filter(|event| event.subject == theirs).count(), seen);

    // A thing of ours, asked for in their workspace with their key, and the other way round.
    let base = format!("/api/v1/workspaces/{theirs}/channels/{feed}");
    let ours = house.bare(Method::GET, &base).key(&their_key).send().await;
    let base = format!("/api/v1/workspaces/{theirs}/channels/{MISSING}");
    let none = house.bare(Method::GET, &base).key(&their_key).send().await;
    assert_eq!(without_id(&ours.text()), without_id(&none.text()));
    let body = json!({
        "parts": [{ "text": "x" }], "channels": [feed], "schedule": { "now": true },
    });
    let base = format!("/api/v1/workspaces/{theirs}/posts");
    let post = house.bare(Method::POST, &base).key(&their_key).json(&body).send().await;
    assert_eq!(post.said(), "422 invalid_field channels[0]");
}

#[tokio::test]
async fn ids_that_are_none_are_missing() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    for id in [
        "x",
        "0",
        MISSING,
        "%00",
        "%ff",
        "..%2f..",
        &feed.replace('-', ""),
        feed.trim_start_matches('0'),
    ] {
        for path in ["/channels/", "/posts/", "/deliveries/"] {
            let answer = house.get(&format!("{path}{id}")).await;
            assert_eq!(answer.said(), "404 not_found", "{path}{id}");
        }
    }
    // A UUID is the same in capitals.
    assert_eq!(house.get(&format!("/channels/{}", feed.to_uppercase())).await.status, 200);
    // The id of another kind of thing.
    assert_eq!(house.get(&format!("/posts/{feed}")).await.said(), "404 not_found");
}
