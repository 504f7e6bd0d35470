//! A snapshot with something of everything, and models and pictures made from it. Fixed, so that a
//! picture changes only when a screen does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use carillon::base::{CorrelationId, SeededRng, Timestamp};
use carillon::console::{
    self, Done, Effect, Key, LogLine, Model, Msg, SCREENS, Sample, Setting, Snapshot, Status, Then,
};
use carillon::domain::event::{Actor, Event};
use carillon::service::shown::{
    ChannelShown, DeliveryShown, FailureShown, LimitsShown, MediaLimitsShown, NetworkShown,
    NoteShown, PartShown, WorkspaceShown,
};
use carillon::service::{
    AppShown, BackupShown, Happened, Job, KeptAlerts, MonthShown, Of, OverridesShown, Overview,
    Person, PlanShown, UseShown, Waiting,
};
use carillon::store::rows::{AlertComment, OpenAlert};
use carillon::store::{Backlog, Operator};
use carillon::telemetry::metrics::ByNetwork;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use serde_json::json;

pub const NOW: &str = "2026-11-22T14:05:09Z";

pub fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

pub fn id(n: u64) -> String {
    format!("01934f00-0000-7000-8000-{n:012}")
}

fn of<T>(workspace: &str, it: T) -> Of<T> {
    Of { workspace: workspace.into(), it }
}

fn workspace(n: u64, slug: &str, name: &str) -> WorkspaceShown {
    let paused = slug == "cafe-noir";
    let created_at = "2026-03-02T09:00:00.000Z".to_owned();
    WorkspaceShown { id: id(n), slug: slug.to_owned(), name: name.to_owned(), paused, created_at }
}

fn limits() -> LimitsShown {
    LimitsShown {
        text_max: 500,
        text_bytes_max: None,
        parts_max: 50,
        media_max: 4,
        media: MediaLimitsShown {
            types: vec!["image/jpeg".to_owned(), "image/png".to_owned()],
            ..MediaLimitsShown::default()
        },
        later: None,
    }
}

fn channel(n: u64, network: &str, name: &str, state: &str) -> ChannelShown {
    ChannelShown {
        id: id(100 + n),
        revision: 1,
        network: network.to_owned(),
        name: name.to_owned(),
        state: state.to_owned(),
        reason: (state == "reconnect_needed").then(|| "token_revoked".to_owned()),
        paused: name == "Old blog",
        instance: (network == "mastodon").then(|| "https://mastodon.example".to_owned()),
        handle: (network != "feed").then(|| format!("@{}", name.to_lowercase().replace(' ', "_"))),
        url: None,
        authorize_url: None,
        grace_minutes: None,
        limits: limits(),
        rate_limits: Vec::new(),
        grant: None,
        created_at: "2026-03-02T09:00:00.000Z".to_owned(),
        secret: None,
    }
}

fn note(result: &str, kind: &str, detail: Option<&str>) -> NoteShown {
    NoteShown {
        at: "2026-11-22T13:51:02.000Z".to_owned(),
        kind: kind.to_owned(),
        part: 0,
        attempt: 1,
        result: result.to_owned(),
        code: None,
        detail: detail.map(str::to_owned),
        status: None,
    }
}

/// A delivery: its number, state, reason and time.
pub fn delivery(
    n: u64,
    network: &str,
    state: &str,
    reason: Option<&str>,
    due: &str,
) -> DeliveryShown {
    let failure = (state == "failed").then(|| FailureShown {
        code: "validation".to_owned(),
        detail: "Text is too long for this server".to_owned(),
        status: Some(422),
        next_step: None,
    });
    let held = reason == Some("outcome_unknown");
    DeliveryShown {
        id: id(1_000 + n),
        post: id(2_000 + n),
        target: id(3_000 + n),
        channel: id(101),
        channel_name: Some("Acme news".to_owned()),
        acknowledged: false,
        network: network.to_owned(),
        state: state.to_owned(),
        reason: reason.map(str::to_owned),
        wait: None,
        due: due.to_owned(),
        next_look: matches!(state, "scheduled" | "unknown").then(|| due.to_owned()),
        finished_at: None,
        permalink: None,
        parts: vec![PartShown {
            id: id(4_000 + n),
            state: state.to_owned(),
            attempts: u32::from(state != "scheduled"),
            in_doubt: held,
            remote_id: None,
            permalink: None,
            published_at: None,
            source: None,
            failure,
        }],
        attempts: match state {
            "held" if held => {
                vec![note("lost", "attempt", Some("connection closed before an answer"))]
            }
            "failed" => vec![note("refused", "attempt", Some("Text is too long for this server"))],
            _ => Vec::new(),
        },
        evidence: if held {
            vec![note("unavailable", "reading", Some("503 from the listing"))]
        } else {
            Vec::new()
        },
        correlation_id: "00000000000000ff".to_owned(),
    }
}

