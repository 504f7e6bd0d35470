//! While a network gets a part ready: what it waits for is said, and whoever pauses meanwhile is
//! obeyed.

use std::time::Duration;

use carillon::base::{CorrelationId, DeliveryId};
use carillon::domain::access::{Manage, Read};
use carillon::domain::publish::Timing;
use carillon::practice::mastodon::Settings;
use carillon::practice::{Act, Matcher};
use carillon::service::ChannelChange;
use carillon::store::Operator;

use crate::stage::{KEYED, LISTED, Stage};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// State and reason of the newest delivery.
fn seen(stage: &mut Stage) -> (String, Option<String>) {
    let shown = stage.deliveries().remove(0);
    (shown.state, shown.reason)
}

#[derive(Clone, Copy, Debug)]
enum Level {
    Everything,
    Network,
    Workspace,
    Channel,
}

/// Answers before it returns.
fn pause(stage: &mut Stage, level: Level, on: bool) {
    let services = stage.sim.services.clone();
    let correlation = CorrelationId::new(services.rng.as_ref());
    let (who, channel) = ((Operator::new(0), correlation), stage.keyed);
    let access = stage.sim.access::<Manage>(stage.workspace).unwrap();
    let done = stage.sim.run(async move {
        match level {
            Level::Everything => services.pause_installation(who, None, on).await,
            Level::Network => services.pause_installation(who, Some("mastodon"), on).await,
            Level::Workspace => services.pause_workspace(access, on).await.map(drop),
            Level::Channel => {
                let change = ChannelChange { paused: Some(on), ..ChannelChange::default() };
                services.change_channel(access, channel, change).await.map(drop)
            }
        }
    });
    done.unwrap().unwrap();
}

/// A pause that was answered while a picture was on its way: nothing goes out after it, wherever it
/// is, and what waited goes out once when it is over.
#[test]
fn a_pause_that_was_answered_while_a_part_was_prepared_holds_it() {
    for level in [Level::Everything, Level::Network, Level::Workspace, Level::Channel] {
        let mut stage = Stage::new(50);
        let pictures = [stage.picture("a tower")];
        let (channel, delay) = (stage.keyed, 20 * SECOND);
        stage.fault(KEYED, Matcher::Upload, 1, Act::SlowStart { delay });
        stage.post_pictures(channel, &pictures, MINUTE);
        stage.sim.pass(MINUTE + 10 * SECOND);
        assert!(stage.copies().is_empty(), "it is being uploaded");
        pause(&mut stage, level, true);
        stage.sim.pass(10 * MINUTE);
        assert!(stage.copies().is_empty(), "{level:?}: {:?}", stage.copies());
        let (state, reason) = seen(&mut stage);
        assert_eq!(reason.as_deref(), Some("paused"), "{level:?}, {state}");
        pause(&mut stage, level, false);
        stage.sim.pass(MINUTE);
        assert_eq!(seen(&mut stage).0, "published", "{level:?}");
        assert_eq!(stage.copies().values().copied().collect::<Vec<_>>(), [1], "{level:?}");
    }
}

/// The same at every turn of a run without a picture, where preparing takes no time.
#[test]
fn after_a_pause_was_answered_at_any_turn_nothing_is_armed() {
    let (mut held, mut sent) = (0, 0);
    for turns in 0..40 {
        let mut stage = Stage::new(51);
        let channel = stage.keyed;
        let post = stage.post(&[channel], &["root"], MINUTE);
        stage.sim.pass(Duration::from_millis(59_999));
        let manage = stage.sim.access::<Manage>(stage.workspace).unwrap();
        let read = stage.sim.access::<Read>(stage.workspace).unwrap();
        let (services, id) =
            (stage.sim.services.clone(), post.deliveries[0].id.parse::<DeliveryId>().unwrap());
        stage.sim.clock.advance(Duration::from_millis(1));
        stage.sim.poll(Some(turns));
        let answered = stage.sim.run(async move {
            services.pause_workspace(manage, true).await.unwrap();
            services.delivery(&read, id).await.unwrap().parts[0].attempts
        });
        stage.sim.pass(5 * MINUTE);
        let after = stage.deliveries().remove(0).parts[0].attempts;
        assert_eq!(answered, Some(after), "armed after the pause was answered, {turns} turns");
        held += u32::from(after == 0);
        sent += u32::from(after == 1);
    }
    assert!(held > 0 && sent > 0, "some pauses come in time, others do not: {held}, {sent}");
}

