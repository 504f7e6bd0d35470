//! The route matrix: every route, for whoever may come, on what is theirs, on what is others' and
//! on what is gone. `routes.txt` says the least that each route asks; every expected answer is made
//! from that.

mod cast;
mod table;

use std::collections::BTreeSet;

use carillon::base::{Clock as _, UserId};
use carillon::domain::access::{ChannelGrant, Scope};
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
    /// A channel of the house's that nobody has a grant for.
    ungranted: String,
    theirs: Things,
    cast: Vec<Actor>,
    /// A webhook that a network sent.
    hook: String,
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
    invitation: String,
    connection: String,
    user: String,
}

/// Every editor and admin lets posts out, so that it shows who may at most.
async fn name_reviewers(house: &House) {
    let all = house.get("/members?limit=200").await.json();
    let members = all["items"].as_array().unwrap().iter();
    let named = members.filter(|member| ["editor", "admin"].iter().any(|it| member["role"] == *it));
    let named: Vec<_> = named.map(|member| member["user"].clone()).collect();
    let rule = json!({ "rule": "reviewers", "reviewers": named });
    let answer = house.call(Method::PUT, "/approvals").json(&rule).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

impl Street {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::on_disk(folder.path(), media::Settings::default()).unwrap();
        let mut house = House::keeping(blobs).await;
        // A workspace that a host made is one like any other.
        let (host, workspace) = cast::host(&house).await;
        house.key = house.new_key(&workspace, &["admin"]).await;
        house.workspace = workspace;
        let app = json!({ "network": "x", "client-id": "a", "client-secret": "b" });
        house.verb(("app", "set"), None, app).await;
        let hook = crate::hooks::one(&house).await;
        let neighbour = house.new_workspace("Neighbours").await;
        let (feed, ungranted) = (house.new_feed().await, house.new_feed().await);
        let key = house.new_key(&neighbour, &["admin"]).await;
        let at = At { house: &house, workspace: &neighbour, key: &key };
        let channel = at.make("channel").await;
        let post = at.post(&channel, false).await;
        let theirs = Things {
            asset: at.make("asset").await,
            upload: at.make("upload").await,
            key_id: at.make("key").await,
            invitation: at.make("invitation").await,
            connection: at.make("connection").await,
            user: at.make("user").await,
            delivery: post["targets"][0]["delivery"].as_str().unwrap().to_owned(),
            post: post["id"].as_str().unwrap().to_owned(),
            key: key.clone(),
            channel,
        };
        let cast = cast::all(&house, &host, &neighbour, &feed).await;
        name_reviewers(&house).await;
        Self { neighbour, feed, ungranted, theirs, cast, hook, house, _folder: folder }
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
            "invitation" => self.theirs.invitation.clone(),
            "connection" => self.theirs.connection.clone(),
            "user" => self.theirs.user.clone(),
            // Events are numbers; a number that is not there is as far away.
            "event" => "99999".to_owned(),
            _ => MISSING.to_owned(),
        }
    }

    /// A new one of the house's, on a channel.
    async fn on(&self, channel: &str, noun: &str) -> String {
        let home = self.home();
        match noun {
            "event" => "1".to_owned(),
            "post" => home.post(channel, true).await["id"].as_str().unwrap().to_owned(),
            "delivery" => {
                let post = home.post(channel, false).await;
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
            "connection" => "/connections/",
            _ => return None,
        };
        let id = self.on(&self.feed, noun).await;
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
            self.house.put_user(user).await;
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
            "connection" => {
                self.call(Method::POST, "/connections").json(&json!({ "network": "x" }))
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
    /// A thing of the own workspace, on a channel that nobody was granted who is limited.
    Ungranted,
}

#[derive(Debug, PartialEq)]
enum Want {
    Status(u16),
    /// Neither refused for who asks, nor missing.
    In,
    /// Not refused for who asks.
    Known,
    /// Refused, for who asks or for what became of it by now; there is no third.
    Refused,
}

impl Want {
    fn is(&self, answer: &Answer) -> bool {
        match self {
            Self::Status(status) => answer.status == *status,
            Self::In => ![401, 403, 404, 405].contains(&answer.status) && answer.status < 500,
            Self::Known => ![401, 403, 405].contains(&answer.status) && answer.status < 500,
            Self::Refused => [403, 409].contains(&answer.status),
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
        (Who::Hook, _) => return Want::Status(401),
        (Who::Host, Is::Host) => return Want::Known,
        (Who::Host, _) | (_, Is::Nobody | Is::Host) => return Want::Status(401),
        (Who::Embed, Is::Embedded(_) | Is::Stranger(Kind::Embedded)) => return Want::In,
        (Who::Embed, _) => return Want::Status(404),
        // Its bearer is no session.
        (Who::Person, Is::Embedded(_) | Is::Stranger(Kind::Embedded)) => return Want::Status(401),
        (Who::Metrics | Who::Caller, Is::Key(scope)) => enough(scope),
        (Who::Metrics, _) => false,
        (Who::Caller, _) => true,
        (Who::Administrator, _) => actor.administers && actor.proof >= row.proof,
        (Who::Person, Is::Key(_) | Is::Stranger(Kind::Key)) => false,
        (Who::Person, _) => true,
        (Who::Member(_), Is::Stranger(_)) => return Want::Status(404),
        (Who::Member(_), _) if about == About::Elsewhere => return Want::Status(404),
        (Who::Member(_), Is::Key(scope)) => enough(scope),
        (Who::Member(_), Is::Member(_) | Is::Embedded(_)) if actor.proof < row.proof => false,
        (Who::Member(least), Is::Member(role) | Is::Embedded(role)) => role >= least,
    };
    let short = row.is_of_channels() && actor.grant.is_some_and(|grant| grant < grant_of(row));
    match about {
        _ if !may => Want::Status(403),
        About::Ungranted if actor.grant.is_some() => Want::Status(404),
        About::Own if short => Want::Refused,
        About::Foreign => Want::Status(404),
        About::Deleted if !row.stays => Want::Status(404),
        About::Own | About::Deleted | About::Elsewhere | About::Ungranted => Want::In,
    }
}

/// What a route asks for on the channel of a thing, as its scope says.
fn grant_of(row: &Row) -> ChannelGrant {
    match row.need {
        Need::Scope(Scope::Read) => ChannelGrant::Read,
        Need::Scope(Scope::Write) => ChannelGrant::Draft,
        _ => ChannelGrant::Publish,
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
                let mut all = vec![About::Own, About::Foreign, About::Deleted, About::Elsewhere];
                all.extend(row.is_of_channels().then_some(About::Ungranted));
                all
            }
            None if inside => vec![About::Own, About::Elsewhere],
            _ => vec![About::Own],
        }
    }

    fn call(&self, row: &Row, about: About, id: &str) -> Call<'_> {
        let workspace =
            if about == About::Elsewhere { &self.neighbour } else { &self.house.workspace };
        let mut path = row.address.replace("{workspace}", workspace);
        path = path.replace("{network}", "linkedin");
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

    /// What a request of this route is about; `None` when there is no such thing.
    async fn thing(&self, row: &Row, about: About) -> Option<String> {
        let noun = row.thing();
        match about {
            _ if noun == "hook" => Some(self.hook.clone()),
            _ if noun.is_empty() || !matches!(row.who, Who::Member(_)) => Some(MISSING.to_owned()),
            // One that those may see who are limited to it.
            About::Own if noun == "channel" && row.method == Method::GET => Some(self.feed.clone()),
            About::Own => Some(self.on(&self.feed, noun).await),
            About::Ungranted => Some(self.on(&self.ungranted, noun).await),
            About::Foreign | About::Elsewhere => Some(self.foreign(noun)),
            About::Deleted => self.deleted(noun).await,
        }
    }

    /// What is not as the table has it: every caller, for one route.
    async fn breaches(
        &self,
        row: &Row,
        abouts: &[About],
        bug: Option<Bug>,
    ) -> (usize, Vec<String>) {
        let (mut cells, mut found) = (0, Vec::new());
        for about in abouts.iter().copied() {
            // A look leaves it as it is, so one is enough for all.
            let looks = [Method::GET, Method::HEAD].contains(&row.method);
            let mut shared = None;
            for actor in &self.cast {
                // At home, the neighbour's own callers are no strangers.
                if about == About::Elsewhere && actor.is == Is::Stranger(Kind::Key) {
                    continue;
                }
                // The cast needs its sessions, its members and its workspace.
                let ends = row.who == Who::Person
                    || row.address.ends_with("/leave")
                    || row.address.ends_with("{workspace}");
                if ends && row.method != Method::GET && want(row, actor, about) == Want::In {
                    continue;
                }
                if shared.is_none() || !looks {
                    shared = self.thing(row, about).await;
                }
                let Some(id) = &shared else { continue };
                let mut call = self.call(row, about, id);
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
                self.stop_upload(row, id, &answer).await;
            }
        }
        (cells, found)
    }

    /// Only so many may be under way.
    async fn stop_upload(&self, row: &Row, id: &str, answer: &Answer) {
        let made = answer.header("location").split_once("/media/uploads/");
        let id = match made {
            Some((_, id)) => id,
            None if row.thing() == "upload" && row.method != Method::HEAD => id,
            None => return,
        };
        let call = self.house.call(Method::DELETE, &format!("/media/uploads/{id}"));
        call.header("tus-resumable", "1.0.0").send().await;
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
        let (seen, found) = street.breaches(&row, &Street::abouts(&row), None).await;
        cells += seen;
        breaches.extend(found);
    }
    println!("{cells} cells of the route matrix");
    assert!(breaches.is_empty(), "{breaches:#?}");
    assert!(cells > 5_000, "{cells}");
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
        &theirs.invitation,
        &theirs.connection,
        &theirs.user,
    ];
    if things.iter().any(|id| call.path.contains(id.as_str())) {
        call.path = call.path.replace(&street.house.workspace, &street.neighbour);
        return call.key(&theirs.key);
    }
    call
}