pub fn waiting(workspace: &str, delivery: DeliveryShown, text: &str) -> Of<Waiting> {
    let channel = "Acme news".to_owned();
    let texts = vec![text.to_owned()];
    let (draft, declined) = (false, false);
    of(workspace, Waiting { delivery, texts, channel, draft, revision: 3, declined })
}

fn event(n: u64, at_: &str, actor: Actor, kind: &str, data: &[(&str, &str)]) -> Of<Happened> {
    let data = data.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let event = Event {
        at: at(at_),
        actor,
        kind: kind.to_owned(),
        subject: id(1_000 + n),
        data: data.collect(),
        correlation: CorrelationId::new(&SeededRng::new(if n < 3 { 1 } else { n })),
    };
    of("acme", Happened { number: n, event })
}

fn plan(plan: &str, channels: u64, posts: u64) -> PlanShown {
    let limit = |n: u64| (plan != "enterprise").then_some(n);
    PlanShown {
        plan: plan.to_owned(),
        by_default: plan == "enterprise",
        channels: UseShown { used: channels, limit: limit(10) },
        posts_a_month: vec![MonthShown {
            month: "2026-11".to_owned(),
            used: posts,
            limit: limit(500),
        }],
        features: vec!["scheduling".to_owned(), "analytics".to_owned()],
        spent: Vec::new(),
        overrides: OverridesShown {
            channels: None,
            posts_a_month: None,
            evergreen: None,
            rss_autopost: None,
            ai: None,
        },
    }
}

/// Number, workspace, network, state and reason, when, and the words; `-` is no reason.
const WAITING: &str = "\
1  acme       mastodon  scheduled  -                 2026-11-22T14:06:00Z  Autumn menu is here: pumpkin, plum and rye bread, every day from seven
2  acme       bluesky   scheduled  -                 2026-11-22T14:06:00Z  Autumn menu is here: pumpkin, plum and rye bread, every day from seven
3  acme       mastodon  scheduled  paused            2026-11-22T14:00:00Z  We are hiring a baker (m/f/d)
4  bluefin    webhook   scheduled  circuit           2026-11-22T14:02:00Z  Harbour tour, full length
5  bluefin    feed      unknown    -                 2026-11-22T14:05:00Z  Harbour tour: tickets from Friday
6  cafe-noir  mastodon  scheduled  -                 2026-11-24T09:00:00Z  Tonight: jazz, doors 19:30 \u{1F3B7}
7  acme       mastodon  held       outcome_unknown   2026-11-22T13:51:00Z  Jam from our own garden
8  acme       mastodon  failed     -                 2026-11-22T12:40:00Z  Our phone is out of order today
9  bluefin    bluesky   held       reconnect_needed  2026-11-22T11:05:00Z  Harbour tour 4K
10 bluefin    bluesky   held       reconnect_needed  2026-11-22T11:00:00Z  Harbour tour 8K
11 cafe-noir  webhook   held       missed            2026-11-21T09:00:00Z  Sunday brunch";

fn waiting_in(line: &str) -> Of<Waiting> {
    let mut words = line.split_whitespace();
    let mut word = || words.next().unwrap();
    let (n, workspace, network, state) = (word().parse().unwrap(), word(), word(), word());
    let (reason, due) = (Some(word()).filter(|reason| *reason != "-"), word());
    let (_, text) = line.split_once(due).unwrap();
    waiting(workspace, delivery(n, network, state, reason, due), text.trim())
}

