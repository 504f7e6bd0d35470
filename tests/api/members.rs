//! Members through the real use cases: what each role may do to whom, the last owner, and that who
//! is suspended or removed has nothing at the next request.

use std::time::Duration;

use carillon::base::{
    ChannelId, CorrelationId, Problem, Secret, SessionId, Timestamp, UserId, WorkspaceId,
};
use carillon::domain::access::{
    ChannelGrant, Entrust, Grants, Manage, Own, Publish, Read, Right, Role, Write,
};
use carillon::domain::event::Actor;
use carillon::service::{Access, ChannelChange, MemberChange, Principal};
use http::Method;
use serde_json::{Value, json};

use super::harness::{House, START};

/// A person with an account; who they are is proved elsewhere.
struct Person {
    user: UserId,
    principal: Principal,
}

/// Somebody who has just proved who they are.
fn person(n: u8) -> Person {
    proved(n, Timestamp::parse(START).unwrap())
}

fn proved(n: u8, at: Timestamp) -> Person {
    let user = UserId::from_bytes([n; 16]);
    Person { user, principal: Principal::of_user(user, SessionId::from_bytes([n; 16]), at) }
}

impl Person {
    async fn enter<R: Right>(&self, house: &House) -> Result<Access<R>, Problem> {
        self.enter_at(house, &house.workspace).await
    }

    async fn enter_at<R: Right>(&self, house: &House, at: &str) -> Result<Access<R>, Problem> {
        let workspace: WorkspaceId = at.parse().unwrap();
        let correlation = CorrelationId::new(house.services.rng.as_ref());
        house.services.access(&self.principal, workspace, correlation).await
    }

    /// What comes of entering with each right, in order of power.
    async fn may(&self, house: &House) -> String {
        [
            self.enter::<Read>(house).await.map(drop),
            self.enter::<Write>(house).await.map(drop),
            self.enter::<Publish>(house).await.map(drop),
            self.enter::<Manage>(house).await.map(drop),
            self.enter::<Own>(house).await.map(drop),
        ]
        .map(said)
        .join(" ")
    }

    async fn change(&self, house: &House, of: &Person, change: MemberChange) -> String {
        match self.enter::<Manage>(house).await {
            Ok(access) => said(house.services.change_member(access, of.user, change).await),
            Err(problem) => said(Err::<(), _>(problem)),
        }
    }

    async fn remove(&self, house: &House, of: &Person) -> String {
        match self.enter::<Manage>(house).await {
            Ok(access) => said(house.services.remove_member(access, of.user).await),
            Err(problem) => said(Err::<(), _>(problem)),
        }
    }

    async fn leave(&self, house: &House) -> String {
        match self.enter::<Read>(house).await {
            Ok(access) => said(house.services.leave_workspace(access).await),
            Err(problem) => said(Err::<(), _>(problem)),
        }
    }
}

/// `ok`, or the code and what it names.
fn said<T>(result: Result<T, Problem>) -> String {
    let Err(problem) = result else { return "ok".to_owned() };
    let params: Vec<_> =
        problem.params.iter().map(|(name, what)| format!("{name}={what}")).collect();
    let fields = problem.fields.iter().map(|field| field.field.clone());
    let told: Vec<_> = params.into_iter().chain(fields).collect();
    [vec![problem.code.word().to_owned()], told].concat().join(":")
}

fn role(role: Role) -> MemberChange {
    MemberChange { role: Some(role), ..MemberChange::default() }
}

fn suspended(suspended: bool) -> MemberChange {
    MemberChange { suspended: Some(suspended), ..MemberChange::default() }
}

async fn join(house: &House, who: &Person, role: Role) {
    house.put_user(who.user).await;
    let args = json!({ "user": who.user.to_string(), "role": role.word() });
    house.verb(("member", "add"), Some(&house.workspace), args).await;
}

/// One of each: owner, admin, editor, viewer.
async fn staff(house: &House) -> [Person; 4] {
    let staff = [1, 2, 3, 4].map(person);
    for (who, role) in staff.iter().zip([Role::Owner, Role::Admin, Role::Editor, Role::Viewer]) {
        join(house, who, role).await;
    }
    staff
}

