//! The publish state machine: what is known of one delivery, and what may happen next.
//! Pure and total; the engine, the simulator and the model checker drive the same [`step`].
//! Must not read a clock, touch the disk or know a network.

mod step;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::{PartId, Timestamp};
use crate::domain::cost::Prices;

pub use step::step;

/// One delivery on its way: its parts in order, and what holds it back.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Flow {
    /// When the current part should go out; lateness is measured from here.
    pub due: Timestamp,
    /// When somebody must look again; `None` when it is over or waits for a person.
    /// The timer table has exactly this entry.
    pub wake: Option<Timestamp>,
    pub hold: Option<Hold>,
    pub cancelled: bool,
    pub parts: Vec<Part>,
}

/// One irreversible call to a network: the root of a post, a reply, a first comment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Part {
    pub id: PartId,
    /// Wait after the part before it went out.
    pub delay: Duration,
    pub phase: Phase,
    pub doubt: Doubt,
    /// Number of the latest attempt; 0 before the first.
    pub attempt: u32,
    /// Attempts that count against the budget.
    pub used: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Nothing is under way; the reason says what the wait is for.
    Waiting(Wait),
    /// The network is getting ready (media being processed). `ticket` is empty: the network's note
    /// has a row of its own, which outlives this phase.
    Preparing {
        ticket: Vec<u8>,
    },
    /// Durably about to be sent, or being sent, by the process of this epoch.
    Armed {
        epoch: u64,
        at: Timestamp,
    },
    /// It may be out; the program is looking.
    Unknown {
        absent: u32,
    },
    Published(Receipt),
    Failed(Failure),
}

/// What a scheduled part waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Wait {
    /// Its time.
    Due,
    /// The part before it.
    Turn,
    /// The pause before another attempt.
    Retry,
    /// The network's rate limit.
    RateLimit,
}

/// Whether an earlier attempt may have reached the network (the taint of a part).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Doubt {
    None,
    /// `armed` is when the oldest attempt in doubt was armed, `lost` when the latest was given up.
    Open {
        armed: Timestamp,
        lost: Timestamp,
    },
    /// A reading after the quiet period, or a person, said that it is not there. Stays: a later
    /// refusal must not be called a failure.
    Absent,
}

/// The network's word, or a person's, that the part is out.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Receipt {
    pub remote_id: String,
    pub url: Option<String>,
    pub at: Timestamp,
    pub source: Source,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Answer,
    ReadBack,
    Person,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Hold {
    pub reason: HoldReason,
    pub since: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldReason {
    OutcomeUnknown,
    ReconnectNeeded,
    Missed,
    Restored,
    Billing,
}

/// Why an attempt did not publish.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Failure {
    /// A stable word such as `validation` or `attempts_used_up`.
    pub code: String,
    /// What the network said, scrubbed; empty when it said nothing.
    pub detail: String,
    pub status: Option<u16>,
}

/// The states that people see, derived from the parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Scheduled,
    Preparing,
    Armed,
    Unknown,
    Held,
    Published,
    Partial,
    Failed,
    Cancelled,
}

/// What a network offers to find out whether a part is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Evidence {
    pub key: Option<KeyLife>,
    pub read_back: Option<ReadBack>,
}

/// A write that carries a key of ours is applied once, however often it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyLife {
    /// A repeat sooner than this may not see the key yet.
    pub settle: Duration,
    /// How long after the first attempt a repeat may still be sent: the network's memory less the
    /// longest way a repeat can take. See [`Policy::key_life`].
    pub life: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadBack {
    /// The record can be asked for by an id that we chose.
    Record,
    /// Only a listing can be searched; later posts of the channel would blur it.
    Listing,
}

/// The numbers that rule a delivery: settings, and what its network offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How late a part may still go out.
    pub grace: Duration,
    /// Longest time that a request which was given up can still be applied.
    pub late: Duration,
    /// How far the network's reads may be behind its writes.
    pub lag: Duration,
    /// Between two negative readings; both are needed.
    pub second_look: Duration,
    /// How long readings are tried before a person is asked.
    pub look_budget: Duration,
    pub retry_base: Duration,
    pub attempts: u32,
    pub evidence: Evidence,
}

impl Policy {
    /// No reading sooner than this after an attempt was given up can prove absence.
    pub fn quiet(&self) -> Duration {
        self.late + self.lag
    }

    /// The life of a key for us, when the network remembers it for `memory`: a repeat must still
    /// find the key when it lands, however late that is.
    pub fn key_life(memory: Duration, deadline: Duration, late: Duration) -> Duration {
        memory.saturating_sub(deadline).saturating_sub(late)
    }
}

