//! Sessions that end: renewed ahead of time and on demand, once, and through lost answers and
//! crashes. Only an account that the network itself shuts, twice over, needs a person.

use std::time::Duration;

use carillon::base::Secret;
use carillon::domain::access::{Manage, Read, Right};
use carillon::practice::bluesky::Standing;
use carillon::practice::{Act, Fault, Matcher};
use carillon::service::{Access, ChannelChange};

use crate::stage::{RECORDS, Stage};

const HOUR: Duration = Duration::from_hours(1);
const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

const SIGN_IN: &str = "/xrpc/com.atproto.server.createSession";
const REFRESH: &str = "/xrpc/com.atproto.server.refreshSession";

fn calls(stage: &Stage, path: &str) -> usize {
    stage.sim.world().requests().filter(|line| line.path == path).count()
}

fn state(stage: &mut Stage) -> (String, Option<String>) {
    let delivery = stage.deliveries().remove(0);
    (delivery.state, delivery.reason)
}

/// A post that is due `after`, seen through to its end.
fn publish(stage: &mut Stage, after: Duration) -> (String, Option<String>) {
    let channel = stage.records;
    stage.post(&[channel], &["root", "reply"], after);
    stage.sim.pass(after + 9 * HOUR);
    stage.assert_journal_rule(&["root", "reply"]);
    state(stage)
}

fn access<R: Right>(stage: &mut Stage) -> Access<R> {
    stage.sim.access(stage.workspace).unwrap()
}

#[test]
fn a_session_is_renewed_ahead_of_its_end() {
    // With a quarter of its two hours left; fresh ones are left alone.
    for (after, refreshed) in [(HOUR, 0), (Duration::from_mins(95), 1), (30 * DAY, 1)] {
        let mut stage = Stage::new(1);
        assert_eq!(publish(&mut stage, after).0, "published");
        assert_eq!((calls(&stage, SIGN_IN), calls(&stage, REFRESH)), (1, refreshed), "{after:?}");
        // Nobody noticed: the first write went through.
        let part = stage.deliveries().remove(0).parts.remove(0);
        assert_eq!(part.attempts, 1);
        let link = part.permalink.unwrap();
        assert!(link.starts_with("https://bsky.app/profile/did:plc:"), "{link}");
    }
}

/// networks.md 10.1: a refresh token ends 90 days after it was given. Renewed at half of that, and
/// once more for the post, and never by the app password.
#[test]
fn a_session_that_nobody_uses_is_kept_alive() {
    let mut stage = Stage::new(1);
    stage.sim.pass(44 * DAY);
    assert_eq!(calls(&stage, REFRESH), 0, "not before it must be");
    stage.sim.pass(2 * DAY);
    assert_eq!(calls(&stage, REFRESH), 1);
    stage.sim.pass(47 * DAY);
    assert_eq!((calls(&stage, SIGN_IN), calls(&stage, REFRESH)), (1, 2));
    assert_eq!(publish(&mut stage, MINUTE).0, "published");
    assert_eq!((calls(&stage, SIGN_IN), calls(&stage, REFRESH)), (1, 3));
}

/// The network is away for days when it is time: tried again in each round, without harm.
#[test]
fn a_renewal_that_fails_is_tried_again_in_time() {
    let mut stage = Stage::new(1);
    stage.sim.pass(44 * DAY);
    stage.sim.world().add_fault(Fault {
        on: Matcher::Token,
        host: Some(RECORDS.to_owned()),
        times: u32::MAX,
        act: Act::ErrorBefore { status: 503 },
    });
    stage.sim.pass(10 * DAY);
    let tried = calls(&stage, REFRESH);
    assert!((30..=40).contains(&tried), "{tried}");
    stage.sim.world().clear_faults();
    stage.sim.pass(DAY);
    let kept = calls(&stage, REFRESH);
    assert_eq!(publish(&mut stage, HOUR).0, "published");
    assert_eq!((kept, calls(&stage, REFRESH)), (tried + 1, tried + 2));
    assert_eq!(calls(&stage, SIGN_IN), 1 + tried, "each failure tried the password too");
}

/// The program was down for longer than a session lives.
#[test]
fn after_ninety_days_the_app_password_signs_in_again() {
    let mut stage = Stage::new(1);
    stage.sim.stop_engine();
    stage.sim.poll(None);
    stage.sim.pass(91 * DAY);
    assert_eq!((calls(&stage, SIGN_IN), calls(&stage, REFRESH)), (1, 0));
    stage.sim.crash().unwrap();
    stage.sim.pass(10 * MINUTE);
    assert_eq!((calls(&stage, SIGN_IN), calls(&stage, REFRESH)), (2, 1));
    assert_eq!(publish(&mut stage, MINUTE).0, "published");
    assert_eq!((calls(&stage, SIGN_IN), calls(&stage, REFRESH)), (2, 1));
}

/// Nobody posts for weeks, and meanwhile the network shuts the account: said before it matters.
#[test]
fn an_idle_account_that_is_shut_is_seen() {
    let mut stage = Stage::new(1);
    stage.sim.world().bluesky(RECORDS).unwrap().set_standing("acme.test", Standing::TakenDown);
    stage.sim.pass(46 * DAY);
    let (channel, services, read) =
        (stage.records, stage.sim.services.clone(), access::<Read>(&mut stage));
    let shown = stage.sim.run(async move { services.channel(&read, channel).await });
    assert_eq!(shown.unwrap().unwrap().state, "reconnect_needed");
    let tried = calls(&stage, REFRESH);
    stage.sim.pass(10 * DAY);
    assert_eq!(calls(&stage, REFRESH), tried, "a person is needed");
}