#[tokio::test]
async fn each_role_enters_with_its_rights_and_strangers_with_none() {
    let house = House::new().await;
    let [owner, admin, editor, viewer] = staff(&house).await;
    assert_eq!(owner.may(&house).await, "ok ok ok ok ok");
    assert_eq!(admin.may(&house).await, "ok ok ok ok forbidden:role=owner");
    let above = "forbidden:role=admin forbidden:role=owner";
    assert_eq!(editor.may(&house).await, format!("ok ok ok {above}"));
    let write = "forbidden:role=editor forbidden:role=editor";
    assert_eq!(viewer.may(&house).await, format!("ok {write} {above}"));
    let none = "not_found not_found not_found not_found not_found";
    assert_eq!(person(9).may(&house).await, none);
    let theirs = house.new_workspace("Others").await;
    assert_eq!(said(owner.enter_at::<Read>(&house, &theirs).await), "not_found");
    let last = house.events().pop().unwrap();
    assert_eq!((last.kind.as_str(), &last.subject), ("access.cross_tenant", &theirs));
    assert_eq!(last.actor, Actor::User(owner.user));
}

#[tokio::test]
async fn nobody_gives_more_than_they_are_or_touches_an_owner_from_below() {
    let house = House::new().await;
    let [owner, admin, editor, viewer] = staff(&house).await;
    let owners = "forbidden:role=owner";
    for low in [&editor, &viewer] {
        for target in [&owner, &admin, &editor, &viewer] {
            for change in [role(Role::Owner), role(Role::Viewer), suspended(true)] {
                let told = low.change(&house, target, change).await;
                assert_eq!(told, "forbidden:role=admin");
            }
            assert_eq!(low.remove(&house, target).await, "forbidden:role=admin");
        }
    }
    assert_eq!(admin.change(&house, &admin, role(Role::Owner)).await, owners);
    assert_eq!(admin.change(&house, &editor, role(Role::Owner)).await, owners);
    for change in [role(Role::Admin), role(Role::Viewer), suspended(true), suspended(false)] {
        assert_eq!(admin.change(&house, &owner, change).await, owners);
    }
    assert_eq!(admin.remove(&house, &owner).await, owners);
    // A key with the scope admin is an admin.
    let (owner_at, editor_at) =
        (format!("/members/{}", owner.user), format!("/members/{}", editor.user));
    let made = house.patch(&editor_at, &json!({ "role": "owner" })).await;
    assert_eq!(
        (made.said(), &made.json()["params"]),
        ("403 forbidden".into(), &json!({ "role": "owner" }))
    );
    assert_eq!(house.patch(&owner_at, &json!({ "role": "viewer" })).await.said(), "403 forbidden");
    assert_eq!(house.delete(&owner_at).await.said(), "403 forbidden");
    // What an admin does give.
    assert_eq!(admin.change(&house, &viewer, role(Role::Admin)).await, "ok");
    assert_eq!(viewer.may(&house).await, "ok ok ok ok forbidden:role=owner");
    assert_eq!(owner.change(&house, &viewer, role(Role::Owner)).await, "ok");
    assert_eq!(viewer.may(&house).await, "ok ok ok ok ok");
}

#[tokio::test]
async fn the_last_owner_stays() {
    let house = House::new().await;
    let [owner, admin, ..] = staff(&house).await;
    for change in [role(Role::Admin), role(Role::Viewer), suspended(true)] {
        assert_eq!(owner.change(&house, &owner, change).await, "last_owner");
    }
    assert_eq!(owner.remove(&house, &owner).await, "last_owner");
    assert_eq!(owner.leave(&house).await, "last_owner");
    // An owner who is suspended is none to be left with.
    join(&house, &person(5), Role::Owner).await;
    assert_eq!(owner.change(&house, &person(5), suspended(true)).await, "ok");
    assert_eq!(owner.leave(&house).await, "last_owner");
    assert_eq!(owner.change(&house, &person(5), suspended(false)).await, "ok");
    assert_eq!(owner.leave(&house).await, "ok");
    assert_eq!(person(5).leave(&house).await, "last_owner");
    // Handed over, the one who was it can go.
    let access = person(5).enter::<Own>(&house).await.unwrap();
    assert_eq!(said(house.services.transfer_workspace(access, admin.user).await), "ok");
    assert_eq!(admin.may(&house).await, "ok ok ok ok ok");
    assert_eq!(person(5).may(&house).await, "ok ok ok ok forbidden:role=owner");
    assert_eq!(person(5).leave(&house).await, "ok");
    for to in [admin.user, person(7).user] {
        let access = admin.enter::<Own>(&house).await.unwrap();
        assert_ne!(said(house.services.transfer_workspace(access, to).await), "ok");
    }
}

