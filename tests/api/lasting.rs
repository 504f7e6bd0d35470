//! What people hand out is good no longer than they are, and what is over stays over: links,
//! proofs, owners, memberships and waits.

use std::time::Duration;

use axum::body::Body;
use carillon::http::Peer;
use http::{Method, Request};
use serde_json::{Value, json};

use super::connections::{go, set_app};
use super::harness::{Answer, House, send};
use super::users::pages::Browser;
use super::users::{ANN, PASSWORD, Person, account, code, text, token_of};

const BEN: &str = "ben@example.org";

/// A key that may manage; its id and itself.
async fn admin_key(house: &House, expires_at: Option<&str>) -> (String, String) {
    let mut body = json!({ "name": "k", "scopes": ["admin"] });
    if let Some(end) = expires_at {
        body["expires_at"] = json!(end);
    }
    let made = house.post("/keys", &body).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    (text(&made["id"]), text(&made["key"]))
}

/// Paths of an invitation and of a link to connect an account, as whoever bears this makes them.
async fn handed_out(house: &House, bearer: &str) -> [String; 2] {
    let make = async |path: &str, body: Value| {
        let made = house.call(Method::POST, path).key(bearer).json(&body).send().await;
        assert_eq!(made.status, 201, "{}", made.text());
        token_of(&made.json()["link"])
    };
    let invitation = make("/invitations", json!({ "email": BEN, "role": "viewer" })).await;
    let connection = make("/connections", json!({ "network": "x", "link": true })).await;
    [format!("/invitations/{invitation}"), format!("/connect/{connection}")]
}

/// What their pages answer.
async fn look(house: &House, links: &[String; 2]) -> [u16; 2] {
    let mut browser = Browser::new(house);
    [browser.get(&links[0]).await.status, browser.get(&links[1]).await.status]
}

/// Uses both, as somebody who has no account.
async fn used(house: &House, links: &[String; 2]) -> (String, u16) {
    let body = json!({ "token": token_of(&json!(links[0])), "name": "Ben", "password": PASSWORD });
    let accept = house.bare(Method::POST, "/api/v1/invitations/accept").json(&body).send().await;
    (accept.said(), Browser::new(house).post(&links[1], "").await.status)
}

/// Invites to the house's workspace; the id of the invitation, and its token.
async fn invite(house: &House, email: &str) -> (String, String) {
    let made = house.post("/invitations", &json!({ "email": email, "role": "viewer" })).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    (text(&made["id"]), token_of(&made["link"]))
}

async fn state(house: &House, invitation: &str) -> String {
    let all = house.get("/invitations").await.json();
    let all = all["items"].as_array().unwrap().clone();
    text(&all.iter().find(|one| one["id"] == invitation).unwrap()["state"])
}

async fn accept(who: &Person<'_>, token: &str) -> Answer {
    who.post("/invitations/accept", &json!({ "token": token })).await
}

async fn add(house: &House, email: &str, role: &str) {
    let args = json!({ "user": email, "role": role });
    house.verb(("member", "add"), Some(&house.workspace), args).await;
}

#[tokio::test]
async fn a_link_is_good_no_longer_than_the_key_that_made_it() {
    let house = House::new().await;
    set_app(&house).await;
    let (id, key) = admin_key(&house, None).await;
    let links = handed_out(&house, &key).await;
    assert_eq!(look(&house, &links).await, [200, 200]);
    assert_eq!(house.delete(&format!("/keys/{id}")).await.status, 204);
    assert_eq!(look(&house, &links).await, [404, 404], "the key was revoked");
    assert_eq!(used(&house, &links).await, ("404 not_found".to_owned(), 404));

    let (_, key) = admin_key(&house, Some("2026-11-22T09:05:00Z")).await;
    let links = handed_out(&house, &key).await;
    assert_eq!(look(&house, &links).await, [200, 200]);
    // Somebody is on the way with another when the key runs out.
    let [_, begun] = handed_out(&house, &key).await;
    let mut browser = Browser::new(&house);
    let page = go(&house, &mut browser, &begun, "username=acme").await;
    house.clock.advance(Duration::from_mins(5));
    assert_eq!(look(&house, &links).await, [404, 404], "the key ran out");
    assert_eq!(used(&house, &links).await, ("404 not_found".to_owned(), 404));
    assert_eq!(browser.post(&page, "account=2244994945").await.status, 409);
    assert_eq!(house.get("/channels").await.json()["items"], json!([]), "nothing is kept");
    let members = house.get("/members").await.json();
    assert_eq!(members["items"], json!([]), "and nobody came in");
}

