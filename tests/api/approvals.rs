//! Approval: who must let a post out, who may, and what their word is bound to. That nothing goes out
//! without it, the engine's tests show.

mod reviewers;
mod suspicion;

use carillon::base::{Clock as _, DeliveryId};
use carillon::domain::event::Actor;
use carillon::domain::post::Post;
use carillon::domain::publish::{Event, Moment, Next};
use carillon::service::{Bounds, Change, Refused, transition};
use carillon::store::Operator;
use http::Method;
use serde_json::{Map, Value, json};

use super::harness::{Answer, House};
use super::users::{Person, text};

/// One of each, with accounts.
struct Staff<'h> {
    house: &'h House,
    feed: String,
    owner: Person<'h>,
    admin: Person<'h>,
    editor: Person<'h>,
    viewer: Person<'h>,
}

impl<'h> Staff<'h> {
    async fn new(house: &'h House) -> Self {
        let feed = house.new_feed().await;
        let join = async |role: &str| {
            let person = Person::new(house, &format!("{role}@example.org")).await;
            let args = json!({ "user": person.id, "role": role });
            house.verb(("member", "add"), Some(&house.workspace), args).await;
            person
        };
        let (owner, admin) = (join("owner").await, join("admin").await);
        let (editor, viewer) = (join("editor").await, join("viewer").await);
        Self { house, feed, owner, admin, editor, viewer }
    }

    async fn rule(&self, rule: &str, reviewers: &[&str]) {
        let body = json!({ "rule": rule, "reviewers": reviewers });
        let call = self.house.call(Method::PUT, "/approvals").key(&self.owner.token).json(&body);
        let answer = call.send().await;
        assert_eq!((answer.status, &answer.json()), (200, &body), "{}", answer.text());
    }

    /// Schedules a post with this bearer; the post.
    async fn write(&self, bearer: &str) -> Value {
        let answer = ask(self.house, bearer, Method::POST, "/posts", &self.words("Morning!")).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()
    }

    fn words(&self, words: &str) -> Value {
        json!({
            "parts": [{ "text": words }], "channels": [self.feed],
            "schedule": { "at": "2026-12-01T09:00", "zone": "UTC" },
        })
    }

    async fn patch(&self, bearer: &str, post: &Value, change: &Value) -> Answer {
        ask(self.house, bearer, Method::PATCH, &path(post, ""), change).await
    }

    async fn approve(&self, bearer: &str, post: &Value) -> Answer {
        ask(self.house, bearer, Method::POST, &path(post, "/approve"), &json!({})).await
    }

    async fn decline(&self, bearer: &str, post: &Value, note: &str) -> Answer {
        let body = json!({ "note": note });
        ask(self.house, bearer, Method::POST, &path(post, "/decline"), &body).await
    }
}

async fn ask(house: &House, bearer: &str, method: Method, path: &str, body: &Value) -> Answer {
    let call = house.call(method.clone(), path).key(bearer);
    if method == Method::GET { call.send().await } else { call.json(body).send().await }
}

fn path(post: &Value, rest: &str) -> String {
    format!("/posts/{}{rest}", text(&post["id"]))
}