#[test]
fn a_session_that_ends_before_its_time_is_renewed_on_demand() {
    let mut stage = Stage::new(1);
    stage.sim.world().bluesky(RECORDS).unwrap().expire_access();
    assert_eq!(publish(&mut stage, MINUTE).0, "published");
    assert_eq!((calls(&stage, SIGN_IN), calls(&stage, REFRESH)), (1, 1));
    let mut stage = Stage::new(1);
    stage.sim.world().bluesky(RECORDS).unwrap().expire_access();
    stage.sim.world().bluesky(RECORDS).unwrap().expire_refresh();
    assert_eq!(publish(&mut stage, MINUTE).0, "published");
    assert_eq!((calls(&stage, SIGN_IN), calls(&stage, REFRESH)), (2, 1));
}

/// SPEC part 3: "refreshed one at a time per credential".
#[test]
fn two_who_need_a_new_session_at_once_share_one() {
    let mut stage = Stage::new(1);
    stage.sim.pass(3 * HOUR);
    let (channel, services) = (stage.records, stage.sim.services.clone());
    let (one, two) = (access::<Manage>(&mut stage), access::<Manage>(&mut stage));
    let both = stage.sim.run(async move {
        let first = services.test_channel(one, channel);
        let second = services.test_channel(two, channel);
        futures_util::future::join(first, second).await
    });
    let (first, second) = both.unwrap();
    assert_eq!(
        (first.unwrap().state, second.unwrap().state),
        ("connected".into(), "connected".into())
    );
    assert_eq!(calls(&stage, REFRESH), 1);
}

fn token_acts() -> Vec<Act> {
    vec![
        Act::ErrorBefore { status: 500 },
        Act::ErrorBefore { status: 401 },
        Act::ErrorAfter { status: 502 },
        Act::AcceptThenDrop,
        Act::DropBefore,
        Act::LandLate { after: Duration::from_secs(100) },
        Act::RateLimited { reset_after: 2 * MINUTE },
        Act::False401,
        Act::Html502,
        Act::SlowBody { every: Duration::from_secs(5) },
        Act::SlowStart { delay: Duration::from_secs(50) },
        Act::CutBody { after: 10 },
        Act::GarbageJson,
        Act::WrongShape,
    ]
}

/// reliability-security.md A7 (5), R-31: no passing fault of a renewal disconnects.
#[test]
fn no_fault_of_a_renewal_disconnects() {
    for act in token_acts() {
        for times in [1, 2, 3] {
            // Two different refusals in a row are a refusal: that is the network's word.
            let refusal = matches!(act, Act::False401 | Act::ErrorBefore { status: 401 });
            if refusal && times > 1 {
                continue;
            }
            let mut stage = Stage::new(3);
            stage.fault(RECORDS, Matcher::Token, times, act.clone());
            let end = publish(&mut stage, 3 * HOUR);
            assert_eq!(end.0, "published", "{act:?} x{times}: {end:?}");
        }
    }
}

/// A crash between the answer and its being written: the old token gives the same pair again.
#[test]
fn a_crash_at_any_turn_of_a_renewal_costs_nothing() {
    let mut asked_again = 0;
    for turns in 0..40 {
        let mut stage = Stage::new(turns);
        let channel = stage.records;
        // The answer is on its way for a second in which the process dies.
        let slow = Act::SlowStart { delay: Duration::from_secs(1) };
        stage.fault(RECORDS, Matcher::Token, 1, slow);
        stage.post(&[channel], &["root"], 3 * HOUR);
        stage.sim.pass(Duration::from_millis(3 * 3_600_000 - 1));
        stage.sim.clock.advance(Duration::from_millis(1));
        stage.sim.poll(Some(usize::try_from(turns).unwrap()));
        stage.sim.crash().unwrap();
        stage.sim.pass(HOUR);
        stage.assert_journal_rule(&["root"]);
        assert_eq!(state(&mut stage).0, "published");
        assert_eq!(calls(&stage, SIGN_IN), 1, "{turns} turns");
        asked_again += usize::from(calls(&stage, REFRESH) > 1);
    }
    assert!(asked_again > 0, "some crashes must lose an answer");
    println!("{asked_again} of 40 crashes lost the answer of a renewal");
}

#[test]
fn an_account_that_the_network_shuts_is_held_and_comes_back() {
    for standing in [Standing::Deactivated, Standing::TakenDown] {
        let mut stage = Stage::new(1);
        let host = RECORDS;
        stage.sim.world().bluesky(host).unwrap().set_standing("acme.test", standing);
        let held = ("held".to_owned(), Some("reconnect_needed".to_owned()));
        assert_eq!(publish(&mut stage, MINUTE), held, "{standing:?}");
        stage.sim.world().bluesky(host).unwrap().set_standing("acme.test", Standing::Active);
        let (channel, services) = (stage.records, stage.sim.services.clone());
        let manage = access::<Manage>(&mut stage);
        let token = Some(Secret::new("app-password".to_owned()));
        let change = ChannelChange { token, ..ChannelChange::default() };
        let back =
            stage.sim.run(async move { services.change_channel(manage, channel, change).await });
        assert_eq!(back.unwrap().unwrap().value.state, "connected");
        stage.sim.pass(MINUTE);
        // It was held for longer than a post may be late.
        assert_eq!(state(&mut stage).1, Some("missed".to_owned()));
    }
}

/// The app password is taken back while the session still has an hour to live.
#[test]
fn a_revoked_app_password_needs_a_person() {
    let mut stage = Stage::new(1);
    stage.fault(RECORDS, Matcher::Write, 1, Act::RevokeToken);
    let held = ("held".to_owned(), Some("reconnect_needed".to_owned()));
    assert_eq!(publish(&mut stage, MINUTE), held);
    assert_eq!((calls(&stage, SIGN_IN), calls(&stage, REFRESH)), (2, 1));
}