#[tokio::test]
async fn a_link_is_good_no_longer_than_whoever_made_it_can_come_in() {
    let house = House::new().await;
    set_app(&house).await;
    let ann = Person::new(&house, ANN).await;
    add(&house, ANN, "admin").await;
    let links = handed_out(&house, &ann.token).await;
    assert_eq!(look(&house, &links).await, [200, 200]);
    house.verb(("user", "disable"), None, json!({ "email": ANN })).await;
    assert_eq!(look(&house, &links).await, [404, 404]);
    assert_eq!(used(&house, &links).await, ("404 not_found".to_owned(), 404));
}

const NEXT: &str = "another long password of hers";

/// Else whoever finds a session open had a proof for as long as they like, without the password.
#[tokio::test]
async fn setting_an_authenticator_up_proves_nothing() {
    let house = House::new().await;
    let mut ann = Person::new(&house, ANN).await;
    house.clock.advance(Duration::from_mins(9));
    let (secret, _) = ann.set_up_totp().await;
    house.clock.advance(Duration::from_mins(1));
    assert!(ann.works().await);
    assert_eq!(ann.delete("/me/totp").await.said(), "403 step_up_needed");
    let renew = ann.call(Method::POST, "/me/recovery-codes").send().await;
    assert_eq!(renew.said(), "403 step_up_needed");
    // Nor does a new password, which asks for no code.
    let change = json!({ "password": PASSWORD, "new_password": NEXT });
    let changed = ann.call(Method::PUT, "/me/password").json(&change).send().await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    let ann = Person::of(&house, &changed.json());
    assert_eq!(ann.delete("/me/totp").await.said(), "403 step_up_needed");
    let both = json!({ "password": NEXT, "code": code(&house, &secret, 0) });
    let proved = ann.post("/sessions/prove", &both).await;
    assert_eq!(proved.status, 200, "{}", proved.text());
    let ann = Person::of(&house, &proved.json());
    house.clock.advance(Duration::from_mins(9));
    assert_eq!(ann.delete("/me/totp").await.status, 204, "that was a proof");
}

#[tokio::test]
async fn an_owner_who_is_disabled_is_none_to_be_left_with() {
    let house = House::new().await;
    let (ann, ben) = (Person::new(&house, ANN).await, Person::new(&house, BEN).await);
    for email in [ANN, BEN] {
        add(&house, email, "owner").await;
    }
    let at = format!("/workspaces/{}", house.workspace);
    house.verb(("user", "disable"), None, json!({ "email": BEN })).await;
    let leave = ann.call(Method::POST, &format!("{at}/leave"));
    assert_eq!(leave.clone().send().await.said(), "409 last_owner");
    let own = ann.call(Method::PATCH, &format!("{at}/members/{}", ann.id));
    let lowered = own.json(&json!({ "role": "admin" })).send().await;
    assert_eq!(lowered.said(), "409 last_owner");
    let handed = ann.post(&format!("{at}/transfer"), &json!({ "to": ben.id })).await;
    assert_eq!(handed.said(), "422 invalid_field to");
    house.verb(("user", "enable"), None, json!({ "email": BEN })).await;
    assert_eq!(leave.send().await.said(), "204");
}

/// The owner of a workspace, in a page of a host of this name: the host's id, and the page.
async fn hosted(house: &House, name: &str) -> (String, Value) {
    let host = json!({ "name": name, "origin": ["https://crm.example"] });
    let host = house.verb(("host", "create"), None, host).await;
    let page = json!({
        "user": { "id": "u-1", "email": "u@crm.example", "name": "U" },
        "workspace": { "id": "w-1", "name": name }, "role": "owner",
        "origin": "https://crm.example",
    });
    let page = house.bare(Method::POST, "/api/v1/embed-sessions").json(&page);
    let opened = page.key(&text(&host["key"])).send().await;
    assert_eq!(opened.status, 201, "{}", opened.text());
    (text(&host["id"]), opened.json())
}

