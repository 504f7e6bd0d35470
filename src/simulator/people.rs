//! What people do in a simulation, and what they are told. Must not know more than people do, except
//! that whoever looks at a network sees what is there.

use std::time::Duration;

use data_encoding::BASE64;

use super::ledger::{Told, host_of};
use super::play::{Answer, Play};
use super::script::{Event, Level, Server, Token, Word};
use crate::base::{ChannelId, Secret};
use crate::domain::access::{Entrust, Manage, Publish, Write};
use crate::domain::delivery::Delivery;
use crate::domain::post::PartDraft;
use crate::domain::publish::Decision;
use crate::service::shown::PostShown;
use crate::service::{Access, Brought, ChannelChange, NewAsset, NewPost, PostChange, When};
use crate::store::Operator;

pub(super) const HOOK_SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const HANDLE: &str = "acme.test";
const OPERATOR: Operator = Operator::new(0);
/// One pixel.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E\
rkJggg==";

impl Play<'_> {
    /// Workspaces, channels and rights, before anything goes wrong.
    pub fn settle_in(&mut self) -> Result<(), String> {
        let script = self.script;
        let workspaces = script.channels.iter().map(|(of, _)| of + 1).max().unwrap_or(0);
        for n in 0..workspaces {
            let services = self.sim.services.clone();
            let made = self.sim.run(async move {
                let correlation = crate::base::CorrelationId::new(services.rng.as_ref());
                let name = format!("Workspace {n}");
                services.create_workspace(OPERATOR, &name, None, correlation).await
            });
            let made = made.and_then(Result::ok).and_then(|shown| shown.id.parse().ok());
            let id = made.ok_or("no workspace")?;
            let publish = self.sim.access::<Publish>(id).map_err(|problem| problem.to_string())?;
            let entrust = self.sim.access::<Entrust>(id).map_err(|problem| problem.to_string())?;
            self.access.push((publish, entrust));
            self.pictures.push(None);
        }
        for n in 0..script.channels.len() {
            let id = self.connect(n).ok_or_else(|| format!("no channel {n}"))?;
            self.ledger.channels.push(Some(id));
        }
        Ok(())
    }

    fn connect(&mut self, n: usize) -> Option<ChannelId> {
        let (workspace, server) = *self.script.channels.get(n)?;
        let (url, token) = (format!("https://{}", host_of(n)), self.credential(n));
        let network = server.network();
        let brought = Brought {
            network: network.to_owned(),
            name: format!("channel {n}"),
            instance: matches!(network, "mastodon" | "bluesky").then(|| url.clone()),
            identifier: (network == "bluesky").then(|| HANDLE.to_owned()),
            url: (network == "webhook").then(|| format!("{url}/in")),
            token: (network != "feed").then_some(token),
        };
        let (services, access) = (self.sim.services.clone(), self.entrust(workspace)?);
        let added = self.sim.run(async move { services.add_channel(access, brought).await });
        added?.ok()?.value.id.parse().ok()
    }

    /// A credential that the server takes from now on.
    fn credential(&mut self, n: usize) -> Secret<String> {
        self.tokens += 1;
        let (host, token) = (host_of(n), format!("token-{}", self.tokens));
        let mut world = self.sim.world();
        Secret::new(match self.script.channels.get(n).map(|(_, server)| server) {
            Some(Server::Webhook | Server::Forgetful) => {
                if let Some(receiver) = world.webhook(&host) {
                    receiver.gone = false;
                }
                HOOK_SECRET.to_owned()
            }
            Some(Server::Records | Server::Strict) => {
                world.add_account(&host, HANDLE, &token, "");
                token
            }
            _ => {
                world.add_account(&host, "acme", &token, "read write");
                token
            }
        })
    }

    fn write(&self, workspace: usize) -> Option<Access<Write>> {
        self.access.get(workspace).map(|(publish, _)| publish.to_write())
    }

    fn publish(&self, workspace: usize) -> Option<Access<Publish>> {
        self.access.get(workspace).map(|(publish, _)| publish.again())
    }

    fn manage(&self, workspace: usize) -> Option<Access<Manage>> {
        self.access.get(workspace).map(|(_, entrust)| entrust.to_manage())
    }

    fn entrust(&self, workspace: usize) -> Option<Access<Entrust>> {
        self.access.get(workspace).map(|(_, entrust)| entrust.again())
    }

    fn home(&self, channel: usize) -> usize {
        self.script.channels.get(channel).map_or(0, |(workspace, _)| *workspace)
    }

    /// One person does one thing; `None` when there is nothing to do it to.
    pub fn person(&mut self, event: &Event) -> Option<()> {
        match event {
            Event::Post { .. } => self.write_post(event),
            Event::Edit { post, version } => self.edit(*post, *version),
            Event::Move { post, due } => {
                let change = PostChange { when: Some(self.when(*due)), ..PostChange::default() };
                self.change(*post, change, None)
            }
            Event::Cancel { post } => self.take_back(*post, false),
            Event::Delete { post } => self.take_back(*post, true),
            Event::Pause { level, on } => self.pause(*level, *on),
            Event::Resolve { number, word } => self.resolve(*number, *word),
            Event::Reconnect { channel } => self.reconnect(*channel),
            Event::Remove { channel } => self.remove(*channel),
            _ => None,
        }
    }

    fn when(&self, due: Duration) -> When {
        if due.is_zero() {
            return When::Now;
        }
        let due = self.sim.now().plus(due).to_string();
        When::At { local: due.trim_end_matches('Z').to_owned(), zone: "UTC".to_owned() }
    }

    fn write_post(&mut self, event: &Event) -> Option<()> {
        let Event::Post { post, channels, parts, due, delay_minutes, picture } = event else {
            return None;
        };
        let home = self.home(*channels.first()?);
        let asset = if *picture { self.asset(home) } else { None };
        let part = |part: u32| PartDraft {
            text: format!("{} says hello", Token { post: *post, part, version: 0 }),
            delay_minutes: if part == 0 { 0 } else { *delay_minutes },
            media: asset.iter().filter(|_| part == 0).cloned().collect(),
        };
        let to = channels.iter().filter_map(|n| self.ledger.channels.get(*n).copied().flatten());
        let new = NewPost {
            parts: (0..*parts).map(part).collect(),
            channels: to.collect(),
            when: Some(self.when(*due)),
            ..NewPost::default()
        };
        let (services, access) = (self.sim.services.clone(), self.write(home)?);
        let answer = self.ask(async move { services.create_post(access, new).await });
        if let Answer::Done(done) = answer {
            self.told(*post, &done.value, false);
        }
        Some(())
    }

    fn told(&mut self, post: u32, shown: &PostShown, deleted: bool) -> Option<()> {
        let version = shown.parts.first().and_then(|part| Token::find(part.text.as_bytes()))?;
        let (id, revision, version) = (shown.id.parse().ok()?, shown.revision, version.version);
        self.ledger.posts.insert(post, Told { id, revision, version, deleted });
        Some(())
    }

    /// The picture of a workspace; uploaded when it is first wanted.
    fn asset(&mut self, home: usize) -> Option<String> {
        if let Some(known) = self.pictures.get(home)? {
            return Some(known.clone());
        }
        let (services, access) = (self.sim.services.clone(), self.write(home)?);
        let png = BASE64.decode(PNG.as_bytes()).ok()?;
        let answer = self.ask(async move {
            let mut staging = services.stage().await?;
            services.fill(&mut staging, &png).await?;
            let (staged, name) = (services.staged(staging).await?, "a.png".to_owned());
            let new = NewAsset { staged, name, mime: None, alt: "a dot".to_owned() };
            services.add_asset(access, new).await
        });
        let Answer::Done(done) = answer else { return None };
        let id = done.value.id;
        *self.pictures.get_mut(home)? = Some(id.clone());
        Some(id)
    }

    /// The workspace of a post, as people know it.
    fn home_of(&self, post: u32) -> Option<usize> {
        let event = self.script.events.iter().find_map(|timed| match &timed.event {
            Event::Post { post: other, channels, .. } if *other == post => channels.first(),
            _ => None,
        });
        Some(self.home(*event?))
    }

    fn edit(&mut self, post: u32, version: u32) -> Option<()> {
        let row = self.picture.posts.get(&post)?;
        let text = |(n, part): (u32, &PartDraft)| PartDraft {
            text: format!("{} says hello again", Token { post, part: n, version }),
            ..part.clone()
        };
        let parts = (0_u32..).zip(&row.parts).map(text).collect();
        let change = PostChange { parts: Some(parts), ..PostChange::default() };
        self.change(post, change, Some(version))
    }

    fn change(&mut self, post: u32, change: PostChange, version: Option<u32>) -> Option<()> {
        let told = *self.ledger.posts.get(&post)?;
        let (services, access) = (self.sim.services.clone(), self.write(self.home_of(post)?)?);
        let answer = self.ask(async move { services.change_post(access, told.id, change).await });
        if let Answer::Done(done) = answer {
            self.told(post, &done.value, false);
            if version.is_some() && self.ledger.posts.get(&post)?.version != version? {
                let what = format!("post {post} at version {version:?}");
                self.violate(super::Kind::Lost, "an edit is answered as it is", what);
            }
        }
        Some(())
    }

    fn take_back(&mut self, post: u32, delete: bool) -> Option<()> {
        let told = *self.ledger.posts.get(&post)?;
        let home = self.home_of(post)?;
        let services = self.sim.services.clone();
        if delete {
            let access = self.write(home)?;
            let answer = self.ask(async move { services.delete_post(access, told.id, None).await });
            if let Answer::Done(_) = answer {
                // The answer is empty: the least that the revision can be by now.
                let revision = told.revision + 1;
                self.ledger.posts.insert(post, Told { revision, deleted: true, ..told });
            }
        } else {
            let access = self.publish(home)?;
            let answer = self.ask(async move { services.cancel_post(access, told.id, None).await });
            if let Answer::Done(done) = answer {
                self.told(post, &done.value, false);
            }
        }
        Some(())
    }

    fn pause(&mut self, level: Level, on: bool) -> Option<()> {
        let services = self.sim.services.clone();
        let answer = match level {
            Level::Everything | Level::Network(_) => {
                let network = if let Level::Network(word) = level { Some(word) } else { None };
                let who = (OPERATOR, crate::base::CorrelationId::new(services.rng.as_ref()));
                self.ask(async move { services.pause_installation(who, network, on).await })
            }
            Level::Workspace(n) => {
                let access = self.manage(n)?;
                self.ask(async move { services.pause_workspace(access, on).await.map(drop) })
            }
            Level::Channel(n) => {
                let (access, id) = (self.manage(self.home(n))?, (*self.ledger.channels.get(n)?)?);
                let change = ChannelChange { paused: Some(on), ..ChannelChange::default() };
                self.ask(async move { services.change_channel(access, id, change).await.map(drop) })
            }
        };
        match answer {
            Answer::Done(()) => drop(self.ledger.pauses.insert(level, on)),
            Answer::Refused => {}
            Answer::Unknown => drop(self.ledger.pauses.remove(&level)),
        }
        Some(())
    }

    /// Nothing is paused any more.
    pub fn resume_all(&mut self) {
        let channels = (0..self.script.channels.len()).map(Level::Channel);
        let workspaces = (0..self.access.len()).map(Level::Workspace);
        let networks = ["mastodon", "bluesky", "webhook", "feed"].map(Level::Network);
        let levels = channels.chain(workspaces).chain(networks).chain([Level::Everything]);
        for level in levels.collect::<Vec<_>>() {
            if self.picture.holds(level, &self.ledger.channels) {
                self.pause(level, false);
            }
        }
    }

    /// The part that a person is asked about, and how often it is out.
    fn seen(&self, row: &Delivery) -> Option<usize> {
        let channel = self.ledger.number_of(row.channel)?;
        let (post, _) = self.picture.post_of(row.post)?;
        let part = u32::try_from(row.flow.current()?).ok()?;
        Some(self.copies.of(channel, post, part))
    }

    fn resolve(&mut self, number: usize, word: Word) -> Option<()> {
        let held: Vec<&Delivery> =
            self.picture.deliveries.values().filter(|row| row.flow.hold.is_some()).collect();
        let row = *held.get(number.checked_rem(held.len())?)?;
        let decision = match word {
            Word::Drops => Decision::Drop,
            Word::Claims => Decision::ItIsThere { url: None },
            Word::Looks if self.seen(row)? > 0 => {
                Decision::ItIsThere { url: Some("https://example.org/1".to_owned()) }
            }
            // Who looks while a request is still on its way sees nothing, and waits.
            Word::Looks if self.sim.world().next_landing().is_some() => return None,
            Word::Looks => Decision::SendAgain,
        };
        let (id, home) = (row.id, *self.picture.homes.get(&row.channel)?);
        if decision == Decision::SendAgain {
            self.ledger.forced.insert(id);
        }
        let (services, access) = (self.sim.services.clone(), self.publish(home)?);
        // What it came to is in the row's revision, which never goes back.
        drop(self.ask(async move { services.resolve_delivery(access, id, decision).await }));
        Some(())
    }

    fn reconnect(&mut self, n: usize) -> Option<()> {
        let id = (*self.ledger.channels.get(n)?)?;
        let token = Some(self.credential(n));
        let change = ChannelChange { token, ..ChannelChange::default() };
        let (services, access) = (self.sim.services.clone(), self.manage(self.home(n))?);
        drop(self.ask(async move { services.change_channel(access, id, change).await }));
        Some(())
    }

    fn remove(&mut self, n: usize) -> Option<()> {
        let id = (*self.ledger.channels.get(n)?)?;
        let (services, access) = (self.sim.services.clone(), self.entrust(self.home(n))?);
        let answer = self.ask(async move { services.remove_channel(access, id).await });
        if let Answer::Done(_) = answer {
            self.ledger.removed.insert(id);
        }
        Some(())
    }
}
