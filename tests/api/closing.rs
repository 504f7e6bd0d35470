//! Deleting a workspace: who may, that it is shut at once and can be had back whole, and that after its day
//! nothing of it is left but the record of events, and everything of the neighbours.

use std::time::Duration;

use carillon::base::{Clock as _, WorkspaceId};
use carillon::domain::publish::{Event, Outcome, Receipt, Source};
use carillon::domain::workspace::Erasure;
use carillon::media::{self, Blobs};
use carillon::store::{Chains, Table};
use http::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::harness::{House, INSTANCE, TOKEN};
use super::stream::{Came, Stream};
use super::users::{Person, text, token_of};

const DAY: Duration = Duration::from_hours(24);

/// Somebody who is signed in and a member of the house's workspace.
async fn member<'h>(house: &'h House, email: &str, role: &str) -> Person<'h> {
    let person = Person::new(house, email).await;
    let args = json!({ "user": email, "role": role });
    house.verb(("member", "add"), Some(&house.workspace), args).await;
    person
}

/// A list, without when keys were used: to look at it is to use one.
async fn listed(house: &House, path: &str) -> Value {
    let mut list = house.get(path).await.json();
    for item in list["items"].as_array_mut().into_iter().flatten() {
        item.as_object_mut().unwrap().remove("last_used_at");
    }
    list
}

#[tokio::test]
async fn a_deleted_workspace_is_shut_at_once_and_can_be_had_back_whole() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    house.new_post(&feed, json!({ "at": "2026-12-01T09:00", "zone": "UTC" })).await;
    let invite = json!({ "email": "ben@example.org", "role": "viewer" });
    let invitation = token_of(&house.post("/invitations", &invite).await.json()["link"]);
    let admin = member(&house, "admin@example.org", "admin").await;
    let stale = member(&house, "owner@example.org", "owner").await;
    let own = format!("/workspaces/{}", house.workspace);
    let restore = format!("{own}/restore");
    // Nobody but an owner who has just proved who they are.
    assert_eq!(admin.delete(&own).await.said(), "403 forbidden");
    assert_eq!(house.delete("").await.said(), "403 person_needed");
    house.clock.advance(Duration::from_mins(10));
    assert_eq!(stale.delete(&own).await.said(), "403 step_up_needed");
    let owner = Person::signed_in(&house, "owner@example.org").await;
    let lists =
        ["/posts", "/deliveries", "/channels", "/members", "/invitations", "/keys", "/plan"];
    let mut before = Vec::new();
    for path in lists {
        before.push(listed(&house, path).await);
    }
    let bearer = format!("Bearer {}", house.key);
    let headers = [("authorization", bearer.as_str())];
    let mut stream = Stream::open(&house, "/stream", &headers).await.unwrap();
    assert!(matches!(stream.within(Duration::ZERO), Came::Text(_)));

    let call = owner.call(Method::DELETE, &own).header("idempotency-key", "once");
    let deleted = call.clone().send().await;
    assert_eq!(deleted.status, 200, "{}", deleted.text());
    let at = house.clock.now();
    let expected = json!({
        "workspace": house.workspace, "deleted_at": at.to_string(),
        "erased_at": at.plus(DAY).to_string(),
    });
    assert_eq!(deleted.json(), expected);
    assert_eq!(call.send().await.header("idempotency-replayed"), "true");
    assert_eq!(owner.delete(&own).await.json(), expected, "doing it again changes nothing");
    assert_eq!(stream.within(Duration::from_secs(1)), Came::End);
    for path in lists {
        assert_eq!(house.get(path).await.said(), "404 not_found", "{path}");
        assert_eq!(owner.get(&format!("{own}{path}")).await.said(), "404 not_found", "{path}");
    }
    assert!(owner.workspaces().await.iter().all(|(_, id)| *id != house.workspace));
    for path in [format!("/feed/{feed}"), format!("/invitations/{invitation}")] {
        assert_eq!(house.bare(Method::GET, &path).send().await.status, 404, "{path}");
    }
    let tried = house.events().iter().filter(|event| event.kind.starts_with("access.")).count();
    assert_eq!(tried, 2, "to ask for what one has is no attempt; the refusals above are");

    assert_eq!(admin.post(&restore, &json!({})).await.said(), "403 forbidden");
    house.clock.advance(Duration::from_mins(24 * 60 - 20));
    assert_eq!(house.services.erase_deleted().await, Ok(0));
    let owner = Person::signed_in(&house, "owner@example.org").await;
    for _ in 0..2 {
        let back = owner.call(Method::POST, &restore).send().await;
        assert_eq!((back.status, &back.json()["id"]), (200, &json!(house.workspace)));
    }
    for (path, before) in lists.iter().zip(before) {
        assert_eq!(listed(&house, path).await, before, "{path}");
    }
    assert_eq!(house.bare(Method::GET, &format!("/feed/{feed}")).send().await.status, 200);
    for kind in ["workspace.deleted", "workspace.restored"] {
        assert_eq!(house.actors_of(kind), [format!("user:{}", owner.id)], "{kind}");
    }
    house.clock.advance(DAY);
    assert_eq!(house.services.erase_deleted().await, Ok(0), "it is not forgotten that it is back");
    assert_eq!(house.get("/posts").await.status, 200);
}