#[tokio::test]
async fn an_owner_whose_host_was_revoked_is_none_to_be_left_with() {
    let house = House::new().await;
    let (ann, ben) = (Person::new(&house, ANN).await, Person::new(&house, BEN).await);
    let ((host, page), (_, other)) = (hosted(&house, "CRM").await, hosted(&house, "Shop").await);
    let (theirs, workspace) = (text(&page["user"]), text(&page["workspace"]));
    let appoint = async |user: &str| {
        let args = json!({ "user": user, "role": "owner" });
        house.verb(("member", "add"), Some(&workspace), args).await;
    };
    let at = format!("/workspaces/{workspace}");
    let leave =
        |who: &Person<'_>| house.bare(Method::POST, &format!("/api/v1{at}/leave")).key(&who.token);
    appoint(BEN).await;
    assert_eq!(leave(&ben).send().await.said(), "204", "the host lets its own owner in");
    appoint(ANN).await;
    let invite = json!({ "email": "new@example.org", "role": "viewer" });
    let invited = house.bare(Method::POST, &format!("/api/v1{at}/invitations")).json(&invite);
    let invited = invited.key(&text(&page["token"])).send().await;
    assert_eq!(invited.status, 201, "{}", invited.text());
    let link = format!("/invitations/{}", token_of(&invited.json()["link"]));
    assert_eq!(Browser::new(&house).get(&link).await.status, 200);

    house.verb(("host", "revoke"), None, json!({ "id": host })).await;
    assert_eq!(leave(&ann).send().await.said(), "409 last_owner");
    let own = ann.call(Method::PATCH, &format!("{at}/members/{}", ann.id));
    let lowered = own.json(&json!({ "role": "admin" })).send().await;
    assert_eq!(lowered.said(), "409 last_owner");
    let handed = ann.post(&format!("{at}/transfer"), &json!({ "to": theirs })).await;
    assert_eq!(handed.said(), "422 invalid_field to");
    assert_eq!(Browser::new(&house).get(&link).await.status, 404, "nor is what they handed out");
    let shut = house.verb(("user", "disable"), None, json!({ "email": ANN })).await;
    assert_eq!(shut["ownerless"], json!(["ann", "crm"]));
    house.verb(("user", "enable"), None, json!({ "email": ANN })).await;
    let ann = Person::signed_in(&house, ANN).await;
    // One of another host is.
    appoint(&text(&other["user"])).await;
    assert_eq!(leave(&ann).send().await.said(), "204");
}

#[tokio::test]
async fn which_workspaces_are_without_an_owner_is_said_when_somebody_is_shut_out() {
    let house = House::new().await;
    for email in [ANN, BEN] {
        account(&house, email).await;
        add(&house, email, "owner").await;
    }
    account(&house, "eve@example.org").await;
    add(&house, "eve@example.org", "admin").await;
    let verb = async |verb: &str, email: &str| {
        let shown = house.verb(("user", verb), None, json!({ "email": email })).await;
        assert_eq!(shown["disabled_at"].is_string(), verb == "disable", "it is done all the same");
        shown.get("ownerless").cloned()
    };
    // Everybody has one of their own; the house's has another owner as long as she can come in.
    assert_eq!(verb("disable", BEN).await, Some(json!(["ben"])));
    assert_eq!(verb("disable", ANN).await, Some(json!(["acme", "ann"])));
    assert_eq!(verb("disable", ANN).await, Some(json!(["acme", "ann"])), "it is still so");
    assert_eq!(verb("enable", ANN).await, None);
    assert_eq!(verb("disable", "eve@example.org").await, Some(json!(["eve"])));
    // What was deleted needs none.
    house.verb(("workspace", "delete"), Some("ann"), json!({})).await;
    assert_eq!(verb("enable", BEN).await, None);
    assert_eq!(verb("disable", ANN).await, Some(json!([])));
}

/// What a network is answered that tries a password at an account.
async fn guess(house: &House, email: &str) -> u16 {
    let body = json!({ "email": email, "password": "wrong horse battery" }).to_string();
    let request = Request::post("/api/v1/sessions").header("content-type", "application/json");
    let mut request = request.body(Body::from(body)).unwrap();
    request.extensions_mut().insert(Peer::Tcp("198.51.100.1:9".parse().unwrap()));
    send(&house.router, request).await.status
}

#[tokio::test]
async fn a_network_waits_no_longer_for_attempts_that_were_refused() {
    let house = House::new().await;
    let at = async |n: u32| guess(&house, &format!("{n}@x.example")).await;
    for n in 0..20 {
        assert_eq!(at(n).await, 401, "{n}");
    }
    house.clock.advance(Duration::from_mins(8));
    for n in 20..60 {
        assert_eq!(at(n).await, 429, "{n}");
    }
    house.clock.advance(Duration::from_mins(7));
    assert_eq!(at(60).await, 401, "the quarter of an hour is over");
    assert_eq!(at(61).await, 429, "that one was tried, and failed");
}

