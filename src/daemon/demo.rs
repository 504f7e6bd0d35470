//! The demo: a whole installation in a folder that goes away, with practice networks beside it.
//! Must not need an account, a setting or a question.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::console::{Sitting, Sources};
use super::listen::bind;
use super::serve::{Running, start};
use super::signals::Signals;
use super::{Error, build};
use crate::base::{ChannelId, Clock, CorrelationId, Live, Problem, Secret, Timestamp, WorkspaceId};
use crate::config::{Config, Loaded};
use crate::domain::access::{Entrust, Grants, HandOut, Read, Scope as KeyScope, Write};
use crate::domain::event::Event;
use crate::domain::post::PartDraft;
use crate::practice::mastodon::Settings;
use crate::practice::{Act, Fault, Matcher, World, bluesky};
use crate::service::{Access, Brought, Controls, NewKey, NewPost, Services, When};
use crate::store::{Operator, Table};
use crate::telemetry::log;

/// What the demo may be told.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// Where its temporary folder is made.
    pub within: PathBuf,
    /// `None`: port 8080 of this machine, or any free one.
    pub listen: Option<SocketAddr>,
    /// End when all due posts are published.
    pub once: bool,
    pub socket: Option<PathBuf>,
}

const FIRST_DUE: Duration = Duration::from_secs(10);
/// The longest that `--once` waits after the last post was due.
const PATIENCE: Duration = Duration::from_mins(1);

type Say<'a> = &'a mut (dyn FnMut(&str) + Send);

/// The installation of a demo, and what it was filled with.
struct Demo {
    services: Services,
    workspace: WorkspaceId,
    feed: ChannelId,
    key: String,
    /// Deliveries that are due while somebody watches.
    due_soon: BTreeSet<String>,
    last_due: Timestamp,
}

/// Runs the demo until it is told to stop, or with `once` until what is due is published.
pub(super) async fn demo(
    options: &DemoOptions,
    clock: &Arc<dyn Clock>,
    sitting: Option<Sitting>,
    say: Say<'_>,
) -> Result<(), Error> {
    let mut signals = Signals::listen()?;
    let seated = sitting.is_some();
    let log = log::start(&quiet_log(seated), clock)?;
    let folder = tempfile::Builder::new()
        .prefix("carillon-demo-")
        .tempdir_in(&options.within)
        .map_err(|source| Error::Folder { path: options.within.clone(), source })?;
    let listener = web_listener(options).await?;
    let (practice, practice_at) = practice_listener().await?;
    let world = Arc::new(Mutex::new(world(practice_at)));
    let stop = CancellationToken::new();
    let practising = crate::practice::serve(
        practice,
        Arc::clone(&world),
        Arc::clone(clock),
        stop.clone().cancelled_owned(),
    );
    let Loaded { mut config, shown, .. } = config(&folder, practice_at)?;
    config.server.socket.clone_from(&options.socket);
    let address = local(&listener)?;
    let timing = Live::new(build::timing(&config));
    let controls = (timing, Live::default(), Live::default(), Controls::default());
    let services = build::open(&config, clock, &format!("http://{address}"), controls)?;
    let limits = Live::new(super::reload::limits(&config));
    let sources = Sources::fixed(log.ring(), &shown);
    let running = start(&config, &services, (limits, sources), listener).await?;
    let tasks = TaskTracker::new();
    // Its errors would show as networks that do not answer, which the demo is about.
    drop(tasks.spawn(practising));
    let demo = fill(&services, practice_at).await.map_err(Error::Demo)?;
    introduce(&demo, &config, address, practice_at, say);
    let mut silent = |_: &str| {};
    // The terminal is the console's while somebody sits there.
    let say: Say<'_> = if seated { &mut silent } else { say };
    if let Some(sitting) = sitting {
        running.sit(sitting);
    }
    let watched = tokio::select! {
        // Any signal: the terminal that goes away takes the demo with it.
        _ = signals.next() => Ok(()),
        watched = watch(&demo, options.once, say) => watched,
    };
    end(running, &mut signals).await;
    stop.cancel();
    // The folder goes with it, whatever happened.
    drop(folder);
    watched
}

async fn end(running: Running, signals: &mut Signals) {
    tokio::select! {
        () = running.stop() => {}
        _ = signals.next() => {}
    }
}