#[tokio::test]
async fn two_owners_who_go_at_once_leave_one() {
    let house = House::new().await;
    let (one, two) = (person(1), person(2));
    for who in [&one, &two] {
        join(&house, who, Role::Owner).await;
    }
    // Both were let in before either left: the transaction that writes decides.
    let (first, second) =
        (one.enter::<Read>(&house).await.unwrap(), two.enter::<Read>(&house).await.unwrap());
    assert_eq!(said(house.services.leave_workspace(first).await), "ok");
    assert_eq!(said(house.services.leave_workspace(second).await), "last_owner");
    // And so it is with an admin who was let in before they were demoted.
    join(&house, &person(3), Role::Admin).await;
    let late = person(3).enter::<Manage>(&house).await.unwrap();
    assert_eq!(two.change(&house, &person(3), role(Role::Viewer)).await, "ok");
    let made = house.services.change_member(late, person(3).user, role(Role::Admin)).await;
    assert_eq!(said(made), "forbidden:role=admin");
}

#[tokio::test]
async fn who_is_suspended_or_removed_has_nothing_at_the_next_request() {
    let house = House::new().await;
    let [owner, _, editor, viewer] = staff(&house).await;
    let none = "not_found not_found not_found not_found not_found";
    assert_eq!(owner.change(&house, &editor, suspended(true)).await, "ok");
    assert_eq!(editor.may(&house).await, none);
    assert_eq!(owner.change(&house, &editor, suspended(false)).await, "ok");
    assert!(editor.may(&house).await.starts_with("ok ok ok "));
    assert_eq!(owner.remove(&house, &editor).await, "ok");
    assert_eq!(editor.may(&house).await, none);
    assert_eq!(viewer.leave(&house).await, "ok");
    assert_eq!(viewer.may(&house).await, none);
    assert_eq!(owner.remove(&house, &editor).await, "not_found");

    // Each is on record, with what was and what is.
    let events = house.events();
    let of = |kind: &str| -> Vec<Value> {
        let of = events.iter().filter(|event| event.kind == kind);
        of.map(|event| json!([event.actor.word(), event.subject, event.data])).collect()
    };
    let (by, who) = (format!("user:{}", owner.user), editor.user.to_string());
    let suspended = |before: &str, after: &str| json!([by, who, { "suspended.before": before, "suspended.after": after }]);
    assert_eq!(of("member.changed"), [suspended("false", "true"), suspended("true", "false")]);
    let gone =
        json!({ "role.before": "editor", "channels.before": "all", "suspended.before": "false" });
    assert_eq!(of("member.removed"), [json!([by, who, gone])]);
    assert_eq!(of("member.left").len(), 1);
    assert_eq!(of("member.joined").len(), 4);
}