/// `state why by`, as far as there is any.
fn stands(post: &Value) -> String {
    let approval = &post["approval"];
    let words = ["state", "why", "by"].map(|name| approval[name].as_str().unwrap_or_default());
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// What its first delivery waits for.
fn waits(post: &Value) -> String {
    let first = &post["deliveries"][0];
    format!("{} {}", text(&first["state"]), text(&first["reason"]))
}

async fn limited(house: &House, scope: &str, channels: &[(&str, &str)]) -> String {
    let grants: Map<String, Value> =
        channels.iter().map(|(channel, grant)| ((*channel).to_owned(), json!(grant))).collect();
    let body = json!({ "name": "limited", "scopes": [scope], "channels": grants });
    text(&house.post("/keys", &body).await.json()["key"])
}

fn kinds(house: &House, post: &Value) -> Vec<String> {
    let events = house.events().into_iter().filter(|event| post["id"] == event.subject.as_str());
    events.map(|event| event.kind).collect()
}

#[tokio::test]
async fn an_approver_approves_by_writing_and_everybody_else_asks() {
    let house = House::new().await;
    let staff = Staff::new(&house).await;
    let bearers = [&staff.owner.token, &staff.admin.token, &staff.editor.token, &house.key];
    let given = |who: &Person<'_>| format!("given user:{}", who.id);
    let (owner, admin, editor) = (given(&staff.owner), given(&staff.admin), given(&staff.editor));
    for (rule, reviewers, stood) in [
        ("off", vec![], ["", "", "", ""]),
        ("any_admin", vec![], [&*owner, &admin, "asked rule", "asked rule"]),
        ("reviewers", vec![&*staff.editor.id], [&*owner, "asked rule", &editor, "asked rule"]),
    ] {
        staff.rule(rule, &reviewers).await;
        for (bearer, stood) in bearers.into_iter().zip(stood) {
            let post = staff.write(bearer).await;
            assert_eq!(stands(&post), stood, "{rule}");
            let kept_in = stood.starts_with("asked");
            let reason = if kept_in { "scheduled approval" } else { "scheduled due" };
            assert_eq!(waits(&post), reason, "{rule}");
            let asked = kinds(&house, &post);
            assert_eq!(asked.contains(&"post.approval_asked".to_owned()), kept_in, "{asked:?}");
            // It is stored as it was answered.
            assert_eq!(house.get(&path(&post, "")).await.json(), post);
        }
        let at = json!({ "channel": staff.feed, "text": ["x"], "at": "2026-12-01T09:00",
            "zone": "UTC" });
        let post = house.verb(("post", "create"), Some(&house.workspace), at).await;
        assert_eq!(stands(&post), if rule == "off" { "" } else { "given operator:1000" });
        // A draft asks for nothing until it is scheduled.
        let mut draft = staff.words("later");
        draft["draft"] = json!(true);
        let draft = ask(&house, &house.key, Method::POST, "/posts", &draft).await.json();
        assert_eq!(stands(&draft), "");
        let change = json!({ "draft": false });
        let scheduled = staff.patch(&house.key, &draft, &change).await.json();
        assert_eq!(stands(&scheduled), if rule == "off" { "" } else { "asked rule" });
    }
}

#[tokio::test]
async fn only_whom_the_rule_asks_lets_out_what_waits() {
    let house = House::new().await;
    let staff = Staff::new(&house).await;
    let Staff { owner, admin, editor, viewer, .. } = &staff;
    let bearers = [&owner.token, &admin.token, &editor.token, &viewer.token, &house.key];
    let viewers = "403 forbidden";
    for (rule, reviewers, said) in [
        ("any_admin", vec![], ["200", "200", "403 forbidden", viewers, "403 person_needed"]),
        (
            "reviewers",
            vec![&*editor.id],
            ["200", "403 forbidden", "200", viewers, "403 person_needed"],
        ),
        // What a rule of suspicion or an earlier rule stopped is not stuck where nobody is asked.
        ("off", vec![], ["200", "200", "403 forbidden", viewers, "403 person_needed"]),
    ] {
        for (bearer, said) in bearers.into_iter().zip(said) {
            staff.rule("any_admin", &[]).await;
            let post = staff.write(&house.key).await;
            staff.rule(rule, &reviewers).await;
            assert_eq!(stands(&post), "asked rule");
            let answer = staff.approve(bearer, &post).await;
            assert_eq!(answer.said(), said, "{rule}");
            let now = house.get(&path(&post, "")).await.json();
            let out = if said == "200" { "scheduled due" } else { "scheduled approval" };
            assert_eq!(waits(&now), out, "{rule}");
            if said != "200" {
                assert_eq!(staff.decline(bearer, &post, "no").await.said(), said, "{rule}");
            }
        }
    }
    // Another workspace's is missing, and so is what is not there.
    let post = staff.write(&house.key).await;
    let theirs = house.new_workspace("Others").await;
    let elsewhere = format!("/api/v1/workspaces/{theirs}{}", path(&post, "/approve"));
    let args = json!({ "user": owner.id, "role": "owner" });
    house.verb(("member", "add"), Some(&theirs), args).await;
    let call = house.bare(Method::POST, &elsewhere).key(&owner.token).json(&json!({}));
    assert_eq!(call.send().await.said(), "404 not_found");
}

#[tokio::test]
async fn an_approval_is_of_what_was_seen() {
    let house = House::new().await;
    let staff = Staff::new(&house).await;
    staff.rule("any_admin", &[]).await;
    let (admin, editor) = (&staff.admin, &staff.editor);
    let given = format!("given user:{}", admin.id);
    let post = staff.write(&editor.token).await;
    // It was changed after the admin looked.
    staff.patch(&editor.token, &post, &json!({ "parts": [{ "text": "Evening!" }] })).await;
    let approve = house.call(Method::POST, &path(&post, "/approve")).key(&admin.token);
    let seen = approve.clone().header("if-match", "\"1\"").json(&json!({})).send().await;
    assert_eq!(seen.said(), "412 stale_revision");
    let seen = approve.header("if-match", "\"2\"").json(&json!({ "note": "fine" })).send().await;
    assert_eq!((seen.status, stands(&seen.json())), (200, given.clone()));
    assert_eq!(seen.header("etag"), "\"3\"");
    let said = house.events().into_iter().find(|event| event.kind == "post.approved").unwrap();
    assert_eq!((said.data["note"].as_str(), &*said.subject), ("fine", &*text(&post["id"])));
    assert_eq!(staff.approve(&admin.token, &post).await.said(), "409 nothing_to_approve");
    // Moved, it is what it was.
    for change in [
        json!({ "schedule": { "at": "2026-12-02T09:00", "zone": "UTC" } }),
        json!({ "draft": true }),
        json!({ "draft": false }),
    ] {
        let answer = staff.patch(&editor.token, &post, &change).await;
        let kept = if change["draft"] == true { String::new() } else { given.clone() };
        assert_eq!((answer.status, stands(&answer.json())), (200, kept), "{change}");
    }
    // Other words, other options, another channel: what goes out is another post.
    let other = house.new_feed().await;
    let feed = staff.feed.as_str();
    for change in [
        json!({ "tags": ["news"] }),
        json!({ "parts": [{ "text": "Buy now!" }] }),
        json!({ "parts": [{ "text": "Buy now!" }, { "text": "and here" }] }),
        json!({ "variants": { feed: { "parts": [{ "text": "only here" }] } } }),
        json!({ "channels": [feed, other] }),
        json!({ "channels": [other] }),
    ] {
        let answer = staff.patch(&editor.token, &post, &change).await;
        let now = answer.json();
        assert_eq!((answer.status, &*stands(&now)), (200, "asked rule"), "{change}");
        assert_eq!(waits(&now), "scheduled approval", "{change}");
        let answer = staff.approve(&admin.token, &post).await;
        assert_eq!(stands(&answer.json()), given, "{change}");
        // Whoever decides may write it, too.
        let words = json!({ "tags": [], "parts": [{ "text": "by an admin" }] });
        let answer = staff.patch(&admin.token, &post, &words).await;
        assert_eq!(stands(&answer.json()), given, "{change}");
    }
    let asked = kinds(&house, &post).into_iter().filter(|kind| kind == "post.approval_asked");
    assert_eq!(asked.count(), 7, "once when it was written, and once for each change");
}

#[tokio::test]
async fn what_was_declined_stays_in_until_it_is_changed() {
    let house = House::new().await;
    let staff = Staff::new(&house).await;
    staff.rule("reviewers", &[&staff.admin.id]).await;
    let (admin, editor) = (&staff.admin.token, &staff.editor.token);
    let post = staff.write(editor).await;
    for (note, refused) in [
        ("", "422 invalid_field note"),
        ("  ", "422 invalid_field note"),
        ("a\nb", "422 invalid_field note"),
        (&"x".repeat(501), "422 invalid_field note"),
    ] {
        assert_eq!(staff.decline(admin, &post, note).await.said(), refused);
    }
    let wrong = json!({ "why": "x" });
    let other = ask(&house, admin, Method::POST, &path(&post, "/decline"), &wrong).await;
    assert_eq!(other.said(), "422 invalid_field why");
    let declined = staff.decline(admin, &post, "  The price is wrong. ").await.json();
    assert_eq!(stands(&declined), format!("declined user:{}", staff.admin.id));
    assert_eq!(declined["approval"]["note"], "The price is wrong.");
    assert_eq!(waits(&declined), "scheduled approval");
    assert_eq!(staff.approve(admin, &post).await.said(), "409 nothing_to_approve");
    assert_eq!(staff.decline(admin, &post, "again").await.said(), "409 nothing_to_approve");
    // Another time makes it no better, and other words ask again.
    let moved = json!({ "schedule": { "at": "2026-12-03T09:00", "zone": "UTC" } });
    assert_eq!(staff.patch(editor, &post, &moved).await.json()["approval"]["state"], "declined");
    let words = json!({ "parts": [{ "text": "for 5" }] });
    assert_eq!(stands(&staff.patch(editor, &post, &words).await.json()), "asked rule");
    assert_eq!(staff.approve(admin, &post).await.status, 200);
    // Who approved may think better of it, as long as it is here.
    let declined = staff.decline(admin, &post, "not today").await;
    assert_eq!((declined.status, &*waits(&declined.json())), (200, "scheduled approval"));
    let cancelled = ask(&house, editor, Method::POST, &path(&post, "/cancel"), &json!({})).await;
    assert_eq!(cancelled.json()["deliveries"][0]["state"], "cancelled");
    assert_eq!(staff.decline(admin, &post, "late").await.said(), "409 nothing_to_approve");
    // What is out cannot be declined.
    let mut body = staff.words("now");
    body["schedule"] = json!({ "now": true });
    let post = ask(&house, admin, Method::POST, "/posts", &body).await.json();
    house.publish(&text(&post["deliveries"][0]["id"])).await;
    assert_eq!(staff.decline(admin, &post, "late").await.said(), "409 nothing_to_approve");
}

/// Who may only draft for a channel schedules there where somebody else lets it out.
#[tokio::test]
async fn a_grant_to_draft_schedules_where_somebody_is_asked() {
    let house = House::new().await;
    let staff = Staff::new(&house).await;
    let feed = &*staff.feed;
    let args = json!({ "user": staff.editor.id, "channel": [format!("{feed}:draft")] });
    house.verb(("member", "limit"), Some(&house.workspace), args).await;
    let keys = [
        limited(&house, "publish", &[(feed, "draft")]).await,
        house.new_key(&house.workspace, &["write"]).await,
        staff.editor.token.clone(),
    ];
    let create =
        async |key: &str| ask(&house, key, Method::POST, "/posts", &staff.words("x")).await;
    for key in &keys {
        assert_eq!(create(key).await.said(), "403 forbidden");
        let mut draft = staff.words("x");
        draft["draft"] = json!(true);
        let draft = ask(&house, key, Method::POST, "/posts", &draft).await.json();
        let now = staff.patch(key, &draft, &json!({ "draft": false })).await;
        assert_eq!(now.said(), "403 forbidden");
    }
    // Whatever else they are.
    staff.rule("reviewers", &[&staff.editor.id]).await;
    let admin = &staff.owner.token;
    for key in &keys {
        let post = create(key).await.json();
        assert_eq!(stands(&post), "asked grant");
        let words = json!({ "parts": [{ "text": "y" }] });
        let now = staff.patch(key, &post, &words).await.json();
        assert_eq!(stands(&now), "asked grant");
        let said = staff.approve(key, &post).await.said();
        assert!(said.starts_with("403 "), "{said}");
        // What somebody let out is theirs no more.
        assert_eq!(staff.approve(admin, &post).await.status, 200);
        assert_eq!(staff.patch(key, &post, &words).await.status, 200, "nothing changes by it");
        let other = json!({ "parts": [{ "text": "z" }] });
        assert_eq!(staff.patch(key, &post, &other).await.said(), "403 forbidden");
        assert_eq!(staff.decline(admin, &post, "no").await.status, 200);
        assert_eq!(stands(&staff.patch(key, &post, &other).await.json()), "asked grant");
        // And what nobody let out can be taken back.
        let gone = ask(&house, key, Method::DELETE, &path(&post, ""), &json!({})).await;
        assert_eq!(gone.status, 204);
        // Others' posts are not theirs, however much they wait.
        let post = staff.write(admin).await;
        assert_eq!(staff.patch(key, &post, &other).await.said(), "403 forbidden");
    }
    let other = house.new_feed().await;
    let mut both = staff.words("x");
    both["channels"] = json!([feed, other]);
    let unseen = ask(&house, &keys[0], Method::POST, "/posts", &both).await;
    assert_eq!(unseen.said(), "422 invalid_field channels[1]");
    // Nor is one who sees half of a post asked about it.
    let post = ask(&house, &house.key, Method::POST, "/posts", &both).await.json();
    let said = staff.approve(&staff.editor.token, &post).await.said();
    assert_eq!(said, "403 forbidden");
}

#[tokio::test]
async fn admins_change_the_rule_and_what_waits_goes_on_to() {
    let house = House::new().await;
    let staff = Staff::new(&house).await;
    let put = async |bearer: &str, body: Value| {
        ask(&house, bearer, Method::PUT, "/approvals", &body).await.said()
    };
    let show = async || house.get("/approvals").await.json();
    assert_eq!(show().await, json!({ "rule": "off", "reviewers": [] }));
    let any = json!({ "rule": "any_admin" });
    assert_eq!(put(&staff.editor.token, any.clone()).await, "403 forbidden");
    assert_eq!(put(&staff.admin.token, any.clone()).await, "200");
    assert_eq!(put(&staff.admin.token, any).await, "200");
    // Who could let out by this what nobody has seen must be a person.
    assert_eq!(put(&house.key, json!({ "rule": "off" })).await, "403 person_needed");
    let (admin, viewer) = (&staff.admin.id, &staff.viewer.id);
    let stranger = Person::new(&house, "stranger@example.org").await.id;
    for (body, refused) in [
        (json!({ "rule": "nobody" }), "422 invalid_field rule"),
        (json!({ "rule": "reviewers" }), "422 invalid_field reviewers"),
        (json!({ "rule": "off", "reviewers": [admin] }), "422 invalid_field reviewers"),
        (json!({ "rule": "reviewers", "reviewers": ["x"] }), "422 invalid_field reviewers[0]"),
        (json!({ "rule": "reviewers", "reviewers": [stranger] }), "422 invalid_field reviewers"),
        (json!({ "rule": "reviewers", "reviewers": [viewer] }), "422 invalid_field reviewers"),
        (
            json!({ "rule": "reviewers", "reviewers": vec![admin; 51] }),
            "422 invalid_field reviewers",
        ),
    ] {
        assert_eq!(put(&staff.admin.token, body.clone()).await, refused, "{body}");
    }
    let verb = async |args: Value| {
        house.verb(("workspace", "approvals"), Some(&house.workspace), args).await
    };
    assert_eq!(verb(json!({})).await["rule"], "any_admin");
    let named = json!({ "rule": "reviewers", "reviewers": [admin] });
    assert_eq!(verb(json!({ "rule": "reviewers", "reviewer": [admin] })).await, named);
    assert_eq!(show().await, named);
    let changed: Vec<_> = house.events().into_iter().map(|event| event.kind).collect();
    let changes = changed.iter().filter(|kind| *kind == "workspace.approvals_changed").count();
    assert_eq!(changes, 2);

    let post = staff.write(&house.key).await;
    let asked = "/posts?approval=asked";
    let ids = async |path: &str| {
        let items = house.get(path).await.json()["items"].as_array().unwrap().clone();
        items.iter().map(|item| text(&item["id"])).collect::<Vec<_>>()
    };
    verb(json!({ "rule": "off" })).await;
    assert_eq!(ids(asked).await, [text(&post["id"])]);
    assert_eq!(stands(&house.get(&path(&post, "")).await.json()), "asked rule");
    // Whoever could not let it out cannot by writing it anew either, nor by making it a draft for a while.
    for change in [json!({ "parts": [{ "text": "y" }] }), json!({ "draft": true })] {
        staff.patch(&house.key, &post, &change).await;
        let now = staff.patch(&house.key, &post, &json!({ "draft": false })).await.json();
        assert_eq!(stands(&now), "asked rule", "{change}");
    }
    assert_eq!(staff.approve(&staff.admin.token, &post).await.status, 200);
    assert_eq!(ids(asked).await, [""; 0]);
    assert_eq!(ids("/posts?approval=given").await, [text(&post["id"])]);
    let now = staff.patch(&house.key, &post, &json!({ "parts": [{ "text": "z" }] })).await.json();
    assert_eq!(stands(&now), "asked changed");
    assert_eq!(house.get("/posts?approval=maybe").await.said(), "422 invalid_field approval");
}

#[tokio::test]
async fn a_repeated_word_is_one_word() {
    let house = House::new().await;
    let staff = Staff::new(&house).await;
    staff.rule("any_admin", &[]).await;
    let post = staff.write(&house.key).await;
    let call = house.call(Method::POST, &path(&post, "/approve")).key(&staff.admin.token);
    let call = call.header("idempotency-key", "once").json(&json!({}));
    let (first, again) = (call.clone().send().await, call.send().await);
    assert_eq!((first.status, again.status), (200, 200));
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(first.json(), again.json());
    assert_eq!(house.actors_of("post.approved").len(), 1);
}

/// Whatever was looked at before, the transaction that arms looks again, at what the post says then.
#[tokio::test]
async fn nothing_is_armed_that_nobody_let_out_as_it_is() {
    let house = House::new().await;
    let staff = Staff::new(&house).await;
    staff.rule("any_admin", &[]).await;
    let mut body = staff.words("now");
    body["schedule"] = json!({ "now": true });
    let post = ask(&house, &house.key, Method::POST, "/posts", &body).await.json();
    let id: DeliveryId = text(&post["deliveries"][0]["id"]).parse().unwrap();
    let arm = async || {
        let (scope, timing) = (house.scope(), house.services.timing.get());
        let moment =
            Moment { now: house.clock.now(), epoch: house.services.store.epoch(), dice: 1 };
        let change = Change { event: Event::Ready, moment, actor: Actor::System, note: None };
        let armed = house.services.store.write::<_, (), _>(move |tx| {
            Ok(transition(tx, &scope, id, &timing, &change)?.map(|(_, next)| next))
        });
        armed.await.unwrap()
    };
    assert_eq!(arm().await, Err(Refused::Approval));
    staff.decline(&staff.admin.token, &post, "no").await;
    assert_eq!(arm().await, Err(Refused::Approval));
    staff.patch(&house.key, &post, &json!({ "parts": [{ "text": "y" }] })).await;
    assert_eq!(staff.approve(&staff.admin.token, &post).await.status, 200);
    // A row that no use case writes: other words under the old approval.
    let (scope, post_id) = (house.scope(), text(&post["id"]).parse().unwrap());
    let reword = |words: &'static str| {
        let put = house.services.store.write::<_, (), _>(move |tx| {
            let mut row = tx.get::<Post>(&scope, &post_id)?.unwrap();
            row.parts[0].text = words.to_owned();
            Ok(tx.put(&scope, &post_id, &row)?)
        });
        async move { put.await.unwrap() }
    };
    reword("not seen").await;
    assert_eq!(arm().await, Err(Refused::Approval));
    let now = house.get(&path(&post, "")).await.json();
    assert_eq!((&*stands(&now), &*waits(&now)), ("asked changed", "scheduled approval"));
    reword("y").await;
    assert_eq!(arm().await, Ok(Next::Commit { attempt: 1 }));
}

