//! Values of every row type with every field set, and every variant of every stored enum. To
//! change one is to change what its released bytes say; add values instead.

use std::time::Duration;

use carillon::base::{CorrelationId, SeededRng, Timestamp};
use carillon::domain::access;
use carillon::domain::approval::Approval;
use carillon::domain::channel::{Account, Channel, ChannelState};
use carillon::domain::cost::{Micros, Spent};
use carillon::domain::delivery::{Delivery, Note, NoteKind};
use carillon::domain::event::{Actor, Event};
use carillon::domain::media::{Asset, MediaKind, Shape, Thumbnail};
use carillon::domain::pace::Pace;
use carillon::domain::plan::{Cap, Entitlement, Overrides, PlanName};
use carillon::domain::post::{OptionValue, PartDraft, Post, Target, Variant};
use carillon::domain::publish::{
    Doubt, Failure, Flow, Hold, HoldReason, Part, Phase, Receipt, Source, State, Wait,
};
use carillon::domain::rate::{Purpose, RateLimit, RateLimits};
use carillon::domain::schedule::Schedule;
use carillon::domain::tally::Tally;
use carillon::domain::workspace::{Closing, Erasure, Workspace};
use carillon::store::rows::{
    Administers, AssetHome, AssetUse, Attention, CalendarEntry, ChainedEvent, ChannelLimits, Email,
    EmbedToken, Feed, HookMark, HostKey, HostedUser, HostedWorkspace, IdentityHolder, Inflight,
    Judged, KeyHash, KeyUse, MediaTotal, Membership, Meta, ObjectUse, Orphan, Owed, Pause,
    Preparation, PublishedEntry, Remembered, SealedCredential, ServerLimits, SessionToken, Slug,
    Staged, Timer, Told, ToldAlert, Upload, Usage, WaitingHook, WrappedKey,
};

use crate::approvals;
use crate::connections;
use crate::hosts;
use crate::installation;
use crate::people;
use crate::records::Golden;
use crate::rig::id;

/// One for each table of the catalogue.
pub fn all() -> Vec<Golden> {
    vec![
        Golden::global(&[Meta { value: 0 }, Meta { value: u64::MAX }]),
        Golden::global(&[Timer]),
        Golden::global(&[Slug { workspace: id(1) }]),
        Golden::global(&[KeyHash { workspace: id(1), key: id(2) }]),
        Golden::global(&[Feed { workspace: id(1) }]),
        Golden::global(&pauses(Some("credits_depleted"))).since(1, &pauses(None)),
        Golden::scoped(&workspaces()),
        Golden::scoped(&[WrappedKey { wrapped: bytes() }]),
        Golden::scoped(&keys()).since(1, &keys()[..2]).since(2, &keys()[..3]),
        Golden::scoped(&channels()),
        Golden::scoped(&[SealedCredential { sealed: bytes() }]),
        Golden::scoped(&approvals::posts()).since(1, &posts()),
        Golden::scoped(&[CalendarEntry]),
        Golden::scoped(&deliveries()),
        Golden::scoped(&[Inflight]),
        Golden::scoped(&attention()).since(1, &State::ALL.map(unseen)),
        Golden::scoped(&[PublishedEntry]),
        Golden::scoped(&actors().map(event)),
        Golden::scoped(&[Remembered {
            request: [0xab; 16],
            object: "post 1".to_owned(),
            at: at(2),
        }]),
        Golden::scoped(&assets()),
        Golden::scoped(&[AssetUse]),
        Golden::scoped(&[ObjectUse { until: None }, ObjectUse { until: Some(at(1)) }]),
        Golden::global(&[Orphan]),
        Golden::scoped(&[MediaTotal { assets: 1, bytes: u64::MAX }]),
        Golden::global(&[AssetHome { workspace: id(1) }]),
        Golden::scoped(&[Preparation { part: id(1), content_revision: 2, ticket: bytes() }]),
        Golden::global(&[Staged { run: bytes() }]),
        Golden::scoped(&[Upload {
            bytes: u64::MAX,
            metadata: "filename YS5wbmc=".to_owned(),
            ends_at: at(1),
            done: true,
        }]),
        Golden::scoped(&rate_limits().map(ChannelLimits)),
        Golden::global(&rate_limits().map(ServerLimits)),
        Golden::scoped(&entitlements()),
        Golden::scoped(&[Usage { posts: 1 }, Usage { posts: u64::MAX }]),
        Golden::scoped(&members()),
        Golden::global(&[Membership]),
        Golden::global(&people::users()),
        Golden::global(&[Email { user: id(27) }]),
        Golden::global(&people::proofs()).since(1, &people::proofs()[..3]),
        Golden::global(&people::sessions()),
        Golden::global(&[SessionToken { user: id(27), session: id(30) }]),
        Golden::global(&people::links()),
        Golden::scoped(&people::invitations()),
        approvals::door_rules(),
        Golden::global(&hosts::hosts()),
        Golden::global(&[HostKey { host: id(41) }]),
        Golden::global(&[HostedUser { user: id(27) }]),
        Golden::global(&[HostedWorkspace { workspace: id(1) }]),
        Golden::global(&hosts::embed_sessions()),
        Golden::global(&[EmbedToken { session: id(30) }]),
        Golden::scoped(&tallies()),
        Golden::scoped(&[Judged { sequence: u64::MAX }]),
    ]
    .into_iter()
    .chain(later())
    .collect()
}

