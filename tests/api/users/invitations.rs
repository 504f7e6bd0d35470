//! Invitations: made, accepted once, taken back, over.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::super::harness::{Answer, House};
use super::{ANN, PASSWORD, Person, account, text, token_of};

const BEN: &str = "ben@example.org";

async fn accept(house: &House, link: &Value) -> Answer {
    let body = json!({ "token": token_of(link), "name": "Ben", "password": PASSWORD });
    house.bare(Method::POST, "/api/v1/invitations/accept").json(&body).send().await
}

/// Somebody with a workspace of their own, and its address.
async fn owner(house: &House) -> (Person<'_>, String) {
    let ann = Person::new(house, ANN).await;
    let [(_, workspace)] = ann.workspaces().await.try_into().unwrap();
    (ann, workspace)
}

async fn invite(by: &Person<'_>, workspace: &str, email: &str, role: &str) -> Answer {
    let body = json!({ "email": email, "role": role });
    by.post(&format!("/workspaces/{workspace}/invitations"), &body).await
}

#[tokio::test]
async fn somebody_new_is_invited_and_comes_in() {
    let house = House::new().await;
    let (ann, workspace) = owner(&house).await;
    let made = invite(&ann, &workspace, " BEN@example.org", "editor").await;
    assert_eq!(made.status, 201, "{}", made.text());
    let invited = made.json();
    let expected = json!({
        "id": invited["id"], "email": BEN, "role": "editor", "channels": null, "state": "open",
        "invited_by": format!("user:{}", ann.id), "created_at": "2026-11-22T09:00:00.000Z",
        "expires_at": "2026-11-25T09:00:00.000Z", "link": invited["link"],
    });
    assert_eq!(invited, expected);
    assert!(text(&invited["link"]).starts_with("https://carillon.example/invitations/"));
    let all = format!("/workspaces/{workspace}/invitations");
    let listed = ann.get(&all).await.json();
    assert!(listed["items"][0].get("link").is_none(), "a link is shown once");
    let accepted = accept(&house, &invited["link"]).await;
    assert_eq!(accepted.status, 200, "{}", accepted.text());
    let accepted = accepted.json();
    assert_eq!(accepted["workspace"], workspace.as_str());
    let ben = Person::of(&house, &accepted["opened"]);
    let mut names: Vec<_> = ben.workspaces().await.into_iter().map(|(name, _)| name).collect();
    names.sort();
    assert_eq!(names, ["Ben", "ann"], "the one he was invited to, and his own");
    let posts = format!("/workspaces/{workspace}/posts");
    let draft = json!({ "parts": [{ "text": "x" }], "draft": true });
    assert_eq!(ben.post(&posts, &draft).await.status, 201);
    assert_eq!(ben.get(&all).await.said(), "403 forbidden", "an editor invites nobody");
    assert_eq!(ann.get(&all).await.json()["items"][0]["state"], "accepted");
    assert_eq!(accept(&house, &invited["link"]).await.said(), "404 not_found", "once");
    assert_eq!(invite(&ann, &workspace, BEN, "viewer").await.said(), "409 already_member");
}

#[tokio::test]
async fn somebody_with_an_account_accepts_as_themselves() {
    let house = House::new().await;
    let (ann, workspace) = owner(&house).await;
    let ben = Person::new(&house, BEN).await;
    let eve = Person::new(&house, "eve@example.org").await;
    let invited = invite(&ann, &workspace, BEN, "viewer").await.json();
    let body = json!({ "token": token_of(&invited["link"]) });
    assert_eq!(accept(&house, &invited["link"]).await.said(), "409 sign_in_first");
    assert_eq!(eve.post("/invitations/accept", &body).await.said(), "403 other_email");
    let done = ben.post("/invitations/accept", &body).await;
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(done.json(), json!({ "workspace": workspace, "opened": null }));
    assert_eq!(ben.get(&format!("/workspaces/{workspace}")).await.status, 200);
    assert_eq!(ben.post("/invitations/accept", &body).await.said(), "404 not_found");
    assert_eq!(eve.get(&format!("/workspaces/{workspace}")).await.said(), "404 not_found");
}

