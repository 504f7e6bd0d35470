//! Whoever may come to a route: keys of every scope, people of every role, and those who may not.

use carillon::base::{ChannelId, Clock as _, UserId};
use carillon::domain::access::{ChannelGrant, Grants, Member, Role, Scope};
use carillon::store::rows::Membership;
use carillon::store::{Tx, WriteError};
use http::Method;
use serde_json::{Value, json};

use super::super::harness::House;

/// What somebody is to the workspace of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Is {
    /// Says nothing that counts.
    Nobody,
    Key(Scope),
    Member(Role),
    /// Somebody, and not here.
    Stranger(Kind),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Key,
    Person,
}

pub struct Actor {
    pub name: &'static str,
    pub bearer: Option<String>,
    pub is: Is,
}

/// Everybody, for the house's workspace and its neighbour, with the feed that a limited editor may
/// use.
pub async fn all(house: &House, neighbour: &str, feed: &str) -> Vec<Actor> {
    let mut cast = vec![
        Actor { name: "anonymous", bearer: None, is: Is::Nobody },
        Actor { name: "a wrong key", bearer: Some("ck_nonsense".to_owned()), is: Is::Nobody },
    ];
    let revoked = json!({ "name": "x", "scopes": ["admin"] });
    let revoked = house.post("/keys", &revoked).await.json();
    let (id, key) = (&revoked["id"], revoked["key"].as_str().unwrap().to_owned());
    assert_eq!(house.delete(&format!("/keys/{}", id.as_str().unwrap())).await.status, 204);
    cast.push(Actor { name: "a revoked key", bearer: Some(key), is: Is::Nobody });
    let names = ["key read", "key write", "key publish", "key admin", "key metrics"];
    for (name, scope) in names.into_iter().zip(Scope::ALL) {
        let key = house.new_key(&house.workspace, &[scope.word()]).await;
        cast.push(Actor { name, bearer: Some(key), is: Is::Key(scope) });
    }
    let key = house.new_key(neighbour, &["admin"]).await;
    let is = Is::Stranger(Kind::Key);
    cast.push(Actor { name: "another workspace's key", bearer: Some(key), is });
    let scope = house.scope();
    let feed: ChannelId = feed.parse().unwrap();
    let limited = Grants::Only([(feed, ChannelGrant::Publish)].into());
    for (name, role, grants, suspended) in [
        ("owner", Role::Owner, Grants::All, false),
        ("admin", Role::Admin, Grants::All, false),
        ("editor", Role::Editor, Grants::All, false),
        ("viewer", Role::Viewer, Grants::All, false),
        ("limited editor", Role::Editor, limited, false),
        ("suspended", Role::Owner, Grants::All, true),
    ] {
        let (user, token) = person(house, name).await;
        let mut member = Member::new(user, role, grants, house.clock.now());
        member.suspended_at = suspended.then(|| house.clock.now());
        let put = move |tx: &mut Tx<'_>| {
            tx.put(&scope, &user, &member)?;
            tx.put_global(&(user, scope.workspace()), &Membership)?;
            Ok::<_, WriteError<()>>(())
        };
        house.services.store.write(put).await.unwrap();
        let is = if suspended { Is::Stranger(Kind::Person) } else { Is::Member(role) };
        cast.push(Actor { name, bearer: Some(token), is });
    }
    // Each has a workspace of their own.
    for name in ["invited", "another workspace's owner"] {
        let (_, token) = person(house, name).await;
        let is = Is::Stranger(Kind::Person);
        cast.push(Actor { name, bearer: Some(token), is });
    }
    let body = json!({ "email": mail("invited"), "role": "admin" });
    let invited = house.post("/invitations", &body).await;
    assert_eq!(invited.status, 201, "{}", invited.text());
    cast
}

fn mail(name: &str) -> String {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{plain}@example.org")
}

/// A person with an account, and a live session of theirs.
async fn person(house: &House, name: &str) -> (UserId, String) {
    let login = json!({ "email": mail(name), "password": "correct horse battery" });
    house.verb(("user", "create"), None, login.clone()).await;
    let opened = house.bare(Method::POST, "/api/v1/sessions").json(&login).send().await;
    assert_eq!(opened.status, 201, "{}", opened.text());
    let opened: Value = opened.json();
    let user = opened["user"]["id"].as_str().unwrap().parse().unwrap();
    (user, opened["token"].as_str().unwrap().to_owned())
}
