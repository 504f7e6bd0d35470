//! What people may do: one public function per use case. Each takes an [`Access`] that proves the
//! right, decides in one transaction, and leaves an event. Must not know HTTP or terminals.

mod access;
mod alerts;
mod approvals;
mod attempts;
mod backups;
mod certificates;
mod channels;
mod closing;
mod connections;
mod controls;
mod costs;
mod credentials;
mod deliveries;
mod echoes;
mod events;
mod feeds;
mod grants;
mod hooks;
mod hosts;
mod idempotency;
mod incidents;
mod jobs;
mod keys;
mod media;
mod members;
mod networks;
mod notices;
mod overview;
mod pauses;
mod planning;
mod plans;
mod posts;
pub mod shown;
mod status;
mod suspicion;
mod traffic;
mod transition;
mod usage;
mod users;
mod verbs;
mod waits;
pub mod words;
mod workspaces;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::base::{Clock, Code, Live, Problem, Rng, Timestamp};
use crate::domain::access::{ChannelGrant, Lack, Scope as KeyScope};
use crate::domain::plan::Plans;
use crate::domain::publish::{State, Timing};
use crate::domain::space::{Marks, Room, Space};
use crate::media::Blobs;
use crate::outbound::Transport;
use crate::outbound::mail::Mailer;
use crate::store::{Backlog, Error, Store, WriteError};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::StoreTotals;
use crate::vault::Vault;
use shown::Glance;

pub use access::{Access, Bearer, Principal, Whence};
pub use alerts::{
    Alert, AlertShown, Facts as AlertFacts, Followed, Kept as KeptAlerts, LATE,
    Level as AlertLevel, alerts,
};
pub use approvals::{ApprovalRuleShown, ApprovalShown};
pub use backups::{
    BackupError, BackupSettings, BackupShown, Backups, Head as BackupHead, Item, Manifest,
    MediaMode, Restored, Tested, Writer as BackupWriter, hold_restored, list_backups_in, object_of,
    read_archive, read_backup, read_backup_from, verify_backup,
};
pub use certificates::{Certificate, CertificateShown, ErasureShown};
pub use channels::{Brought, ChannelChange, Grace};
pub use closing::DeletedShown;
pub use connections::{
    AppShown, Back, Bearing, CameBack, ConnectionShown, Gone, NewApp, NewConnection,
    Seen as SeenConnection,
};
pub use controls::{Controls, Previewed, Reloaded, Tried};
pub use credentials::{Found, OpenedChannel, Renewal, Renewals};
pub use deliveries::DeliveryFilter;
pub use echoes::Echoes;
pub use events::{
    ActivityShown, Checked, EventExport, EventFilter, EventShown, ExportFormat, HeadShown,
    NotAnExport, check_export,
};
pub use feeds::{FeedEntry, FeedPage, FeedPart};
pub use grants::{GrantShown, RefreshShown, RefreshedShown};
pub use hooks::{HookShown, Hooks};
pub use hosts::{AsHost, EmbedOpened, EmbedPerson, EmbedShown, HostShown, NewEmbed};
pub use idempotency::{Done, Repeat};
pub use incidents::note_jump;
pub use jobs::{Job, JobShown, Jobs, Order, Round};
pub use keys::NewKey;
pub use media::{
    AssetChange, AssetShown, Coming, METADATA, NewAsset, NewImport, NewUpload, UploadShown,
};
pub use members::{MemberChange, MemberShown};
pub use notices::{Telling, Watch};
pub use overview::{Bounds, Happened, Of, Overview, Person, Waiting, is_by};
pub use pauses::{Level, Pauses};
pub use plans::{
    ChannelOver, MonthOver, MonthShown, OverridesShown, PlanPreview, PlanShown, UseShown,
};
pub use posts::{NewPost, PostChange, PostFilter, When, Word};
pub use status::Health;
pub use traffic::{Circuits, Limits, MayPost, OpenCircuit, Watched};
pub use transition::{Change, Changed, Refused, lane_blocker, policy, transition};
pub use users::{
    Accepted, AccountChange, Administrator, Cost, Credentials, Enrolment, InvitationShown,
    LinkLeads, LinkShown, NewInvitation, NewUser, Oidc, OidcAnswer, OidcAsks, OidcFor, OidcGiven,
    OidcGone, OidcSettings, OidcStep, Opened, People, RecoveryCodes, SESSION_PREFIX,
    SecurityChange, SecurityShown, SessionShown, SignedIn, UserShown, Visitor,
};
pub use verbs::{
    Arg, ArgKind, Download, VERBS, Verb, download as download_verb, noun_named, run as run_verb,
    upload as upload_verb,
};

/// How far the engine is with what was overdue when it could look again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CatchingUp {
    pub done: usize,
    pub of: usize,
}

/// A look at the disk with each request would cost a twentieth of it. The marks are far enough
/// from the end for all that can be written in so short a time.
const SPACE_LIFE: Duration = Duration::from_millis(100);

/// The last look at the disk, and when that was.
pub type Looked = Mutex<Option<(Duration, Option<Space>)>>;

