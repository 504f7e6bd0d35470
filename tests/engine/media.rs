//! Pictures on their way to a network: uploaded before the commit, noted, waited for, and never
//! uploaded twice without need.

use std::time::Duration;

use carillon::domain::publish::Timing;
use carillon::practice::mastodon::Settings;
use carillon::practice::{Act, Effect, Matcher, Request, handle};
use http::{HeaderMap, Method};
use serde_json::Value;

use crate::stage::{KEYED, LISTED, Stage};

const MINUTE: Duration = Duration::from_mins(1);

fn slow(settings: Settings) -> Settings {
    Settings { media_processing: Duration::from_secs(20), ..settings }
}

fn uploads(stage: &Stage) -> usize {
    let world = stage.sim.world();
    let uploaded = |effect: &Effect| matches!(effect, Effect::MediaUploaded { .. });
    world.journal().iter().filter(|entry| uploaded(&entry.effect)).count()
}

/// The statuses that are out, as the server shows them.
fn statuses(stage: &Stage, host: &str, token: &str) -> Vec<Value> {
    let mut world = stage.sim.world();
    let ids: Vec<String> = world
        .journal()
        .iter()
        .filter(|entry| entry.host == host)
        .filter_map(|entry| match &entry.effect {
            Effect::StatusCreated { id, .. } => Some(id.clone()),
            _ => None,
        })
        .collect();
    let mut headers = HeaderMap::new();
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    let now = stage.sim.now();
    ids.iter()
        .map(|id| {
            let request = Request {
                method: Method::GET,
                path: format!("/api/v1/statuses/{id}"),
                query: String::new(),
                headers: headers.clone(),
                body: bytes::Bytes::new(),
            };
            let answer = handle(&mut world, host, &request, now);
            serde_json::from_slice(&answer.body).unwrap()
        })
        .collect()
}

#[test]
fn pictures_go_out_with_their_words_once_they_are_ready() {
    for (host, token) in [(KEYED, "token-keyed"), (LISTED, "token-listed")] {
        let mut stage = Stage::changed(1, Timing::default(), slow);
        let channel = if host == KEYED { stage.keyed } else { stage.listed };
        let pictures = [stage.picture("First"), stage.picture(""), stage.picture("Third")];
        stage.post_pictures(channel, &pictures, MINUTE);
        stage.sim.pass(MINUTE + Duration::from_secs(5));
        assert_eq!(stage.deliveries()[0].state, "preparing");
        assert!(stage.copies().is_empty(), "not before all are ready");
        stage.sim.pass(2 * MINUTE);
        let delivery = stage.deliveries().remove(0);
        assert_eq!(delivery.state, "published", "{delivery:#?}");
        assert_eq!(uploads(&stage), 3);
        let out = statuses(&stage, host, token);
        let shown: Vec<_> = out[0]["media_attachments"].as_array().unwrap().iter().collect();
        let alts: Vec<_> = shown.iter().map(|one| one["description"].as_str()).collect();
        assert_eq!(alts, [Some("First"), None, Some("Third")]);
    }
}

#[test]
fn whatever_happens_to_an_upload_the_post_goes_out_once_with_its_picture() {
    let acts = [
        (Act::ErrorBefore { status: 500 }, 1),
        (Act::ErrorAfter { status: 503 }, 2),
        (Act::AcceptThenDrop, 2),
        (Act::DropBefore, 1),
        (Act::RateLimited { reset_after: 2 * MINUTE }, 1),
        (Act::False401, 1),
        (Act::Html502, 1),
        (Act::CutBody { after: 10 }, 2),
        (Act::GarbageJson, 2),
        (Act::WrongShape, 2),
    ];
    for on in [Matcher::Upload, Matcher::Processing] {
        for (act, most) in &acts {
            let mut stage = Stage::changed(2, Timing::default(), slow);
            let picture = stage.picture("A pattern");
            stage.fault(KEYED, on, 1, act.clone());
            stage.post_pictures(stage.keyed, &[picture], MINUTE);
            stage.sim.pass(10 * MINUTE);
            let delivery = stage.deliveries().remove(0);
            assert_eq!(delivery.state, "published", "{on:?} {act:?} {delivery:#?}");
            let most = if on == Matcher::Upload { *most } else { 1 };
            assert!(uploads(&stage) <= most, "{on:?} {act:?}");
            let out = statuses(&stage, KEYED, "token-keyed");
            assert_eq!(out.len(), 1, "{on:?} {act:?}");
            assert_eq!(out[0]["media_attachments"][0]["description"], "A pattern");
        }
    }
}