#[tokio::test]
async fn a_second_invitation_leads_nobody_back_in() {
    let house = House::new().await;
    let ben = Person::new(&house, BEN).await;
    let elsewhere = house.new_workspace("Elsewhere").await;
    let args = json!({ "email": BEN, "role": "viewer" });
    let elsewhere = house.verb(("invitation", "create"), Some(&elsewhere), args).await;
    let (first, second) = (invite(&house, BEN).await, invite(&house, BEN).await);
    let other = invite(&house, "eve@example.org").await;
    assert_eq!(accept(&ben, &first.1).await.status, 200);
    let states = [state(&house, &first.0).await, state(&house, &second.0).await];
    assert_eq!(states, ["accepted", "revoked"]);
    assert_eq!(house.actors_of("invitation.revoked"), [format!("user:{}", ben.id)]);
    let at = format!("/members/{}", ben.id);
    assert_eq!(house.delete(&at).await.status, 204);
    assert_eq!(accept(&ben, &second.1).await.said(), "404 not_found");

    // He came in by another way, and the invitation was still open.
    for leaves in [false, true] {
        let open = invite(&house, BEN).await;
        add(&house, BEN, "viewer").await;
        assert_eq!(state(&house, &open.0).await, "open");
        let gone = if leaves {
            let leave = format!("/workspaces/{}/leave", house.workspace);
            ben.call(Method::POST, &leave).send().await
        } else {
            house.delete(&at).await
        };
        assert_eq!(gone.status, 204, "{}", gone.text());
        assert_eq!(state(&house, &open.0).await, "revoked");
        assert_eq!(accept(&ben, &open.1).await.said(), "404 not_found");
    }
    assert_eq!(state(&house, &other.0).await, "open", "another's is not touched");
    let elsewhere = accept(&ben, &token_of(&elsewhere["link"])).await;
    assert_eq!(elsewhere.status, 200, "nor his own to elsewhere: {}", elsewhere.text());
    // Whoever wants him back invites him anew.
    let again = invite(&house, BEN).await;
    assert_eq!(accept(&ben, &again.1).await.status, 200);
}

#[tokio::test]
async fn who_is_new_takes_one_invitation_and_the_others_end() {
    let house = House::new().await;
    let (first, second) = (invite(&house, BEN).await, invite(&house, BEN).await);
    let body = json!({ "token": second.1, "name": "Ben", "password": PASSWORD });
    let came = house.bare(Method::POST, "/api/v1/invitations/accept").json(&body).send().await;
    assert_eq!(came.status, 200, "{}", came.text());
    let states = [state(&house, &first.0).await, state(&house, &second.0).await];
    assert_eq!(states, ["revoked", "accepted"]);
}

#[tokio::test]
async fn an_invitation_is_for_channels_that_are_there() {
    let house = House::new().await;
    let (gone, feed) = (house.new_feed().await, house.new_feed().await);
    assert_eq!(house.delete(&format!("/channels/{gone}")).await.status, 204);
    let body = |id: &str| json!({ "email": BEN, "role": "editor", "channels": { id: "draft" } });
    let refused = house.post("/invitations", &body(&gone)).await;
    assert_eq!(refused.said(), format!("422 invalid_field channels.{gone}"));
    assert_eq!(house.post("/invitations", &body(&feed)).await.status, 201);
}

#[tokio::test]
async fn an_invitation_that_was_accepted_is_not_taken_back() {
    let house = House::new().await;
    let ben = Person::new(&house, BEN).await;
    let (id, token) = invite(&house, BEN).await;
    assert_eq!(accept(&ben, &token).await.status, 200);
    assert_eq!(house.delete(&format!("/invitations/{id}")).await.said(), "404 not_found");
    assert_eq!(state(&house, &id).await, "accepted");
    assert_eq!(house.get(&format!("/members/{}", ben.id)).await.status, 200);
    // One that is open is, and again changes nothing.
    let (id, _) = invite(&house, "eve@example.org").await;
    for _ in 0..2 {
        assert_eq!(house.delete(&format!("/invitations/{id}")).await.status, 204);
    }
}
