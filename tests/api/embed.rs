//! Pages inside a host: what its key makes, what its bearers open, from where, how long, and whom
//! they never reach.

use std::time::Duration;

use carillon::domain::access::Member;
use carillon::store::Scope;
use http::Method;
use serde_json::{Value, json};

use super::harness::{Answer, Call, House};

const CRM: &str = "https://crm.example";
const SHOP: &str = "https://shop.example";

/// A host with pages at `origin`: its id and key.
async fn host(house: &House, name: &str, origin: &str) -> (String, String) {
    let made =
        house.verb(("host", "create"), None, json!({ "name": name, "origin": [origin] })).await;
    (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
}

/// What a backend asks with for Ann of Acme.
fn ann(role: &str, origin: &str) -> Value {
    json!({
        "user": { "id": "u-1", "email": "ann@acme.example", "name": "Ann" },
        "workspace": { "id": "a-1", "name": "Acme of the CRM" },
        "role": role, "origin": origin,
    })
}

async fn open(house: &House, key: &str, body: &Value) -> Answer {
    house.bare(Method::POST, "/api/v1/embed-sessions").key(key).json(body).send().await
}

async fn opened(house: &House, key: &str, body: &Value) -> Value {
    let answer = open(house, key, body).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap()
}

/// A call of a page to an address of its workspace.
fn page<'h>(house: &'h House, session: &Value, method: Method, path: &str) -> Call<'h> {
    let path = format!("/api/v1/workspaces/{}{path}", text(session, "workspace"));
    house.bare(method, &path).key(text(session, "token"))
}

