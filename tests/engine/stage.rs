//! A stage for whole runs: one workspace, channels on practice networks, and the journal rule.

use std::collections::BTreeMap;
use std::time::Duration;

use carillon::base::{ChannelId, DeliveryId, Problem, Secret, Timestamp, WorkspaceId};
use carillon::domain::access::{Entrust, Publish, Read, Write};
use carillon::domain::post::PartDraft;
use carillon::domain::publish::{Decision, Timing};
use carillon::practice::mastodon::Settings;
use carillon::practice::{Act, Effect, Fault, Matcher, World, bluesky, linkedin, x};
use carillon::service::shown::{DeliveryShown, PostShown};
use carillon::service::{Brought, DeliveryFilter, NewAsset, NewPost, When};
use carillon::simulator::Simulation;
use carillon::store::Operator;

/// Honours keys, as Mastodon does.
pub const KEYED: &str = "keyed.test";
/// Ignores keys, so that a listing is all the evidence there is.
pub const LISTED: &str = "listed.test";
/// Bluesky, where each record has a key of ours. Its records lie on another host than the one that
/// signs people in.
pub const RECORDS: &str = "records.test";
pub const RECORDS_OWN: &str = "own.test";

/// Takes signed messages; nothing can be read back from it.
pub const HOOK: &str = "hook.test";
pub const HOOK_SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// X, where only the account's timeline is evidence. Its host is X's own.
pub const TIMELINE: &str = "api.x.com";
pub const FOUR_KEYS: &str = "consumer:consumer-secret:42-token:token-secret";

/// LinkedIn, where the same words are refused for a while, and only an organization's posts can be
/// listed. Both are one host; the second is another name of it.
pub const MEMBER: &str = "api.linkedin.com";
pub const COMPANY: &str = "organization at api.linkedin.com";
pub const MEMBER_TOKEN: &str = "member-token";
const MEMBER_SCOPES: &str = "openid profile email w_member_social";
const PAGE_SCOPES: &str = "openid w_organization_social r_organization_social 42";

/// The host that a name of a server stands for.
fn real(host: &str) -> &str {
    if host == COMPANY { MEMBER } else { host }
}

/// Every server that posts go to, by its network: the scripts of faults are played with each.
pub const TWINS: [(&str, &str); 7] = [
    ("mastodon", KEYED),
    ("mastodon", LISTED),
    ("bluesky", RECORDS),
    ("webhook", HOOK),
    ("x", TIMELINE),
    ("linkedin", MEMBER),
    ("linkedin", COMPANY),
];

pub struct Stage {
    pub sim: Simulation,
    pub workspace: WorkspaceId,
    pub keyed: ChannelId,
    pub listed: ChannelId,
    pub records: ChannelId,
    pub feed: ChannelId,
    pub hook: ChannelId,
    pub x: ChannelId,
    pub member: ChannelId,
    pub company: ChannelId,
}

pub fn start() -> Timestamp {
    Timestamp::parse("2026-11-22T09:00:00Z").unwrap()
}

impl Stage {
    pub fn new(seed: u64) -> Self {
        Self::with(seed, Timing::default())
    }

    pub fn with(seed: u64, timing: Timing) -> Self {
        Self::changed(seed, timing, |settings| settings)
    }

    /// With other servers than the usual ones.
    pub fn changed(seed: u64, timing: Timing, change: fn(Settings) -> Settings) -> Self {
        let mut world = World::new(seed);
        let plenty = |settings: Settings| Settings {
            requests_per_window: 1_000_000,
            statuses_per_window: 1_000_000,
            ..change(settings)
        };
        world.add_mastodon(KEYED, plenty(Settings::new("https://keyed.test")));
        world.add_mastodon(LISTED, plenty(Settings::compat("https://listed.test")));
        let own = Some((RECORDS_OWN.to_owned(), format!("https://{RECORDS_OWN}")));
        let settings = bluesky::Settings::new("https://records.test");
        world.add_bluesky(RECORDS, bluesky::Settings { own, rate_limits: false, ..settings });
        world.add_account(RECORDS, "acme.test", "app-password", "").unwrap();
        let scopes = "read write";
        world.add_account(KEYED, "acme", "token-keyed", scopes).unwrap();
        world.add_account(LISTED, "acme", "token-listed", scopes).unwrap();
        world.add_webhook(HOOK, HOOK_SECRET);
        let settings = x::Settings::new("https://api.x.com");
        world.add_x(TIMELINE, x::Settings { rate_limits: false, ..settings });
        world.add_account(TIMELINE, "acme", FOUR_KEYS, "").unwrap();
        let settings = linkedin::Settings::new("https://api.linkedin.com");
        let settings = linkedin::Settings { part_bytes: 400, posts_per_day: 10_000, ..settings };
        world.add_linkedin(MEMBER, settings);
        world.add_account(MEMBER, "ann", MEMBER_TOKEN, MEMBER_SCOPES).unwrap();
        world.add_account(MEMBER, "pat", "page-token", PAGE_SCOPES).unwrap();
        let hosts = [KEYED, LISTED, RECORDS, RECORDS_OWN, HOOK, TIMELINE, MEMBER];
        let mut sim = Simulation::new(seed, timing, start(), world, &hosts).unwrap();
        let workspace = made(&mut sim, "Acme");
        let mut stage = Self {
            sim,
            workspace,
            keyed: ChannelId::from_bytes([0; 16]),
            listed: ChannelId::from_bytes([0; 16]),
            records: ChannelId::from_bytes([0; 16]),
            feed: ChannelId::from_bytes([0; 16]),
            hook: ChannelId::from_bytes([0; 16]),
            x: ChannelId::from_bytes([0; 16]),
            member: ChannelId::from_bytes([0; 16]),
            company: ChannelId::from_bytes([0; 16]),
        };
        stage.keyed = stage.add("mastodon", Some(KEYED), Some("token-keyed"));
        stage.listed = stage.add("mastodon", Some(LISTED), Some("token-listed"));
        stage.records = stage.add("bluesky", Some(RECORDS), Some("app-password"));
        stage.feed = stage.add("feed", None, None);
        stage.hook = stage.add("webhook", Some(HOOK), Some(HOOK_SECRET));
        stage.x = stage.add("x", None, Some(FOUR_KEYS));
        stage.member = stage.add("linkedin", None, Some(MEMBER_TOKEN));
        stage.company = stage.add("linkedin", None, Some("organization:42:page-token"));
        stage
    }

