//! Who may do what: roles, scopes, grants for channels, and rights as types, so that a use case
//! names its right in its signature. Must not look anything up.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::base::{ChannelId, KeyId, Net, Timestamp, UserId};

/// What a member is in a workspace. Each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Viewer,
    Editor,
    Admin,
    Owner,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Editor, Self::Admin, Self::Owner];

    pub fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }

    /// Whether this role gives `other` to somebody, or takes it from them: an owner any, an admin
    /// all but an owner's.
    pub fn appoints(self, other: Self) -> bool {
        self == Self::Owner || (self == Self::Admin && other <= Self::Admin)
    }

    /// Whether it can be limited to channels. Who manages channels and members could lift the
    /// limit.
    pub fn can_be_limited(self) -> bool {
        self <= Self::Editor
    }
}

/// What a member or key may do on one channel. Each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelGrant {
    /// See it, and what is for it.
    Read,
    /// Write drafts for it.
    Draft,
    /// Decide what goes out there, and when.
    Publish,
}

impl ChannelGrant {
    pub const ALL: [Self; 3] = [Self::Read, Self::Draft, Self::Publish];

    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Draft => "draft",
            Self::Publish => "publish",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.word() == word)
    }
}

/// The channels that a member or key may use. One that is not named is as good as missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Grants {
    /// Every channel, and those that are yet to come.
    #[default]
    All,
    Only(BTreeMap<ChannelId, ChannelGrant>),
}

impl Grants {
    /// What may be done on a channel; `None` when it is as good as missing.
    pub fn on(&self, channel: ChannelId) -> Option<ChannelGrant> {
        match self {
            Self::All => Some(ChannelGrant::Publish),
            Self::Only(channels) => channels.get(&channel).copied(),
        }
    }
}

/// `all`, or `CHANNEL:GRANT` for each, as events keep it.
impl fmt::Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Only(channels) = self else { return f.write_str("all") };
        for (i, (channel, grant)) in channels.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma}{channel}:{}", grant.word())?;
        }
        Ok(())
    }
}

/// How far somebody reaches: the most that role or scopes give on any channel, and which channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// `None`: not even to look.
    pub most: Option<ChannelGrant>,
    pub channels: Grants,
}

/// What somebody lacks for a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// On every channel: it takes another role or scope.
    Everywhere(ChannelGrant),
    /// On one channel; `None` when they do not even see it.
    On(ChannelGrant, Option<ChannelId>),
}

impl Reach {
    pub const NOTHING: Self = Self { most: None, channels: Grants::All };

    /// What may be done on a channel; `None` when it is as good as missing.
    pub fn on(&self, channel: ChannelId) -> Option<ChannelGrant> {
        self.most.min(self.channels.on(channel))
    }

    pub fn sees(&self, channel: ChannelId) -> bool {
        self.on(channel).is_some()
    }

    /// Whether it is no limit at all.
    pub fn is_whole(&self) -> bool {
        self.most == Some(ChannelGrant::Publish) && self.channels == Grants::All
    }

    /// What is missing to do what `needs` that grant on all of these channels.
    pub fn lacks(
        &self,
        needs: ChannelGrant,
        mut channels: impl Iterator<Item = ChannelId>,
    ) -> Option<Lack> {
        if self.most < Some(needs) {
            return Some(Lack::Everywhere(needs));
        }
        let short = channels.find(|channel| self.on(*channel) < Some(needs))?;
        Some(Lack::On(needs, Some(short).filter(|channel| self.sees(*channel))))
    }
}

/// Somebody who belongs to a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub user: UserId,
    /// Grows with every change.
    pub revision: u64,
    pub role: Role,
    pub channels: Grants,
    pub joined_at: Timestamp,
    /// Since when they get nothing at all; the row waits for them.
    pub suspended_at: Option<Timestamp>,
}

impl Member {
    pub fn new(user: UserId, role: Role, channels: Grants, now: Timestamp) -> Self {
        Self { user, revision: 1, role, channels, joined_at: now, suspended_at: None }
    }

    pub fn is_active(&self) -> bool {
        self.suspended_at.is_none()
    }

