//! The route matrix: every route, for whoever may come, on what is theirs, on what is others' and
//! on what is gone. `routes.txt` says the least that each route asks; every expected answer is made
//! from that.

mod cast;
mod table;

use std::collections::BTreeSet;

use carillon::base::{Clock as _, UserId};
use carillon::domain::access::Scope;
use carillon::media::{self, Blobs};
use http::Method;
use serde_json::{Value, json};

use super::document::{fetch, operations};
use super::harness::{Answer, Call, House};
use cast::{Actor, Is, Kind};
use table::{Need, Row, Who};

const MISSING: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// A house with a neighbour: each with one of everything.
struct Street {
    house: House,
    neighbour: String,
    feed: String,
    theirs: Things,
    cast: Vec<Actor>,
    /// Of the media: uploads in stretches need a disk.
    _folder: tempfile::TempDir,
}

/// One of everything in the neighbour's workspace, and a key to it.
struct Things {
    key: String,
    channel: String,
    post: String,
    delivery: String,
    asset: String,
    upload: String,
    key_id: String,
    user: String,
    invitation: String,
}

impl Street {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::on_disk(folder.path(), media::Settings::default()).unwrap();
        let house = House::keeping(blobs).await;
        let neighbour = house.new_workspace("Neighbours").await;
        let feed = house.new_feed().await;
        let key = house.new_key(&neighbour, &["admin"]).await;
        let at = At { house: &house, workspace: &neighbour, key: &key };
        let channel = at.make("channel").await;
        let post = at.post(&channel, false).await;
        let theirs = Things {
            asset: at.make("asset").await,
            upload: at.make("upload").await,
            key_id: at.make("key").await,
            user: at.make("user").await,
            invitation: at.make("invitation").await,
            delivery: post["targets"][0]["delivery"].as_str().unwrap().to_owned(),
            post: post["id"].as_str().unwrap().to_owned(),
            key: key.clone(),
            channel,
        };
        let cast = cast::all(&house, &neighbour, &feed).await;
        Self { neighbour, feed, theirs, cast, house, _folder: folder }
    }

    fn home(&self) -> At<'_> {
        At { house: &self.house, workspace: &self.house.workspace, key: &self.house.key }
    }

    /// The neighbour's one of these.
    fn foreign(&self, noun: &str) -> String {
        match noun {
            "channel" => self.theirs.channel.clone(),
            "post" => self.theirs.post.clone(),
            "delivery" => self.theirs.delivery.clone(),
            "asset" => self.theirs.asset.clone(),
            "upload" => self.theirs.upload.clone(),
            "key" => self.theirs.key_id.clone(),
            "user" => self.theirs.user.clone(),
            "invitation" => self.theirs.invitation.clone(),
            // Events are numbers; a number that is not there is as far away.
            "event" => "99999".to_owned(),
            _ => MISSING.to_owned(),
        }
    }

    /// A new one of the house's.
    async fn own(&self, noun: &str) -> String {
        let home = self.home();
        match noun {
            "event" => "1".to_owned(),
            "post" => home.post(&self.feed, true).await["id"].as_str().unwrap().to_owned(),
            "delivery" => {
                let post = home.post(&self.feed, false).await;
                post["targets"][0]["delivery"].as_str().unwrap().to_owned()
            }
            noun => home.make(noun).await,
        }
    }

    /// One that was there and is deleted; `None` when such a thing cannot be deleted.
    async fn deleted(&self, noun: &str) -> Option<String> {
        let path = match noun {
            "channel" => "/channels/",
            "post" => "/posts/",
            "asset" => "/media/",
            "upload" => "/media/uploads/",
            "key" => "/keys/",
            "user" => "/members/",
            "invitation" => "/invitations/",
            _ => return None,
        };
        let id = self.own(noun).await;
        let call = self.house.call(Method::DELETE, &format!("{path}{id}"));
        let gone = call.header("tus-resumable", "1.0.0").send().await;
        assert_eq!(gone.status, 204, "{noun}: {}", gone.text());
        Some(id)
    }
}

/// A workspace, and an admin's key to it.
struct At<'h> {
    house: &'h House,
    workspace: &'h str,
    key: &'h str,
}