/// Those that came after accounts and suspicion.
fn later() -> Vec<Golden> {
    vec![
        Golden::scoped(&[Closing { at: at(1), by: Actor::System, erased_at: at(2) }]),
        Golden::scoped(&spent()),
        connections::apps(),
        Golden::scoped(&connections::connections()),
        Golden::scoped(&connections::grants()),
        Golden::global(&[Administers { since: at(41) }]),
        Golden::global(&erasures()),
        Golden::global(&installation::alert_marks()),
        Golden::scoped(&told()),
        Golden::scoped(&[Pace::default(), pace()]),
        Golden::global(&[ToldAlert { at: at(5) }]),
        Golden::global(&installation::open_alerts()),
        Golden::global(&installation::backup_tests()),
        Golden::global(&installation::incidents()),
        Golden::scoped(&[KeyUse { at: at(6) }]),
        Golden::global(&[IdentityHolder { user: id(27) }]),
        Golden::global(&connections::hooks()),
        Golden::global(&[HookMark { hook: id(61) }]),
        Golden::global(&[WaitingHook]),
    ]
}

fn told() -> [Told; 2] {
    let owed = |user| Owed { user: id(user), from: 300, since: at(4) };
    let left = vec![owed(27), owed(28)];
    [Told::default(), Told { sequence: u64::MAX, at: at(3), tried_at: at(5), left }]
}

/// Two hours of one day, and one of the next.
fn pace() -> Pace {
    let mut pace = Pace::default();
    for hour in [1, 2, 30] {
        pace.add(at(hour * 3_600_000), hour);
    }
    pace
}

fn pauses(why: Option<&str>) -> Vec<Pause> {
    let by = |by| Pause { since: at(1), by, why: why.map(str::to_owned) };
    actors().map(by).into()
}

fn spent() -> [Spent; 2] {
    [Spent::default(), Spent { posts: 1, with_link: 2, micros: Micros(u64::MAX) }]
}

fn erasures() -> [Erasure; 2] {
    let done = Erasure {
        deleted_at: at(1),
        erased_at: Some(at(2)),
        rows: [("posts".to_owned(), 300)].into(),
        events: Some((7, [0xab; 32])),
        signature: bytes(),
    };
    [Erasure { deleted_at: at(1), ..Erasure::default() }, done]
}

fn tallies() -> [Tally; 2] {
    let mut tally = Tally::default();
    tally.add(at(1), 300);
    tally.raised_at = Some(at(2));
    [Tally::default(), tally]
}

fn entitlements() -> Vec<Entitlement> {
    let own = Overrides {
        channels: Some(Cap::AtMost(u64::MAX)),
        posts: Some(Cap::Unlimited),
        evergreen: Some(true),
        rss_autopost: Some(false),
        ai: None,
    };
    let each = PlanName::ALL.map(|plan| [Overrides::default(), own].map(|o| (plan, o)));
    let each = each.into_iter().flatten();
    each.map(|(plan, overrides)| Entitlement { plan, overrides }).collect()
}

fn unseen(state: State) -> Attention {
    Attention { state, acknowledged: false }
}

fn attention() -> Vec<Attention> {
    let seen = Attention { state: State::Failed, acknowledged: true };
    State::ALL.map(unseen).into_iter().chain([seen]).collect()
}

