//! LinkedIn, on its practice server: members and organizations, what proves that a post is out, and
//! what is special about its refusals.

use std::time::Duration;

use carillon::base::CorrelationId;
use carillon::domain::publish::Decision;
use carillon::practice::{Act, Effect, Matcher, Reset};

use crate::stage::{COMPANY, MEMBER, Stage};

const MINUTE: Duration = Duration::from_mins(1);

/// What people see, oldest first.
fn seen(stage: &Stage) -> Vec<String> {
    let world = stage.sim.world();
    let of = |effect: &Effect| match effect {
        Effect::StatusCreated { text, .. } => Some(text.clone()),
        _ => None,
    };
    world.journal().iter().filter(|e| e.host == MEMBER).filter_map(|e| of(&e.effect)).collect()
}

#[test]
fn what_is_typed_is_what_people_see() {
    let mut stage = Stage::new(1);
    let text =
        "We are #hiring (now): 50% *more* {coffee} <3 ~ ask @[Acme](urn:li:organization:42) \\o/";
    let member = stage.member;
    stage.post(&[member], &[text], MINUTE);
    stage.sim.pass(5 * MINUTE);
    let delivery = stage.deliveries().remove(0);
    assert_eq!(delivery.state, "published", "{delivery:#?}");
    let shown = "We are #hiring (now): 50% *more* {coffee} <3 ~ ask Acme \\o/";
    assert_eq!(seen(&stage), [shown]);
    let urn = delivery.parts[0].remote_id.clone().unwrap();
    let url = format!("https://www.linkedin.com/feed/update/{urn}");
    assert_eq!(delivery.permalink, Some(url));
    // Its length is that of what is sent: each of these signs counts two.
    let fits = format!("{}{}", "(".repeat(20), "x".repeat(2_960));
    stage.try_post(&[member], &[&fits], MINUTE).unwrap();
    let long = stage.try_post(&[member], &[&format!("{fits}y")], MINUTE).unwrap_err();
    assert!(long.to_string().contains("3001"), "{long}");
}

/// networks.md 2.9: the duplicate that names its post is proof for ten minutes, and none after that.
#[test]
fn a_lost_answer_is_cleared_up_by_the_duplicate_while_linkedin_looks_for_it() {
    for host in [MEMBER, COMPANY] {
        let mut stage = Stage::new(2);
        let channel = stage.channel_of(host);
        stage.fault(host, Matcher::Write, 1, Act::AcceptThenDrop);
        stage.post(&[channel], &["We moved"], MINUTE);
        stage.sim.pass(9 * MINUTE);
        let delivery = stage.deliveries().remove(0);
        assert_eq!(delivery.state, "published", "{delivery:#?}");
        assert_eq!(delivery.parts[0].source.as_deref(), Some("read_back"));
        assert_eq!(seen(&stage), ["We moved"]);
    }
}

#[test]
fn when_the_window_has_passed_a_page_is_read_and_a_person_is_asked_about_a_member() {
    for (host, state) in [(COMPANY, "published"), (MEMBER, "held")] {
        let mut stage = Stage::new(3);
        let channel = stage.channel_of(host);
        // Nobody answers for half an hour.
        stage.fault(host, Matcher::Write, 1, Act::AcceptThenDrop);
        stage.fault(host, Matcher::Write, 100, Act::DropBefore);
        stage.post(&[channel], &["We moved"], MINUTE);
        stage.sim.pass(30 * MINUTE);
        stage.sim.world().clear_faults();
        stage.sim.pass(60 * MINUTE);
        let delivery = stage.deliveries().remove(0);
        assert_eq!(delivery.state, state, "{host} {delivery:#?}");
        assert_eq!(seen(&stage), ["We moved"], "{host}");
    }
}

#[test]
fn the_same_words_again_are_a_refusal_that_names_the_first_post() {
    let mut stage = Stage::new(4);
    let member = stage.member;
    stage.post(&[member], &["Good morning"], MINUTE);
    stage.sim.pass(3 * MINUTE);
    stage.post(&[member], &["Good morning"], MINUTE);
    stage.sim.pass(3 * MINUTE);
    let mut deliveries = stage.deliveries();
    deliveries.sort_by_key(|delivery| delivery.due.clone());
    let failure = deliveries[1].parts[0].failure.clone().unwrap();
    assert_eq!((failure.code.as_str(), failure.status), ("duplicate_content", Some(422)));
    let first = deliveries[0].parts[0].remote_id.clone().unwrap();
    assert!(failure.detail.contains(&first), "{failure:?}");
    assert!(failure.next_step.unwrap().contains("change the words"));
}

