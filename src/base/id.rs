//! Identifiers: `UUIDv7`, one type per kind of thing, so that a post's id cannot be passed where a
//! channel's is wanted. Must not be parsed leniently: only the hyphenated form is accepted.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use super::{Rng, Timestamp};

/// Marks what an id names; the word is used in error texts.
pub trait Kind: 'static {
    const WORD: &'static str;
}

/// The kinds of things that have ids.
pub mod kind {
    use super::Kind;

    pub struct Workspace;
    pub struct Channel;
    pub struct Credential;
    pub struct Post;
    pub struct Target;
    pub struct Delivery;
    pub struct Part;
    pub struct Key;
    pub struct Asset;
    pub struct User;
    pub struct Session;
    pub struct Invitation;
    pub struct Host;
    pub struct Connection;
    pub struct Hook;

    impl Kind for Workspace {
        const WORD: &'static str = "workspace";
    }
    impl Kind for Channel {
        const WORD: &'static str = "channel";
    }
    impl Kind for Credential {
        const WORD: &'static str = "credential";
    }
    impl Kind for Post {
        const WORD: &'static str = "post";
    }
    impl Kind for Target {
        const WORD: &'static str = "target";
    }
    impl Kind for Delivery {
        const WORD: &'static str = "delivery";
    }
    impl Kind for Part {
        const WORD: &'static str = "part";
    }
    impl Kind for Key {
        const WORD: &'static str = "key";
    }
    impl Kind for Asset {
        const WORD: &'static str = "asset";
    }
    impl Kind for User {
        const WORD: &'static str = "user";
    }
    impl Kind for Session {
        const WORD: &'static str = "session";
    }
    impl Kind for Connection {
        const WORD: &'static str = "connection";
    }
    impl Kind for Hook {
        const WORD: &'static str = "hook";
    }
    impl Kind for Host {
        const WORD: &'static str = "host";
    }
    impl Kind for Invitation {
        const WORD: &'static str = "invitation";
    }
}

/// A `UUIDv7` that names a thing of kind `K`: 16 bytes in stored records, hyphenated in JSON.
pub struct Id<K: Kind>(Uuid, PhantomData<fn() -> K>);

pub type WorkspaceId = Id<kind::Workspace>;
pub type ChannelId = Id<kind::Channel>;
pub type CredentialId = Id<kind::Credential>;
pub type PostId = Id<kind::Post>;
/// One (post, channel) pair; stays the same when the post is edited.
pub type TargetId = Id<kind::Target>;
pub type DeliveryId = Id<kind::Delivery>;
pub type PartId = Id<kind::Part>;
pub type KeyId = Id<kind::Key>;
pub type AssetId = Id<kind::Asset>;
pub type UserId = Id<kind::User>;
pub type SessionId = Id<kind::Session>;
pub type InvitationId = Id<kind::Invitation>;
pub type HostId = Id<kind::Host>;
pub type ConnectionId = Id<kind::Connection>;
pub type HookId = Id<kind::Hook>;

impl<K: Kind> Id<K> {
    /// A new id whose first 48 bits are `now`, so that ids sort by time of making.
    pub fn new(now: Timestamp, rng: &dyn Rng) -> Self {
        let mut random = [0; 10];
        rng.fill(&mut random);
        let id = uuid::Builder::from_unix_timestamp_millis(now.as_millis(), &random).into_uuid();
        Self(id, PhantomData)
    }

    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes), PhantomData)
    }

    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl<K: Kind> FromStr for Id<K> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Uuid::parse_str also takes braces, URNs and 32 bare digits; one form is enough.
        match Uuid::try_parse(text) {
            Ok(id) if text.len() == 36 => Ok(Self(id, PhantomData)),
            _ => Err(format!("not a {} id (a hyphenated UUID)", K::WORD)),
        }
    }
}

impl<K: Kind> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: Kind> Copy for Id<K> {}

impl<K: Kind> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<K: Kind> Eq for Id<K> {}

impl<K: Kind> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Kind> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl<K: Kind> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", K::WORD, self.0)
    }
}

impl<K: Kind> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.collect_str(&self.0) } else { self.as_bytes().serialize(s) }
    }
}

impl<'de, K: Kind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            String::deserialize(d)?.parse().map_err(de::Error::custom)
        } else {
            <[u8; 16]>::deserialize(d).map(Self::from_bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::SeededRng;
    use super::*;

    #[test]
    fn ids_sort_by_time_and_round_trip() {
        let rng = SeededRng::new(1);
        let a = PostId::new(Timestamp::from_millis(1_000), &rng);
        let b = PostId::new(Timestamp::from_millis(1_001), &rng);
        assert!(a < b);
        assert_eq!(a.to_string().parse::<PostId>().unwrap(), a);
        let json = serde_json::to_string(&a).unwrap();
        assert_eq!(serde_json::from_str::<PostId>(&json).unwrap(), a);
        let bytes = postcard::to_allocvec(&a).unwrap();
        assert_eq!(bytes.len(), 16);
        assert_eq!(postcard::from_bytes::<PostId>(&bytes).unwrap(), a);
    }

    #[test]
    fn only_the_hyphenated_form_is_taken() {
        for bad in
            ["", "x", "{01890a5d-ac96-774b-bcce-b302099a8057}", "01890a5dac96774bbcceb302099a8057"]
        {
            assert!(bad.parse::<PostId>().is_err(), "{bad}");
        }
    }
}
