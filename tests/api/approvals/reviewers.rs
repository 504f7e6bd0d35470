//! Reviewers whom a rule names, and who are none any more: by whatever way they went, the rule that names
//! them follows in the same transaction.

use http::Method;
use serde_json::{Value, json};

use super::super::harness::House;
use super::super::users::{Person, text};
use super::{Staff, ask, path, stands};

const CHANGED: &str = "workspace.approvals_changed";

/// Names them; ids of one moment have any order.
async fn name(staff: &Staff<'_>, who: &[&Person<'_>]) -> Vec<String> {
    let mut ids: Vec<_> = who.iter().map(|person| person.id.clone()).collect();
    ids.sort_unstable();
    staff.rule("reviewers", &ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    ids
}

async fn named(house: &House) -> Value {
    house.get("/approvals").await.json()["reviewers"].clone()
}

/// A limited editor, an admin and somebody without limits; the rule names all of them.
#[tokio::test]
async fn whoever_goes_or_only_watches_is_no_reviewer_any_more() {
    let house = House::new().await;
    let staff = Staff::new(&house).await;
    let Staff { owner, admin, editor, .. } = &staff;
    let gone = Person::new(&house, "gone@example.org").await;
    let args = json!({ "user": gone.id, "role": "editor" });
    house.verb(("member", "add"), Some(&house.workspace), args).await;
    let mut ids = name(&staff, &[admin, editor, &gone]).await;
    let at = |who: &Person<'_>| format!("/members/{}", who.id);
    let limit = json!({ "channels": { &staff.feed: "publish" } });
    let limited = ask(&house, &owner.token, Method::PATCH, &at(editor), &limit).await;
    assert_eq!(limited.status, 200, "{}", limited.text());
    let suspended = json!({ "suspended": true });
    ask(&house, &owner.token, Method::PATCH, &at(&gone), &suspended).await;
    // Neither says that somebody decides no more.
    assert_eq!(named(&house).await, json!(ids));

    let viewer = json!({ "role": "viewer" });
    let lowered = ask(&house, &owner.token, Method::PATCH, &at(admin), &viewer).await;
    assert_eq!(lowered.status, 200, "{}", lowered.text());
    ids.retain(|id| *id != admin.id);
    assert_eq!(named(&house).await, json!(ids));
    let removed = ask(&house, &owner.token, Method::DELETE, &at(&gone), &Value::Null).await;
    assert_eq!(removed.status, 204, "{}", removed.text());
    assert_eq!(named(&house).await, json!([editor.id]));
    let leave = format!("/api/v1/workspaces/{}/leave", house.workspace);
    let left = house.bare(Method::POST, &leave).key(&editor.token).send().await;
    assert_eq!(left.status, 204, "{}", left.text());
    assert_eq!(named(&house).await, json!([]));

    let events = house.events();
    let told = events.iter().filter(|event| event.kind == CHANGED).skip(1);
    let told: Vec<_> = told.map(|event| (event.actor.word(), &*event.data["reviewers"])).collect();
    let owner_did = format!("user:{}", owner.id);
    assert_eq!(
        told,
        [
            (owner_did.clone(), &*ids.join(",")),
            (owner_did, &*editor.id),
            (format!("user:{}", editor.id), ""),
        ]
    );
    let cause = events.iter().find(|event| event.kind == "member.left").unwrap();
    let last = events.iter().rfind(|event| event.kind == CHANGED).unwrap();
    assert_eq!((last.correlation, last.at), (cause.correlation, cause.at));

    // Who comes back is named by nobody; only owners decide now.
    for (who, role) in [(&gone, "admin"), (editor, "editor")] {
        let args = json!({ "user": who.id, "role": role });
        house.verb(("member", "add"), Some(&house.workspace), args).await;
    }
    assert_eq!(named(&house).await, json!([]));
    let post = staff.write(&gone.token).await;
    assert_eq!(stands(&post), "asked rule");
    for who in [&gone, editor] {
        assert_eq!(staff.approve(&who.token, &post).await.said(), "403 forbidden");
    }
    assert_eq!(staff.approve(&owner.token, &post).await.status, 200);
    assert_eq!(
        stands(&house.get(&path(&post, "")).await.json()),
        format!("given user:{}", owner.id)
    );
}

#[tokio::test]
async fn whoever_is_erased_is_no_reviewer_any_more() {
    let house = House::new().await;
    let staff = Staff::new(&house).await;
    name(&staff, &[&staff.admin, &staff.editor]).await;
    let [(_, own)] = staff
        .editor
        .workspaces()
        .await
        .into_iter()
        .filter(|(_, id)| *id != house.workspace)
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    house.verb(("workspace", "delete"), Some(&own), json!({})).await;
    house.verb(("user", "erase"), None, json!({ "email": "editor@example.org" })).await;
    assert_eq!(named(&house).await, json!([staff.admin.id]));
}

#[tokio::test]
async fn whom_a_host_makes_a_viewer_is_no_reviewer_any_more() {
    let house = House::new().await;
    let host = json!({ "name": "CRM", "origin": ["https://crm.example"] });
    let key = text(&house.verb(("host", "create"), None, host).await["key"]);
    let open = async |role: &str| {
        let page = json!({
            "user": { "id": "u-1", "email": "ann@acme.example", "name": "Ann" },
            "workspace": { "id": "a-1", "name": "Acme" }, "role": role,
            "origin": "https://crm.example",
        });
        let call = house.bare(Method::POST, "/api/v1/embed-sessions").key(&key).json(&page);
        let opened = call.send().await;
        assert_eq!(opened.status, 201, "{}", opened.text());
        opened.json()
    };
    let page = open("editor").await;
    let (workspace, user) = (text(&page["workspace"]), text(&page["user"]));
    let rule =
        async |args: Value| house.verb(("workspace", "approvals"), Some(&workspace), args).await;
    rule(json!({ "rule": "reviewers", "reviewer": [user] })).await;
    open("editor").await;
    assert_eq!(rule(json!({})).await["reviewers"], json!([user]));
    open("viewer").await;
    assert_eq!(rule(json!({})).await, json!({ "rule": "reviewers", "reviewers": [] }));
}
