//! Servers that fail, accounts that leave every post unanswered, and limits that networks tell of:
//! what goes there waits, says why, and is not tried meanwhile.

use std::time::Duration;

use carillon::base::{ChannelId, Timestamp};
use carillon::domain::access::Read;
use carillon::practice::{Act, Matcher, Request, handle};
use carillon::service::shown::ChannelShown;

use crate::stage::{HOOK, KEYED, LISTED, RECORDS, Stage};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// Requests of a host, as `METHOD path`.
fn asked(stage: &Stage, host: &str) -> Vec<String> {
    let world = stage.sim.world();
    let there = world.requests().filter(|line| line.host == host);
    there.map(|line| format!("{} {}", line.method, line.path)).collect()
}

/// The state, reason and number of attempts of each delivery, in order of making.
fn states(stage: &mut Stage) -> Vec<(String, Option<String>, usize)> {
    let mut all: Vec<_> = stage.deliveries();
    all.reverse();
    all.into_iter().map(|d| (d.state, d.reason, d.attempts.len())).collect()
}

fn channel(stage: &mut Stage, id: ChannelId) -> ChannelShown {
    let access = stage.sim.access::<Read>(stage.workspace).unwrap();
    let services = stage.sim.services.clone();
    stage.sim.run(async move { services.channel(&access, id).await }).unwrap().unwrap()
}

fn metric(stage: &mut Stage, name: &str) -> String {
    let services = stage.sim.services.clone();
    let text = stage.sim.run(async move { services.metrics_text().await }).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.rsplit(' ').next().unwrap().to_owned()
}

const OPEN: &str = "carillon_circuits_open{network=\"mastodon\"}";
const WAITING: &str = "carillon_circuit_lanes_waiting{network=\"mastodon\"}";

#[test]
fn a_server_that_fails_gets_no_posts_until_a_read_shows_that_it_is_well() {
    let mut stage = Stage::new(1);
    let more: Vec<ChannelId> =
        (0..25).map(|_| stage.add("mastodon", Some(KEYED), Some("token-keyed"))).collect();
    stage.fault(KEYED, Matcher::Any, u32::MAX, Act::ErrorBefore { status: 503 });
    stage.post(&more, &["all at once"], MINUTE);
    stage.post(&[stage.listed], &["elsewhere"], 90 * SECOND);
    stage.sim.pass(MINUTE + 2 * SECOND);
    // 20 calls failed; the other five posts were not tried, so nobody need wonder about them.
    let scheduled = ("scheduled".to_owned(), Some("circuit".to_owned()), 0);
    let found = states(&mut stage);
    let tried = found.iter().filter(|state| state.0 == "unknown").count();
    assert_eq!(found.iter().filter(|state| **state == scheduled).count(), 25 - tried);
    assert!((20..25).contains(&tried), "{found:?}");
    let held = stage.deliveries().into_iter().find(|d| d.state == "scheduled" && d.wait.is_some());
    let wait = held.unwrap().wait.unwrap();
    assert_eq!(
        (wait.failed, wait.calls, wait.place.as_str()),
        (Some(20), Some(20), "mastodon/keyed.test")
    );
    let until = Timestamp::parse(&wait.until).unwrap();
    let about =
        format!("the circuit of {} is open until {until}, 20 of 20 calls failed", wait.place);
    assert_eq!(wait.about, about);
    assert_eq!(metric(&mut stage, OPEN), "1");
    assert_eq!(metric(&mut stage, WAITING), (25 - tried).to_string());
    // While it is open nothing is sent there; then one read at a time, ever rarer.
    let before = asked(&stage, KEYED).len();
    stage.sim.pass(5 * MINUTE);
    let probes = asked(&stage, KEYED).split_off(before);
    assert_eq!(probes, ["GET /api/v1/accounts/verify_credentials"; 2]);
    assert_eq!(stage.copies().get(&format!("{LISTED} elsewhere")), Some(&1), "nobody else waits");
    stage.sim.world().clear_faults();
    stage.sim.pass(10 * MINUTE);
    assert!(
        states(&mut stage).iter().all(|state| state.0 == "published"),
        "{:?}",
        states(&mut stage)
    );
    assert_eq!((metric(&mut stage, OPEN), metric(&mut stage, WAITING)), ("0".into(), "0".into()));
    assert_eq!(stage.copies().get(&format!("{KEYED} all at once")), Some(&25));
}

/// Not one of its posts is answered; other accounts of the server are not concerned.
#[test]
fn an_account_whose_posts_vanish_waits_alone() {
    let mut stage = Stage::new(2);
    stage.fault(HOOK, Matcher::Write, 5, Act::AcceptThenDrop);
    for n in 0..7_u32 {
        stage.post(&[stage.hook], &[&format!("{n}")], MINUTE + n * SECOND);
    }
    let other = stage.add("webhook", Some(HOOK), Some(crate::stage::HOOK_SECRET));
    stage.post(&[other], &["other"], MINUTE + 8 * SECOND);
    stage.sim.pass(MINUTE + 10 * SECOND);
    let found = states(&mut stage);
    assert_eq!(found.iter().filter(|state| state.0 == "unknown").count(), 5, "{found:?}");
    let waits = ("scheduled".to_owned(), Some("circuit".to_owned()), 0);
    assert_eq!(found.iter().filter(|state| **state == waits).count(), 2, "{found:?}");
    assert_eq!(found.iter().filter(|state| state.0 == "published").count(), 1, "{found:?}");
    let wait = stage.deliveries().into_iter().find_map(|d| d.wait).unwrap();
    assert_eq!((wait.unknown, wait.place.as_str()), (Some(5), "webhook/hook.test"));
    assert!(wait.about.ends_with("5 posts in a row got no answer"), "{}", wait.about);
    stage.sim.pass(30 * MINUTE);
    assert!(
        states(&mut stage).iter().all(|state| state.0 == "published"),
        "{:?}",
        states(&mut stage)
    );
    assert!(stage.copies().values().all(|copies| *copies == 1));
}