#[test]
fn images_a_video_and_an_article_go_out_as_linkedin_wants_them() {
    let mut stage = Stage::new(5);
    let (member, company) = (stage.member, stage.company);
    let two = [stage.picture("First"), stage.picture("")];
    stage.post_pictures(member, &two, MINUTE);
    stage.sim.pass(5 * MINUTE);
    let content = |stage: &Stage| {
        let mut world = stage.sim.world();
        world.linkedin(MEMBER).unwrap().newest().map(|(_, content)| content.clone()).unwrap()
    };
    let images = content(&stage)["multiImage"]["images"].as_array().unwrap().clone();
    assert_eq!((images.len(), images[0]["altText"].as_str()), (2, Some("First")));
    assert!(images[1].get("altText").is_none());
    // A video in parts of 400 bytes, whose tags must come back in order.
    let video = stage.file(&support::media::mp4(b"isom", 640, 360, 4), "a.mp4", "");
    stage.fault(MEMBER, Matcher::Upload, 1, Act::AcceptThenDrop);
    for channel in [company, member] {
        stage.post_pictures(channel, std::slice::from_ref(&video), MINUTE);
        stage.sim.pass(10 * MINUTE);
        let state: Vec<_> = stage.deliveries().into_iter().map(|d| d.state).collect();
        assert!(state.iter().all(|state| state == "published"), "{:#?}", stage.deliveries());
        let id = content(&stage)["media"]["id"].as_str().unwrap().to_owned();
        assert!(id.starts_with("urn:li:video:"), "{id}");
    }
    stage.sim.world().linkedin(MEMBER).unwrap().settings.video_fails = true;
    stage.post_pictures(company, &[video], MINUTE);
    stage.sim.pass(10 * MINUTE);
    let failed = stage.deliveries().into_iter().find(|d| d.state == "failed").unwrap();
    assert_eq!(failed.parts[0].failure.as_ref().unwrap().code, "media_processing_failed");
}

#[test]
fn a_document_goes_out_under_its_title_once_linkedin_is_done_with_it() {
    let mut stage = Stage::new(9);
    let (member, company) = (stage.member, stage.company);
    let paper = stage.file(&support::media::pdf(), "internal name.pdf", "Our menu");
    let picture = stage.picture("");
    let both = stage.try_pictures(member, &[paper.clone(), picture], MINUTE).unwrap_err();
    assert!(both.to_string().contains("document beside other media"), "{both}");
    for x in [stage.x, stage.records] {
        let refused = stage.try_pictures(x, std::slice::from_ref(&paper), MINUTE).unwrap_err();
        assert!(refused.to_string().contains("application/pdf"), "{refused}");
    }
    stage.fault(MEMBER, Matcher::Upload, 1, Act::AcceptThenDrop);
    // A member's token may not look how far it is (networks.md 2.8, 6): the post waits and is tried.
    for channel in [company, member] {
        stage.post_pictures(channel, std::slice::from_ref(&paper), MINUTE);
        stage.sim.pass(10 * MINUTE);
        let state: Vec<_> = stage.deliveries().into_iter().map(|d| d.state).collect();
        assert!(state.iter().all(|state| state == "published"), "{:#?}", stage.deliveries());
        let mut world = stage.sim.world();
        let (_, content) = world.linkedin(MEMBER).unwrap().newest().unwrap();
        let media = &content["media"];
        assert_eq!(media["title"], "Our menu");
        assert!(media["id"].as_str().unwrap().starts_with("urn:li:document:"), "{media}");
        assert!(!content.to_string().contains("internal"));
    }
    stage.sim.world().linkedin(MEMBER).unwrap().settings.video_fails = true;
    stage.post_pictures(company, &[paper], MINUTE);
    stage.sim.pass(10 * MINUTE);
    let failed = stage.deliveries().into_iter().find(|d| d.state == "failed").unwrap();
    assert_eq!(failed.parts[0].failure.as_ref().unwrap().code, "media_processing_failed");
}