fn people() -> Vec<Of<Person>> {
    let one = |n: u64, name: &str, role, state, totp, channels| Person {
        id: id(5_000 + n),
        email: format!("{name}@acme.example"),
        name: name.to_uppercase(),
        role,
        state,
        totp,
        channels,
        since: at("2026-03-02T09:00:00Z"),
        seen: (state == "active").then(|| at("2026-11-22T13:58:00Z")),
    };
    vec![
        of("acme", one(1, "mia", "owner", "active", true, None)),
        of("acme", one(2, "jon", "editor", "active", false, Some(2))),
        of("acme", one(3, "lea", "editor", "suspended", false, None)),
        of("acme", one(4, "zoe", "viewer", "invited", false, None)),
        of("bluefin", one(1, "mia", "admin", "disabled", true, None)),
    ]
}

fn overview() -> Overview {
    let me = Actor::Operator { uid: 1_000 };
    let needs = |of: &Of<Waiting>| matches!(of.it.delivery.state.as_str(), "held" | "failed");
    let (attention, queue) = WAITING.lines().map(waiting_in).partition(needs);
    Overview {
        workspaces: vec![
            workspace(1, "acme", "Acme Bakery"),
            workspace(2, "bluefin", "Bluefin Tours"),
            workspace(3, "cafe-noir", "Caf\u{e9} Noir \u{2615}\u{FE0F}"),
        ],
        more_workspaces: false,
        people: people(),
        plans: vec![of("acme", plan("starter", 9, 480)), of("bluefin", plan("enterprise", 2, 31))],
        channels: vec![
            of("acme", channel(1, "mastodon", "Acme news", "connected")),
            of("acme", channel(2, "bluesky", "Acme", "connected")),
            of("acme", channel(3, "feed", "Old blog", "connected")),
            of("bluefin", channel(4, "bluesky", "Bluefin", "reconnect_needed")),
            of("bluefin", channel(5, "webhook", "Site", "connected")),
        ],
        attention,
        queue,
        // What the header counts is set by hand, in `status`.
        backlog: Backlog::default(),
        overdue: 0,
        unapproved: 0,
        events: vec![
            event(
                1,
                "2026-11-22T13:59:38Z",
                me.clone(),
                "operator.entered",
                &[("verb", "channel pause")],
            ),
            event(2, "2026-11-22T13:59:38Z", me, "channel.changed", &[]),
            event(
                7,
                "2026-11-22T13:59:40Z",
                Actor::System,
                "delivery.held",
                &[("network", "mastodon"), ("reason", "outcome_unknown")],
            ),
            event(
                8,
                "2026-11-22T14:01:12Z",
                Actor::System,
                "delivery.failed",
                &[("network", "mastodon"), ("code", "validation")],
            ),
        ],
    }
}

fn status() -> Status {
    Status {
        store_ok: true,
        media_ok: true,
        publishing: true,
        paused_channels: 1,
        late: 3,
        being_sent: 1,
        circuits: vec![
            "the circuit of webhook/site.example is open until 14:10, 9 of 12 calls failed"
                .to_owned(),
        ],
        held: 4,
        failed: 1,
        reconnect: 1,
        disk: "ample".to_owned(),
        free_mib: Some(40_960),
        last_backup: Some("2026-11-22T02:00:00Z".to_owned()),
        public_url: "https://social.example.com".to_owned(),
        ..Status::default()
    }
}

fn log() -> Vec<Arc<LogLine>> {
    let lines = [
        r#"{"timestamp":"2026-11-22T14:05:08.300Z","level":"INFO","message":"published","target":"carillon::engine","network":"mastodon","took_ms":810}"#,
        r#"{"timestamp":"2026-11-22T14:05:08.900Z","level":"DEBUG","message":"not at this level","target":"carillon::engine"}"#,
        r#"{"timestamp":"2026-11-22T14:05:09.000Z","level":"WARN","message":"the circuit is open","target":"carillon::engine","place":"webhook/site.example"}"#,
        r#"{"timestamp":"2026-11-22T14:05:09.100Z","level":"ERROR","message":"the backup that is due could not be made","target":"carillon::engine"}"#,
    ];
    (1..).zip(lines).map(|(n, line)| Arc::new(LogLine::of(n, line))).collect()
}

