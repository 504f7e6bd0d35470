//! Whoever may come to a route: keys of every scope, people of every role, pages inside a host, and
//! those who may not.

use std::time::Duration;

use carillon::base::{Clock as _, UserId};
use carillon::domain::access::{ChannelGrant, Grants, Member, Proof, Role, Scope};
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
    /// By a session of their own.
    Member(Role),
    /// In a page inside a host.
    Embedded(Role),
    /// A product that embeds this, by its own key.
    Host,
    /// Somebody, and not here.
    Stranger(Kind),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Key,
    Person,
    Embedded,
}

pub struct Actor {
    pub name: &'static str,
    pub bearer: Option<String>,
    pub is: Is,
    /// What they may do on the one channel that they are limited to.
    pub grant: Option<ChannelGrant>,
    /// How well it is known who they are.
    pub proof: Proof,
    /// They administer the installation, too.
    pub administers: bool,
}

impl Actor {
    fn new(name: &'static str, bearer: impl Into<Option<String>>, is: Is) -> Self {
        let proof = match is {
            Is::Embedded(_) => Proof::Vouched,
            _ => Proof::Own,
        };
        Self { name, bearer: bearer.into(), is, grant: None, proof, administers: false }
    }
}

/// Where the host's pages are.
const ORIGIN: &str = "https://crm.example";

/// A host that has made a workspace for people of its own: its key, and the workspace.
pub async fn host(house: &House) -> (String, String) {
    let args = json!({ "name": "CRM", "origin": [ORIGIN] });
    let made = house.verb(("host", "create"), None, args).await;
    let key = made["key"].as_str().unwrap().to_owned();
    let page = page(house, &key, "here", "owner").await;
    (key, text(&page, "workspace"))
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap().to_owned()
}

/// A page of the workspace that the host calls so.
async fn page(house: &House, key: &str, workspace: &str, role: &str) -> Value {
    let body = json!({
        "user": { "id": role, "email": format!("{role}@crm.example"), "name": role },
        "workspace": { "id": workspace, "name": workspace }, "role": role, "origin": ORIGIN,
    });
    let opened = house.bare(Method::POST, "/api/v1/embed-sessions").key(key).json(&body);
    let opened = opened.send().await;
    assert_eq!(opened.status, 201, "{}", opened.text());
    opened.json()
}

/// Everybody, for the house's workspace, which the host made, and its neighbour; with the feed that
/// those who are limited may use.
pub async fn all(house: &House, host: &str, neighbour: &str, feed: &str) -> Vec<Actor> {
    let mut cast = vec![
        Actor::new("anonymous", None, Is::Nobody),
        Actor::new("a wrong key", "ck_nonsense".to_owned(), Is::Nobody),
    ];
    // Those who proved who they are too long ago for some of it.
    let stale = member(house, ("stale owner", Role::Owner), (Grants::All, false)).await;
    cast.push(Actor { proof: Proof::Entered, ..stale });
    cast.push(Actor { proof: Proof::Entered, ..administrator(house, "stale administrator").await });
    house.clock.advance(Duration::from_mins(11));
    cast.push(administrator(house, "administrator").await);
    keys(house, neighbour, feed, &mut cast).await;
    people(house, feed, &mut cast).await;
    pages(house, host, &mut cast).await;
    cast
}

async fn keys(house: &House, neighbour: &str, feed: &str, cast: &mut Vec<Actor>) {
    let end = house.clock.now().plus(Duration::from_secs(1)).to_string();
    for (name, body) in [
        ("a revoked key", json!({ "name": "x", "scopes": ["admin"] })),
        ("an expired key", json!({ "name": "x", "scopes": ["admin"], "expires_at": end })),
    ] {
        let made = house.post("/keys", &body).await.json();
        if body["expires_at"].is_null() {
            let gone = house.delete(&format!("/keys/{}", text(&made, "id"))).await;
            assert_eq!(gone.status, 204);
        }
        cast.push(Actor::new(name, text(&made, "key"), Is::Nobody));
    }
    house.clock.advance(Duration::from_secs(1));
    let names = ["key read", "key write", "key publish", "key admin", "key metrics"];
    for (name, scope) in names.into_iter().zip(Scope::ALL) {
        let key = house.new_key(&house.workspace, &[scope.word()]).await;
        cast.push(Actor::new(name, key, Is::Key(scope)));
    }
    for (name, scope, grant) in [
        ("key publish for one channel", Scope::Publish, ChannelGrant::Publish),
        ("key publish that drafts for one", Scope::Publish, ChannelGrant::Draft),
        ("key read for one channel", Scope::Read, ChannelGrant::Read),
    ] {
        let channel = vec![format!("{feed}:{}", grant.word())];
        let args = json!({ "name": "k", "scope": [scope.word()], "channel": channel });
        let made = house.verb(("key", "create"), Some(&house.workspace), args).await;
        let actor = Actor::new(name, text(&made, "key"), Is::Key(scope));
        cast.push(Actor { grant: Some(grant), ..actor });
    }
    let key = house.new_key(neighbour, &["admin"]).await;
    cast.push(Actor::new("another workspace's key", key, Is::Stranger(Kind::Key)));
}