/// What a picture shows is read out to some, so it is part of what was approved.
#[tokio::test]
async fn other_words_of_a_picture_ask_again() {
    let house = House::new().await;
    let staff = Staff::new(&house).await;
    staff.rule("any_admin", &[]).await;
    let png = support::media::png(4, 3);
    let asset = text(&house.upload("a.png", "image/png", &png, "A tower").await.json()["id"]);
    let mut body = staff.words("See!");
    body["parts"][0]["media"] = json!([asset]);
    let post = ask(&house, &staff.admin.token, Method::POST, "/posts", &body).await.json();
    let reword = async |bearer: &str, alt: &str| {
        let path = format!("/media/{asset}");
        assert_eq!(
            ask(&house, bearer, Method::PATCH, &path, &json!({ "alt": alt })).await.status,
            200
        );
        stands(&house.get(&self::path(&post, "")).await.json())
    };
    let given = format!("given user:{}", staff.admin.id);
    assert_eq!(reword(&staff.admin.token, "The tower").await, given);
    assert_eq!(reword(&staff.editor.token, "Buy now").await, "asked changed");
    assert_eq!(staff.approve(&staff.owner.token, &post).await.status, 200);
    // Nor does it help to take the post back to a draft meanwhile.
    staff.patch(&staff.editor.token, &post, &json!({ "draft": true })).await;
    assert_eq!(reword(&staff.editor.token, "Buy two").await, "");
    let back = staff.patch(&staff.editor.token, &post, &json!({ "draft": false })).await.json();
    assert_eq!(stands(&back), "asked changed");
    assert_eq!(staff.approve(&staff.owner.token, &post).await.status, 200);
    // Nor to be somebody who does not see the post.
    let other = house.new_feed().await;
    let args = json!({ "user": staff.editor.id, "channel": [format!("{other}:publish")] });
    house.verb(("member", "limit"), Some(&house.workspace), args).await;
    assert_eq!(reword(&staff.editor.token, "Buy three").await, "asked changed");
}