    /// Another workspace; what is done from now on is done in it. Gives the one before.
    pub fn enter_new(&mut self, name: &'static str) -> WorkspaceId {
        let new = made(&mut self.sim, name);
        std::mem::replace(&mut self.workspace, new)
    }

    pub fn add(&mut self, network: &str, host: Option<&str>, token: Option<&str>) -> ChannelId {
        let access = self.sim.access::<Entrust>(self.workspace).unwrap();
        let services = self.sim.services.clone();
        let brought = Brought {
            network: network.to_owned(),
            name: format!("{network} {}", host.unwrap_or("here")),
            instance: host.filter(|_| network != "webhook").map(|h| format!("https://{h}")),
            identifier: (network == "bluesky").then(|| "acme.test".to_owned()),
            url: host.filter(|_| network == "webhook").map(|h| format!("https://{h}/in?k=v")),
            token: token.map(|token| Secret::new(token.to_owned())),
        };
        let added = self.sim.run(async move { services.add_channel(access, brought).await });
        added.unwrap().unwrap().value.id.parse().unwrap()
    }

    /// Connects another account by its token alone.
    pub fn try_add(&mut self, network: &str, token: &str) -> Result<ChannelId, Problem> {
        let access = self.sim.access::<Entrust>(self.workspace)?;
        let services = self.sim.services.clone();
        let brought = Brought {
            network: network.to_owned(),
            name: "another".to_owned(),
            instance: None,
            identifier: None,
            url: None,
            token: Some(Secret::new(token.to_owned())),
        };
        let added = self.sim.run(async move { services.add_channel(access, brought).await });
        added.unwrap().map(|done| done.value.id.parse().unwrap())
    }

    /// Schedules a thread of `texts` to `channels`, `after` from now.
    pub fn post(&mut self, channels: &[ChannelId], texts: &[&str], after: Duration) -> PostShown {
        self.try_post(channels, texts, after).unwrap()
    }

    pub fn try_post(
        &mut self,
        channels: &[ChannelId],
        texts: &[&str],
        after: Duration,
    ) -> Result<PostShown, Problem> {
        self.thread(channels, texts, (after, 0))
    }

    /// With so many minutes between the parts.
    pub fn thread(
        &mut self,
        channels: &[ChannelId],
        texts: &[&str],
        (after, delay_minutes): (Duration, u32),
    ) -> Result<PostShown, Problem> {
        let due = self.sim.now().plus(after).to_string();
        let part = |(i, text): (usize, &&str)| PartDraft {
            text: (*text).to_owned(),
            delay_minutes: if i == 0 { 0 } else { delay_minutes },
            ..PartDraft::default()
        };
        let new = NewPost {
            parts: texts.iter().enumerate().map(part).collect(),
            channels: channels.to_vec(),
            when: Some(When::At {
                local: due.trim_end_matches('Z').to_owned(),
                zone: "UTC".to_owned(),
            }),
            ..NewPost::default()
        };
        let access = self.sim.access::<Write>(self.workspace)?;
        let services = self.sim.services.clone();
        let made = self.sim.run(async move { services.create_post(access, new).await });
        made.unwrap().map(|done| done.value)
    }

    /// Uploads a picture; its id.
    pub fn picture(&mut self, alt: &str) -> String {
        self.file(&support::media::png(40, 30), "a.png", alt)
    }