fn rate_limits() -> [RateLimits; 2] {
    let limit = |allowed, refused| RateLimit { until: at(1), allowed, said: at(2), refused };
    let mut full = RateLimits::default();
    full.set(Purpose::Post, limit(Some(u32::MAX), true));
    full.set(Purpose::Upload, limit(Some(30), false));
    full.set(Purpose::Read, limit(None, true));
    [full, RateLimits::default()]
}

fn assets() -> Vec<Asset> {
    let asset = |kind: MediaKind| Asset {
        id: id(1),
        revision: 2,
        created_at: at(3),
        author: Actor::Key(id(4)),
        name: "a b.jpg".to_owned(),
        alt: "A red bicycle".to_owned(),
        shape: Shape {
            kind,
            bytes: u64::MAX,
            width: 1_920,
            height: 1_080,
            rotation: 90,
            frames: 300,
            duration_ms: kind.is_video().then_some(10_000),
            video_codec: kind.is_video().then(|| "avc1".to_owned()),
            audio_codec: kind.is_video().then(|| "mp4a".to_owned()),
        },
        object: [0xab; 32],
        thumbnail: (!kind.is_video()).then_some(Thumbnail {
            object: [0xcd; 32],
            bytes: 1_000,
            width: 480,
            height: 270,
        }),
    };
    MediaKind::ALL.map(asset).to_vec()
}

/// Milliseconds that take all the bytes that today's take.
pub fn at(n: u64) -> Timestamp {
    Timestamp::from_millis(1_795_000_000_000 + n)
}

pub fn bytes() -> Vec<u8> {
    (0..=255).collect()
}

fn correlation() -> CorrelationId {
    CorrelationId::new(&SeededRng::new(1))
}

pub fn actors() -> [Actor; 5] {
    [
        Actor::Key(id(3)),
        Actor::Operator { uid: 1_000 },
        Actor::System,
        Actor::User(id(27)),
        Actor::Host(id(41)),
    ]
}