impl At<'_> {
    fn call(&self, method: Method, path: &str) -> Call<'_> {
        let path = format!("/api/v1/workspaces/{}{path}", self.workspace);
        self.house.bare(method, &path).key(self.key)
    }

    async fn post(&self, channel: &str, draft: bool) -> Value {
        let body = json!({
            "parts": [{ "text": "x" }], "channels": [channel], "draft": draft,
            "schedule": { "at": "2026-12-01T09:00", "zone": "UTC" },
        });
        let made = self.call(Method::POST, "/posts").json(&body).send().await;
        assert_eq!(made.status, 201, "{}", made.text());
        made.json()
    }

    async fn make(&self, noun: &str) -> String {
        if noun == "user" {
            let user = UserId::new(self.house.clock.now(), self.house.services.rng.as_ref());
            let args = json!({ "user": user, "role": "editor" });
            self.house.verb(("member", "add"), Some(self.workspace), args).await;
            return user.to_string();
        }
        let call = match noun {
            "channel" => {
                let body = json!({ "network": "feed", "name": "Another" });
                self.call(Method::POST, "/channels").json(&body)
            }
            "asset" => {
                let call = self.house.upload_call("a.png", "image/png", &picture(), "");
                Call { path: self.call(Method::POST, "/media").path, ..call }.key(self.key)
            }
            "upload" => {
                let call = self.call(Method::POST, "/media/uploads");
                call.header("tus-resumable", "1.0.0").header("upload-length", "9")
            }
            "invitation" => {
                let n = self.house.services.rng.next_u64();
                let body = json!({ "email": format!("m{n}@example.org"), "role": "viewer" });
                self.call(Method::POST, "/invitations").json(&body)
            }
            "key" => {
                let body = json!({ "name": "k", "scopes": ["read"] });
                self.call(Method::POST, "/keys").json(&body)
            }
            other => panic!("say how a {other} is made"),
        };
        let made = call.send().await;
        assert_eq!(made.status, 201, "{noun}: {}", made.text());
        if noun == "upload" {
            return made.header("location").rsplit('/').next().unwrap().to_owned();
        }
        made.json()["id"].as_str().unwrap().to_owned()
    }
}

/// Large enough to have a thumbnail.
fn picture() -> Vec<u8> {
    support::media::png(40, 30)
}

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq)]
enum About {
    Own,
    /// A thing of the neighbour's, asked for in the own workspace.
    Foreign,
    Deleted,
    /// The neighbour's workspace.
    Elsewhere,
}

#[derive(Debug, PartialEq)]
enum Want {
    Status(u16),
    /// Neither refused for who asks, nor missing.
    In,
}

impl Want {
    fn is(&self, answer: &Answer) -> bool {
        match self {
            Self::Status(status) => answer.status == *status,
            Self::In => ![401, 403, 404, 405].contains(&answer.status) && answer.status < 500,
        }
    }
}

/// The one rule that all answers follow.
#[expect(clippy::match_same_arms, reason = "in the order in which a request is looked at")]
fn want(row: &Row, actor: &Actor, about: About) -> Want {
    let enough = |scope: Scope| match row.need {
        Need::Any => true,
        Need::None => false,
        Need::Scope(Scope::Metrics) => scope == Scope::Metrics,
        Need::Scope(need) => scope != Scope::Metrics && scope >= need,
    };
    let may = match (row.who, actor.is) {
        (Who::Open | Who::Either | Who::Page | Who::Cookie, _) => return Want::In,
        (Who::Signed | Who::Socket, _) => return Want::Status(404),
        (_, Is::Nobody) => return Want::Status(401),
        (Who::Metrics | Who::Caller, Is::Key(scope)) => enough(scope),
        (Who::Metrics, _) => false,
        (Who::Caller, _) => true,
        (Who::Host, _) => return Want::Status(401),
        (Who::Embed, _) => return Want::Status(404),
        (Who::Person, Is::Key(_) | Is::Stranger(Kind::Key)) => false,
        (Who::Person, _) => true,
        (Who::Member(_), Is::Stranger(_)) => return Want::Status(404),
        (Who::Member(_), _) if about == About::Elsewhere => return Want::Status(404),
        (Who::Member(_), Is::Key(scope)) => enough(scope),
        (Who::Member(least), Is::Member(role)) => role >= least,
    };
    match about {
        _ if !may => Want::Status(403),
        About::Foreign => Want::Status(404),
        About::Deleted if !row.stays => Want::Status(404),
        About::Own | About::Deleted | About::Elsewhere => Want::In,
    }
}