fn history() -> Vec<Sample> {
    let by = ByNetwork { published: 3, failed: 0, held: 0, retried: 1, rate_limited: 0 };
    let one = |n: u32| Sample {
        published: f64::from(n * 7 % 12),
        failed: f64::from(u32::from(n.is_multiple_of(17))),
        limited: f64::from(n % 3),
        requests: f64::from(n * 13 % 40),
        late: f64::from(n % 9) / 4.0,
        overdue: f64::from(n * 5 % 8),
        networks: BTreeMap::from([("mastodon".to_owned(), by)]),
    };
    (0..60).map(one).collect()
}

/// One that is known, one whose secret ran out, and one that is missing.
pub fn apps() -> Vec<AppShown> {
    let one = |network: &str, client_id: Option<&str>, tested: Option<&'static str>| AppShown {
        network: network.to_owned(),
        set: client_id.is_some(),
        client_id: client_id.map(str::to_owned),
        set_at: client_id.map(|_| "2026-03-02T09:00:00.000Z".to_owned()),
        rotated_at: tested.map(|_| "2026-11-20T16:00:00.000Z".to_owned()),
        tested,
        tested_at: tested.map(|_| "2026-11-22T13:40:00.000Z".to_owned()),
        redirect_uri: format!("https://social.example.com/oauth/{network}/callback"),
        scopes: vec!["post.write".to_owned(), "offline.access".to_owned()],
        console: format!("https://developers.{network}.example/apps"),
        webhook_uri: None,
        webhook_ready: false,
    };
    vec![
        one("linkedin", Some("86kq03f1xx77x2"), Some("ok")),
        one("pinterest", None, None),
        one("x", Some("bWk4x9RoQ77zzoQ"), Some("refused")),
    ]
}

fn networks() -> Vec<NetworkShown> {
    let one = |(id, title): (&str, &str)| NetworkShown {
        app_set: None,
        id: id.to_owned(),
        title: title.to_owned(),
        asks_instance: id == "mastodon",
        asks_identifier: id == "bluesky",
        asks_token: !matches!(id, "feed" | "linkedin" | "pinterest" | "x"),
        asks_url: id == "webhook",
        hosts: Vec::new(),
        version: None,
        limits: limits(),
        options: Vec::new(),
        paused: id == "webhook",
    };
    [
        ("bluesky", "Bluesky"),
        ("feed", "Feed"),
        ("linkedin", "LinkedIn"),
        ("mastodon", "Mastodon"),
        ("pinterest", "Pinterest"),
        ("webhook", "Webhook"),
        ("x", "X"),
    ]
    .map(one)
    .into()
}

fn jobs() -> Vec<(&'static str, Job)> {
    let ran = |failed: Option<&str>| Job {
        runs: 12,
        running: false,
        began: Some(at("2026-11-22T14:00:00Z")),
        took: Duration::from_millis(14),
        next: Some(at("2026-11-22T14:10:00Z")),
        failed: failed.map(str::to_owned),
        ..Job::default()
    };
    let waits = Job { next: Some(at("2026-11-22T19:00:00Z")), ..Job::default() };
    vec![
        ("backup", ran(Some("the folder of backups cannot be written"))),
        ("disk", ran(None)),
        ("media", Job { paused: true, next: None, ..ran(None) }),
        ("sessions", waits),
    ]
}

fn kept_alerts() -> KeptAlerts {
    let comment = AlertComment {
        by: Actor::Operator { uid: 0 },
        at: at("2026-11-22T13:59:00Z"),
        text: "they are called this afternoon".to_owned(),
    };
    let open = OpenAlert { since: at("2026-11-22T09:02:00Z"), comments: vec![comment] };
    KeptAlerts { open: [("reconnect".to_owned(), open)].into(), ..KeptAlerts::default() }
}

fn settings() -> Arc<[Setting]> {
    let one = |key: &str, value: &str, from: &str, takes_effect| Setting {
        key: key.to_owned(),
        value: value.to_owned(),
        from: from.to_owned(),
        takes_effect,
        about: "What it is about, in a sentence.".to_owned(),
    };
    Arc::new([
        one("server.listen", "\"127.0.0.1:8080\"", "default", "restart"),
        one(
            "server.public_url",
            "\"https://social.example.com\"",
            "file carillon.toml:3",
            "restart",
        ),
        one("publish.grace", "\"1h\"", "default", "reload"),
    ])
}

