//! What people and programs see: the one shape of each thing, for the API, the command line and
//! every other face. Must not hold a secret, except the fields that show a new key or signing secret once.

use std::collections::BTreeMap;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;
use utoipa::ToSchema;

pub use super::channels::shape::{ChannelShown, LaterShown, LimitsShown, MediaLimitsShown};
pub(super) use super::channels::shape::{channel, limits};
pub use super::members::KeyShown;
use super::members::{addresses, grants};
pub use super::networks::{HostAt, NetworkShown, OptionShown};
use super::pauses::Pauses;
use super::planning::Channels;
use super::waits::{self, WaitShown};
use super::{OpenCircuit, approvals};
use crate::base::{FieldProblem, Problem, Timestamp, Wrong};
use crate::domain::access::Key;
use crate::domain::channel::Channel;
use crate::domain::delivery::{Delivery, Note, NoteKind};
use crate::domain::post::{OptionValue, PartDraft, Post, Variant};
use crate::domain::publish::{Doubt, Failure, Flow, HoldReason, Part, Phase, Source, State};
use crate::domain::schedule::Schedule;
use crate::domain::space::Room;
use crate::domain::workspace::Workspace;
use crate::networks::next_step;
use crate::store::rows::{Attention, Inflight, KeyUse};
use crate::store::{Error, Scope, Span, View};