#[tokio::test]
async fn an_invitation_ends_by_time_by_hand_and_with_its_inviter() {
    let house = House::new().await;
    let (ann, workspace) = owner(&house).await;
    let all = format!("/workspaces/{workspace}/invitations");
    let late = invite(&ann, &workspace, BEN, "viewer").await.json();
    house.clock.advance(Duration::from_secs(1));
    let taken = invite(&ann, &workspace, BEN, "viewer").await.json();
    let path = format!("{all}/{}", text(&taken["id"]));
    assert_eq!(ann.delete(&path).await.status, 204);
    assert_eq!(ann.delete(&path).await.status, 204, "again changes nothing");
    assert_eq!(accept(&house, &taken["link"]).await.said(), "404 not_found");
    house.clock.advance(Duration::from_hours(72));
    let ann = Person::signed_in(&house, ANN).await;
    assert_eq!(accept(&house, &late["link"]).await.said(), "404 not_found");
    let states: Vec<_> = ann.get(&all).await.json()["items"].as_array().unwrap().clone();
    let states: Vec<_> = states.iter().map(|one| text(&one["state"])).collect();
    assert_eq!(states, ["revoked", "expired"]);

    // An admin invites, and is none any more when it is accepted.
    let admin = invite(&ann, &workspace, BEN, "admin").await.json();
    let ben = Person::of(&house, &accept(&house, &admin["link"]).await.json()["opened"]);
    assert_eq!(invite(&ben, &workspace, "eve@example.org", "owner").await.said(), "403 forbidden");
    let eve = invite(&ben, &workspace, "eve@example.org", "admin").await.json();
    house.verb(("user", "disable"), None, json!({ "email": BEN })).await;
    suspend(&house, &workspace, &ben.id).await;
    assert_eq!(accept(&house, &eve["link"]).await.said(), "404 not_found");
}

/// Takes a member's access away, as it is stored.
async fn suspend(house: &House, workspace: &str, user: &str) {
    use carillon::base::{Clock as _, UserId, WorkspaceId};
    use carillon::domain::access::Member;
    use carillon::store::Scope;
    let (workspace, user): (WorkspaceId, UserId) =
        (workspace.parse().unwrap(), user.parse().unwrap());
    let now = house.clock.now();
    let written = house.services.store.write::<_, (), _>(move |tx| {
        let scope = Scope::by_member(&tx.view(), user, workspace)?.unwrap();
        let member = tx.get::<Member>(&scope, &user)?.unwrap();
        Ok(tx.put(&scope, &user, &Member { suspended_at: Some(now), ..member })?)
    });
    written.await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_invited_is_told() {
    let house = House::new().await;
    let (ann, workspace) = owner(&house).await;
    let all = format!("/workspaces/{workspace}/invitations");
    let missing = "01890a5d-ac96-774b-bcce-b302099a8057";
    for (body, said) in [
        (json!({ "email": "ben", "role": "viewer" }), "422 invalid_field email"),
        (json!({ "email": BEN, "role": "king" }), "422 invalid_field role"),
        (json!({ "email": ANN, "role": "viewer" }), "409 already_member"),
        (json!({ "email": BEN, "role": "admin", "channels": {} }), "422 invalid_field channels"),
        (
            json!({ "email": BEN, "role": "editor", "channels": { missing: "publish" } }),
            &format!("422 invalid_field channels.{missing}"),
        ),
        (
            json!({ "email": BEN, "role": "editor", "channels": { "x": "publish" } }),
            "422 invalid_field channels.x",
        ),
    ] {
        assert_eq!(ann.post(&all, &body).await.said(), said, "{body}");
    }
    // By an operator, with a limit to a channel by the API.
    let channel = json!({ "network": "feed", "name": "N" });
    let channel = ann.post(&format!("/workspaces/{workspace}/channels"), &channel).await.json();
    let channel = text(&channel["id"]);
    let body = json!({ "email": BEN, "role": "editor", "channels": { channel.clone(): "draft" } });
    let made = ann.post(&all, &body).await.json();
    assert_eq!(made["channels"], json!({ channel: "draft" }));
    let args = json!({ "email": "o@example.org", "role": "owner" });
    let made = house.verb(("invitation", "create"), Some(&workspace), args).await;
    assert_eq!((&made["role"], &made["state"]), (&json!("owner"), &json!("open")));
    let listed = house.verb(("invitation", "list"), Some(&workspace), json!({})).await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn twenty_at_once_make_one_member() {
    let house = House::new().await;
    let (ann, workspace) = owner(&house).await;
    let invited = invite(&ann, &workspace, BEN, "editor").await.json();
    let all = (0..20).map(|_| accept(&house, &invited["link"]));
    let all = futures_util::future::join_all(all).await;
    assert_eq!(all.iter().filter(|answer| answer.status == 200).count(), 1);
    assert!(all.iter().all(|answer| [200, 404, 409].contains(&answer.status)), "{all:?}");
    let users = house.verb(("user", "list"), None, json!({})).await;
    assert_eq!(users["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_invitation_is_made_once_for_one_key() {
    let house = House::new().await;
    let (ann, workspace) = owner(&house).await;
    account(&house, "x@example.org").await;
    let call = || {
        ann.call(Method::POST, &format!("/workspaces/{workspace}/invitations"))
            .header("idempotency-key", "a")
            .json(&json!({ "email": BEN, "role": "viewer" }))
    };
    let (first, second) = (call().send().await, call().send().await);
    assert_eq!((first.status, second.status), (201, 201));
    assert_eq!(second.header("idempotency-replayed"), "true");
    assert_eq!(first.json()["id"], second.json()["id"]);
    assert!(second.json().get("link").is_none(), "a link is shown once");
}