    pub fn reach(&self) -> Reach {
        let most = match self.role {
            Role::Viewer => ChannelGrant::Read,
            Role::Editor | Role::Admin | Role::Owner => ChannelGrant::Publish,
        };
        Reach { most: self.is_active().then_some(most), channels: self.channels.clone() }
    }
}

/// What a key was made for. Each but `metrics` includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    Read,
    Write,
    Publish,
    Admin,
    Metrics,
}

impl Scope {
    pub const ALL: [Self; 5] = [Self::Read, Self::Write, Self::Publish, Self::Admin, Self::Metrics];

    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Publish => "publish",
            Self::Admin => "admin",
            Self::Metrics => "metrics",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.word() == word)
    }

    fn includes(self, other: Self) -> bool {
        self == other || (self != Self::Metrics && other != Self::Metrics && self > other)
    }
}

/// How well it is known at this moment that it is them. Each is more than those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// They were let in, perhaps long ago.
    Entered,
    /// A host says so, a moment ago.
    Vouched,
    /// They proved it themselves, a moment ago; or it is nobody who could be asked, as a key.
    Own,
}

/// A right, as a type: `service` asks for one in every use case.
pub trait Right: Send + Sync + 'static {
    /// The least role of a member who has it.
    const ROLE: Role;
    /// The scope of a key that has it; `None`: no key.
    const SCOPE: Option<Scope>;
    /// What a person must have shown a moment ago.
    const PROOF: Proof = Proof::Entered;
    /// Whether it counts in a workspace that was deleted.
    const OF_CLOSED: bool = false;
}

/// See everything of the workspace.
pub struct Read;
/// Write posts, media, schedules and tags.
pub struct Write;
/// Decide what goes out, and when.
pub struct Publish;
/// Let out what others wrote: a person, of whom the workspace may ask more.
pub struct Approve;
/// Channels, keys, webhooks, members, settings.
pub struct Manage;
/// Connect and disconnect accounts: what whoever finds a session open must not do.
pub struct Entrust;
/// Make keys, and take the record of events away: a page inside a host is no place for that.
pub struct HandOut;
/// Transfer the workspace, appoint owners.
pub struct Own;
/// Delete the workspace, and have it back.
pub struct Close;

impl Right for Read {
    const ROLE: Role = Role::Viewer;
    const SCOPE: Option<Scope> = Some(Scope::Read);
}
impl Right for Write {
    const ROLE: Role = Role::Editor;
    const SCOPE: Option<Scope> = Some(Scope::Write);
}
impl Right for Publish {
    const ROLE: Role = Role::Editor;
    const SCOPE: Option<Scope> = Some(Scope::Publish);
}
impl Right for Approve {
    const ROLE: Role = Role::Editor;
    const SCOPE: Option<Scope> = None;
}
impl Right for Manage {
    const ROLE: Role = Role::Admin;
    const SCOPE: Option<Scope> = Some(Scope::Admin);
}
impl Right for Entrust {
    const ROLE: Role = Role::Admin;
    const SCOPE: Option<Scope> = Some(Scope::Admin);
    const PROOF: Proof = Proof::Vouched;
}
impl Right for HandOut {
    const ROLE: Role = Role::Admin;
    const SCOPE: Option<Scope> = Some(Scope::Admin);
    const PROOF: Proof = Proof::Own;
}
impl Right for Own {
    const ROLE: Role = Role::Owner;
    const SCOPE: Option<Scope> = None;
    const PROOF: Proof = Proof::Own;
}
impl Right for Close {
    const ROLE: Role = Role::Owner;
    const SCOPE: Option<Scope> = None;
    const PROOF: Proof = Proof::Own;
    const OF_CLOSED: bool = true;
}

/// An API key, without its secret: that was shown once and only its hash is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    pub id: KeyId,
    pub name: String,
    pub scopes: BTreeSet<Scope>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    pub channels: Grants,
    /// Where it is good; anywhere if there are none.
    pub addresses: Vec<Net>,
}

impl Key {
    pub fn reach(&self) -> Reach {
        let most = [
            (Scope::Publish, ChannelGrant::Publish),
            (Scope::Write, ChannelGrant::Draft),
            (Scope::Read, ChannelGrant::Read),
        ];
        let most = most.into_iter().find(|(scope, _)| self.allows(*scope));
        Reach { most: most.map(|(_, grant)| grant), channels: self.channels.clone() }
    }