/// Standard output belongs to the demo's own lines: only trouble is told, and a console shows all.
fn quiet_log(seated: bool) -> log::LogSettings {
    log::LogSettings {
        stream: if seated { log::Stream::None } else { log::Stream::Trouble },
        format: log::Format::Text,
        level: "info".to_owned(),
        file: None,
        rotate: log::Rotate::Daily,
        keep: 2,
    }
}

/// Short times, so that even a lost answer is cleared up while somebody watches.
fn config(folder: &tempfile::TempDir, practice: SocketAddr) -> Result<Loaded, Error> {
    let text = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let flags = [
        text("server.data", &folder.path().to_string_lossy()),
        text("outbound.allow", &practice.to_string()),
        text("publish.deadline", "3s"),
        text("publish.late_window", "4s"),
        text("publish.read_lag", "1s"),
        text("publish.second_look", "2s"),
        text("publish.key_settle", "4s"),
        text("publish.look_budget", "15s"),
        text("publish.retry_base", "3s"),
        text("publish.catch_up_spacing", "2s"),
        text("publish.stop_wait", "5s"),
    ];
    Config::load_shown(None, std::iter::empty(), &flags).map_err(|error| Error::Folder {
        path: folder.path().to_owned(),
        source: std::io::Error::other(error.to_string()),
    })
}

async fn web_listener(options: &DemoOptions) -> Result<TcpListener, Error> {
    if let Some(address) = options.listen {
        return bind(address).await;
    }
    match bind((Ipv4Addr::LOCALHOST, 8080).into()).await {
        Ok(listener) => Ok(listener),
        Err(_) => bind((Ipv4Addr::LOCALHOST, 0).into()).await,
    }
}

async fn practice_listener() -> Result<(TcpListener, SocketAddr), Error> {
    let listener = bind((Ipv4Addr::LOCALHOST, 0).into()).await?;
    let address = local(&listener)?;
    Ok((listener, address))
}

fn local(listener: &TcpListener) -> Result<SocketAddr, Error> {
    listener.local_addr().map_err(Error::Runtime)
}

/// Four servers: Mastodon as it is, two of the kind that ignores keys, and Bluesky. The second
/// loses one answer, which the program must find out by reading back; the third breaks a connection
/// and cannot be read either, so that a person must decide, and refuses the post after that.
fn world(at: SocketAddr) -> World {
    let mut world = World::new(1);
    world.add_mastodon("practice-a", Settings::new(&format!("http://{at}/practice-a")));
    world.add_mastodon("practice-b", Settings::compat(&format!("http://{at}/practice-b")));
    world.add_mastodon(TROUBLED, Settings::compat(&format!("http://{at}/{TROUBLED}")));
    for host in ["practice-a", "practice-b", TROUBLED] {
        world.add_account(host, "bakery", &token(host), "read write");
    }
    world.add_bluesky("practice-c", bluesky::Settings::new(&format!("http://{at}/practice-c")));
    world.add_account("practice-c", HANDLE, &token("practice-c"), "");
    let host = Some("practice-b".to_owned());
    world.add_fault(Fault { on: Matcher::Write, host, times: 1, act: Act::AcceptThenDrop });
    let host = Some(TROUBLED.to_owned());
    let mut trouble =
        |on, times, act| world.add_fault(Fault { on, host: host.clone(), times, act });
    trouble(Matcher::Write, 1, Act::DropBefore);
    trouble(Matcher::Listing, 100, Act::ErrorBefore { status: 503 });
    trouble(Matcher::Write, 1, Act::ErrorBefore { status: 422 });
    world
}

/// The server that makes work for a person.
const TROUBLED: &str = "practice-d";
const TROUBLE: &[&str] = &[
    "New in the shop: jam from our own garden. Look at the account whether this is there!",
    "Our phone is out of order today; this post was refused.",
];

/// The account on the practice Bluesky.
const HANDLE: &str = "bakery.test";

fn token(host: &str) -> String {
    format!("demo-token-{host}")
}