#[test]
fn comments_follow_their_post_as_plain_text() {
    for host in [MEMBER, COMPANY] {
        let mut stage = Stage::new(10);
        let channel = stage.channel_of(host);
        let texts = ["We moved", "More (here): https://acme.example #new", "And thanks!"];
        stage.post(&[channel], &texts, MINUTE);
        stage.sim.pass(5 * MINUTE);
        let delivery = stage.deliveries().remove(0);
        assert_eq!(delivery.state, "published", "{delivery:#?}");
        assert_eq!(seen(&stage), texts);
        let post = delivery.parts[0].remote_id.clone().unwrap();
        let comment = delivery.parts[1].remote_id.clone().unwrap();
        assert!(comment.starts_with("urn:li:comment:(urn:li:activity:"), "{comment}");
        let link = delivery.parts[1].permalink.clone().unwrap();
        let begins = format!("https://www.linkedin.com/feed/update/{post}?commentUrn=urn%3Ali");
        assert!(link.starts_with(&begins), "{link}");
        let world = stage.sim.world();
        let under = world.journal().iter().filter_map(|entry| match &entry.effect {
            Effect::StatusCreated { in_reply_to_id, .. } => Some(in_reply_to_id.clone()),
            _ => None,
        });
        assert_eq!(under.collect::<Vec<_>>(), [None, Some(post.clone()), Some(post)]);
    }
    let mut stage = Stage::new(11);
    let member = stage.member;
    let fits = "(".repeat(1_250);
    stage.try_post(&[member], &["post", &fits], MINUTE).unwrap();
    let long = stage.try_post(&[member], &["post", &format!("{fits}x")], MINUTE).unwrap_err();
    assert!(long.to_string().contains("1251"), "{long}");
}

/// Nothing tells a second comment from the first: a page's are looked through, and of a member's a
/// person is asked. Neither is ever sent twice.
#[test]
fn a_comment_whose_answer_was_lost_is_looked_for_or_a_person_is_asked() {
    let lost = [
        (Act::AcceptThenDrop, 1),
        (Act::ErrorAfter { status: 500 }, 1),
        (Act::LandLate { after: Duration::from_secs(100) }, 1),
        (Act::DropBefore, 0),
    ];
    for (act, out) in lost {
        for (host, state) in [(COMPANY, "published"), (MEMBER, "held")] {
            let mut stage = Stage::new(12);
            let channel = stage.channel_of(host);
            let made = stage.thread(&[channel], &["We moved", "More"], (MINUTE, 2)).unwrap();
            stage.sim.pass(2 * MINUTE);
            assert_eq!(seen(&stage), ["We moved"], "{host}");
            stage.fault(host, Matcher::Write, 1, act.clone());
            stage.sim.pass(60 * MINUTE);
            let delivery = stage.delivery(&made.deliveries[0].id);
            assert_eq!(delivery.state, state, "{host} {act:?} {delivery:#?}");
            let all = if state == "published" { 1 } else { out };
            assert_eq!(seen(&stage).len(), 1 + all, "{host} {act:?}");
            stage.assert_journal_rule(&["We moved", "More"]);
        }
    }
}

/// A person says where the post is; what is said under it follows.
#[test]
fn a_comment_goes_under_the_post_that_a_person_has_found() {
    let mut stage = Stage::new(13);
    let member = stage.member;
    stage.fault(MEMBER, Matcher::Write, 1, Act::AcceptThenDrop);
    stage.fault(MEMBER, Matcher::Write, 100, Act::DropBefore);
    let made = stage.post(&[member], &["We moved", "More"], MINUTE);
    stage.sim.pass(30 * MINUTE);
    stage.sim.world().clear_faults();
    let id = &made.deliveries[0].id;
    assert_eq!(stage.delivery(id).state, "held");
    let post = {
        let world = stage.sim.world();
        world.timeline().into_iter().find(|i| i.host == MEMBER).unwrap().statuses.remove(0).url
    };
    let url = Some(post.replace(':', "%3A").replacen("https%3A", "https:", 1));
    stage.resolve(id, Decision::ItIsThere { url }).unwrap();
    stage.sim.pass(5 * MINUTE);
    let delivery = stage.delivery(id);
    assert_eq!(delivery.state, "published", "{delivery:#?}");
    assert_eq!(seen(&stage), ["We moved", "More"]);
}