/// The settings that policies are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// For one call to a network.
    pub deadline: Duration,
    pub late: Duration,
    pub lag: Duration,
    pub second_look: Duration,
    pub look_budget: Duration,
    pub retry_base: Duration,
    pub attempts: u32,
    /// Before a write is repeated under its key, beyond `late`.
    pub key_settle: Duration,
    pub grace: Duration,
    /// Between late posts of one channel.
    pub spacing: Duration,
    /// What networks ask for what goes out.
    pub prices: Prices,
}

impl Timing {
    /// The policy for a network that remembers keys for `memory` and can be read as `read_back`
    /// says; `grace` is the channel's or workspace's own.
    pub fn policy(
        &self,
        memory: Option<Duration>,
        read_back: Option<ReadBack>,
        grace: Option<Duration>,
    ) -> Policy {
        let key = memory.map(|memory| {
            let life = Policy::key_life(memory, self.deadline, self.late);
            // For ever means that the write is our own row, which needs no time to settle. Others
            // note a key beside the write: a repeat that meets the first request on its way could
            // land beside it, so it waits until the first cannot land any more.
            let own = memory == Duration::MAX;
            let settle = if own { Duration::ZERO } else { self.late + self.key_settle };
            KeyLife { settle, life }
        });
        Policy {
            grace: grace.unwrap_or(self.grace),
            late: self.late,
            lag: self.lag,
            second_look: self.second_look,
            look_budget: self.look_budget,
            retry_base: self.retry_base,
            attempts: self.attempts,
            evidence: Evidence { key, read_back },
        }
    }
}

impl Default for Timing {
    /// reliability-security.md A5, with SPEC part 4 where it says otherwise.
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(30),
            late: Duration::from_mins(3),
            lag: Duration::from_mins(1),
            second_look: Duration::from_secs(30),
            look_budget: Duration::from_hours(6),
            retry_base: Duration::from_mins(1),
            attempts: 5,
            key_settle: Duration::from_mins(1),
            grace: Duration::from_hours(1),
            spacing: Duration::from_mins(1),
            prices: Prices::default(),
        }
    }
}

/// The moment of an event: wall clock, boot epoch, and a random number for jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub now: Timestamp,
    pub epoch: u64,
    pub dice: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Its timer is due, the process started, or somebody asks to look.
    Wake,
    /// The network has prepared the current part; may it go?
    Ready,
    /// The network is not done preparing.
    NotReady {
        again: Timestamp,
        ticket: Vec<u8>,
    },
    /// Preparing went wrong; nothing irreversible was tried.
    Unprepared(Outcome),
    /// The answer to the commit of (`attempt`, `epoch`).
    Answer {
        attempt: u32,
        epoch: u64,
        outcome: Outcome,
    },
    /// The result of a read-back that was asked for at `asked`.
    Reading {
        asked: Timestamp,
        reading: Reading,
    },
    /// A person's word on a held delivery.
    Decide(Decision),
    Cancel,
    /// The reason of this hold is gone (the account was reconnected, billing settled).
    Resume(HoldReason),
    /// The wall clock jumped while it was in doubt; `back` is how far it went back, if it did. `None`:
    /// nobody can say what it did, because the machine was started in between.
    ClockJumped {
        back: Option<Duration>,
    },
    /// It comes from a backup: what became of it since then is not known.
    Restored,
    /// A person moved it.
    Move {
        due: Timestamp,
    },
}

/// What one call to a network came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    Done(Receipt),
    /// Certainly not written; may be tried again.
    Transient(Failure),
    /// Certainly not written; may be tried again from `until`, which uses up no attempt.
    RateLimited {
        until: Timestamp,
        failure: Failure,
    },
    /// Certainly not written, and the same request would be refused again.
    Refused(Failure),
    /// The account's credential is dead; the identity endpoint confirmed it.
    Reconnect(Failure),
    Billing(Failure),
    /// Refused as a duplicate, which says that it exists; with its receipt when it was named.
    Exists(Option<Receipt>),
    /// It may have been written.
    Lost(Failure),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    Found(Receipt),
    Absent,
    /// More than one thing could be it.
    Ambiguous,
    /// Nothing could be read.
    Unavailable(Failure),
    Reconnect(Failure),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    ItIsThere {
        url: Option<String>,
    },
    SendAgain,
    /// The same, not before then.
    SendAt {
        due: Timestamp,
    },
    Drop,
}

/// What the driver does next, after the new flow is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Rest,
    Prepare,
    Commit { attempt: u32 },
    ReadBack,
}

/// Why an event changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is armed or unknown: nobody may touch it.
    InFlight,
    Finished,
    NotHeld,
    /// It does not fit the present phase (a late answer, a timer that was moved). Worth a note as
    /// evidence, never a second transition.
    Stale,
}