/// Lateness counts when it is armed, not when preparing began.
#[test]
fn a_grace_that_ends_while_a_part_is_prepared_holds_it() {
    let timing = Timing { grace: 15 * SECOND, ..Timing::default() };
    let mut stage = Stage::with(52, timing);
    let pictures = [stage.picture("a tower")];
    let channel = stage.keyed;
    stage.fault(KEYED, Matcher::Upload, 1, Act::SlowStart { delay: 20 * SECOND });
    stage.post_pictures(channel, &pictures, MINUTE);
    stage.sim.pass(3 * MINUTE);
    let held = ("held".to_owned(), Some("missed".to_owned()));
    assert_eq!(seen(&mut stage), held);
    assert!(stage.copies().is_empty());
}

fn working(settings: Settings) -> Settings {
    Settings { media_processing: 20 * SECOND, ..settings }
}

#[test]
fn what_is_being_prepared_says_what_it_waits_for() {
    let mut stage = Stage::changed(53, Timing::default(), working);
    let (pictures, channel) = ([stage.picture("a tower")], stage.keyed);
    stage.post_pictures(channel, &pictures, MINUTE);
    stage.sim.pass(MINUTE + 2 * SECOND);
    let (state, reason) = seen(&mut stage);
    assert_eq!((state.as_str(), reason.as_deref()), ("preparing", Some("media_processing")));
    // A limit that its server tells of meanwhile is said instead, once it is due, and is what is
    // waited for.
    stage.fault(KEYED, Matcher::Processing, 1, Act::RateLimited { reset_after: 5 * MINUTE });
    stage.sim.pass(10 * SECOND);
    let limited = stage.deliveries().remove(0);
    assert_eq!(limited.reason.as_deref(), Some("rate_limit"), "{limited:#?}");
    let next = carillon::base::Timestamp::parse(limited.next_look.as_deref().unwrap()).unwrap();
    assert!(next.since(stage.sim.now()) > 4 * MINUTE, "{limited:#?}");
    stage.sim.pass(6 * MINUTE);
    assert_eq!(seen(&mut stage).0, "published");
}

/// A server that lists posts under other ids than it answered is looked through for the parent of a
/// reply, however much went out in between; and when it does not show the parent, that is said.
#[test]
fn a_reply_finds_its_parent_below_hundreds_of_others_and_says_that_it_looks() {
    let front = |settings| Settings { is_front: true, ..settings };
    let mut stage = Stage::changed(54, Timing::default(), front);
    let channel = stage.listed;
    let thread = stage.thread(&[channel], &["root", "reply"], (MINUTE, 20)).unwrap();
    for n in 0..450_u32 {
        stage.post(&[channel], &[&format!("other {n}")], 2 * MINUTE + n * 2 * SECOND);
    }
    stage.sim.pass(22 * MINUTE);
    let done = stage.delivery(&thread.deliveries[0].id);
    assert_eq!(done.state, "published", "{done:#?}");
    // The parent is listed under another address: it is not the one.
    let mut stage = Stage::changed(55, Timing::default(), |settings| Settings {
        is_front: true,
        list_lag: MINUTE,
        ..settings
    });
    let channel = stage.listed;
    stage.post(&[channel], &["root", "reply"], MINUTE);
    stage.sim.pass(MINUTE + 30 * SECOND);
    let (state, reason) = seen(&mut stage);
    assert_eq!((state.as_str(), reason.as_deref()), ("preparing", Some("parent")));
    stage.sim.pass(MINUTE);
    assert_eq!(seen(&mut stage).0, "published");
    assert_eq!(stage.copies().get(&format!("{LISTED} reply")), Some(&1));
}