/// networks.md 2.2: an installation-wide alarm, and nothing is lost.
#[test]
fn a_version_that_has_ended_stops_the_network_until_somebody_has_seen_to_it() {
    let mut stage = Stage::new(6);
    let (member, company) = (stage.member, stage.company);
    stage.sim.world().linkedin(MEMBER).unwrap().settings.versions = (202_701, 202_710);
    stage.post(&[member], &["one"], MINUTE);
    stage.post(&[company], &["two"], 3 * MINUTE);
    stage.sim.pass(10 * MINUTE);
    let mut deliveries = stage.deliveries();
    deliveries.sort_by_key(|delivery| delivery.due.clone());
    let failure = deliveries[0].parts[0].failure.clone().unwrap();
    assert_eq!((failure.code.as_str(), failure.status), ("version_sunset", Some(426)));
    assert_eq!(deliveries[1].reason.as_deref(), Some("paused"));
    let services = stage.sim.services.clone();
    let stopped = stage.sim.run(async move { services.stopped_networks().await }).unwrap().unwrap();
    assert_eq!(stopped.get("linkedin").map(String::as_str), Some("version_sunset"));
    stage.sim.world().linkedin(MEMBER).unwrap().settings.versions = (202_601, 202_710);
    let services = stage.sim.services.clone();
    let who = (carillon::store::Operator::new(0), CorrelationId::new(services.rng.as_ref()));
    let resumed = async move { services.pause_installation(who, Some("linkedin"), false).await };
    stage.sim.run(resumed).unwrap().unwrap();
    stage.resolve(&deliveries[0].id, Decision::SendAgain).unwrap();
    stage.sim.pass(5 * MINUTE);
    assert_eq!(seen(&stage).len(), 2, "{:#?}", stage.deliveries());
}

#[test]
fn the_limit_of_a_day_ends_at_midnight_and_a_fresh_token_is_not_given_up() {
    let mut stage = Stage::new(7);
    let member = stage.member;
    stage.sim.world().linkedin(MEMBER).unwrap().settings.posts_per_day = 1;
    stage.post(&[member], &["one"], MINUTE);
    stage.post(&[member], &["two"], 3 * MINUTE);
    stage.sim.pass(10 * MINUTE);
    let mut deliveries = stage.deliveries();
    deliveries.sort_by_key(|delivery| delivery.due.clone());
    assert_eq!(deliveries[1].reason.as_deref(), Some("rate_limit"), "{:#?}", deliveries[1]);
    let next = deliveries[1].next_look.as_deref();
    assert_eq!(next, Some("2026-11-23T00:00:00.000Z"), "{:#?}", deliveries[1]);
    // What stands before LinkedIn says when; that is no day's limit.
    let mut stage = Stage::new(8);
    let member = stage.member;
    let act = Act::RateLimitedAs { form: Reset::Seconds, reset_after: 2 * MINUTE };
    stage.fault(MEMBER, Matcher::Write, 1, act);
    stage.post(&[member], &["one"], MINUTE);
    stage.sim.pass(2 * MINUTE);
    let next = stage.deliveries()[0].next_look.clone();
    assert_eq!(next.as_deref(), Some("2026-11-22T09:03:00.000Z"));
    stage.sim.pass(2 * MINUTE);
    assert_eq!(stage.deliveries()[0].state, "published");
    // networks.md 2.7: 65601 in the first minute of a token means: not yet.
    let mut stage = Stage::new(8);
    let delay = Duration::from_secs(20);
    stage.sim.world().linkedin(MEMBER).unwrap().settings.token_delay = delay;
    stage.sim.world().add_account(MEMBER, "new", "new-token", "openid w_member_social").unwrap();
    let refused = stage.try_add("linkedin", "new-token").unwrap_err();
    assert!(refused.to_string().contains("token_not_active_yet"), "{refused}");
    stage.sim.pass(MINUTE);
    stage.try_add("linkedin", "new-token").unwrap();
}
