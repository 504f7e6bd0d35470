//! Whole runs on a manual clock: on time, in order, held back, late, stopped.

use std::time::Duration;

use carillon::base::{Clock as _, CorrelationId};
use carillon::practice::{Act, Matcher};

use crate::stage::{HOOK, KEYED, LISTED, Stage};

const MINUTE: Duration = Duration::from_mins(1);
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_post_goes_out_on_time_everywhere_and_once() {
    let mut stage = Stage::new(1);
    let channels = [stage.keyed, stage.listed, stage.feed];
    let post = stage.post(&channels, &["hello"], 10 * MINUTE);
    assert_eq!(post.deliveries.len(), 3);
    assert!(post.deliveries.iter().all(|d| d.state == "scheduled"));
    stage.sim.pass(599 * SECOND);
    assert!(stage.copies().is_empty(), "not before its time");
    stage.sim.pass(2 * SECOND);
    for delivery in &post.deliveries {
        let now = stage.delivery(&delivery.id);
        assert_eq!(now.state, "published", "{now:#?}");
        assert!(now.permalink.is_some() && now.attempts.len() == 1);
        let late = now.finished_at.clone().unwrap();
        assert!(late.as_str() < "2026-11-22T09:10:01", "{late}");
    }
    assert_eq!(stage.copies().values().copied().collect::<Vec<_>>(), [1, 1]);
    let feed = stage.delivery(&post.deliveries[2].id);
    let expected = format!("https://carillon.test/feed/{}/{}", stage.feed, feed.id);
    assert_eq!(feed.permalink.as_deref(), Some(expected.as_str()));
    stage.assert_journal_rule(&["hello"]);
}