/// Workspace, key, channels, a dozen posts, and two that make work for a person.
async fn fill(services: &Services, practice: SocketAddr) -> Result<Demo, Problem> {
    let operator = Operator::new(0);
    let correlation = CorrelationId::new(services.rng.as_ref());
    let made = services.create_workspace(operator, "Demo Bakery", Some("demo"), correlation);
    let workspace = parse(&made.await?.id)?;
    let entrust = || services.operate::<Entrust>(operator, workspace, "demo", correlation);
    let scopes = [KeyScope::Admin, KeyScope::Metrics].into();
    let (name, channels) = ("demo".to_owned(), Grants::All);
    let new = NewKey { name, scopes, expires_at: None, channels, addresses: Vec::new() };
    let hand_out = services.operate::<HandOut>(operator, workspace, "demo", correlation);
    let key = services.create_key(hand_out.await?, new).await?;
    let feed = Brought {
        network: "feed".to_owned(),
        name: "Bakery news".to_owned(),
        instance: None,
        identifier: None,
        url: None,
        token: None,
    };
    let feed = parse(&services.add_channel(entrust().await?, feed).await?.value.id)?;
    let mut channels = vec![feed];
    for (host, network) in
        [("practice-a", "mastodon"), ("practice-b", "mastodon"), ("practice-c", "bluesky")]
    {
        let brought = Brought {
            network: network.to_owned(),
            name: format!("Bakery on {host}"),
            instance: Some(format!("http://{practice}/{host}")),
            identifier: (network == "bluesky").then(|| HANDLE.to_owned()),
            url: None,
            token: Some(Secret::new(token(host))),
        };
        channels.push(parse(&services.add_channel(entrust().await?, brought).await?.value.id)?);
    }
    let begin = services.now().plus(FIRST_DUE);
    let mut last_due = begin;
    let mut due_soon = BTreeSet::new();
    for (after, texts) in POSTS {
        let due = begin.plus(Duration::from_secs(*after));
        let access: Access<Write> =
            services.operate(operator, workspace, "demo", correlation).await?;
        let made = services.create_post(access, post(texts, &channels, due)).await?.value;
        if *after <= 60 {
            due_soon.extend(made.deliveries.into_iter().map(|delivery| delivery.id));
            last_due = last_due.max(due);
        }
    }
    let troubled = Brought {
        network: "mastodon".to_owned(),
        name: "Garden shop".to_owned(),
        instance: Some(format!("http://{practice}/{TROUBLED}")),
        identifier: None,
        url: None,
        token: Some(Secret::new(token(TROUBLED))),
    };
    let troubled = parse(&services.add_channel(entrust().await?, troubled).await?.value.id)?;
    for text in TROUBLE {
        let access: Access<Write> =
            services.operate(operator, workspace, "demo", correlation).await?;
        services.create_post(access, post(&[text], &[troubled], begin)).await?;
    }
    let key = key.value.key.unwrap_or_default();
    Ok(Demo { services: services.clone(), workspace, feed, key, due_soon, last_due })
}

fn parse<T: std::str::FromStr>(id: &str) -> Result<T, Problem> {
    id.parse().map_err(|_| Problem::new(crate::base::Code::Internal))
}

fn post(texts: &[&str], channels: &[ChannelId], due: Timestamp) -> NewPost {
    let part = |text: &&str| PartDraft { text: (*text).to_owned(), ..PartDraft::default() };
    let local = due.to_string().trim_end_matches('Z').to_owned();
    NewPost {
        parts: texts.iter().map(part).collect(),
        channels: channels.to_vec(),
        when: Some(When::At { local, zone: "UTC".to_owned() }),
        tags: ["demo".to_owned()].into(),
        ..NewPost::default()
    }
}

/// Seconds after the first one, and the words.
const POSTS: &[(u64, &[&str])] = &[
    (0, &["Good morning! The ovens are on and the first loaves are out."]),
    (2, &["Today's special: walnut bread, while it lasts."]),
    (
        4,
        &[
            "How we make our sourdough, in three steps.",
            "Step one: feed the starter the evening before, and be patient.",
            "Step two: fold, rest, fold again. Step three: bake it hot.",
        ],
    ),
    (6, &["We are hiring: early birds welcome. https://bakery.example/jobs"]),
    (8, &["Caf\u{e9} cr\u{e8}me + croissant until eleven \u{1F950}"]),
    (10, &["Thank you for 1,000 followers!"]),
    (3_600, &["Lunch break: soup of the day and a warm roll."]),
    (3 * 3_600, &["Last chance for walnut bread today."]),
    (8 * 3_600, &["That's it for today. See you tomorrow at six!"]),
    (24 * 3_600, &["Wednesday is rye day."]),
    (3 * 24 * 3_600, &["Weekend orders close tonight."]),
    (7 * 24 * 3_600, &["One week of rye: tell us what you baked."]),
];