#[tokio::test]
async fn an_editor_of_some_channels_reaches_no_other() {
    let house = House::new().await;
    let [owner, _, editor, viewer] = staff(&house).await;
    let (mine, other) = (house.new_feed().await, house.new_feed().await);
    let only = |channel: &str, grant| Grants::Only([(channel.parse().unwrap(), grant)].into());
    let limit = |grants| MemberChange { channels: Some(grants), ..MemberChange::default() };
    let set = owner.change(&house, &editor, limit(only(&mine, ChannelGrant::Publish))).await;
    assert_eq!(set, "ok");
    let access = editor.enter::<Read>(&house).await.unwrap();
    let seen = house.services.channels(&access, None, 50).await.unwrap();
    assert_eq!(
        seen.items.iter().map(|c| c.id.clone()).collect::<Vec<_>>(),
        std::slice::from_ref(&mine)
    );
    let new = |channel: &str| carillon::service::NewPost {
        channels: vec![channel.parse().unwrap()],
        parts: vec![carillon::domain::post::PartDraft { text: "x".into(), ..Default::default() }],
        when: Some(carillon::service::When::Now),
        ..Default::default()
    };
    let write = async |who: &Person, channel: &str| {
        let access = who.enter::<Write>(&house).await.unwrap();
        said(house.services.create_post(access, new(channel)).await)
    };
    assert_eq!(write(&editor, &mine).await, "ok");
    assert_eq!(write(&editor, &other).await, "invalid_field:channels[0]");
    // In force with the next write, even of a request that was let in before.
    let early = editor.enter::<Write>(&house).await.unwrap();
    let set = owner.change(&house, &editor, limit(only(&mine, ChannelGrant::Draft))).await;
    assert_eq!(set, "ok");
    let lacks = format!("forbidden:channel={mine}:grant=publish");
    assert_eq!(said(house.services.create_post(early, new(&mine)).await), lacks);
    // Who manages is not limited, and becoming it lifts the limit.
    let limited = owner.change(&house, &owner, limit(only(&mine, ChannelGrant::Read))).await;
    assert_eq!(limited, "invalid_field:channels");
    assert_eq!(owner.change(&house, &editor, role(Role::Admin)).await, "ok");
    assert_eq!(write(&editor, &other).await, "ok");
    // A viewer writes nothing, whatever the grant.
    let set = owner.change(&house, &viewer, limit(only(&mine, ChannelGrant::Publish))).await;
    assert_eq!(set, "ok");
    assert_eq!(said(viewer.enter::<Write>(&house).await), "forbidden:role=editor");
}

#[tokio::test]
async fn members_are_listed_shown_and_changed_over_http() {
    let house = House::new().await;
    let [owner, _, editor, _] = staff(&house).await;
    let feed = house.new_feed().await;
    let read = house.new_key(&house.workspace, &["read"]).await;
    let list = house.call(Method::GET, "/members").key(&read).send().await.json();
    let roles: Vec<_> = list["items"].as_array().unwrap().iter().map(|m| &m["role"]).collect();
    assert_eq!(roles, ["owner", "admin", "editor", "viewer"]);
    let path = format!("/members/{}", editor.user);
    let shown = house.get(&path).await;
    let expected = json!({
        "user": editor.user.to_string(), "revision": 1, "role": "editor", "channels": null,
        "joined_at": "2026-11-22T09:00:00.000Z", "suspended_at": null,
    });
    assert_eq!((shown.json(), shown.header("etag")), (expected, "\"1\""));
    let grants = json!({ feed.clone(): "draft" });
    let limited = house.patch(&path, &json!({ "channels": grants })).await;
    assert_eq!((&limited.json()["channels"], limited.header("etag")), (&grants, "\"2\""));
    let stale = house.call(Method::PATCH, &path).header("if-match", "\"1\"");
    let stale = stale.json(&json!({ "suspended": true })).send().await;
    assert_eq!(stale.said(), "412 stale_revision");
    let lifted = house.patch(&path, &json!({ "channels": null })).await.json();
    assert_eq!((&lifted["channels"], &lifted["revision"]), (&json!(null), &json!(3)));
    let same = house.patch(&path, &json!({ "role": "editor" })).await.json();
    assert_eq!(same["revision"], 3, "nothing changed, so nothing is on record");
    let missing = json!({ owner.user.to_string(): "read" });
    let missing = house.patch(&path, &json!({ "channels": missing })).await;
    assert_eq!(missing.said(), format!("422 invalid_field channels.{}", owner.user));
    // Keys own nothing and leave nothing.
    let to = json!({ "to": editor.user.to_string() });
    assert_eq!(house.post("/transfer", &to).await.said(), "403 person_needed");
    assert_eq!(house.call(Method::POST, "/leave").send().await.said(), "403 person_needed");
    let remove = house.call(Method::DELETE, &path).header("idempotency-key", "once");
    assert_eq!(remove.clone().send().await.status, 204);
    let again = remove.send().await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (204, "true"));
    assert_eq!(house.get(&path).await.said(), "404 not_found");
}