#[test]
fn a_thread_goes_out_in_order_each_part_under_the_one_before() {
    let mut stage = Stage::new(2);
    let texts = ["one", "two", "three"];
    stage.post(&[stage.keyed], &texts, MINUTE);
    stage.sim.pass(2 * MINUTE);
    let delivery = stage.deliveries().remove(0);
    assert_eq!(delivery.state, "published", "{delivery:#?}");
    let journal: Vec<_> = stage.sim.world().journal().to_vec();
    let parents: Vec<_> = journal
        .iter()
        .map(|entry| match &entry.effect {
            carillon::practice::Effect::StatusCreated { id, in_reply_to_id, .. } => {
                (id.clone(), in_reply_to_id.clone())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(parents[0].1, None);
    assert_eq!(parents[1].1.as_ref(), Some(&parents[0].0));
    assert_eq!(parents[2].1.as_ref(), Some(&parents[1].0));
}

#[test]
fn one_channel_sends_in_due_order_and_one_that_waits_holds_no_other_back() {
    let mut stage = Stage::new(3);
    stage.fault(KEYED, Matcher::Write, 1, Act::False401);
    let first = stage.post(&[stage.keyed], &["first"], MINUTE);
    let second = stage.post(&[stage.keyed], &["second"], MINUTE + SECOND);
    stage.sim.pass(MINUTE + 2 * SECOND);
    let waiting = stage.delivery(&first.deliveries[0].id);
    assert_eq!((waiting.state.as_str(), waiting.reason.as_deref()), ("scheduled", Some("retry")));
    assert_eq!(stage.delivery(&second.deliveries[0].id).state, "published");
    stage.sim.pass(11 * MINUTE);
    let done = stage.delivery(&first.deliveries[0].id);
    assert_eq!(done.state, "published", "{done:#?}");
    stage.assert_journal_rule(&["first"]);
}

#[test]
fn an_unknown_outcome_is_found_again_and_not_sent_twice() {
    for host in [KEYED, LISTED, HOOK] {
        let mut stage = Stage::new(4);
        let channel = stage.channel_of(host);
        stage.fault(host, Matcher::Write, 1, Act::AcceptThenDrop);
        let post = stage.post(&[channel], &["once"], MINUTE);
        stage.sim.pass(MINUTE + 5 * SECOND);
        let unknown = stage.delivery(&post.deliveries[0].id);
        assert_eq!(unknown.state, "unknown", "{unknown:#?}");
        stage.sim.pass(10 * MINUTE);
        let found = stage.delivery(&post.deliveries[0].id);
        assert_eq!(found.state, "published", "{found:#?}");
        assert_eq!(stage.copies().values().copied().collect::<Vec<_>>(), [1], "{host}");
        let source = found.parts[0].source.as_deref();
        assert_eq!(source, Some(if host == LISTED { "read_back" } else { "answer" }));
    }
}

#[test]
fn pauses_hold_back_at_every_level_and_lateness_is_tested_after_them() {
    let mut stage = Stage::new(5);
    let services = stage.sim.services.clone();
    let correlation = CorrelationId::new(services.rng.as_ref());
    let who = (carillon::store::Operator::new(0), correlation);
    let pause = |on: bool| {
        let services = services.clone();
        async move { services.pause_installation(who, Some("mastodon"), on).await }
    };
    stage.sim.run(pause(true)).unwrap().unwrap();
    let post = stage.post(&[stage.keyed, stage.feed], &["held back"], MINUTE);
    stage.sim.pass(30 * MINUTE);
    let held = stage.delivery(&post.deliveries[0].id);
    assert_eq!((held.state.as_str(), held.reason.as_deref()), ("scheduled", Some("paused")));
    assert_eq!(stage.delivery(&post.deliveries[1].id).state, "published");
    stage.sim.run(pause(false)).unwrap().unwrap();
    stage.sim.pass(5 * SECOND);
    assert_eq!(stage.delivery(&post.deliveries[0].id).state, "published");

    stage.sim.run(pause(true)).unwrap().unwrap();
    let post = stage.post(&[stage.keyed], &["too late"], MINUTE);
    stage.sim.pass(90 * MINUTE);
    stage.sim.run(pause(false)).unwrap().unwrap();
    stage.sim.pass(5 * SECOND);
    let missed = stage.delivery(&post.deliveries[0].id);
    assert_eq!((missed.state.as_str(), missed.reason.as_deref()), ("held", Some("missed")));
    let again = stage.resolve(&missed.id, carillon::domain::publish::Decision::SendAgain).unwrap();
    assert_eq!(again.state, "scheduled");
    stage.sim.pass(5 * SECOND);
    assert_eq!(stage.delivery(&missed.id).state, "published");
}

#[test]
fn late_posts_of_a_channel_leave_time_between_them() {
    let mut stage = Stage::new(6);
    let access = stage.sim.access(stage.workspace).unwrap();
    let services = stage.sim.services.clone();
    stage.sim.run(async move { services.pause_workspace(access, true).await }).unwrap().unwrap();
    for text in ["a", "b", "c"] {
        stage.post(&[stage.keyed], &[text], MINUTE);
    }
    stage.sim.pass(10 * MINUTE);
    let access = stage.sim.access(stage.workspace).unwrap();
    let services = stage.sim.services.clone();
    stage.sim.run(async move { services.pause_workspace(access, false).await }).unwrap().unwrap();
    stage.sim.pass(10 * SECOND);
    assert_eq!(stage.copies().len(), 1);
    stage.sim.pass(MINUTE);
    assert_eq!(stage.copies().len(), 2);
    stage.sim.pass(MINUTE);
    assert_eq!(stage.copies().len(), 3);
}

#[test]
fn a_jump_of_the_clock_fires_nothing_twice_and_holds_what_it_makes_late() {
    let mut stage = Stage::new(7);
    let early = stage.post(&[stage.keyed], &["early"], MINUTE);
    let later = stage.post(&[stage.keyed], &["later"], 120 * MINUTE);
    stage.sim.pass(2 * MINUTE);
    assert_eq!(stage.delivery(&early.deliveries[0].id).state, "published");
    let now = stage.sim.now();
    stage.sim.clock.jump_to(now.minus(60 * MINUTE));
    stage.sim.pass(5 * MINUTE);
    assert_eq!(stage.copies().len(), 1);
    let now = stage.sim.now();
    stage.sim.clock.jump_to(now.plus(300 * MINUTE));
    stage.sim.pass(MINUTE);
    let held = stage.delivery(&later.deliveries[0].id);
    assert_eq!((held.state.as_str(), held.reason.as_deref()), ("held", Some("missed")));
    assert_eq!(stage.copies().len(), 1);
}

#[test]
fn a_stop_finishes_what_is_being_sent_and_starts_nothing_new() {
    let mut stage = Stage::new(8);
    stage.fault(KEYED, Matcher::Write, 1, Act::SlowStart { delay: 10 * SECOND });
    let slow = stage.post(&[stage.keyed], &["slow"], MINUTE);
    let other = stage.post(&[stage.listed], &["other"], MINUTE + 5 * SECOND);
    stage.sim.pass(MINUTE + 2 * SECOND);
    assert_eq!(stage.delivery(&slow.deliveries[0].id).state, "armed");
    stage.sim.stop_engine();
    stage.sim.pass(20 * SECOND);
    assert_eq!(stage.delivery(&slow.deliveries[0].id).state, "published");
    assert_eq!(stage.delivery(&other.deliveries[0].id).state, "scheduled");
}

#[test]
fn a_restart_goes_on_where_the_disk_says() {
    let mut stage = Stage::new(9);
    stage.fault(KEYED, Matcher::Write, 1, Act::SlowStart { delay: 10 * SECOND });
    let armed = stage.post(&[stage.keyed], &["armed"], MINUTE);
    let later = stage.post(&[stage.keyed, stage.listed, stage.feed], &["later"], 5 * MINUTE);
    stage.sim.pass(MINUTE + 2 * SECOND);
    assert_eq!(stage.delivery(&armed.deliveries[0].id).state, "armed");
    stage.sim.crash().unwrap();
    assert_eq!(stage.delivery(&armed.deliveries[0].id).state, "unknown");
    stage.sim.pass(10 * MINUTE);
    for delivery in armed.deliveries.iter().chain(&later.deliveries) {
        let now = stage.delivery(&delivery.id);
        assert_eq!(now.state, "published", "{now:#?}");
    }
    assert!(stage.copies().values().all(|count| *count == 1));
}

/// A thousand posts beyond the wheel's window, paged in as their time comes.
#[test]
fn the_wheel_pages_and_forgets_nothing() {
    let mut stage = Stage::new(10);
    let channel = stage.feed;
    for i in 0..300_u32 {
        stage.post(&[channel], &[&format!("post {i}")], MINUTE + i * 17 * SECOND);
    }
    stage.sim.pass(300 * 17 * SECOND + 2 * MINUTE);
    let deliveries = stage.deliveries();
    assert_eq!(deliveries.len(), 200);
    for delivery in deliveries {
        assert_eq!(delivery.state, "published");
        let (due, out) = (delivery.due, delivery.parts[0].published_at.clone().unwrap());
        let late = carillon::base::Timestamp::parse(&out)
            .unwrap()
            .since(carillon::base::Timestamp::parse(&due).unwrap());
        assert!(late < SECOND, "{late:?}");
    }
    assert!(stage.sim.clock.monotonic() > 60 * MINUTE);
}

/// A server that lists posts under other ids than it answered is looked through for the parent of a
/// reply, however much went out in between.
#[test]
fn a_reply_finds_its_parent_below_many_other_posts() {
    let front = |settings| carillon::practice::mastodon::Settings { is_front: true, ..settings };
    let mut stage = Stage::changed(13, carillon::domain::publish::Timing::default(), front);
    let channel = stage.listed;
    let thread = stage.thread(&[channel], &["root", "reply"], (MINUTE, 10)).unwrap();
    for n in 0..60_u32 {
        stage.post(&[channel], &[&format!("other {n}")], 2 * MINUTE + n * 5 * SECOND);
    }
    stage.sim.pass(12 * MINUTE);
    let done = stage.delivery(&thread.deliveries[0].id);
    assert_eq!(done.state, "published", "{done:#?}");
}

/// What a receiver of webhooks says of itself, and what only a person can then change.
#[test]
fn a_webhook_that_wants_no_more_is_held_until_it_is_connected_again() {
    let mut stage = Stage::new(11);
    stage.sim.world().webhook(HOOK).unwrap().gone = true;
    let post = stage.post(&[stage.hook], &["wanted"], MINUTE);
    stage.sim.pass(2 * MINUTE);
    let held = stage.delivery(&post.deliveries[0].id);
    assert_eq!((held.state.as_str(), held.reason.as_deref()), ("held", Some("reconnect_needed")));
    // Connected again with another secret, as after a leak.
    let renewed = "whsec_ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";
    {
        let mut world = stage.sim.world();
        let receiver = world.webhook(HOOK).unwrap();
        receiver.gone = false;
        receiver.set_secret(renewed);
    }
    let access = stage.sim.access(stage.workspace).unwrap();
    let (services, hook) = (stage.sim.services.clone(), stage.hook);
    let change = carillon::service::ChannelChange {
        token: Some(carillon::base::Secret::new(renewed.to_owned())),
        ..Default::default()
    };
    let changed = stage.sim.run(async move { services.change_channel(access, hook, change).await });
    let changed = changed.unwrap().unwrap().value;
    assert_eq!((changed.state.as_str(), changed.handle.as_deref()), ("connected", Some(HOOK)));
    stage.sim.pass(MINUTE);
    assert_eq!(stage.delivery(&post.deliveries[0].id).state, "published");
    assert_eq!(stage.copies().values().copied().collect::<Vec<_>>(), [1]);
}

/// The promise for webhooks rests on the receiver. This one breaks its part, and the journal shows
/// it: so the tests of this suite do see a second message.
#[test]
fn a_receiver_that_forgets_ids_gets_a_lost_message_twice() {
    let mut stage = Stage::new(12);
    stage.sim.world().webhook(HOOK).unwrap().forgetful = true;
    stage.fault(HOOK, Matcher::Write, 1, Act::AcceptThenDrop);
    stage.post(&[stage.hook], &["twice"], MINUTE);
    stage.sim.pass(30 * MINUTE);
    assert_eq!(stage.copies().values().copied().collect::<Vec<_>>(), [2]);
}