async fn people(house: &House, feed: &str, cast: &mut Vec<Actor>) {
    for (name, role) in [
        ("owner", Role::Owner),
        ("admin", Role::Admin),
        ("editor", Role::Editor),
        ("viewer", Role::Viewer),
    ] {
        cast.push(member(house, (name, role), (Grants::All, false)).await);
    }
    for (name, role, grant) in [
        ("editor of one channel", Role::Editor, ChannelGrant::Publish),
        ("editor who drafts for one", Role::Editor, ChannelGrant::Draft),
        ("editor who reads one", Role::Editor, ChannelGrant::Read),
        ("viewer of one channel", Role::Viewer, ChannelGrant::Read),
    ] {
        let only = Grants::Only([(feed.parse().unwrap(), grant)].into());
        let actor = member(house, (name, role), (only, false)).await;
        cast.push(Actor { grant: Some(grant), ..actor });
    }
    cast.push(member(house, ("suspended", Role::Owner), (Grants::All, true)).await);
    let shut = member(house, ("disabled", Role::Owner), (Grants::All, false)).await;
    house.verb(("user", "disable"), None, json!({ "email": mail("disabled") })).await;
    cast.push(Actor { is: Is::Nobody, ..shut });
    let out = member(house, ("signed out", Role::Owner), (Grants::All, false)).await;
    house.verb(("user", "sign-out"), None, json!({ "email": mail("signed out") })).await;
    cast.push(Actor { is: Is::Nobody, ..out });
    // Each has a workspace of their own.
    for name in ["invited", "another workspace's owner"] {
        let (_, token) = person(house, name).await;
        cast.push(Actor::new(name, token, Is::Stranger(Kind::Person)));
    }
    let body = json!({ "email": mail("invited"), "role": "admin" });
    let invited = house.post("/invitations", &body).await;
    assert_eq!(invited.status, 201, "{}", invited.text());
}

/// Pages that a host embeds, and the host itself.
async fn pages(house: &House, host: &str, cast: &mut Vec<Actor>) {
    cast.push(Actor::new("a host's key", host.to_owned(), Is::Host));
    for (name, role) in [
        ("page of an owner", Role::Owner),
        ("page of an admin", Role::Admin),
        ("page of an editor", Role::Editor),
        ("page of a viewer", Role::Viewer),
    ] {
        let page = page(house, host, "here", role.word()).await;
        assert_eq!(text(&page, "workspace"), house.workspace);
        cast.push(Actor::new(name, text(&page, "token"), Is::Embedded(role)));
    }
    let elsewhere = page(house, host, "elsewhere", "admin").await;
    let is = Is::Stranger(Kind::Embedded);
    cast.push(Actor::new("page of another workspace", text(&elsewhere, "token"), is));
    let ended = page(house, host, "here", "owner").await;
    let end = format!("/api/v1/embed-sessions/{}", text(&ended, "id"));
    assert_eq!(house.bare(Method::DELETE, &end).key(host).send().await.status, 204);
    cast.push(Actor::new("a page that was ended", text(&ended, "token"), Is::Nobody));
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
    (text(&opened["user"], "id").parse().unwrap(), text(&opened, "token"))
}

/// A person who administers the installation, and is nobody here.
async fn administrator(house: &House, name: &'static str) -> Actor {
    let (_, token) = person(house, name).await;
    house.verb(("user", "promote"), None, json!({ "email": mail(name) })).await;
    Actor { administers: true, ..Actor::new(name, token, Is::Stranger(Kind::Person)) }
}

/// A person who is a member of the house's workspace.
async fn member(
    house: &House,
    (name, role): (&'static str, Role),
    (grants, suspended): (Grants, bool),
) -> Actor {
    let (scope, now) = (house.scope(), house.clock.now());
    let (user, token) = person(house, name).await;
    let mut member = Member::new(user, role, grants, now);
    member.suspended_at = suspended.then_some(now);
    let put = move |tx: &mut Tx<'_>| {
        tx.put(&scope, &user, &member)?;
        tx.put_global(&(user, scope.workspace()), &Membership)?;
        Ok::<_, WriteError<()>>(())
    };
    house.services.store.write(put).await.unwrap();
    let is = if suspended { Is::Stranger(Kind::Person) } else { Is::Member(role) };
    Actor::new(name, token, is)
}