/// A handler that forgets to look: what a request is turned into before it is sent.
type Bug = for<'c> fn(&Street, Call<'c>) -> Call<'c>;

impl Street {
    /// Whether a route names things of a workspace, as strangers and deleted things are about.
    fn abouts(row: &Row) -> Vec<About> {
        let inside = matches!(row.who, Who::Member(_));
        match row.noun() {
            Some(_) if inside => {
                vec![About::Own, About::Foreign, About::Deleted, About::Elsewhere]
            }
            None if inside => vec![About::Own, About::Elsewhere],
            _ => vec![About::Own],
        }
    }

    fn call(&self, row: &Row, about: About, id: &str) -> Call<'_> {
        let workspace =
            if about == About::Elsewhere { &self.neighbour } else { &self.house.workspace };
        let mut path = row.address.replace("{workspace}", workspace);
        if let Some(noun) = row.noun() {
            path = path.replace(&format!("{{{noun}}}"), id);
        }
        for rest in ["{asset}", "{delivery}", "{until}", "{external}"] {
            path = path.replace(rest, MISSING);
        }
        let mut call = self.house.bare(row.method.clone(), &path);
        if path.contains("/media/uploads") {
            call = call.header("tus-resumable", "1.0.0");
            call = match row.method {
                Method::POST => call.header("upload-length", "9"),
                Method::PATCH => {
                    call.raw("application/offset+octet-stream", "x").header("upload-offset", "0")
                }
                _ => call,
            };
        } else if row.method == Method::POST && path.ends_with("/media") {
            let form = self.house.upload_call("a.png", "image/png", &picture(), "");
            let kind = form.headers.iter().find(|(name, _)| name == "content-type").unwrap();
            call = call.raw(&kind.1, form.body.clone());
        } else if let Some(body) = &row.body {
            call = call.json(body);
        }
        call
    }

    /// What is not as the table has it: every caller, on everything, for one route.
    async fn breaches(&self, row: &Row, bug: Option<Bug>) -> (usize, Vec<String>) {
        let (mut cells, mut found) = (0, Vec::new());
        for about in Self::abouts(row) {
            let noun = match row.noun() {
                Some("asset") if row.address.contains("/uploads/") => "upload",
                noun => noun.unwrap_or(""),
            };
            for actor in &self.cast {
                let id = match about {
                    _ if noun.is_empty() || !matches!(row.who, Who::Member(_)) => {
                        MISSING.to_owned()
                    }
                    // One that a limited editor may see, too.
                    About::Own if noun == "channel" && row.method == Method::GET => {
                        self.feed.clone()
                    }
                    About::Own => self.own(noun).await,
                    About::Foreign | About::Elsewhere => self.foreign(noun),
                    About::Deleted => match self.deleted(noun).await {
                        Some(id) => id,
                        None => continue,
                    },
                };
                // At home, the neighbour's own callers are no strangers.
                if about == About::Elsewhere && actor.is == Is::Stranger(Kind::Key) {
                    continue;
                }
                // The cast needs its sessions, and its members.
                let person = matches!(actor.is, Is::Member(_) | Is::Stranger(Kind::Person));
                let ends = row.who == Who::Person || row.address.ends_with("/leave");
                if ends && person && row.method != Method::GET {
                    continue;
                }
                let mut call = self.call(row, about, &id);
                if let Some(bearer) = &actor.bearer {
                    call = call.key(bearer);
                }
                if let Some(bug) = bug {
                    call = bug(self, call);
                }
                let (answer, want) = (call.send().await, want(row, actor, about));
                cells += 1;
                if !want.is(&answer) {
                    let told = format!("{}, {about:?}, {}", row.name(), actor.name);
                    found.push(format!("{told}: {want:?}, not {}", answer.said()));
                }
            }
        }
        (cells, found)
    }
}

#[tokio::test]
async fn every_route_is_in_the_table() {
    let house = House::new().await;
    let document = fetch(&house).await;
    let operations = operations(&document).into_iter();
    let mut there: BTreeSet<String> =
        operations.map(|(path, method, _)| format!("{method} {path}")).collect();
    there.extend(table::in_sources());
    let listed: Vec<String> = table::rows().iter().map(Row::name).collect();
    let table: BTreeSet<String> = listed.iter().cloned().collect();
    assert_eq!(table.len(), listed.len(), "a route has one line");
    let missing: Vec<_> = there.difference(&table).collect();
    assert!(missing.is_empty(), "add a line to tests/api/matrix/routes.txt for {missing:#?}");
    let gone: Vec<_> = table.difference(&there).collect();
    assert!(gone.is_empty(), "there is no such route any more: {gone:#?}");
}