type Rows = Vec<(Table, Vec<u8>, Vec<u8>)>;

/// Every row that tells of a workspace: its own, and those of the installation that name it. Notes for
/// looking at objects come and go by themselves.
fn rows_of(house: &House, workspace: &str) -> Rows {
    let id: WorkspaceId = workspace.parse().unwrap();
    let names = |bytes: &[u8]| bytes.windows(16).any(|part| part == id.as_bytes());
    let mut rows = Vec::new();
    let all = house.services.store.dump(|table, key, value| {
        if names(key) || names(value) {
            rows.push((table, key.to_vec(), value.to_vec()));
        }
        Ok::<(), ()>(())
    });
    all.unwrap().unwrap();
    rows
}

fn files(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
}

/// One of everything that a workspace can have.
async fn furnish(house: &House, host: &str) -> String {
    let channel = json!({
        "network": "mastodon", "name": "Canary channel", "instance": format!("https://{INSTANCE}"),
        "token": TOKEN,
    });
    let channel = text(&house.post("/channels", &channel).await.json()["id"]);
    let feed = house.new_feed().await;
    let asset = house.upload("canary.png", "image/png", &support::media::png(40, 30), "x").await;
    let at = json!({ "at": "2027-01-01T09:00", "zone": "UTC" });
    let body = json!({
        "parts": [{ "text": "Canary words", "media": [asset.json()["id"]] }],
        "channels": [channel, feed], "schedule": at,
    });
    assert_eq!(house.post("/posts", &body).await.status, 201);
    let upload = house.call(Method::POST, "/media/uploads").header("tus-resumable", "1.0.0");
    assert_eq!(upload.header("upload-length", "9").send().await.status, 201);
    let invite = json!({ "email": "canary@example.org", "role": "viewer" });
    assert_eq!(house.post("/invitations", &invite).await.status, 201);
    let args = json!({ "plan": "pro" });
    house.verb(("plan", "set"), Some(&house.workspace), args).await;
    let owner = Person::new(house, "owner@example.org").await;
    let args = json!({ "user": owner.id, "role": "owner" });
    house.verb(("member", "add"), Some(&house.workspace), args).await;
    assert_eq!(page(house, host).await["workspace"], house.workspace);
    feed
}

/// A page of the workspace that the host calls `w`.
async fn page(house: &House, host: &str) -> Value {
    let body = json!({
        "user": { "id": "u", "email": "u@crm.example", "name": "U" },
        "workspace": { "id": "w", "name": "W" }, "role": "editor", "origin": "https://crm.example",
    });
    let opened = house.bare(Method::POST, "/api/v1/embed-sessions").key(host).json(&body);
    opened.send().await.json()
}