/// Of everything that waits for a server that stays away, nothing waits for ever.
#[test]
fn what_waits_longer_than_it_may_be_late_is_held() {
    let mut stage = Stage::new(3);
    let more: Vec<ChannelId> =
        (0..25).map(|_| stage.add("mastodon", Some(LISTED), Some("token-listed"))).collect();
    stage.fault(LISTED, Matcher::Any, u32::MAX, Act::DropBefore);
    stage.post(&more, &["never"], MINUTE);
    stage.sim.pass(12 * HOUR);
    let held = states(&mut stage);
    assert!(held.iter().all(|state| state.0 == "held"), "{held:?}");
    assert!(held.iter().any(|state| *state == ("held".into(), Some("missed".into()), 0)));
}

#[test]
fn a_limit_holds_back_its_account_only_and_survives_a_crash() {
    for host in [KEYED, LISTED, RECORDS, HOOK] {
        let mut stage = Stage::new(4);
        let limited = stage.channel_of(host);
        stage.fault(host, Matcher::Write, 1, Act::RateLimited { reset_after: 10 * MINUTE });
        let reset = stage.sim.now().plus(MINUTE + 10 * MINUTE);
        for n in 0..3_u32 {
            stage.post(&[limited], &[&format!("{n}")], MINUTE + n * SECOND);
        }
        stage.sim.pass(MINUTE + 5 * SECOND);
        let before = asked(&stage, host);
        let waits = states(&mut stage);
        assert!(
            waits
                .iter()
                .all(|s| (s.0.as_str(), s.1.as_deref()) == ("scheduled", Some("rate_limit")))
        );
        assert_eq!(waits.iter().map(|state| state.2).sum::<usize>(), 1, "{host}: one was refused");
        let shown = channel(&mut stage, limited).rate_limits;
        assert_eq!(
            (shown.len(), shown[0].calls.as_str(), shown[0].counts.as_str()),
            (1, "post", "channel")
        );
        assert!(shown[0].refused, "{shown:?}");
        let until = Timestamp::parse(&shown[0].until).unwrap();
        assert!(until.since(reset).max(reset.since(until)) <= 2 * SECOND, "{until} {reset}");
        stage.sim.crash().unwrap();
        stage.sim.pass(9 * MINUTE);
        assert_eq!(asked(&stage, host), before, "asked before its time");
        stage.sim.pass(5 * MINUTE);
        let done = states(&mut stage);
        assert!(done.iter().all(|state| state.0 == "published"), "{host}: {done:?}");
        assert!(channel(&mut stage, limited).rate_limits.is_empty());
        assert!(stage.copies().values().all(|copies| *copies == 1));
    }
}

/// A server that says "none left" is believed: it need not refuse anything.
#[test]
fn a_limit_that_is_announced_is_not_run_into() {
    let mut stage = Stage::new(5);
    stage.sim.world().mastodon(KEYED).unwrap().settings.statuses_per_window = 2;
    for n in 0..4_u32 {
        stage.post(&[stage.keyed], &[&format!("{n}")], MINUTE + n * SECOND);
    }
    stage.sim.pass(2 * MINUTE);
    let states = states(&mut stage);
    let published = states.iter().filter(|state| state.0 == "published").count();
    assert_eq!(published, 2, "{states:?}");
    assert!(states.iter().all(|state| state.2 <= 1));
    let limited = stage.keyed;
    let shown = channel(&mut stage, limited).rate_limits;
    assert_eq!((shown[0].allowed, shown[0].refused), (Some(2), false));
    assert!(!stage.sim.world().requests().any(|line| line.status == Some(429)));
}

/// networks.md 10.4: Bluesky counts 3,000 calls in 5 minutes by address, whoever makes them.
#[test]
fn a_limit_by_address_holds_back_every_account_of_the_server() {
    let mut stage = Stage::new(6);
    let second = stage.add("bluesky", Some(RECORDS), Some("app-password"));
    stage.sim.world().bluesky(RECORDS).unwrap().settings.rate_limits = true;
    let due = MINUTE;
    stage.post(&[stage.records], &["first"], due);
    stage.post(&[second], &["second"], due + SECOND);
    stage.sim.pass(30 * SECOND);
    let now = stage.sim.now();
    let request = Request {
        method: http::Method::GET,
        path: "/xrpc/com.atproto.server.describeServer".to_owned(),
        query: String::new(),
        headers: http::HeaderMap::new(),
        body: bytes::Bytes::new(),
    };
    // Somebody else on this address.
    (0..3_000).for_each(|_| drop(handle(&mut stage.sim.world(), RECORDS, &request, now)));
    stage.sim.pass(MINUTE);
    let waits = states(&mut stage);
    assert!(waits.iter().all(|state| state.1.as_deref() == Some("rate_limit")), "{waits:?}");
    assert_eq!(
        waits.iter().map(|state| state.2).collect::<Vec<_>>(),
        [1, 0],
        "one finds out for both"
    );
    let shown = channel(&mut stage, second).rate_limits;
    assert_eq!((shown[0].counts.as_str(), shown[0].allowed), ("server", Some(3_000)));
    stage.sim.pass(6 * MINUTE);
    assert!(
        states(&mut stage).iter().all(|state| state.0 == "published"),
        "{:?}",
        states(&mut stage)
    );
}
