//! What is stored in each table. Must not hold rules; most rows are types of `domain`, listed here
//! with their table, key and version.

mod access;
mod channels;
mod deliveries;
mod events;
mod idempotency;
mod installation;
mod posts;
mod timers;
mod workspaces;

pub use access::KeyHash;
pub use channels::{Feed, SealedCredential};
pub use deliveries::{Attention, Inflight, PublishedEntry};
pub use events::{ChainFault, ChainedEvent, verify_chain};
pub use idempotency::Remembered;
pub use installation::{Meta, Pause};
pub use posts::CalendarEntry;
pub use timers::{Timer, TimerKey, TimerKind};
pub use workspaces::{Slug, WrappedKey};