#[tokio::test]
async fn when_its_day_is_over_it_is_erased_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::on_disk(folder.path(), media::Settings::default()).unwrap();
    let mut house = House::keeping(blobs).await;
    let host = json!({ "name": "CRM", "origin": ["https://crm.example"] });
    let host = text(&house.verb(("host", "create"), None, host).await["key"]);
    // The neighbour is the first workspace, with its own.
    let neighbour = house.workspace.clone();
    house.upload("a.png", "image/png", &support::media::png(30, 20), "x").await;
    let theirs = house.new_feed().await;
    house.new_post(&theirs, json!({ "at": "2027-01-01T09:00", "zone": "UTC" })).await;
    let stays = |mut rows: Rows| {
        rows.retain(|(table, ..)| *table != Table::Orphans);
        rows
    };
    let (kept, kept_files) = (stays(rows_of(&house, &neighbour)), files(folder.path()));

    house.workspace = text(&page(&house, &host).await["workspace"]);
    house.key = house.new_key(&house.workspace, &["admin"]).await;
    let feed = furnish(&house, &host).await;
    let workspace = house.workspace.clone();
    let post = house.new_post(&feed, json!({ "now": true })).await;
    let armed = text(&post["deliveries"][0]["id"]);
    house.happen(&armed, Event::Wake).await;
    house.happen(&armed, Event::Ready).await;
    let tables: std::collections::BTreeSet<_> =
        rows_of(&house, &workspace).into_iter().map(|(table, ..)| table).collect();
    assert!(tables.len() > 25, "it had one of nearly everything: {tables:?}");
    assert!(files(folder.path()) > kept_files);

    house.verb(("workspace", "delete"), Some(&workspace), json!({})).await;
    let refused = page(&house, &host).await;
    assert_eq!(refused["params"], json!({ "workspace": "deleted" }), "{refused}");
    house.clock.advance(DAY.checked_sub(Duration::from_millis(1)).unwrap());
    assert_eq!(house.services.erase_deleted().await, Ok(0));
    house.clock.advance(Duration::from_millis(1));
    assert_eq!(house.services.erase_deleted().await, Ok(0), "something of it may be out");
    let (remote_id, url) = ("1".to_owned(), None);
    let receipt = Receipt { remote_id, url, at: house.clock.now(), source: Source::Answer };
    let (epoch, outcome) = (house.services.store.epoch(), Outcome::Done(receipt));
    house.happen(&armed, Event::Answer { attempt: 1, epoch, outcome }).await;
    assert_eq!(house.services.erase_deleted().await, Ok(1));
    assert_eq!(house.services.erase_deleted().await, Ok(0));
    house.clock.advance(Duration::from_hours(1));
    house.services.remove_orphans().await.unwrap();

    let left = rows_of(&house, &workspace);
    let record = [Table::Events, Table::Erasures];
    let other: Vec<_> = left.iter().filter(|row| !record.contains(&row.0)).collect();
    assert!(other.is_empty(), "only its record is left: {other:?}");
    let canary = |bytes: &[u8]| bytes.windows(6).any(|part| part.eq_ignore_ascii_case(b"canary"));
    assert!(!left.iter().any(|(_, _, value)| canary(value)), "by id only");
    let mut chains = Chains::default();
    for (table, key, value) in &left {
        chains.push(*table, key, value);
    }
    let verdicts = chains.finish();
    assert!(verdicts.len() == 1 && verdicts[0].1.is_ok(), "the chain is whole: {verdicts:?}");
    let last = &left.iter().rfind(|row| row.0 == Table::Events).unwrap().2;
    assert!(last.windows(16).any(|part| part == b"workspace.erased"), "and says what became of it");
    assert_eq!(files(folder.path()), kept_files, "its files are gone");
    certified(&house, &workspace, last).await;
    assert!(stays(rows_of(&house, &neighbour)) == kept, "nothing of the neighbour's is");

    for call in
        [house.call(Method::GET, "/posts"), house.bare(Method::GET, &format!("/feed/{feed}"))]
    {
        assert!([401, 404].contains(&call.send().await.status));
    }
    let again = page(&house, &host).await;
    assert_eq!(again["workspace_created"], true, "{again}");
    assert_ne!(again["workspace"], json!(workspace));
}

/// The operator's certificate says what was erased, is in the record of events, and shows changes.
async fn certified(house: &House, workspace: &str, last_event: &[u8]) {
    let show = json!({ "workspace": workspace });
    let shown = house.verb(("erasure", "show"), None, show.clone()).await;
    assert_eq!((&shown["sound"], &shown["media_left"]), (&json!(true), &json!(0)), "{shown}");
    let certificate = &shown["certificate"];
    assert_eq!(certificate["workspace"], *workspace);
    for (table, rows) in [("posts", 2), ("channels", 2), ("assets", 1), ("uploads", 1)] {
        assert_eq!(certificate["rows"][table], rows, "{shown}");
    }
    for table in ["workspace_keys", "credentials", "keys", "members", "invitations", "workspaces"] {
        assert!(certificate["rows"][table].as_u64() > Some(0), "{table}: {shown}");
    }
    let json = serde_json::to_vec(certificate).unwrap();
    let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(&json));
    assert_eq!(shown["sha256"], *hash);
    let told = last_event.windows(hash.len()).any(|part| part == hash.as_bytes());
    assert!(told, "the chain of events has it");
    let all = shown.to_string().to_lowercase();
    for personal in ["canary", "owner@", "example", "acme", "crm"] {
        assert!(!all.contains(personal), "{personal} in {shown}");
    }
    let listed = house.verb(("erasure", "list"), None, json!({})).await;
    assert_eq!(listed["items"][0]["workspace"], *workspace);
    // One that somebody touched is not sound.
    let id: WorkspaceId = workspace.parse().unwrap();
    let changed = house.services.store.write::<_, (), _>(move |tx| {
        let mut row = tx.view().get_global::<Erasure>(&id)?.unwrap();
        row.rows.insert("posts".to_owned(), 1);
        Ok(tx.put_global(&id, &row)?)
    });
    changed.await.unwrap();
    assert_eq!(house.verb(("erasure", "show"), None, show).await["sound"], false);
}