/// All that use cases need; a cheap handle.
#[derive(Clone)]
pub struct Services {
    pub store: Store,
    pub vault: Arc<Vault>,
    /// The bytes of assets.
    pub blobs: Blobs,
    pub transport: Arc<dyn Transport>,
    /// Early errors for addresses that people bring; the transport guards by itself.
    pub guard: Arc<crate::outbound::guard::Guard>,
    pub clock: Arc<dyn Clock>,
    pub rng: Arc<dyn Rng>,
    pub metrics: Arc<Metrics>,
    pub timing: Live<Timing>,
    pub marks: Live<Marks>,
    pub plans: Live<Plans>,
    pub controls: Arc<Controls>,
    pub backups: Arc<Backups>,
    /// Said by the engine.
    pub catching_up: Live<CatchingUp>,
    /// Credentials that are being renewed right now.
    pub renewals: Arc<Renewals>,
    /// Servers and accounts that get no posts for a while.
    pub circuits: Arc<Circuits>,
    /// Texts that several workspaces have lately.
    pub echoes: Arc<Echoes>,
    /// Webhooks that networks send.
    pub hooks: Arc<Hooks>,
    /// Where the hosts of networks are.
    pub hosts: Arc<crate::networks::Hosts>,
    /// People who come to sign in.
    pub people: Arc<People>,
    /// Takes what people are written; `None` where nobody is written to.
    pub mail: Option<Mailer>,
    /// Where else people can prove who they are.
    pub oidc: Arc<Oidc>,
    /// The last look at the disk, and when that was.
    pub looked: Arc<Looked>,
    /// What the workers are doing.
    pub jobs: Jobs,
    /// Where this installation is seen from outside, without a slash at the end.
    pub public_url: Arc<str>,
}

impl Services {
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// How much room is on the disk. One that does not say counts as ample: its errors will tell.
    pub fn room(&self) -> Room {
        self.space().map_or(Room::Ample, |space| self.marks.get().room(space))
    }

    /// What the disk said a moment ago at most.
    fn space(&self) -> Option<Space> {
        let now = self.clock.monotonic();
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        match *looked {
            Some((at, space)) if now.saturating_sub(at) < SPACE_LIFE => space,
            _ => {
                let space = self.store.space();
                *looked = Some((now, space));
                space
            }
        }
    }

    /// Refuses what would grow the data of a disk that is nearly full. What makes room, decides, or
    /// notes what became of a post is not asked.
    fn room_for_more(&self) -> Result<(), Problem> {
        if self.room() > Room::Scarce { Ok(()) } else { Err(Problem::new(Code::DiskFull)) }
    }

    /// The same, except that nothing is written: for use cases that touch nothing but the store.
    #[must_use]
    pub fn rehearsal(&self) -> Self {
        Self { store: self.store.rehearsal(), ..self.clone() }
    }

    /// The moment at which something is shown.
    fn glance(&self) -> Glance {
        Glance {
            epoch: self.store.epoch(),
            now: self.now(),
            room: self.room(),
            open: self.open_circuits().into(),
        }
    }

    /// The metrics as Prometheus reads them, with the store's counts of this moment.
    pub async fn metrics_text(&self) -> String {
        if let Ok(backlog) = self.store.read(Backlog::read).await {
            for state in [State::Held, State::Partial, State::Failed] {
                let waiting = backlog.attention.get(&state).copied().unwrap_or_default();
                self.metrics.waiting(state.word(), waiting);
            }
            self.metrics.reconnect_needed(backlog.reconnect_needed);
        }
        if let Some(space) = self.store.space() {
            self.metrics.disk(space, self.marks.get().room(space));
        }
        let stats = self.store.stats();
        self.metrics.store(StoreTotals {
            commits: stats.commits,
            writes: stats.writes,
            written_bytes: stats.written_bytes,
            reopened: stats.reopened,
            healthy: self.store.is_healthy(),
            staged: stats.staged,
        });
        self.metrics.render()
    }
}

/// The store's trouble in a caller's words; what is inside is only logged.
#[expect(clippy::needless_pass_by_value, reason = "handed to map_err")]
pub(crate) fn trouble(error: Error) -> Problem {
    match error {
        Error::OutOfReach(lack) => lacking(lack),
        Error::TooLarge { bytes, .. } => Problem::new(Code::TooLarge).with("bytes", bytes),
        Error::Io(_) | Error::InUse | Error::Closed => {
            tracing::error!(%error, "the store could not do it");
            Problem::new(Code::StoreUnavailable)
        }
        Error::Corrupt { .. }
        | Error::NewerSchema { .. }
        | Error::OlderSchema { .. }
        | Error::Panicked => {
            tracing::error!(%error, "the store holds what cannot be read, or the program has a fault");
            Problem::new(Code::Internal)
        }
    }
}

/// What somebody lacks, as they could ask for it.
fn lacking(lack: Lack) -> Problem {
    let problem = Problem::new(Code::Forbidden);
    match lack {
        Lack::Everywhere(grant) => {
            let scope = match grant {
                ChannelGrant::Read => KeyScope::Read,
                ChannelGrant::Draft => KeyScope::Write,
                ChannelGrant::Publish => KeyScope::Publish,
            };
            problem.with("scope", scope.word())
        }
        Lack::On(grant, None) => problem.with("grant", grant.word()),
        Lack::On(grant, Some(channel)) => {
            problem.with("grant", grant.word()).with("channel", channel)
        }
    }
}

pub(crate) fn refused(error: WriteError<Problem>) -> Problem {
    error.into_refusal(trouble)
}

/// A refusal inside a write.
pub(crate) fn no<T>(problem: Problem) -> Result<T, WriteError<Problem>> {
    Err(WriteError::Refused(problem))
}

pub(crate) fn not_found() -> Problem {
    Problem::new(Code::NotFound)
}