/// When something is looked at: what is armed since before this start of the program is unknown, and
/// what is due and waits has a reason.
#[derive(Clone, Debug)]
pub(super) struct Glance {
    pub epoch: u64,
    pub now: Timestamp,
    pub room: Room,
    /// Circuits that were open then.
    pub open: Arc<[OpenCircuit]>,
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Give it back as `cursor` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PostShown {
    #[schema(format = "uuid")]
    pub id: String,
    /// Grows with every change; the `ETag`.
    pub revision: u64,
    pub created_at: String,
    pub updated_at: String,
    pub author: String,
    pub draft: bool,
    pub parts: Vec<PartText>,
    /// By channel id.
    pub variants: BTreeMap<String, VariantShown>,
    pub tags: Vec<String>,
    pub schedule: Option<ScheduleShown>,
    pub targets: Vec<TargetShown>,
    pub deliveries: Vec<DeliveryShown>,
    /// Whether somebody must let it out, and what they said; null when nobody has to.
    pub approval: Option<approvals::ApprovalShown>,
    /// What scheduling this draft would be refused for; and a time that does not exist or comes twice.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    pub correlation_id: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PartText {
    pub text: String,
    pub media: Vec<String>,
    pub delay_minutes: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct VariantShown {
    pub parts: Option<Vec<PartText>>,
    #[schema(value_type = Object)]
    pub options: BTreeMap<String, serde_json::Value>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ScheduleShown {
    pub now: bool,
    /// The local time that was asked for.
    pub at: Option<String>,
    pub zone: Option<String>,
    /// The instant it stands for.
    pub due: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TargetShown {
    #[schema(format = "uuid")]
    pub id: String,
    #[schema(format = "uuid")]
    pub channel: String,
    #[schema(format = "uuid")]
    pub delivery: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Warning {
    pub field: String,
    pub code: String,
    pub message: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeliveryShown {
    #[schema(format = "uuid")]
    pub id: String,
    #[schema(format = "uuid")]
    pub post: String,
    #[schema(format = "uuid")]
    pub target: String,
    #[schema(format = "uuid")]
    pub channel: String,
    /// What people call it; null when it is gone.
    pub channel_name: Option<String>,
    pub network: String,
    /// scheduled, preparing, armed, unknown, held, published, partial, failed or cancelled.
    pub state: String,
    /// A person saw that it failed, and it waits for nobody.
    pub acknowledged: bool,
    /// Why it waits (due, turn, retry, `rate_limit`, circuit: calls to its server failed, paused, approval: nobody
    /// has let its post out, lane: another of its channel is being sent or looked for, `disk_full`), what is being
    /// prepared (`media_upload`, `media_processing` by the server, parent: the server does not show yet what it
    /// replies to), or why it is held.
    pub reason: Option<String>,
    /// What a `rate_limit` or circuit is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<WaitShown>,
    /// When it was to go out.
    pub due: String,
    /// When it is looked at next.
    pub next_look: Option<String>,
    pub finished_at: Option<String>,
    pub permalink: Option<String>,
    pub parts: Vec<PartShown>,
    pub attempts: Vec<NoteShown>,
    /// What was learnt otherwise: readings, late answers, people's decisions.
    pub evidence: Vec<NoteShown>,
    pub correlation_id: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PartShown {
    #[schema(format = "uuid")]
    pub id: String,
    pub state: String,
    pub attempts: u32,
    /// An earlier attempt may have got through.
    pub in_doubt: bool,
    pub remote_id: Option<String>,
    pub permalink: Option<String>,
    pub published_at: Option<String>,
    /// How it is known: answer, `read_back` or person.
    pub source: Option<String>,
    pub failure: Option<FailureShown>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FailureShown {
    /// A stable word.
    pub code: String,
    /// What the network said, with its own codes.
    pub detail: String,
    pub status: Option<u16>,
    /// What a person does about it.
    pub next_step: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct NoteShown {
    pub at: String,
    pub kind: String,
    pub part: u32,
    pub attempt: u32,
    pub result: String,
    pub code: Option<String>,
    pub detail: Option<String>,
    pub status: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct WorkspaceShown {
    #[schema(format = "uuid")]
    pub id: String,
    pub slug: String,
    pub name: String,
    pub paused: bool,
    pub created_at: String,
}

pub(super) fn cursor_of(place: &[u8]) -> String {
    BASE64URL_NOPAD.encode(place)
}

pub(super) fn cursor_bytes(cursor: &str) -> Result<Vec<u8>, Problem> {
    BASE64URL_NOPAD.decode(cursor.as_bytes()).map_err(|_| bad_cursor())
}

/// The key that a cursor of a list by key `K` stands for.
pub(super) fn cursor_key<K: crate::store::Key>(cursor: &str) -> Result<K, Problem> {
    K::from_bytes(&cursor_bytes(cursor)?).ok_or_else(bad_cursor)
}

pub(super) fn bad_cursor() -> Problem {
    let expected = "a `next` of this same list".to_owned();
    Problem::field("cursor", Wrong::BadFormat { expected })
}

impl PostShown {
    /// Whether a delivery is in this state; `draft` is one too.
    pub(super) fn has_state(&self, state: &str) -> bool {
        if self.draft {
            return state == "draft";
        }
        self.deliveries.iter().any(|d| d.state == state)
    }
}

pub(super) fn post(
    view: &View<'_>,
    scope: &Scope,
    post: &Post,
    glance: &Glance,
) -> Result<PostShown, Error> {
    let mut rows = Vec::new();
    for id in post.targets.iter().filter_map(|t| t.delivery) {
        rows.extend(view.get::<Delivery>(scope, &id)?);
    }
    post_with(view, scope, (post, &rows, &Channels::new()), glance)
}

/// A post with these deliveries, which need not be stored yet; some channels may be at hand.
pub(super) fn post_with(
    view: &View<'_>,
    scope: &Scope,
    (post, deliveries, channels): (&Post, &[Delivery], &Channels),
    glance: &Glance,
) -> Result<PostShown, Error> {
    let pauses = Pauses::read(view, scope)?;
    let mut told = Vec::with_capacity(deliveries.len());
    for row in deliveries {
        told.push(match channels.get(&row.channel) {
            Some(channel) => {
                on_channel(view, scope, &pauses, (row, Some(post), Some(channel)), glance)
            }
            None => delivery(view, scope, &pauses, (row, Some(post)), glance),
        }?);
    }
    let target = |t: &crate::domain::post::Target| TargetShown {
        id: t.id.to_string(),
        channel: t.channel.to_string(),
        delivery: t.delivery.map(|d| d.to_string()),
    };
    Ok(PostShown {
        id: post.id.to_string(),
        revision: post.revision,
        created_at: post.created_at.to_string(),
        updated_at: post.updated_at.to_string(),
        author: post.author.word(),
        draft: post.draft,
        parts: post.parts.iter().map(part_text).collect(),
        variants: post.variants.iter().map(|(c, v)| (c.to_string(), variant(v))).collect(),
        tags: post.tags.iter().cloned().collect(),
        schedule: post.schedule.as_ref().map(schedule),
        targets: post.targets.iter().map(target).collect(),
        deliveries: told,
        approval: approvals::shown(scope, post),
        warnings: Vec::new(),
        correlation_id: post.correlation.to_string(),
    })
}

fn part_text(part: &PartDraft) -> PartText {
    let PartDraft { text, media, delay_minutes } = part.clone();
    PartText { text, media, delay_minutes }
}

fn variant(variant: &Variant) -> VariantShown {
    let value = |value: &OptionValue| match value {
        OptionValue::Flag(flag) => serde_json::Value::Bool(*flag),
        OptionValue::Text(text) => serde_json::Value::String(text.clone()),
    };
    VariantShown {
        parts: variant.parts.as_ref().map(|parts| parts.iter().map(part_text).collect()),
        options: variant.options.iter().map(|(name, v)| (name.clone(), value(v))).collect(),
    }
}

fn schedule(schedule: &Schedule) -> ScheduleShown {
    let due = schedule.due().to_string();
    match schedule {
        Schedule::Now { .. } => ScheduleShown { now: true, at: None, zone: None, due },
        Schedule::At { local, zone, .. } => {
            let (at, zone) = (Some(local.clone()), Some(zone.clone()));
            ScheduleShown { now: false, at, zone, due }
        }
    }
}

pub(super) fn warning(wrong: &FieldProblem) -> Warning {
    Warning {
        field: wrong.field.clone(),
        code: wrong.wrong.word().to_owned(),
        message: wrong.wrong.to_string(),
    }
}

pub(super) fn delivery(
    view: &View<'_>,
    scope: &Scope,
    pauses: &Pauses,
    (row, post): (&Delivery, Option<&Post>),
    glance: &Glance,
) -> Result<DeliveryShown, Error> {
    let channel = view.get::<Channel>(scope, &row.channel)?;
    on_channel(view, scope, pauses, (row, post, channel.as_ref()), glance)
}

fn on_channel(
    view: &View<'_>,
    scope: &Scope,
    pauses: &Pauses,
    (row, post, channel): (&Delivery, Option<&Post>, Option<&Channel>),
    glance: &Glance,
) -> Result<DeliveryShown, Error> {
    let (state, mut wait) = (row.flow.state_in(glance.epoch), None);
    let reason = match (&row.flow.hold, state, row.flow.current_part().map(|p| &p.phase)) {
        (Some(hold), State::Held, _) => Some(hold.reason.word()),
        (_, _, Some(phase @ (Phase::Waiting(_) | Phase::Preparing { .. })))
            if matches!(state, State::Scheduled | State::Preparing) =>
        {
            let paused = pauses.hold_back(channel, &row.network).is_some();
            let late = row.flow.wake.is_some_and(|wake| wake <= glance.now);
            let kept_in = approvals::waits(view, scope, (row, post))?;
            if late && !paused && !kept_in {
                wait = waits::of(view, scope, row, glance)?;
            }
            Some(match (&wait, phase) {
                _ if paused => "paused",
                _ if kept_in => "approval",
                _ if late && glance.room == Room::Out => "disk_full",
                (Some((reason, ..)), _) => reason,
                _ if late && is_behind(view, scope, row)? => "lane",
                (None, Phase::Waiting(due)) => due.word(),
                (None, _) => waits::preparing(view, scope, row)?,
            })
        }
        _ => None,
    };
    let (attempts, evidence): (Vec<&Note>, Vec<&Note>) = row
        .notes
        .iter()
        .partition(|note| matches!(note.kind, NoteKind::Attempt | NoteKind::Prepare));
    let parts: Vec<PartShown> =
        row.flow.parts.iter().map(|p| part(p, &row.flow, glance.epoch)).collect();
    // What its network takes no more of is not looked at before that is over.
    let next_look = row.flow.wake.max(wait.as_ref().map(|(.., until)| *until));
    Ok(DeliveryShown {
        id: row.id.to_string(),
        post: row.post.to_string(),
        target: row.target.to_string(),
        channel: row.channel.to_string(),
        channel_name: channel.map(|channel| channel.name.clone()),
        network: row.network.clone(),
        state: state.word().to_owned(),
        acknowledged: matches!(state, State::Failed | State::Partial)
            && view.get::<Attention>(scope, &row.id)?.is_some_and(|seen| seen.acknowledged),
        reason: reason.map(str::to_owned),
        wait: wait.map(|(_, shown, _)| shown),
        due: row.due.to_string(),
        next_look: next_look.map(|at| at.to_string()),
        finished_at: row.finished_at.map(|at| at.to_string()),
        permalink: parts.first().and_then(|root| root.permalink.clone()),
        parts,
        attempts: attempts.into_iter().map(note).collect(),
        evidence: evidence.into_iter().map(note).collect(),
        correlation_id: row.correlation.to_string(),
    })
}

/// Whether another delivery of its channel is being sent or looked for.
fn is_behind(view: &View<'_>, scope: &Scope, row: &Delivery) -> Result<bool, Error> {
    let first = Span::first(2).under(&row.channel);
    Ok(view.scan::<Inflight>(scope, &first)?.iter().any(|((_, other), _)| *other != row.id))
}

fn part(part: &Part, flow: &Flow, epoch: u64) -> PartShown {
    let (mut receipt, mut failure) = (None, None);
    let hold = flow.hold.as_ref().filter(|_| flow.current_part().is_some_and(|p| p.id == part.id));
    let (is_held, unsure) =
        (hold.is_some(), hold.is_some_and(|hold| hold.reason == HoldReason::OutcomeUnknown));
    let state = match &part.phase {
        Phase::Waiting(_) if flow.cancelled => "cancelled",
        Phase::Waiting(_) if is_held => "held",
        Phase::Waiting(wait) => wait.word(),
        Phase::Preparing { .. } => "preparing",
        Phase::Armed { epoch: armed, .. } if *armed != epoch => "unknown",
        Phase::Armed { .. } => "armed",
        Phase::Unknown { .. } => "unknown",
        Phase::Published(of) => {
            receipt = Some(of);
            "published"
        }
        Phase::Failed(of) => {
            failure = Some(of);
            "failed"
        }
    };
    let source = |source: Source| match source {
        Source::Answer => "answer",
        Source::ReadBack => "read_back",
        Source::Person => "person",
    };
    let failed = |Failure { code, detail, status }: &Failure| FailureShown {
        code: code.clone(),
        detail: detail.clone(),
        status: *status,
        next_step: next_step(code).map(str::to_owned),
    };
    PartShown {
        id: part.id.to_string(),
        state: state.to_owned(),
        attempts: part.attempt,
        in_doubt: unsure || matches!(part.doubt, Doubt::Open { .. }) && receipt.is_none(),
        remote_id: receipt.map(|r| r.remote_id.clone()).filter(|id| !id.is_empty()),
        permalink: receipt.and_then(|r| r.url.clone()),
        published_at: receipt.map(|r| r.at.to_string()),
        source: receipt.map(|r| source(r.source).to_owned()),
        failure: failure.map(failed),
    }
}

fn note(note: &Note) -> NoteShown {
    let some = |text: &String| Some(text.clone()).filter(|t| !t.is_empty());
    NoteShown {
        at: note.at.to_string(),
        kind: note.kind.word().to_owned(),
        part: note.part,
        attempt: note.attempt,
        result: note.result.clone(),
        code: some(&note.code),
        detail: some(&note.detail),
        status: note.status,
    }
}

pub(super) fn workspace(workspace: &Workspace) -> WorkspaceShown {
    WorkspaceShown {
        id: workspace.id.to_string(),
        slug: workspace.slug.clone(),
        name: workspace.name.clone(),
        paused: workspace.paused,
        created_at: workspace.created_at.to_string(),
    }
}

pub(super) fn key(key: &Key, used: Option<KeyUse>) -> KeyShown {
    KeyShown {
        id: key.id.to_string(),
        name: key.name.clone(),
        scopes: key.scopes.iter().map(|scope| scope.word().to_owned()).collect(),
        created_at: key.created_at.to_string(),
        last_used_at: used.map(|used| used.at.to_string()),
        expires_at: key.expires_at.map(|at| at.to_string()),
        channels: grants(&key.channels),
        addresses: addresses(&key.addresses),
        revoked_at: key.revoked_at.map(|at| at.to_string()),
        key: None,
    }
}