/// What is due and waits is an alert, and is over when somebody has decided. It is not late: that is what
/// could go out.
#[tokio::test]
async fn what_is_due_and_unapproved_is_told() {
    let house = House::new().await;
    let staff = Staff::new(&house).await;
    staff.rule("any_admin", &[]).await;
    let post = staff.write(&house.key).await;
    let open = async || {
        let all = house.verb(("alert", "list"), None, json!({})).await;
        let items = all["items"].as_array().unwrap().clone();
        items.into_iter().find(|alert| alert["id"] == "approvals")
    };
    assert_eq!(open().await, None);
    let due = async || {
        let status = house.verb(("status", ""), None, json!({})).await;
        [&status["late"], &status["waits_for_a_person"]["unapproved"]].map(|n| n.as_u64().unwrap())
    };
    let bounds = Bounds { workspaces: 9, channels: 9, deliveries: 9, events: 9, people: 9 };
    let seen = async || {
        let seen = house.services.overview(Operator::new(0), bounds).await.unwrap();
        [seen.overdue, seen.unapproved]
    };
    // Approved by being written; nothing runs here that would send it.
    staff.write(&staff.owner.token).await;
    house.clock.advance(std::time::Duration::from_hours(10 * 24));
    assert_eq!((due().await, seen().await), ([1, 1], [1, 1]));
    let alert = open().await.unwrap();
    assert_eq!((&alert["level"], &alert["count"]), (&json!("soon"), &json!(1)));
    assert_eq!(alert["what"], "1 post is due and waits for approval");
    let now = house.get(&path(&post, "")).await.json();
    assert_eq!(waits(&now), "scheduled approval");
    let again = Person::signed_in(&house, "owner@example.org").await;
    assert_eq!(staff.decline(&again.token, &post, "no").await.status, 200);
    assert_eq!(open().await, None);
    assert_eq!((due().await, seen().await), ([1, 0], [1, 0]), "nor is what was declined");
}