#[tokio::test]
async fn everybody_gets_what_the_table_says() {
    let street = Street::new().await;
    let (mut cells, mut breaches) = (0, Vec::new());
    for row in table::rows() {
        if matches!(row.who, Who::Open | Who::Either | Who::Page | Who::Cookie) {
            continue;
        }
        let (seen, found) = street.breaches(&row, None).await;
        cells += seen;
        breaches.extend(found);
    }
    println!("{cells} cells of the route matrix");
    assert!(breaches.is_empty(), "{breaches:#?}");
    assert!(cells > 1_500, "{cells}");
}

/// What is open is the same for whoever comes, and looks at no credentials.
#[tokio::test]
async fn what_is_open_is_the_same_for_everybody() {
    let street = Street::new().await;
    let rows = table::rows();
    let open = |row: &&Row| matches!(row.who, Who::Open | Who::Either | Who::Page | Who::Cookie);
    for row in rows.iter().filter(open) {
        let mut path = row.address.replace("{workspace}", &street.house.workspace);
        path = path.replace("{channel}", &street.feed).replace("{delivery}", MISSING);
        path = path.replace("{asset}", MISSING).replace("{token}", MISSING);
        let call = street.house.bare(row.method.clone(), &path);
        let told = call.clone().send().await;
        let refused = [401, 403, 405].contains(&told.status);
        let open = matches!(row.who, Who::Open | Who::Either);
        assert!(told.status < 500 && (!refused || !open), "{}", row.name());
        assert!(told.status >= 300 || row.who != Who::Cookie, "{}", row.name());
        if row.who == Who::Either {
            let wrong = call.clone().key("ck_nonsense").send().await;
            assert_eq!(wrong.status, 401, "{}", row.name());
            continue;
        }
        for actor in street.cast.iter().filter_map(|actor| actor.bearer.as_ref()) {
            let answer = call.clone().key(actor).send().await;
            assert_eq!(answer.status, told.status, "{}", row.name());
            if answer.status < 400 && row.who == Who::Open {
                assert_eq!(answer.body, told.body, "{}", row.name());
            }
        }
    }
}

/// The neighbour's key, for whoever says who they are.
fn lets_anybody_in<'c>(street: &Street, call: Call<'c>) -> Call<'c> {
    let home = call.path.contains(&street.house.workspace);
    let key = if home { &street.house.key } else { &street.theirs.key };
    call.key(key)
}

/// What the neighbour has is looked up wherever it is.
fn forgets_the_workspace<'c>(street: &Street, mut call: Call<'c>) -> Call<'c> {
    let theirs = &street.theirs;
    let things = [
        &theirs.channel,
        &theirs.post,
        &theirs.delivery,
        &theirs.asset,
        &theirs.upload,
        &theirs.key_id,
        &theirs.user,
        &theirs.invitation,
    ];
    if things.iter().any(|id| call.path.contains(id.as_str())) {
        call.path = call.path.replace(&street.house.workspace, &street.neighbour);
        return call.key(&theirs.key);
    }
    call
}

/// One handler after another is replaced by one that does not look; the matrix sees each.
#[tokio::test]
async fn a_handler_that_forgets_to_look_is_caught() {
    let street = Street::new().await;
    let (mut open, mut unclamped) = (0, 0);
    for row in table::rows().iter().filter(|row| matches!(row.who, Who::Member(_))) {
        let (_, found) = street.breaches(row, Some(lets_anybody_in)).await;
        assert!(found.len() > 5, "{} lets anybody in: {found:?}", row.name());
        open += 1;
        // Events have numbers, which every chain has.
        if row.noun().is_some_and(|noun| noun != "event") {
            let (_, found) = street.breaches(row, Some(forgets_the_workspace)).await;
            let foreign = found.iter().filter(|told| told.contains("Foreign")).count();
            assert!(foreign > 0, "{} shows what is others': {found:?}", row.name());
            unclamped += 1;
        }
    }
    println!(
        "{open} handlers without a look at who asks, {unclamped} without their clamp: all caught"
    );
}