#[tokio::test]
async fn the_first_page_makes_user_and_workspace_and_the_next_finds_them() {
    let house = House::new().await;
    let (id, key) = host(&house, "CRM", CRM).await;
    let body = ann("editor", CRM);
    let first = open(&house, &key, &body).await;
    let session = first.json();
    assert_eq!(
        first.header("location"),
        format!("/api/v1/embed-sessions/{}", text(&session, "id"))
    );
    assert_eq!(
        (&session["user_created"], &session["workspace_created"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(session["expires_at"], "2026-11-22T09:15:00.000Z");

    let shown = page(&house, &session, Method::GET, "").send().await.json();
    assert_eq!(
        (text(&shown, "name"), text(&shown, "slug")),
        ("Acme of the CRM", "acme-of-the-crm")
    );
    let current = house.bare(Method::GET, "/api/v1/embed-sessions/current");
    let current = current.key(text(&session, "token")).send().await.json();
    assert_eq!(
        current,
        json!({
            "id": session["id"], "user": session["user"], "name": "Ann",
            "workspace": session["workspace"], "role": "editor", "origin": CRM, "theme": {},
            "expires_at": session["expires_at"],
        })
    );

    let mut again = body;
    again["user"]["name"] = json!("Ann B.");
    again["theme"] = json!({ "accent": "#c2185b" });
    let again = opened(&house, &key, &again).await;
    for same in ["user", "workspace"] {
        assert_eq!(again[same], session[same], "{same}");
    }
    assert_eq!(
        (&again["user_created"], &again["workspace_created"]),
        (&json!(false), &json!(false))
    );
    assert_ne!(again["token"], session["token"]);
    let current = house.bare(Method::GET, "/api/v1/embed-sessions/current");
    let current = current.key(text(&again, "token")).send().await.json();
    assert_eq!(
        (text(&current, "name"), &current["theme"]["accent"]),
        ("Ann B.", &json!("#c2185b"))
    );
    // The one before goes on until its end.
    assert_eq!(page(&house, &session, Method::GET, "").send().await.status, 200);

    // Who did what, by name, in the chain of that workspace and of no other.
    let workspace = text(&session, "workspace");
    let found = house.verb(("workspace", "list"), None, json!({})).await;
    assert_eq!(found["items"].as_array().unwrap().len(), 2);
    let kinds: Vec<(String, String)> = events(&house, &session)
        .into_iter()
        .map(|event| (event.kind, event.actor.word()))
        .collect();
    let by_host = |kind: &str| (kind.to_owned(), format!("host:{id}"));
    assert_eq!(
        kinds,
        ["workspace.created", "member.joined", "embed.opened", "embed.opened"].map(by_host),
        "{workspace}"
    );
}

/// The events of the workspace of a page.
fn events(house: &House, session: &Value) -> Vec<carillon::domain::event::Event> {
    use carillon::store::Span;
    use carillon::store::rows::ChainedEvent;
    let scope = scope(house, session);
    let rows = house
        .services
        .store
        .read_now(|view| view.scan::<ChainedEvent>(&scope, &Span::first(1_000)));
    rows.unwrap().into_iter().map(|(_, row)| row.event).collect()
}

fn scope(house: &House, session: &Value) -> Scope {
    let user = text(session, "user").parse().unwrap();
    let workspace = text(session, "workspace").parse().unwrap();
    let found = house.services.store.read_now(|view| Scope::by_member(view, user, workspace));
    found.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twenty_first_pages_at_once_make_one_of_each() {
    let house: &'static House = Box::leak(Box::new(House::new().await));
    let (_, key) = host(house, "CRM", CRM).await;
    let tasks = tokio_util::task::TaskTracker::new();
    let calls = (0..20).map(|_| {
        let key = key.clone();
        tasks.spawn(async move { opened(house, &key, &ann("editor", CRM)).await })
    });
    let all: Vec<Value> =
        futures_util::future::join_all(calls).await.into_iter().map(Result::unwrap).collect();
    for name in ["user", "workspace"] {
        let ids: std::collections::BTreeSet<_> = all.iter().map(|one| text(one, name)).collect();
        assert_eq!(ids.len(), 1, "{name}");
    }
    let created = |name: &str| all.iter().filter(|one| one[name] == true).count();
    assert_eq!((created("user_created"), created("workspace_created")), (1, 1));
    let tokens: std::collections::BTreeSet<_> = all.iter().map(|one| text(one, "token")).collect();
    assert_eq!(tokens.len(), 20);
}

#[tokio::test]
async fn role_and_plan_count_from_the_next_request_on() {
    let house = House::new().await;
    let (_, key) = host(&house, "CRM", CRM).await;
    let mut body = ann("viewer", CRM);
    let session = opened(&house, &key, &body).await;
    let draft = json!({ "parts": [{ "text": "x" }], "draft": true });
    let write = page(&house, &session, Method::POST, "/posts").json(&draft);
    assert_eq!(write.clone().send().await.said(), "403 forbidden");
    body["role"] = json!("admin");
    body["plan"] =
        json!({ "plan": "free", "overrides": { "channels": "1", "posts_a_month": "1" } });
    opened(&house, &key, &body).await;
    // The page that was open already.
    assert_eq!(write.clone().send().await.status, 201);
    let plan = page(&house, &session, Method::GET, "/plan").send().await.json();
    assert_eq!((text(&plan, "plan"), &plan["channels"]["limit"]), ("free", &json!(1)));
    let feed = json!({ "network": "feed", "name": "News" });
    let add = page(&house, &session, Method::POST, "/channels").json(&feed);
    assert_eq!(add.clone().send().await.status, 201);
    assert_eq!(add.clone().send().await.said(), "402 plan_limit");

    // By the address for plans, with a look ahead; a page cannot do that for itself.
    let path = "/api/v1/hosted-workspaces/a-1/plan";
    let larger = json!({ "plan": "starter" });
    assert_eq!(house.bare(Method::PUT, path).key(&key).json(&larger).send().await.status, 200);
    assert_eq!(add.send().await.status, 201);
    let smaller = json!({ "plan": "free", "overrides": { "channels": "1" } });
    let preview = house.bare(Method::POST, &format!("{path}/preview"));
    let preview = preview.key(&key).json(&smaller).send().await.json();
    assert_eq!((&preview["cuts"], &preview["channels"]["used"]), (&json!(true), &json!(2)));
    let shown = house.bare(Method::GET, path).key(&key).send().await.json();
    assert_eq!(shown, page(&house, &session, Method::GET, "/plan").send().await.json());
    let own = house.bare(Method::PUT, path).key(text(&session, "token")).json(&larger);
    assert_eq!(own.send().await.said(), "401 unauthenticated");
    // Without a plan in it, a renewal leaves the plan as it is.
    opened(&house, &key, &ann("admin", CRM)).await;
    let shown = house.bare(Method::GET, path).key(&key).send().await.json();
    assert_eq!(text(&shown, "plan"), "starter");
    body["role"] = json!("viewer");
    opened(&house, &key, &body).await;
    assert_eq!(write.send().await.said(), "403 forbidden");
}

#[tokio::test]
async fn a_bearer_is_good_for_a_quarter_of_an_hour_or_until_it_is_ended() {
    let house = House::new().await;
    let (_, key) = host(&house, "CRM", CRM).await;
    let (_, other) = host(&house, "Shop", SHOP).await;
    let session = opened(&house, &key, &ann("editor", CRM)).await;
    let look = page(&house, &session, Method::GET, "");
    house.clock.advance(Duration::from_mins(15) - Duration::from_millis(1));
    assert_eq!(look.clone().send().await.status, 200);
    house.clock.advance(Duration::from_millis(1));
    assert_eq!(look.send().await.said(), "401 unauthenticated");

    let session = opened(&house, &key, &ann("editor", CRM)).await;
    let look = page(&house, &session, Method::GET, "");
    let end = format!("/api/v1/embed-sessions/{}", text(&session, "id"));
    let end = |key: &str| house.bare(Method::DELETE, &end).key(key);
    assert_eq!(end(&other).send().await.said(), "404 not_found");
    assert_eq!(end(text(&session, "token")).send().await.said(), "401 unauthenticated");
    assert_eq!(look.clone().send().await.status, 200);
    assert_eq!(end(&key).send().await.status, 204);
    assert_eq!(look.send().await.said(), "401 unauthenticated");
    assert_eq!(end(&key).send().await.said(), "404 not_found");
}

#[tokio::test]
async fn a_bearer_is_bound_to_its_origin_and_only_that_page_may_read() {
    let house = House::new().await;
    let (_, key) = host(&house, "CRM", CRM).await;
    host(&house, "Shop", SHOP).await;
    let session = opened(&house, &key, &ann("editor", CRM)).await;
    let look = page(&house, &session, Method::GET, "/posts");
    let allowed = "access-control-allow-origin";
    for (origin, status, readable) in [
        (Some(CRM), 200, CRM),
        // Our own pages in the host's frame.
        (Some(super::harness::PUBLIC_URL), 200, ""),
        (None, 200, ""),
        (Some(SHOP), 401, ""),
        (Some("https://evil.example"), 401, ""),
        (Some("null"), 401, ""),
        (Some("https://crm.example.evil.example"), 401, ""),
        (Some("http://crm.example"), 401, ""),
    ] {
        let call = origin.map_or_else(|| look.clone(), |it| look.clone().header("origin", it));
        let answer = call.send().await;
        assert_eq!((answer.status, answer.header(allowed)), (status, readable), "{origin:?}");
        assert_eq!(answer.header("access-control-allow-credentials"), "");
        assert_eq!(answer.header("vary").is_empty(), origin.is_none(), "{origin:?}");
    }
    // A page must learn that its bearer is over, to ask for another.
    house.clock.advance(Duration::from_mins(16));
    let over = look.header("origin", CRM).send().await;
    assert_eq!((over.status, over.header(allowed)), (401, CRM));
    // Other keys are for programs: no page may read with them.
    let keyed = house.call(Method::GET, "/posts").header("origin", CRM).send().await;
    assert_eq!((keyed.status, keyed.header(allowed)), (200, ""));

    let ask = |origin: &str| {
        house
            .call(Method::OPTIONS, "/posts")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
    };
    let said = ask(CRM).send().await;
    assert_eq!((said.status, said.header(allowed)), (204, CRM));
    assert!(said.header("access-control-allow-headers").contains("idempotency-key"));
    for origin in ["https://evil.example", "null", "*"] {
        let said = ask(origin).send().await;
        assert_eq!((said.status, said.header(allowed)), (405, ""), "{origin}");
    }
}

/// Names are a host's own: what it did not make is not there for it, whatever it calls it.
#[tokio::test]
async fn a_host_never_reaches_what_it_did_not_make() {
    let house = House::new().await;
    let (_, key) = host(&house, "CRM", CRM).await;
    let (_, other) = host(&house, "Shop", SHOP).await;
    let first = opened(&house, &key, &ann("owner", CRM)).await;
    let second = opened(&house, &other, &ann("owner", SHOP)).await;
    for name in ["user", "workspace"] {
        assert_ne!(first[name], second[name], "the same name of another host");
    }
    // Ids and slugs of others are names like any other.
    let theirs = house.get("").await.json();
    for name in [text(&theirs, "id"), text(&theirs, "slug"), text(&first, "workspace")] {
        let mut body = ann("owner", SHOP);
        body["workspace"] = json!({ "id": name, "name": "Acme" });
        body["user"]["id"] = first["user"].clone();
        let made = opened(&house, &other, &body).await;
        assert_ne!(made["workspace"], theirs["id"]);
        assert_ne!(made["workspace"], first["workspace"]);
        assert_ne!(made["user"], first["user"]);
    }
    for path in ["a-2", text(&theirs, "id"), "%00", "..%2f..", &"x".repeat(201)] {
        let path = format!("/api/v1/hosted-workspaces/{path}/plan");
        let answer = house.bare(Method::GET, &path).key(&key).send().await;
        assert_eq!(answer.said(), "404 not_found", "{path}");
    }
    // A page leads to its own workspace only, and the attempt is on record there.
    let base = format!("/api/v1/workspaces/{}", text(&second, "workspace"));
    let foreign = house.bare(Method::GET, &base).key(text(&first, "token")).send().await;
    assert_eq!(foreign.said(), "404 not_found");
    let tried = events(&house, &first).pop().unwrap();
    assert_eq!(tried.kind, "access.cross_tenant");
    assert_eq!(tried.actor.word(), format!("user:{}", text(&first, "user")));
    // Nor to the person's account, and the host's key to no workspace at all.
    for (path, bearer) in [("/api/v1/me", text(&first, "token")), (base.as_str(), &key)] {
        let answer = house.bare(Method::GET, path).key(bearer).send().await;
        assert_eq!(answer.said(), "401 unauthenticated", "{path}");
    }
}

/// A host does not take an e-mail: whoever has it keeps it, and whoever comes later gets it.
#[tokio::test]
async fn an_email_of_a_host_is_nobodys_account() {
    let house = House::new().await;
    let (_, key) = host(&house, "CRM", CRM).await;
    let new = json!({ "email": "ann@acme.example", "password": "correct horse battery 9" });
    let ann_here = house.verb(("user", "create"), None, new).await;
    let session = opened(&house, &key, &ann("owner", CRM)).await;
    assert_ne!(session["user"], ann_here["id"]);
    let shown = house.verb(("user", "show"), None, json!({ "email": "ann@acme.example" })).await;
    assert_eq!(shown, ann_here);
    let mut bob = ann("owner", CRM);
    bob["user"] = json!({ "id": "u-2", "email": "bob@acme.example", "name": "Bob" });
    let hosted = opened(&house, &key, &bob).await;
    let later = json!({ "email": "bob@acme.example", "password": "correct horse battery 9" });
    let later = house.verb(("user", "create"), None, later).await;
    assert_ne!(later["id"], hosted["user"]);
}

#[tokio::test]
async fn who_was_shut_out_stays_out_and_a_revoked_host_is_over_at_once() {
    let house = House::new().await;
    let (id, key) = host(&house, "CRM", CRM).await;
    let session = opened(&house, &key, &ann("editor", CRM)).await;
    let (user, at) = (text(&session, "user").parse().unwrap(), scope(&house, &session));
    let suspend = |since| {
        house.services.store.write::<_, (), _>(move |tx| {
            let member = tx.get::<Member>(&at, &user)?.unwrap();
            Ok(tx.put(&at, &user, &Member { suspended_at: since, ..member })?)
        })
    };
    suspend(Some(house.services.now())).await.unwrap();
    assert_eq!(page(&house, &session, Method::GET, "").send().await.said(), "404 not_found");
    let refused = open(&house, &key, &ann("owner", CRM)).await;
    assert_eq!(refused.said(), "403 forbidden");
    assert_eq!(refused.json()["params"], json!({ "member": "suspended" }));
    suspend(None).await.unwrap();
    assert_eq!(page(&house, &session, Method::GET, "").send().await.status, 200);

    house.verb(("host", "revoke"), None, json!({ "id": id })).await;
    assert_eq!(page(&house, &session, Method::GET, "").send().await.said(), "401 unauthenticated");
    assert_eq!(open(&house, &key, &ann("editor", CRM)).await.said(), "401 unauthenticated");
    let path = "/api/v1/hosted-workspaces/a-1/plan";
    let plan = house.bare(Method::GET, path).key(&key).send().await;
    assert_eq!(plan.said(), "401 unauthenticated");
    let listed = house.verb(("host", "list"), None, json!({})).await;
    assert!(
        listed["items"][0]["revoked_at"].is_string() && listed["items"][0].get("key").is_none()
    );
    let asked = house
        .call(Method::OPTIONS, "/posts")
        .header("origin", CRM)
        .header("access-control-request-method", "GET");
    assert_eq!(asked.send().await.status, 405);
}

#[tokio::test]
async fn what_a_host_says_is_checked_all_at_once() {
    let house = House::new().await;
    let (_, key) = host(&house, "CRM", CRM).await;
    let body = json!({
        "user": { "id": "", "email": "nobody", "name": " " },
        "workspace": { "id": "a\nb", "name": "" },
        "role": "editor", "origin": SHOP, "theme": { "accent": "red;} body{" },
    });
    let refused = open(&house, &key, &body).await;
    let mut fields = refused.fields();
    fields.sort();
    let expected = [
        "origin",
        "theme.accent",
        "user.email",
        "user.id",
        "user.name",
        "workspace.id",
        "workspace.name",
    ];
    assert_eq!((refused.status, fields), (422, expected.map(str::to_owned).to_vec()));
    let mut body = ann("king", CRM);
    assert_eq!(open(&house, &key, &body).await.said(), "422 invalid_field role");
    body["role"] = json!("editor");
    body["plan"] = json!({ "plan": "gold" });
    assert_eq!(open(&house, &key, &body).await.said(), "422 invalid_field plan.plan");
    // Nothing of it was kept.
    let listed = house.verb(("workspace", "list"), None, json!({})).await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    // A key of a workspace is no host's.
    assert_eq!(open(&house, &house.key, &ann("editor", CRM)).await.said(), "401 unauthenticated");
}

/// A host vouches for who comes, which is enough to connect an account: that is what its pages are for.
/// It is no proof of their own, so nothing goes out of the frame that outlives it.
#[tokio::test]
async fn a_page_never_stands_for_a_proof_of_ones_own() {
    let house = House::new().await;
    let (_, key) = host(&house, "CRM", CRM).await;
    let mut other = ann("editor", CRM);
    other["user"] = json!({ "id": "u-2", "email": "ben@acme.example", "name": "Ben" });
    let ben = text(&opened(&house, &key, &other).await, "user").to_owned();
    let owner = opened(&house, &key, &ann("owner", CRM)).await;
    let ask = async |method: Method, path: &str, body: Value| {
        page(&house, &owner, method, path).json(&body).send().await
    };
    let feed = json!({ "network": "feed", "name": "News" });
    assert_eq!(ask(Method::POST, "/channels", feed).await.status, 201);
    let invite = |role: &str| json!({ "email": format!("{role}@acme.example"), "role": role });
    let member = format!("/members/{ben}");
    for (method, path, body) in [
        (Method::POST, "/keys", json!({ "name": "k", "scopes": ["admin"] })),
        (Method::GET, "/events/export", json!({})),
        (Method::POST, "/transfer", json!({ "to": ben })),
        (Method::POST, "/invitations", invite("admin")),
        (Method::POST, "/invitations", invite("owner")),
        (Method::PATCH, &member, json!({ "role": "admin" })),
        (Method::PATCH, &member, json!({ "role": "owner" })),
    ] {
        let refused = ask(method, path, body.clone()).await;
        assert_eq!(refused.said(), "403 step_up_needed", "{path} {body}");
    }
    // Nor can it be given one: its bearer is no session.
    let prove = json!({ "password": "correct horse battery" });
    let prove = house.bare(Method::POST, "/api/v1/sessions/prove").json(&prove);
    let prove = prove.key(text(&owner, "token")).send().await;
    assert_eq!(prove.said(), "401 unauthenticated");
    // What raises nobody to where they manage others is the daily work.
    assert_eq!(ask(Method::POST, "/invitations", invite("viewer")).await.status, 201);
    assert_eq!(ask(Method::PATCH, &member, json!({ "role": "viewer" })).await.status, 200);
    assert_eq!(ask(Method::PATCH, &member, json!({ "role": "editor" })).await.status, 200);
}

/// People of hosts are nobody who could set this installation up.
#[tokio::test]
async fn whom_a_host_brings_does_not_close_the_set_up() {
    let house = House::new().await;
    let (_, key) = host(&house, "CRM", CRM).await;
    opened(&house, &key, &ann("owner", CRM)).await;
    let link = house.verb(("setup-link", ""), None, json!({})).await;
    let path = text(&link, "link").trim_start_matches("https://carillon.example").to_owned();
    assert_eq!(house.bare(Method::GET, &path).send().await.status, 200);
    let form = "email=eve%40example.org&name=Eve&workspace=Own&password=correct+horse+battery";
    let made = house.bare(Method::POST, &path).header("host", "carillon.example");
    let made = made.header("sec-fetch-site", "same-origin");
    let made = made.raw("application/x-www-form-urlencoded", form).send().await;
    assert_eq!(made.status, 303, "{}", made.text());
    let again = house.bare(Method::GET, &path).send().await;
    assert_eq!(again.status, 404, "once");
}