    /// Uploads a file; its id.
    pub fn file(&mut self, bytes: &[u8], name: &str, alt: &str) -> String {
        let access = self.sim.access::<Write>(self.workspace).unwrap();
        let services = self.sim.services.clone();
        let (bytes, name, alt) = (bytes.to_vec(), name.to_owned(), alt.to_owned());
        let added = self.sim.run(async move {
            let mut staging = services.stage().await?;
            services.fill(&mut staging, &bytes).await?;
            let staged = services.staged(staging).await?;
            services.add_asset(access, NewAsset { staged, name, mime: None, alt }).await
        });
        added.unwrap().unwrap().value.id
    }

    /// Schedules one part with pictures, `after` from now.
    pub fn post_pictures(&mut self, channel: ChannelId, pictures: &[String], after: Duration) {
        self.try_pictures(channel, pictures, after).unwrap();
    }

    pub fn try_pictures(
        &mut self,
        channel: ChannelId,
        pictures: &[String],
        after: Duration,
    ) -> Result<PostShown, Problem> {
        let due = self.sim.now().plus(after).to_string();
        let part =
            PartDraft { text: "look".to_owned(), media: pictures.to_vec(), delay_minutes: 0 };
        let new = NewPost {
            parts: vec![part],
            channels: vec![channel],
            when: Some(When::At {
                local: due.trim_end_matches('Z').to_owned(),
                zone: "UTC".to_owned(),
            }),
            ..NewPost::default()
        };
        let access = self.sim.access::<Write>(self.workspace).unwrap();
        let services = self.sim.services.clone();
        let made = self.sim.run(async move { services.create_post(access, new).await });
        made.unwrap().map(|done| done.value)
    }

    pub fn delivery(&mut self, id: &str) -> DeliveryShown {
        let id: DeliveryId = id.parse().unwrap();
        let access = self.sim.access::<Read>(self.workspace).unwrap();
        let services = self.sim.services.clone();
        self.sim.run(async move { services.delivery(&access, id).await }).unwrap().unwrap()
    }

    pub fn deliveries(&mut self) -> Vec<DeliveryShown> {
        let access = self.sim.access::<Read>(self.workspace).unwrap();
        let services = self.sim.services.clone();
        let filter = DeliveryFilter { limit: 200, ..DeliveryFilter::default() };
        let page = self.sim.run(async move { services.deliveries(&access, filter).await });
        page.unwrap().unwrap().items
    }

    pub fn resolve(&mut self, id: &str, decision: Decision) -> Result<DeliveryShown, Problem> {
        let id: DeliveryId = id.parse().unwrap();
        let access = self.sim.access::<Publish>(self.workspace)?;
        let services = self.sim.services.clone();
        let done =
            self.sim.run(async move { services.resolve_delivery(access, id, decision).await });
        done.unwrap().map(|done| done.value)
    }

    pub fn fault(&mut self, host: &str, on: Matcher, times: u32, act: Act) {
        let host = Some(real(host).to_owned());
        self.sim.world().add_fault(Fault { on, host, times, act });
    }

    /// The channel that publishes to this host.
    pub fn channel_of(&self, host: &str) -> ChannelId {
        match host {
            KEYED => self.keyed,
            LISTED => self.listed,
            RECORDS => self.records,
            TIMELINE => self.x,
            MEMBER => self.member,
            COMPANY => self.company,
            _ => self.hook,
        }
    }

    /// How often each text is out on practice networks.
    pub fn copies(&self) -> BTreeMap<String, usize> {
        let mut copies = BTreeMap::new();
        for entry in self.sim.world().journal() {
            if let Effect::StatusCreated { text, .. } = &entry.effect {
                *copies.entry(format!("{} {text}", entry.host)).or_default() += 1;
            }
        }
        copies
    }

    /// DESIGN part 4: published exactly once; failed and cancelled not at all; unknown and held at
    /// most once; nothing ever twice.
    pub fn assert_journal_rule(&mut self, texts: &[&str]) {
        let copies = self.copies();
        let hosts: BTreeMap<String, &str> =
            TWINS.map(|(_, host)| (self.channel_of(host).to_string(), host)).into();
        for delivery in self.deliveries() {
            let Some(host) = hosts.get(&delivery.channel) else { continue };
            for (part, text) in delivery.parts.iter().zip(texts) {
                let count = copies.get(&format!("{} {text}", real(host))).copied().unwrap_or(0);
                let allowed = match (part.state.as_str(), delivery.state.as_str()) {
                    ("published", _) => 1..=1,
                    ("failed", _) | (_, "failed" | "cancelled" | "partial") => 0..=0,
                    ("unknown" | "armed", _) | (_, "held" | "unknown" | "armed") => 0..=1,
                    _ if part.in_doubt => 0..=1,
                    _ => 0..=0,
                };
                assert!(
                    allowed.contains(&count),
                    "{host} {text:?} is out {count} times, and {delivery:#?}"
                );
            }
        }
    }
}

fn made(sim: &mut Simulation, name: &'static str) -> WorkspaceId {
    let services = sim.services.clone();
    let made = sim.run(async move {
        let correlation = carillon::base::CorrelationId::new(services.rng.as_ref());
        services.create_workspace(Operator::new(0), name, None, correlation).await
    });
    made.unwrap().unwrap().id.parse().unwrap()
}