/// Whoever is limited is asked for nothing but who they are.
fn forgets_the_limits<'c>(street: &Street, call: Call<'c>) -> Call<'c> {
    let limited = street.cast.iter().filter(|actor| actor.grant.is_some());
    let mut bearers = limited.filter_map(|actor| actor.bearer.as_ref());
    let asks = call.headers.iter().find(|(name, _)| name == "authorization");
    match asks.and_then(|(_, value)| value.strip_prefix("Bearer ")) {
        Some(bearer) if bearers.any(|known| known == bearer) => call.key(&street.house.key),
        _ => call,
    }
}

/// One handler after another is replaced by one that does not look; the matrix sees each.
#[tokio::test]
async fn a_handler_that_forgets_to_look_is_caught() {
    let street = Street::new().await;
    let (mut open, mut unclamped, mut unlimited) = (0, 0, 0);
    for row in table::rows().iter().filter(|row| matches!(row.who, Who::Member(_))) {
        let abouts = [About::Own, About::Elsewhere];
        let (_, found) = street.breaches(row, &abouts, Some(lets_anybody_in)).await;
        assert!(found.len() > 5, "{} lets anybody in: {found:?}", row.name());
        open += 1;
        // Events have numbers, which every chain has.
        if row.noun().is_some_and(|noun| noun != "event") {
            let (_, found) =
                street.breaches(row, &[About::Foreign], Some(forgets_the_workspace)).await;
            assert!(!found.is_empty(), "{} shows what is others'", row.name());
            unclamped += 1;
        }
        if row.is_of_channels() {
            let (_, found) =
                street.breaches(row, &[About::Ungranted], Some(forgets_the_limits)).await;
            assert!(!found.is_empty(), "{} shows what was not granted", row.name());
            unlimited += 1;
        }
    }
    println!(
        "{open} handlers without a look at who asks, {unclamped} without their clamp, \
         {unlimited} without a look at grants: all caught"
    );
}