/// Nothing is asked about what is out or was cancelled; and what waits is found behind any number of others.
#[tokio::test]
async fn only_what_can_still_go_out_is_asked_about() {
    let house = House::new().await;
    let staff = Staff::new(&house).await;
    let mut at_once = staff.words("Out!");
    at_once["schedule"] = json!({ "now": true });
    let out = ask(&house, &house.key, Method::POST, "/posts", &at_once).await.json();
    house.publish(&text(&out["deliveries"][0]["id"])).await;
    staff.rule("any_admin", &[]).await;
    let sorted = staff.patch(&staff.editor.token, &out, &json!({ "tags": ["news"] })).await;
    assert_eq!((sorted.status, &*stands(&sorted.json())), (200, ""), "{}", sorted.text());
    assert!(!kinds(&house, &out).contains(&"post.approval_asked".to_owned()));
    let asked = async || house.get("/posts?approval=asked").await.json()["items"].clone();
    let dropped = staff.write(&house.key).await;
    assert_eq!(asked().await[0]["id"], dropped["id"]);
    house.post(&path(&dropped, "/cancel"), &json!({})).await;
    assert_eq!(asked().await, json!([]));

    let png = support::media::png(4, 3);
    let asset = text(&house.upload("a.png", "image/png", &png, "A tower").await.json()["id"]);
    let mut body = staff.words("See!");
    body["parts"][0]["media"] = json!([asset]);
    let given = ask(&house, &staff.admin.token, Method::POST, "/posts", &body).await.json();
    body["draft"] = json!(true);
    for _ in 0..201 {
        let draft = ask(&house, &house.key, Method::POST, "/posts", &body).await;
        assert_eq!(draft.status, 201, "{}", draft.text());
    }
    let alt = json!({ "alt": "Buy now" });
    ask(&house, &staff.editor.token, Method::PATCH, &format!("/media/{asset}"), &alt).await;
    let now = house.get(&path(&given, "")).await.json();
    assert_eq!(stands(&now), "asked changed");
}