fn introduce(
    demo: &Demo,
    config: &Config,
    address: SocketAddr,
    practice: SocketAddr,
    say: Say<'_>,
) {
    say(&format!("page: http://{address}/feed/{}", demo.feed));
    say(&format!("practice: http://{practice}/"));
    say(&format!("api: http://{address}/api/v1"));
    say(&format!("workspace: {}", demo.workspace));
    say(&format!("key: {}", demo.key));
    let socket = config.server.admin_socket();
    say(&format!("socket: {}", socket.display()));
    say(&format!("console: carillon --socket {} console", socket.display()));
}

/// Says each publication as it happens; with `once`, until all that is due soon is published.
async fn watch(demo: &Demo, once: bool, say: Say<'_>) -> Result<(), Error> {
    let services = &demo.services;
    let mut changes = services.store.changes();
    let (mut cursor, mut published, mut lost) = (0, 0, 0);
    let correlation = CorrelationId::new(services.rng.as_ref());
    let access: Access<Read> = services
        .operate(Operator::new(0), demo.workspace, "demo", correlation)
        .await
        .map_err(Error::Demo)?;
    loop {
        for (number, event) in services.events(&access, cursor, 200).await.map_err(Error::Demo)? {
            cursor = number;
            if let Some(line) = told(services, &access, &event).await {
                say(&line);
            }
            if demo.due_soon.contains(&event.subject) {
                let is_over =
                    matches!(event.kind.as_str(), "delivery.failed" | "delivery.cancelled");
                published += usize::from(event.kind == "delivery.published");
                lost += usize::from(is_over);
            }
        }
        let all = demo.due_soon.len();
        if once && published >= all {
            return Ok(());
        }
        let overdue = services.now().since(demo.last_due);
        if once && (published + lost >= all || overdue > PATIENCE) {
            return Err(Error::Unpublished(format!("{published} of {all} deliveries")));
        }
        wait_for_events(&mut changes, services).await;
    }
}

/// Until a delivery changed, or a second passed.
async fn wait_for_events(
    changes: &mut tokio::sync::broadcast::Receiver<Arc<crate::store::Changes>>,
    services: &Services,
) {
    let second = services.clock.sleep(Duration::from_secs(1));
    tokio::pin!(second);
    loop {
        tokio::select! {
            () = &mut second => return,
            changed = changes.recv() => match changed {
                Ok(changes) if !changes.tables.contains(&Table::Deliveries) => {}
                _ => return,
            },
        }
    }
}

/// The line for an event that a spectator wants to see.
async fn told(services: &Services, access: &Access<Read>, event: &Event) -> Option<String> {
    let happening = event.kind.strip_prefix("delivery.")?;
    if !matches!(happening, "published" | "partial" | "failed" | "held" | "unknown") {
        return None;
    }
    let delivery = services.delivery(access, event.subject.parse().ok()?).await.ok()?;
    let post = services.post(access, delivery.post.parse().ok()?).await.ok()?;
    let words: String = post.parts.first()?.text.chars().take(WORDS).collect();
    let source = delivery.parts.last().and_then(|part| part.source.clone());
    let failure = delivery.parts.iter().find_map(|part| part.failure.as_ref());
    let how = match (happening, source.as_deref()) {
        ("published", Some("read_back")) => " (found by reading back)".to_owned(),
        ("unknown", _) => " (the answer was lost; looking)".to_owned(),
        ("held", _) => match delivery.reason {
            Some(reason) => format!(" (waits for a person: {reason})"),
            None => String::new(),
        },
        _ => failure.map_or_else(String::new, |failure| format!(" ({})", failure.detail)),
    };
    let url = delivery.permalink.unwrap_or_default();
    let line = format!("{happening}: {} {:?} {url}{how}", delivery.network, words);
    Some(line.replace("  ", " "))
}

/// Characters of a post that a line shows.
const WORDS: usize = 40;