#[test]
fn a_crash_at_any_turn_uploads_at_most_once_more_and_publishes_once() {
    let mut most = 0;
    for turns in 0..60 {
        let mut stage = Stage::changed(3, Timing::default(), slow);
        let pictures = [stage.picture("1"), stage.picture("2")];
        stage.post_pictures(stage.keyed, &pictures, MINUTE);
        stage.sim.pass(Duration::from_millis(59_999));
        stage.sim.clock.advance(Duration::from_millis(1));
        stage.sim.poll(Some(turns));
        stage.sim.crash().unwrap();
        stage.sim.pass(60 * MINUTE);
        let delivery = stage.deliveries().remove(0);
        assert_eq!(delivery.state, "published", "{turns}: {delivery:#?}");
        assert_eq!(stage.copies().values().copied().collect::<Vec<_>>(), [1], "{turns}");
        let out = statuses(&stage, KEYED, "token-keyed");
        assert_eq!(out[0]["media_attachments"].as_array().unwrap().len(), 2);
        most = most.max(uploads(&stage));
    }
    assert!(most <= 3, "{most} uploads of two pictures");
}

#[test]
fn a_lost_answer_to_the_commit_brings_no_second_upload() {
    for host in [KEYED, LISTED] {
        let mut stage = Stage::changed(4, Timing::default(), slow);
        let channel = if host == KEYED { stage.keyed } else { stage.listed };
        let picture = stage.picture("A pattern");
        stage.fault(host, Matcher::Write, 1, Act::AcceptThenDrop);
        stage.post_pictures(channel, &[picture], MINUTE);
        stage.sim.pass(60 * MINUTE);
        let delivery = stage.deliveries().remove(0);
        assert_eq!(delivery.state, "published", "{host} {delivery:#?}");
        assert_eq!(uploads(&stage), 1, "{host}");
        assert_eq!(stage.copies().values().copied().collect::<Vec<_>>(), [1], "{host}");
    }
}

#[test]
fn what_the_network_cannot_work_on_fails_with_its_words() {
    let broken = |settings| Settings { media_fails: true, ..slow(settings) };
    let mut stage = Stage::changed(5, Timing::default(), broken);
    let picture = stage.picture("");
    stage.post_pictures(stage.keyed, &[picture], MINUTE);
    stage.sim.pass(10 * MINUTE);
    let delivery = stage.deliveries().remove(0);
    assert_eq!(delivery.state, "failed", "{delivery:#?}");
    let failure = delivery.parts[0].failure.clone().unwrap();
    assert_eq!(failure.code, "media_processing_failed");
    assert!(stage.copies().is_empty());
}

#[test]
fn an_upload_that_the_server_forgot_is_brought_again() {
    let late = Timing { grace: Duration::from_hours(72), ..Timing::default() };
    let mut stage = Stage::changed(6, late, slow);
    let picture = stage.picture("A pattern");
    // Uploaded, and then the commit waits for a day and a half.
    let wait = Duration::from_hours(23);
    stage.fault(KEYED, Matcher::Write, 2, Act::RateLimited { reset_after: wait });
    stage.post_pictures(stage.keyed, &[picture], MINUTE);
    stage.sim.pass(Duration::from_hours(50));
    let delivery = stage.deliveries().remove(0);
    assert_eq!(delivery.state, "published", "{delivery:#?}");
    assert!(uploads(&stage) >= 2);
    let out = statuses(&stage, KEYED, "token-keyed");
    assert_eq!(out[0]["media_attachments"][0]["description"], "A pattern");
}