/// Something of everything.
pub fn snapshot() -> Snapshot {
    let overview = overview();
    let calendar: Vec<_> = overview.attention.iter().chain(&overview.queue).cloned().collect();
    Snapshot {
        at: at(NOW),
        answered: 0,
        host: "vps-1".into(),
        status: status(),
        overview: Arc::new(overview),
        calendar: calendar.into(),
        networks: networks(),
        apps: apps(),
        backups: vec![BackupShown {
            name: "carillon-20261122T020000Z.age".to_owned(),
            path: "/var/backups/carillon-20261122T020000Z.age".to_owned(),
            made_at: at("2026-11-22T02:00:00Z"),
            bytes: 41_000_000,
            tested: Some("ok".to_owned()),
            tested_at: Some(at("2026-11-22T08:05:00Z")),
        }],
        jobs: jobs(),
        history: history(),
        log: log(),
        settings: settings(),
        alerts: kept_alerts(),
        trouble: None,
    }
}

/// As it is right after the first start.
pub fn fresh() -> Snapshot {
    let full = snapshot();
    let status = Status {
        late: 0,
        held: 0,
        failed: 0,
        reconnect: 0,
        paused_channels: 0,
        circuits: Vec::new(),
        last_backup: None,
        ..full.status
    };
    Snapshot {
        at: at(NOW),
        host: full.host,
        status,
        networks: full.networks,
        settings: full.settings,
        ..Snapshot::default()
    }
}

pub fn model(snap: Snapshot) -> Model {
    Model::new(Arc::new(snap), Operator::new(1_000), "ada")
}

/// With the words of a post in a box, as its server answered.
pub fn writing(name: &str, state: &str, parts: &[&str]) -> Model {
    let mut model = on(name);
    let Some(Effect::Run(commands)) = press(&mut model, "e").pop() else { panic!("nothing") };
    let Then::Words { delivery } = &commands[0].then else { panic!("{commands:?}") };
    let part = |text: &&str| json!({ "text": text, "media": ["m-1"], "delay_minutes": 0 });
    let post = json!({
        "id": commands[0].args["id"],
        "parts": parts.iter().map(part).collect::<Vec<_>>(),
        "variants": {}, "tags": ["autumn"],
        "deliveries": [{ "id": delivery, "state": state, "channel": "c-1" }],
    });
    console::update(&mut model, Msg::Done(Done { commands, answers: vec![Ok(post)], number: 0 }));
    model
}

/// Types keys; what is to be done outside.
pub fn press(model: &mut Model, keys: &str) -> Vec<Effect> {
    let key = |c: char| match c {
        '\r' => Key::Enter,
        '\x1b' => Key::Esc,
        '\t' => Key::Tab,
        '\x7f' => Key::Backspace,
        '\x13' => Key::Ctrl('s'),
        c => Key::Char(c),
    };
    keys.chars().flat_map(|c| console::update(model, Msg::Key(key(c)))).collect()
}

/// The screen with this name.
pub fn on(name: &str) -> Model {
    let mut model = model(snapshot());
    show(&mut model, name);
    model
}

pub fn show(model: &mut Model, name: &str) {
    assert!(SCREENS.iter().any(|screen| screen.name == name), "no screen {name}");
    press(model, &format!(":go {name}\r"));
    model.back.clear();
    model.toast = None;
}

pub fn draw(model: &mut Model, (width, height): (u16, u16), look: (bool, bool)) -> Buffer {
    console::update(model, Msg::Resize(width, height));
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| console::view(model, frame, look)).unwrap();
    terminal.backend().buffer().clone()
}

/// The rows of a picture, without what is right of the last sign.
pub fn text(buffer: &Buffer) -> String {
    let area = buffer.area;
    let mut rows = Vec::new();
    for y in 0..area.height {
        let mut row = String::new();
        let mut x = 0;
        while x < area.width {
            let symbol = buffer[(x, y)].symbol();
            row.push_str(symbol);
            x += u16::try_from(unicode_width(symbol)).unwrap().max(1);
        }
        rows.push(row.trim_end().to_owned());
    }
    rows.join("\n")
}

fn unicode_width(text: &str) -> usize {
    ratatui::text::Span::raw(text).width()
}
