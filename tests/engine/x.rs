//! X, on its practice server: what is special about its threads, its evidence and its refusals.

use std::collections::BTreeMap;
use std::time::Duration;

use carillon::base::CorrelationId;
use carillon::domain::access::Read;
use carillon::domain::publish::Decision;
use carillon::practice::{Act, Effect, Matcher};
use carillon::service::shown::DeliveryShown;
use carillon::store::Operator;

use crate::stage::{Stage, TIMELINE};

const SCOPES: &str = "tweet.read tweet.write users.read media.write offline.access";
const MINUTE: Duration = Duration::from_mins(1);

fn posted(stage: &Stage) -> Vec<(String, Option<String>)> {
    let world = stage.sim.world();
    let of = |effect: &Effect| match effect {
        Effect::StatusCreated { text, in_reply_to_id, .. } => {
            Some((text.clone(), in_reply_to_id.clone()))
        }
        _ => None,
    };
    let there = world.journal().iter().filter(|entry| entry.host == TIMELINE);
    there.filter_map(|entry| of(&entry.effect)).collect()
}

#[test]
fn a_thread_goes_out_part_by_part_and_each_has_its_address() {
    let mut stage = Stage::new(1);
    let texts = ["One & <two> https://example.com/a", "Two", "Three \u{1F950}"];
    let x = stage.x;
    stage.post(&[x], &texts, MINUTE);
    stage.sim.pass(5 * MINUTE);
    let delivery = stage.deliveries().remove(0);
    assert_eq!(delivery.state, "published", "{delivery:#?}");
    let ids: Vec<_> = delivery.parts.iter().map(|part| part.remote_id.clone().unwrap()).collect();
    let first = format!("https://x.com/acme/status/{}", ids[0]);
    assert_eq!(delivery.permalink, Some(first));
    let expected: Vec<_> = texts
        .iter()
        .zip([None, Some(ids[0].clone()), Some(ids[1].clone())])
        .map(|(text, parent)| ((*text).to_owned(), parent))
        .collect();
    assert_eq!(posted(&stage), expected);
}

#[test]
fn what_is_lost_is_found_in_the_timeline_in_the_form_that_x_gives_it() {
    let mut stage = Stage::new(2);
    let texts = ["Q&A <3 at example.com/menu, see you!", "and https://example.org/?a=1&b=2"];
    let x = stage.x;
    stage.fault(TIMELINE, Matcher::Write, 2, Act::AcceptThenDrop);
    stage.post(&[x], &texts, MINUTE);
    stage.sim.pass(30 * MINUTE);
    let delivery = stage.deliveries().remove(0);
    assert_eq!(delivery.state, "published", "{delivery:#?}");
    assert!(delivery.parts.iter().all(|part| part.source.as_deref() == Some("read_back")));
    assert_eq!(posted(&stage).len(), 2);
}

#[test]
fn the_same_words_are_refused_unless_they_are_this_post() {
    let mut stage = Stage::new(3);
    let x = stage.x;
    stage.post(&[x], &["Good morning"], MINUTE);
    stage.sim.pass(30 * MINUTE);
    stage.post(&[x], &["Good morning"], MINUTE);
    stage.sim.pass(10 * MINUTE);
    let mut deliveries = stage.deliveries();
    deliveries.sort_by_key(|delivery| delivery.due.clone());
    assert_eq!(deliveries[0].state, "published");
    let failure = deliveries[1].parts[0].failure.clone().unwrap();
    assert_eq!((failure.code.as_str(), failure.status), ("duplicate_content", Some(403)));
    assert!(failure.detail.contains("duplicate content"), "{failure:?}");
    // The timeline is so late that the post is sent again: X refuses the same words, and a person
    // is asked.
    let mut stage = Stage::new(3);
    let x = stage.x;
    stage.sim.world().x(TIMELINE).unwrap().settings.list_lag = Duration::from_mins(5);
    stage.fault(TIMELINE, Matcher::Write, 1, Act::AcceptThenDrop);
    stage.post(&[x], &["Good evening"], MINUTE);
    stage.sim.pass(60 * MINUTE);
    let delivery = stage.deliveries().remove(0);
    let state = (delivery.state.as_str(), delivery.reason.as_deref());
    assert_eq!(state, ("held", Some("outcome_unknown")), "{delivery:#?}");
    assert_eq!(posted(&stage).len(), 1, "nothing went out twice");
}