    pub fn allows(&self, needed: Scope) -> bool {
        self.scopes.iter().any(|s| s.includes(needed))
    }

    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }

    /// Whether it is good for who asks from there. One that is limited is good for nobody whose address
    /// is not known: only for the admin socket is there none, and nobody needs a key there.
    pub fn is_good_from(&self, address: Option<IpAddr>) -> bool {
        let inside = |ip: IpAddr| self.addresses.iter().any(|net| net.contains(ip));
        self.addresses.is_empty() || address.is_some_and(inside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_include_the_lesser_ones_but_metrics_stands_alone() {
        assert!(Scope::Admin.includes(Scope::Write));
        assert!(Scope::Write.includes(Scope::Read));
        assert!(!Scope::Read.includes(Scope::Write));
        assert!(!Scope::Admin.includes(Scope::Metrics));
        assert!(!Scope::Metrics.includes(Scope::Read));
    }

    /// Every right for every role, as a person reads it.
    #[test]
    fn each_role_has_its_rights_and_no_other() {
        fn roles<R: Right>() -> Vec<&'static str> {
            Role::ALL.into_iter().filter(|role| *role >= R::ROLE).map(Role::word).collect()
        }
        assert_eq!(roles::<Read>(), ["viewer", "editor", "admin", "owner"]);
        assert_eq!(roles::<Write>(), ["editor", "admin", "owner"]);
        assert_eq!(roles::<Publish>(), ["editor", "admin", "owner"]);
        assert_eq!(roles::<Approve>(), ["editor", "admin", "owner"]);
        assert_eq!(roles::<Manage>(), ["admin", "owner"]);
        assert_eq!(roles::<Entrust>(), ["admin", "owner"]);
        assert_eq!(roles::<HandOut>(), ["admin", "owner"]);
        assert_eq!(roles::<Own>(), ["owner"]);
        assert_eq!(roles::<Close>(), ["owner"]);
    }

    #[test]
    fn owners_appoint_all_and_admins_all_but_owners() {
        let appointed = |by: Role| -> Vec<&str> {
            Role::ALL.into_iter().filter(|role| by.appoints(*role)).map(Role::word).collect()
        };
        assert_eq!(appointed(Role::Viewer), [""; 0]);
        assert_eq!(appointed(Role::Editor), [""; 0]);
        assert_eq!(appointed(Role::Admin), ["viewer", "editor", "admin"]);
        assert_eq!(appointed(Role::Owner), ["viewer", "editor", "admin", "owner"]);
    }

    /// Every role and scope on every grant, as a person reads it: what each may do there.
    #[test]
    fn on_a_channel_the_lesser_of_role_and_grant_counts() {
        let channel = ChannelId::from_bytes([1; 16]);
        let grants = [None, Some(ChannelGrant::Read), Some(ChannelGrant::Draft)];
        let grants = grants.into_iter().chain([Some(ChannelGrant::Publish)]);
        let only = |grant: Option<ChannelGrant>| {
            Grants::Only(grant.map(|grant| (channel, grant)).into_iter().collect())
        };
        let all: Vec<Grants> = grants.map(only).chain([Grants::All]).collect();
        let row = |reach: &dyn Fn(Grants) -> Reach| -> String {
            let cell =
                |grants: &Grants| reach(grants.clone()).on(channel).map_or("-", ChannelGrant::word);
            all.iter().map(cell).collect::<Vec<_>>().join(" ")
        };
        // Columns: not granted, read, draft, publish, no limit.
        let now = Timestamp::from_millis(1);
        let user = UserId::from_bytes([2; 16]);
        let member = |role| row(&|grants| Member::new(user, role, grants, now).reach());
        assert_eq!(member(Role::Viewer), "- read read read read");
        for role in [Role::Editor, Role::Admin, Role::Owner] {
            assert_eq!(member(role), "- read draft publish publish");
        }
        let suspended = row(&|grants| {
            Member { suspended_at: Some(now), ..Member::new(user, Role::Owner, grants, now) }
                .reach()
        });
        assert_eq!(suspended, "- - - - -");
        let key = |scope| {
            row(&|channels| {
                let (id, name) = (KeyId::from_bytes([3; 16]), String::new());
                let (created_at, expires_at, revoked_at) = (now, None, None);
                let (scopes, addresses) = ([scope].into(), Vec::new());
                Key { id, name, scopes, created_at, expires_at, revoked_at, channels, addresses }
                    .reach()
            })
        };
        assert_eq!(key(Scope::Read), "- read read read read");
        assert_eq!(key(Scope::Write), "- read draft draft draft");
        assert_eq!(key(Scope::Publish), "- read draft publish publish");
        assert_eq!(key(Scope::Admin), "- read draft publish publish");
        assert_eq!(key(Scope::Metrics), "- - - - -");
        assert_eq!(row(&|channels| Reach { channels, ..Reach::NOTHING }), "- - - - -");
    }

    #[test]
    fn a_key_is_good_from_its_addresses_and_without_any_from_anywhere() {
        let good = |nets: &[&str], from: Option<&str>| {
            let (id, now) = (KeyId::from_bytes([3; 16]), Timestamp::from_millis(1));
            let key = Key {
                id,
                name: String::new(),
                scopes: [Scope::Read].into(),
                created_at: now,
                expires_at: None,
                revoked_at: None,
                channels: Grants::All,
                addresses: nets.iter().map(|net| net.parse().unwrap()).collect(),
            };
            key.is_good_from(from.map(|ip| ip.parse().unwrap()))
        };
        let nets = ["10.0.0.0/8", "2001:db8::7"];
        for ip in ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::7"] {
            assert!(good(&nets, Some(ip)) && good(&[], Some(ip)), "{ip}");
        }
        for ip in ["11.1.2.3", "::ffff:11.1.2.3", "2001:db8::8"] {
            assert!(!good(&nets, Some(ip)) && good(&[], Some(ip)), "{ip}");
        }
        assert!(!good(&nets, None) && good(&[], None));
    }

    #[test]
    fn what_is_lacking_is_named_but_for_what_is_not_seen() {
        let [a, b, c] = [1, 2, 3].map(|n| ChannelId::from_bytes([n; 16]));
        let channels = Grants::Only([(a, ChannelGrant::Publish), (b, ChannelGrant::Draft)].into());
        let reach = Reach { most: Some(ChannelGrant::Publish), channels };
        let lacks = |needs, channels: &[ChannelId]| reach.lacks(needs, channels.iter().copied());
        assert_eq!(lacks(ChannelGrant::Publish, &[a]), None);
        assert_eq!(lacks(ChannelGrant::Draft, &[a, b]), None);
        let short = Lack::On(ChannelGrant::Publish, Some(b));
        assert_eq!(lacks(ChannelGrant::Publish, &[a, b]), Some(short));
        assert_eq!(lacks(ChannelGrant::Draft, &[c]), Some(Lack::On(ChannelGrant::Draft, None)));
        assert_eq!(lacks(ChannelGrant::Publish, &[]), None);
        let drafts = Reach { most: Some(ChannelGrant::Draft), ..reach.clone() };
        let everywhere = Lack::Everywhere(ChannelGrant::Publish);
        assert_eq!(drafts.lacks(ChannelGrant::Publish, [a].into_iter()), Some(everywhere));
        let viewer = Reach { most: Some(ChannelGrant::Read), ..reach };
        let everywhere = Lack::Everywhere(ChannelGrant::Draft);
        assert_eq!(viewer.lacks(ChannelGrant::Draft, std::iter::empty()), Some(everywhere));
    }

    #[test]
    fn a_channel_that_is_not_granted_is_missing() {
        let [a, b] = [ChannelId::from_bytes([1; 16]), ChannelId::from_bytes([2; 16])];
        assert_eq!(Grants::All.on(a), Some(ChannelGrant::Publish));
        for grant in ChannelGrant::ALL {
            let only = Grants::Only([(a, grant)].into());
            assert_eq!((only.on(a), only.on(b)), (Some(grant), None));
        }
        assert_eq!(Grants::Only(BTreeMap::new()).on(a), None);
    }
}