impl Flow {
    /// A flow that waits for `due`; `delays` has one entry per part, the first of them ignored.
    pub fn new(due: Timestamp, parts: impl IntoIterator<Item = (PartId, Duration)>) -> Self {
        let part = |(i, (id, delay))| Part {
            id,
            delay,
            phase: Phase::Waiting(if i == 0 { Wait::Due } else { Wait::Turn }),
            doubt: Doubt::None,
            attempt: 0,
            used: 0,
        };
        let parts = parts.into_iter().enumerate().map(part).collect();
        Self { due, wake: Some(due), hold: None, cancelled: false, parts }
    }

    /// Index of the part that is next or under way; `None` when all are out.
    pub fn current(&self) -> Option<usize> {
        self.parts.iter().position(|p| !matches!(p.phase, Phase::Published(_)))
    }

    pub fn current_part(&self) -> Option<&Part> {
        self.parts.iter().find(|p| !matches!(p.phase, Phase::Published(_)))
    }

    /// The state that people see.
    pub fn state(&self) -> State {
        let Some(part) = self.current_part() else {
            return State::Published;
        };
        let begun = self.parts.iter().any(|p| matches!(p.phase, Phase::Published(_)));
        match &part.phase {
            _ if self.cancelled && begun => State::Partial,
            _ if self.cancelled => State::Cancelled,
            Phase::Failed(_) if begun => State::Partial,
            Phase::Failed(_) => State::Failed,
            _ if self.hold.is_some() => State::Held,
            Phase::Armed { .. } => State::Armed,
            Phase::Unknown { .. } => State::Unknown,
            Phase::Preparing { .. } => State::Preparing,
            Phase::Waiting(_) | Phase::Published(_) => State::Scheduled,
        }
    }

    /// The state, once an arm of an older epoch is seen as what it is.
    pub fn state_in(&self, epoch: u64) -> State {
        match self.current_part().map(|p| &p.phase) {
            Some(Phase::Armed { epoch: armed, .. }) if *armed != epoch => State::Unknown,
            _ => self.state(),
        }
    }

    pub fn is_over(&self) -> bool {
        matches!(self.state(), State::Published | State::Partial | State::Failed | State::Cancelled)
    }

    /// Whether it may be out, and the program is still at it: it is armed or unknown, or a repeat
    /// under its key waits.
    pub fn is_in_flight(&self) -> bool {
        let Some(part) = self.current_part() else { return false };
        let open = matches!(part.phase, Phase::Armed { .. } | Phase::Unknown { .. })
            || matches!(part.doubt, Doubt::Open { .. });
        open && self.hold.is_none() && !self.is_over()
    }

    /// Whether later deliveries of the channel must wait for this one: while it is armed, and,
    /// where the only evidence is a listing, until the first reading.
    pub fn blocks_lane(&self, evidence: &Evidence) -> bool {
        match self.current_part() {
            Some(Part { phase: Phase::Armed { .. }, .. }) => true,
            Some(Part { phase: Phase::Unknown { absent: 0 }, .. }) => {
                self.hold.is_none()
                    && evidence.key.is_none()
                    && evidence.read_back == Some(ReadBack::Listing)
            }
            _ => false,
        }
    }

    /// Whether the words may still be changed: nothing was sent, and nothing may have been.
    pub fn is_editable(&self) -> Result<(), Refusal> {
        let touched = |p: &Part| {
            p.doubt != Doubt::None || matches!(p.phase, Phase::Armed { .. } | Phase::Unknown { .. })
        };
        if self.is_over() || self.parts.iter().any(|p| matches!(p.phase, Phase::Published(_))) {
            Err(Refusal::Finished)
        } else if self.parts.iter().any(touched) {
            Err(Refusal::InFlight)
        } else {
            Ok(())
        }
    }
}

impl State {
    pub const ALL: [Self; 9] = [
        Self::Scheduled,
        Self::Preparing,
        Self::Armed,
        Self::Unknown,
        Self::Held,
        Self::Published,
        Self::Partial,
        Self::Failed,
        Self::Cancelled,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Preparing => "preparing",
            Self::Armed => "armed",
            Self::Unknown => "unknown",
            Self::Held => "held",
            Self::Published => "published",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.word() == word)
    }
}

impl HoldReason {
    pub fn word(self) -> &'static str {
        match self {
            Self::OutcomeUnknown => "outcome_unknown",
            Self::ReconnectNeeded => "reconnect_needed",
            Self::Missed => "missed",
            Self::Restored => "restored",
            Self::Billing => "billing",
        }
    }
}

impl Wait {
    pub fn word(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Turn => "turn",
            Self::Retry => "retry",
            Self::RateLimit => "rate_limit",
        }
    }
}

impl Failure {
    pub fn new(code: &str, detail: impl Into<String>) -> Self {
        Self { code: code.to_owned(), detail: detail.into(), status: None }
    }

    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }
}
