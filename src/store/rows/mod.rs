//! What is stored in each table. Must not hold rules; most rows are types of `domain`, listed here
//! with their table, key and version.

pub(super) mod access;
pub(super) mod assets;
pub(super) mod channels;
pub(super) mod connections;
pub(super) mod deliveries;
pub(super) mod events;
pub(super) mod hooks;
pub(super) mod hosts;
pub(super) mod idempotency;
pub(super) mod installation;
pub(super) mod limits;
pub(super) mod notices;
pub(super) mod plans;
pub(super) mod posts;
pub(super) mod staged;
pub(super) mod tallies;
pub(super) mod timers;
pub(super) mod users;
pub(super) mod workspaces;

pub use access::{KeyHash, KeyUse, Membership};
pub use assets::{
    AssetHome, AssetUse, MediaTotal, ObjectUse, Orphan, OrphanKey, Preparation, Upload,
};
pub use channels::{Feed, SealedCredential};
pub use deliveries::{Attention, Inflight, PublishedEntry};
pub use events::{Chained, ChainedEvent, chain, chain_head, chain_start, verify_chain};
pub use hooks::{HookMark, WaitingHook};
pub use hosts::{EmbedToken, HostKey, HostedUser, HostedWorkspace};
pub use idempotency::Remembered;
pub use installation::{AlertComment, AlertMark, BackupTest, Incident, Meta, OpenAlert, Pause};
pub use limits::{ChannelLimits, ServerLimits};
pub use notices::{Owed, Told, ToldAlert};
pub use plans::Usage;
pub use posts::CalendarEntry;
pub use staged::Staged;
pub use tallies::Judged;
pub use timers::{Timer, TimerKey, TimerKind};
pub use users::{Administers, Email, IdentityHolder, Link, SessionToken};
pub use workspaces::{Slug, WrappedKey};
