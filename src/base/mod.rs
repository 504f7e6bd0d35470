//! Words that every room uses: ids, time, randomness, codes, problems, secrets, bounds.
//! Must not do I/O, except reading the system clock and the system's randomness.

mod backoff;
mod clock;
mod code;
mod correlation;
mod hidden;
mod id;
pub mod limits;
mod live;
mod net;
mod problem;
mod rng;
mod secret;
mod spawn;
mod time;

pub use backoff::{jitter, retry_wait};
pub use clock::{Boot, Clock, ManualClock, SystemClock};
pub use code::{CODES, Code, CodeRow};
pub use correlation::CorrelationId;
pub use hidden::is_hidden;
pub use id::{
    AssetId, ChannelId, ConnectionId, CredentialId, DeliveryId, HookId, HostId, Id, InvitationId,
    KeyId, Kind, PartId, PostId, SessionId, TargetId, UserId, WorkspaceId, kind,
};
pub use live::Live;
pub use net::{Net, is_private_way};
pub use problem::{Check, FieldProblem, Problem, Wrong};
pub use rng::{Rng, SeededRng, SystemRng};
pub use secret::Secret;
pub use spawn::{Spawner, tokio_spawner};
pub use time::Timestamp;