#[tokio::test]
async fn keys_connections_and_the_workspace_itself_ask_for_a_fresh_proof() {
    let house = House::new().await;
    let [owner, admin, editor, _] = staff(&house).await;
    let feed = house.new_feed().await;
    assert_eq!(said(owner.enter::<Entrust>(&house).await), "ok");
    house.clock.advance(Duration::from_secs(10 * 60 - 1));
    assert_eq!(said(admin.enter::<Entrust>(&house).await), "ok");
    house.clock.advance(Duration::from_secs(1));
    let stale = "step_up_needed:minutes=10";
    assert_eq!(said(owner.enter::<Entrust>(&house).await), stale);
    assert_eq!(said(owner.enter::<Own>(&house).await), stale);
    assert_eq!(said(admin.enter::<Entrust>(&house).await), stale);
    // Who may not at all is told that, and no more.
    assert_eq!(said(editor.enter::<Entrust>(&house).await), "forbidden:role=admin");
    // The rest goes on; of a channel, only what brings a credential asks.
    assert_eq!(owner.change(&house, &editor, role(Role::Viewer)).await, "ok");
    let id: ChannelId = feed.parse().unwrap();
    let change = async |change: ChannelChange| {
        let access = owner.enter::<Manage>(&house).await.unwrap();
        said(house.services.change_channel(access, id, change).await)
    };
    let paused = ChannelChange { paused: Some(true), ..ChannelChange::default() };
    assert_eq!(change(paused).await, "ok");
    let token = Some(Secret::new("t".to_owned()));
    assert_eq!(change(ChannelChange { token, ..ChannelChange::default() }).await, stale);
    // A new proof, and keys and operators, who are not asked.
    let again = proved(1, Timestamp::parse("2026-11-22T09:10:00Z").unwrap());
    assert_eq!(said(again.enter::<Entrust>(&house).await), "ok");
    let body = json!({ "name": "k", "scopes": ["read"] });
    assert_eq!(house.post("/keys", &body).await.status, 201);
    house.new_feed().await;
}

#[tokio::test]
async fn only_somebody_with_an_account_is_added() {
    let house = House::new().await;
    let add = async |user: &str| {
        let args = json!({ "user": user, "role": "viewer" });
        let args = serde_json::from_value(args).unwrap();
        let services = &house.services;
        let operator = carillon::store::Operator::new(1_000);
        let correlation = CorrelationId::new(services.rng.as_ref());
        let (named, workspace) = (("member", "add"), Some(house.workspace.as_str()));
        let run =
            carillon::service::run_verb(services, operator, named, workspace, &args, correlation);
        said(run.await)
    };
    assert_eq!(add(&person(9).user.to_string()).await, "invalid_field:user");
    assert_eq!(add("nobody@example.org").await, "not_found:email=nobody@example.org");
    house.put_user(person(9).user).await;
    assert_eq!(add(&person(9).user.to_string()).await, "ok");
    let login = json!({ "email": "ann@example.org", "password": "correct horse battery" });
    house.verb(("user", "create"), None, login).await;
    assert_eq!(add("ann@example.org").await, "ok", "by e-mail, too");
    assert_eq!(add(" Ann@Example.org").await, "already_member");
}

#[tokio::test]
async fn raising_somebody_to_where_they_manage_others_asks_for_a_fresh_proof() {
    let house = House::new().await;
    let [owner, admin, editor, viewer] = staff(&house).await;
    house.clock.advance(Duration::from_mins(10));
    let stale = "step_up_needed:minutes=10";
    for change in [role(Role::Admin), role(Role::Owner)] {
        assert_eq!(owner.change(&house, &editor, change).await, stale);
    }
    assert_eq!(admin.change(&house, &viewer, role(Role::Admin)).await, stale);
    // Lowering does not, nor what stays below.
    assert_eq!(owner.change(&house, &admin, role(Role::Viewer)).await, "ok");
    assert_eq!(owner.change(&house, &viewer, role(Role::Editor)).await, "ok");
    let invite = async |role: Role| {
        let access = owner.enter::<Manage>(&house).await.unwrap();
        let email = format!("{}@example.org", role.word());
        let new = carillon::service::NewInvitation { email, role, channels: Grants::All };
        said(house.services.invite(access, new).await)
    };
    assert_eq!(invite(Role::Admin).await, stale);
    assert_eq!(invite(Role::Owner).await, stale);
    assert_eq!(invite(Role::Editor).await, "ok");
    let again = proved(1, Timestamp::parse("2026-11-22T09:10:00Z").unwrap());
    assert_eq!(again.change(&house, &editor, role(Role::Admin)).await, "ok");
}