/// networks.md 1.3 (4): whether a self-serve app may reply to itself is not known.
#[test]
fn a_thread_that_x_does_not_let_go_on_is_partial_and_goes_on_later() {
    let mut stage = Stage::new(4);
    let x = stage.x;
    stage.sim.world().x(TIMELINE).unwrap().settings.self_replies = false;
    stage.post(&[x], &["One", "Two", "Three"], MINUTE);
    stage.sim.pass(10 * MINUTE);
    let delivery = stage.deliveries().remove(0);
    assert_eq!(delivery.state, "partial", "{delivery:#?}");
    let failure = delivery.parts[1].failure.clone().unwrap();
    assert_eq!((failure.code.as_str(), failure.status), ("reply_not_allowed", Some(403)));
    assert_eq!(posted(&stage).len(), 1);
    stage.sim.world().x(TIMELINE).unwrap().settings.self_replies = true;
    stage.resolve(&delivery.id, Decision::SendAgain).unwrap();
    stage.sim.pass(10 * MINUTE);
    assert_eq!(stage.delivery(&delivery.id).state, "published");
    assert_eq!(posted(&stage).len(), 3);
}

#[test]
fn without_credits_all_x_channels_wait_and_go_on_when_they_are_paid_for() {
    let mut stage = Stage::new(5);
    stage.sim.world().add_account(TIMELINE, "second", "other-token", SCOPES).unwrap();
    let (first, keyed) = (stage.x, stage.keyed);
    let second = stage.add("x", None, Some("other-token"));
    stage.sim.world().x(TIMELINE).unwrap().settings.out_of_credits = true;
    stage.post(&[first], &["one"], MINUTE);
    stage.post(&[second, keyed], &["two"], 2 * MINUTE);
    stage.sim.pass(10 * MINUTE);
    let states = |stage: &mut Stage| {
        let of = |d: DeliveryShown| (d.network, d.state, d.reason);
        let mut all: Vec<_> = stage.deliveries().into_iter().map(of).collect();
        all.sort();
        all
    };
    let word = |text: &str| Some(text.to_owned());
    let row = |network: &str, state: &str, reason| (network.to_owned(), state.to_owned(), reason);
    assert_eq!(
        states(&mut stage),
        [
            row("mastodon", "published", None),
            row("x", "held", word("billing")),
            row("x", "scheduled", word("paused")),
        ]
    );
    let services = stage.sim.services.clone();
    let stopped = stage.sim.run(async move { services.stopped_networks().await }).unwrap().unwrap();
    assert_eq!(stopped, BTreeMap::from([("x".to_owned(), "credits_depleted".to_owned())]));
    stage.sim.world().x(TIMELINE).unwrap().settings.out_of_credits = false;
    let services = stage.sim.services.clone();
    let who = (Operator::new(0), CorrelationId::new(services.rng.as_ref()));
    let resumed = async move { services.pause_installation(who, Some("x"), false).await };
    stage.sim.run(resumed).unwrap().unwrap();
    stage.sim.pass(5 * MINUTE);
    let out = states(&mut stage).iter().filter(|(_, state, _)| state == "published").count();
    assert_eq!((out, posted(&stage).len()), (3, 2));
}

#[test]
fn what_was_spent_is_counted_once_for_each_part_by_the_price_of_its_kind() {
    let mut stage = Stage::new(6);
    let (x, keyed) = (stage.x, stage.keyed);
    stage.fault(TIMELINE, Matcher::Write, 1, Act::AcceptThenDrop);
    stage.post(&[x, keyed], &["plain", "see example.com"], MINUTE);
    stage.sim.pass(30 * MINUTE);
    assert_eq!(posted(&stage).len(), 2);
    let access = stage.sim.access::<Read>(stage.workspace).unwrap();
    let services = stage.sim.services.clone();
    let plan = stage.sim.run(async move { services.plan_of(&access).await }).unwrap().unwrap();
    let [spent] = plan.spent.as_slice() else { panic!("{plan:#?}") };
    assert_eq!((spent.network.as_str(), spent.month.as_str()), ("x", "2026-11"));
    assert_eq!((spent.posts, spent.posts_with_link, spent.usd.as_str()), (2, 1, "0.215"));
}