fn event(actor: Actor) -> ChainedEvent {
    ChainedEvent {
        previous: [0xcd; 32],
        event: Event {
            at: at(3),
            actor,
            kind: "post.created".to_owned(),
            subject: "a post".to_owned(),
            data: [("b", "2"), ("a", "1")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            correlation: correlation(),
        },
    }
}

fn workspaces() -> [Workspace; 2] {
    let full = Workspace {
        id: id(1),
        slug: "acme".to_owned(),
        name: "Acme \u{2665}".to_owned(),
        created_at: at(4),
        paused: true,
        grace: Some(Duration::new(3_600, 5)),
    };
    let bare = Workspace { paused: false, grace: None, ..full.clone() };
    [full, bare]
}

fn keys() -> [access::Key; 4] {
    let full = access::Key {
        id: id(2),
        name: "deploy".to_owned(),
        scopes: access::Scope::ALL.into(),
        created_at: at(5),
        expires_at: Some(at(6)),
        revoked_at: Some(at(7)),
        channels: access::Grants::All,
        addresses: Vec::new(),
    };
    let bare =
        access::Key { scopes: [].into(), expires_at: None, revoked_at: None, ..full.clone() };
    let limited = access::Key { channels: grants(), ..bare.clone() };
    let nets = ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"].map(|net| net.parse().unwrap());
    let placed = access::Key { addresses: nets.into(), ..limited.clone() };
    [full, bare, limited, placed]
}

fn grants() -> access::Grants {
    let each = access::ChannelGrant::ALL.into_iter().zip(5..);
    access::Grants::Only(each.map(|(grant, n)| (id(n), grant)).collect())
}

fn members() -> Vec<access::Member> {
    let member = |role| access::Member {
        user: id(27),
        revision: 300,
        role,
        channels: access::Grants::All,
        joined_at: at(28),
        suspended_at: Some(at(29)),
    };
    let mut members: Vec<_> = access::Role::ALL.map(member).to_vec();
    members.push(access::Member {
        channels: grants(),
        suspended_at: None,
        ..member(access::Role::Editor)
    });
    members
}

fn channels() -> Vec<Channel> {
    let states = [
        ChannelState::Connected,
        ChannelState::Connecting { authorize_url: "https://social.example/authorize".to_owned() },
        ChannelState::ReconnectNeeded { since: at(8), code: "token_revoked".to_owned() },
        ChannelState::Removed { since: at(25) },
    ];
    let full = |state| Channel {
        id: id(5),
        revision: 300,
        created_at: at(9),
        network: "mastodon".to_owned(),
        name: "Main".to_owned(),
        state,
        paused: true,
        instance: Some("https://social.example".to_owned()),
        account: Some(Account {
            remote_id: "1".to_owned(),
            handle: "@a@social.example".to_owned(),
            url: Some("https://social.example/@a".to_owned()),
        }),
        facts: [("text_max".to_owned(), "500".to_owned())].into(),
        grace: Some(Duration::from_mins(1)),
    };
    let mut channels: Vec<Channel> = states.into_iter().map(full).collect();
    channels.push(Channel {
        paused: false,
        instance: None,
        account: None,
        facts: [].into(),
        grace: None,
        ..full(ChannelState::Connected)
    });
    channels
}

fn part_draft(n: u32) -> PartDraft {
    PartDraft {
        text: format!("part {n}"),
        media: vec!["asset 1".to_owned(), "asset 2".to_owned()],
        delay_minutes: n,
    }
}

pub fn posts() -> Vec<Post> {
    let option = |name: &str, value| (name.to_owned(), value);
    let variant = Variant {
        parts: Some(vec![part_draft(3)]),
        options: [
            option("sensitive", OptionValue::Flag(true)),
            option("quiet", OptionValue::Flag(false)),
            option("visibility", OptionValue::Text("unlisted".to_owned())),
        ]
        .into(),
    };
    let full = |author, schedule| Post {
        id: id(6),
        revision: 2,
        content_revision: 1,
        created_at: at(10),
        updated_at: at(11),
        author,
        correlation: correlation(),
        parts: vec![part_draft(0), part_draft(128)],
        variants: [(id(5), variant.clone()), (id(4), Variant::default())].into(),
        tags: ["b".to_owned(), "a".to_owned()].into(),
        schedule,
        draft: true,
        deleted_at: Some(at(26)),
        targets: vec![
            Target { id: id(7), channel: id(5), delivery: Some(id(8)) },
            Target { id: id(9), channel: id(4), delivery: None },
        ],
        approval: Approval::Unneeded,
    };
    // A host writes no posts.
    let [key, operator, system, user, _] = actors();
    let local = Schedule::At {
        local: "2026-12-01T09:00:00".to_owned(),
        zone: "Europe/Berlin".to_owned(),
        due: at(12),
    };
    vec![
        full(key, Some(local)),
        full(operator, Some(Schedule::Now { due: at(13) })),
        Post {
            parts: vec![],
            variants: [].into(),
            tags: [].into(),
            draft: false,
            deleted_at: None,
            targets: vec![],
            ..full(system, None)
        },
        full(user, None),
    ]
}

fn receipt(source: Source) -> Phase {
    Phase::Published(Receipt {
        remote_id: "113".to_owned(),
        url: Some("https://social.example/@a/113".to_owned()),
        at: at(14),
        source,
    })
}

fn phases() -> Vec<Phase> {
    let waits = [Wait::Due, Wait::Turn, Wait::Retry, Wait::RateLimit];
    let sources = [Source::Answer, Source::ReadBack, Source::Person];
    let mut phases = vec![
        Phase::Preparing { ticket: vec![1, 2, 3] },
        Phase::Armed { epoch: 200, at: at(15) },
        Phase::Unknown { absent: 2 },
        Phase::Failed(Failure {
            code: "validation".to_owned(),
            detail: "too long".to_owned(),
            status: Some(422),
        }),
        Phase::Failed(Failure::new("attempts_used_up", "")),
        Phase::Published(Receipt {
            remote_id: "114".to_owned(),
            url: None,
            at: at(16),
            source: Source::Answer,
        }),
    ];
    phases.extend(waits.map(Phase::Waiting));
    phases.extend(sources.map(receipt));
    phases
}

fn notes() -> Vec<Note> {
    let note = |kind, status| Note {
        at: at(17),
        part: 1,
        attempt: 2,
        kind,
        result: "lost".to_owned(),
        code: "timeout".to_owned(),
        detail: "no answer".to_owned(),
        status,
    };
    vec![
        note(NoteKind::Prepare, None),
        note(NoteKind::Attempt, Some(503)),
        note(NoteKind::Reading, Some(200)),
        note(NoteKind::Decision, None),
        note(NoteKind::Late, Some(200)),
    ]
}

fn deliveries() -> Vec<Delivery> {
    let doubts = [Doubt::None, Doubt::Open { armed: at(18), lost: at(19) }, Doubt::Absent];
    let reasons = [
        HoldReason::OutcomeUnknown,
        HoldReason::ReconnectNeeded,
        HoldReason::Missed,
        HoldReason::Restored,
        HoldReason::Billing,
    ];
    let part = |(n, phase): (usize, Phase)| Part {
        id: id(20 + n),
        delay: Duration::new(60, 250_000_000),
        phase,
        doubt: doubts[n % doubts.len()],
        attempt: 3,
        used: 2,
    };
    let parts: Vec<Part> = phases().into_iter().enumerate().map(part).collect();
    let full = |hold: Option<HoldReason>| Delivery {
        id: id(8),
        post: id(6),
        target: id(7),
        channel: id(5),
        network: "mastodon".to_owned(),
        revision: 4,
        content_revision: 3,
        correlation: correlation(),
        due: at(20),
        finished_at: hold.is_none().then(|| at(21)),
        flow: Flow {
            due: at(22),
            wake: hold.is_none().then(|| at(23)),
            hold: hold.map(|reason| Hold { reason, since: at(24) }),
            cancelled: hold.is_none(),
            parts: parts.clone(),
        },
        notes: notes(),
    };
    let mut deliveries = vec![full(None)];
    deliveries.extend(reasons.map(|reason| full(Some(reason))));
    deliveries
}

// Each of these stops to compile when a variant is added: give it a value above, then name it.
const _: fn(Actor) = |actor| match actor {
    Actor::Key(_) | Actor::Operator { .. } | Actor::System | Actor::User(_) | Actor::Host(_) => {}
};
const _: fn(ChannelState) = |state| match state {
    ChannelState::Connected
    | ChannelState::Connecting { .. }
    | ChannelState::ReconnectNeeded { .. }
    | ChannelState::Removed { .. } => {}
};
const _: fn(access::Scope) = |scope| match scope {
    access::Scope::Read
    | access::Scope::Write
    | access::Scope::Publish
    | access::Scope::Admin
    | access::Scope::Metrics => {}
};
const _: fn(access::Role) = |role| match role {
    access::Role::Viewer | access::Role::Editor | access::Role::Admin | access::Role::Owner => {}
};
const _: fn(access::ChannelGrant) = |grant| match grant {
    access::ChannelGrant::Read | access::ChannelGrant::Draft | access::ChannelGrant::Publish => {}
};
const _: fn(access::Grants) = |grants| match grants {
    access::Grants::All | access::Grants::Only(_) => {}
};
const _: fn(Schedule) = |schedule| match schedule {
    Schedule::Now { .. } | Schedule::At { .. } => {}
};
const _: fn(OptionValue) = |value| match value {
    OptionValue::Flag(_) | OptionValue::Text(_) => {}
};
const _: fn(Phase) = |phase| match phase {
    Phase::Waiting(_)
    | Phase::Preparing { .. }
    | Phase::Armed { .. }
    | Phase::Unknown { .. }
    | Phase::Published(_)
    | Phase::Failed(_) => {}
};
const _: fn(Wait) = |wait| match wait {
    Wait::Due | Wait::Turn | Wait::Retry | Wait::RateLimit => {}
};
const _: fn(Source) = |source| match source {
    Source::Answer | Source::ReadBack | Source::Person => {}
};
const _: fn(Doubt) = |doubt| match doubt {
    Doubt::None | Doubt::Open { .. } | Doubt::Absent => {}
};
const _: fn(HoldReason) = |reason| match reason {
    HoldReason::OutcomeUnknown
    | HoldReason::ReconnectNeeded
    | HoldReason::Missed
    | HoldReason::Restored
    | HoldReason::Billing => {}
};
const _: fn(NoteKind) = |kind| match kind {
    NoteKind::Prepare
    | NoteKind::Attempt
    | NoteKind::Reading
    | NoteKind::Decision
    | NoteKind::Late => {}
};
const _: fn(State) = |state| match state {
    State::Scheduled
    | State::Preparing
    | State::Armed
    | State::Unknown
    | State::Held
    | State::Published
    | State::Partial
    | State::Failed
    | State::Cancelled => {}
};