#[test]
fn pictures_go_in_one_call_with_their_words() {
    let mut stage = Stage::new(7);
    let x = stage.x;
    let pictures = [stage.picture("First"), stage.picture(""), stage.picture("Third")];
    stage.fault(TIMELINE, Matcher::Upload, 1, Act::ErrorBefore { status: 503 });
    stage.post_pictures(x, &pictures, MINUTE);
    stage.sim.pass(10 * MINUTE);
    let delivery = stage.deliveries().remove(0);
    assert_eq!(delivery.state, "published", "{delivery:#?}");
    assert_eq!(stage.sim.world().x(TIMELINE).unwrap().alts(), ["First", "", "Third"]);
}

#[test]
fn a_moving_picture_goes_in_chunks_and_waits_until_x_is_done_with_it() {
    let mut stage = Stage::new(8);
    let x = stage.x;
    let moving = stage.file(&support::media::gif(40, 30), "a.gif", "A spinning thing");
    stage.post_pictures(x, std::slice::from_ref(&moving), MINUTE);
    stage.sim.pass(MINUTE + Duration::from_secs(4));
    let delivery = stage.deliveries().remove(0);
    assert_eq!(
        (delivery.state.as_str(), delivery.reason.as_deref()),
        ("preparing", Some("media_processing"))
    );
    stage.sim.pass(5 * MINUTE);
    assert_eq!(stage.deliveries()[0].state, "published");
    assert_eq!(stage.sim.world().x(TIMELINE).unwrap().alts(), ["A spinning thing"]);
    // It stands alone, and is told so before it is scheduled.
    let picture = stage.picture("");
    let refused = stage.try_pictures(x, &[moving, picture], MINUTE).unwrap_err();
    assert!(refused.to_string().contains("moving picture"), "{refused}");
    // What X cannot use is told in its words.
    let mut stage = Stage::new(8);
    let x = stage.x;
    stage.sim.world().x(TIMELINE).unwrap().settings.media_fails = true;
    let moving = stage.file(&support::media::gif(40, 30), "a.gif", "");
    stage.post_pictures(x, &[moving], MINUTE);
    stage.sim.pass(5 * MINUTE);
    let failure = stage.deliveries()[0].parts[0].failure.clone().unwrap();
    assert_eq!(failure.code, "media_processing_failed");
    assert!(failure.detail.contains("longer than 2 minutes"), "{failure:?}");
    assert!(posted(&stage).is_empty());
}

/// networks.md 1.7 (3): the short window has room, and the day has none.
#[test]
fn the_limit_of_a_day_holds_every_channel_of_the_app_back() {
    let mut stage = Stage::new(9);
    stage.sim.world().add_account(TIMELINE, "second", "other-token", SCOPES).unwrap();
    let first = stage.x;
    let second = stage.add("x", None, Some("other-token"));
    let settings = |stage: &Stage, most| {
        let mut world = stage.sim.world();
        let settings = &mut world.x(TIMELINE).unwrap().settings;
        (settings.rate_limits, settings.posts_per_day) = (true, most);
    };
    settings(&stage, 1);
    stage.post(&[first], &["one"], MINUTE);
    stage.post(&[second], &["two"], 2 * MINUTE);
    stage.sim.pass(10 * MINUTE);
    let mut deliveries = stage.deliveries();
    deliveries.sort_by_key(|delivery| delivery.due.clone());
    assert_eq!(deliveries[0].state, "published");
    assert_eq!(deliveries[1].reason.as_deref(), Some("rate_limit"), "{:#?}", deliveries[1]);
    assert_eq!(posted(&stage).len(), 1);
    let wait = deliveries[1].wait.clone().unwrap();
    assert!(wait.until.starts_with("2026-11-23T09:0"), "{wait:?}");
}
