//! A disk that fills up or fails under a running engine: what is due waits, what was answered is
//! kept in a result slot, and everything goes on by itself when the disk is well again.

use std::time::Duration;

use carillon::base::Code;
use carillon::domain::space::Space;
use carillon::practice::{Act, Matcher};
use carillon::store::FaultKind;

use crate::stage::{HOOK, KEYED, LISTED, RECORDS, Stage};

const MINUTE: Duration = Duration::from_mins(1);
const SECOND: Duration = Duration::from_secs(1);
const MIB: u64 = 1024 * 1024;

fn free(stage: &mut Stage, mib: u64) {
    let size = 100 * 1024 * MIB;
    stage.sim.disk.set_space(Some(Space { free: mib * MIB, size }));
    // It is not asked with each request.
    stage.sim.pass(SECOND);
}

/// The disk takes nothing more from now on.
fn fill(stage: &Stage, kind: FaultKind) {
    let disk = &stage.sim.disk;
    disk.fail_at(disk.operations() + 1, kind, false);
}

fn state(stage: &mut Stage, id: &str) -> String {
    stage.delivery(id).state
}

#[test]
fn below_the_marks_nothing_is_taken_in_and_then_nothing_is_sent() {
    let mut stage = Stage::new(30);
    let channel = stage.keyed;
    let early = stage.post(&[channel], &["early"], MINUTE);
    let late = stage.post(&[channel], &["late"], 5 * MINUTE);
    free(&mut stage, 200);
    let refused = stage.try_post(&[channel], &["new"], MINUTE).unwrap_err();
    assert_eq!((refused.code, refused.row().status), (Code::DiskFull, 507));
    let services = stage.sim.services.clone();
    let upload = stage.sim.run(async move { services.stage().await.map(drop) }).unwrap();
    assert_eq!(upload.unwrap_err().code, Code::DiskFull);
    stage.sim.pass(2 * MINUTE);
    assert_eq!(state(&mut stage, &early.deliveries[0].id), "published", "what is scheduled goes");
    free(&mut stage, 100);
    stage.sim.pass(10 * MINUTE);
    let waits = stage.delivery(&late.deliveries[0].id);
    assert_eq!((waits.state.as_str(), waits.reason.as_deref()), ("scheduled", Some("disk_full")));
    assert_eq!(stage.copies().len(), 1);
    // People can still cancel and decide.
    let drop = stage.resolve(&late.deliveries[0].id, carillon::domain::publish::Decision::Drop);
    assert_eq!(drop.unwrap_err().code, Code::NotHeld);
    free(&mut stage, 1024);
    stage.sim.pass(6 * SECOND);
    assert_eq!(state(&mut stage, &late.deliveries[0].id), "published", "late, and by itself");
    assert_eq!(stage.copies().values().copied().collect::<Vec<_>>(), [1, 1]);
    stage.post(&[channel], &["new"], MINUTE);
}

/// What is too late when there is room again is held, like everything else that is late.
#[test]
fn what_waited_too_long_for_room_is_held() {
    let mut stage = Stage::new(31);
    let channel = stage.keyed;
    let post = stage.post(&[channel], &["too late"], MINUTE);
    free(&mut stage, 100);
    stage.sim.pass(70 * MINUTE);
    free(&mut stage, 1024);
    stage.sim.pass(10 * SECOND);
    let held = stage.delivery(&post.deliveries[0].id);
    assert_eq!((held.state.as_str(), held.reason.as_deref()), ("held", Some("missed")));
    assert!(stage.copies().is_empty());
}

/// A delivery that is armed, and whose answer comes when the disk fails.
fn answered_into_a_failing_disk(seed: u64, host: &str, kind: FaultKind) -> (Stage, String) {
    let mut stage = Stage::new(seed);
    let channel = stage.channel_of(host);
    stage.fault(host, Matcher::Write, 1, Act::SlowStart { delay: 10 * SECOND });
    let post = stage.post(&[channel], &["once"], MINUTE);
    stage.sim.pass(MINUTE + 2 * SECOND);
    assert_eq!(state(&mut stage, &post.deliveries[0].id), "armed");
    fill(&stage, kind);
    stage.sim.pass(20 * SECOND);
    assert!(!stage.sim.services.store.is_healthy());
    assert_eq!(stage.copies().len(), 1);
    (stage, post.deliveries[0].id.clone())
}

#[test]
fn an_answer_waits_in_a_slot_and_is_written_when_the_disk_is_well_again() {
    for host in [KEYED, LISTED, RECORDS, HOOK] {
        for kind in [FaultKind::Full, FaultKind::Io] {
            let (mut stage, id) = answered_into_a_failing_disk(32, host, kind);
            assert_eq!(stage.sim.services.store.slots().all().len(), 1);
            stage.sim.disk.heal();
            stage.sim.pass(5 * SECOND);
            let done = stage.delivery(&id);
            assert_eq!(done.state, "published", "{host}: {done:#?}");
            assert_eq!(done.parts[0].source.as_deref(), Some("answer"));
            assert!(stage.sim.services.store.is_healthy());
            assert!(stage.sim.services.store.slots().all().is_empty());
            stage.sim.pass(60 * MINUTE);
            assert_eq!(stage.copies().values().copied().collect::<Vec<_>>(), [1], "{host}");
        }
    }
}

#[test]
fn a_crash_with_an_answer_in_a_slot_needs_no_look_at_the_network() {
    for host in [KEYED, LISTED, RECORDS, HOOK] {
        let (mut stage, id) = answered_into_a_failing_disk(33, host, FaultKind::Full);
        // The power cut makes the disk work again.
        stage.sim.crash().unwrap();
        stage.sim.pass(SECOND);
        let done = stage.delivery(&id);
        assert_eq!(done.state, "published", "{host}: {done:#?}");
        assert_eq!(done.parts[0].source.as_deref(), Some("answer"));
        assert_eq!(done.evidence.len(), 0, "nothing had to be read back");
        assert!(stage.sim.services.store.slots().all().is_empty());
        // Once more: an answer counts once.
        stage.sim.crash().unwrap();
        stage.sim.pass(60 * MINUTE);
        assert_eq!(state(&mut stage, &id), "published");
        assert_eq!(stage.copies().values().copied().collect::<Vec<_>>(), [1], "{host}");
    }
}

/// What is in a slot is sealed, and torn or strange bytes are no answer.
#[test]
fn slots_are_sealed_and_what_is_torn_is_looked_for_instead() {
    let (mut stage, id) = answered_into_a_failing_disk(34, LISTED, FaultKind::Full);
    let slots = stage.sim.services.store.slots();
    let (slot, sealed) = slots.all().remove(0);
    let text = String::from_utf8_lossy(&sealed).into_owned();
    assert!(!text.contains("remote_id") && !text.contains(&id), "{text}");
    let torn = sealed.get(..sealed.len() - 1).unwrap();
    slots.release(slot);
    slots.keep(torn).unwrap();
    slots.keep(b"something else").unwrap();
    stage.sim.crash().unwrap();
    stage.sim.pass(SECOND);
    assert_eq!(state(&mut stage, &id), "unknown");
    assert!(stage.sim.services.store.slots().all().is_empty(), "nobody can use them");
    stage.sim.pass(10 * MINUTE);
    let found = stage.delivery(&id);
    assert_eq!(found.parts[0].source.as_deref(), Some("read_back"), "{found:#?}");
    assert_eq!(stage.copies().values().copied().collect::<Vec<_>>(), [1]);
}

/// Without slots it is as it was before there were any: unknown, and never sent blindly.
#[test]
fn a_crash_when_even_the_slots_fail_breaks_no_promise() {
    for host in [KEYED, LISTED, RECORDS, HOOK] {
        let mut stage = Stage::new(35);
        stage.sim.disk.fail_slots(true);
        let channel = stage.channel_of(host);
        stage.fault(host, Matcher::Write, 1, Act::SlowStart { delay: 10 * SECOND });
        stage.post(&[channel], &["once"], MINUTE);
        stage.sim.pass(MINUTE + 2 * SECOND);
        fill(&stage, FaultKind::Io);
        stage.sim.pass(20 * SECOND);
        stage.sim.crash().unwrap();
        stage.sim.pass(60 * MINUTE);
        stage.assert_journal_rule(&["once"]);
        assert_eq!(stage.copies().values().copied().collect::<Vec<_>>(), [1], "{host}");
    }
}

/// The disk fails at every operation of a run in turn, for a while; with and without a crash then.
#[test]
fn a_disk_that_fails_at_any_operation_loses_and_doubles_nothing() {
    let mut runs = 0;
    for host in [KEYED, LISTED, HOOK] {
        for crash in [false, true] {
            for at in 1..60 {
                let mut stage = Stage::new(36);
                let channel = stage.channel_of(host);
                stage.post(&[channel], &["root", "reply"], MINUTE);
                stage.sim.pass(50 * SECOND);
                let disk = stage.sim.disk.clone();
                disk.fail_at(disk.operations() + at, FaultKind::Full, false);
                stage.sim.pass(MINUTE);
                if crash {
                    stage.sim.crash().unwrap();
                }
                disk.heal();
                stage.sim.pass(30 * MINUTE);
                let delivery = stage.deliveries().remove(0);
                assert_eq!(delivery.state, "published", "{host} {crash} {at}: {delivery:#?}");
                stage.assert_journal_rule(&["root", "reply"]);
                runs += 1;
            }
        }
    }
    println!("{runs} runs on a disk that failed for a minute; all published once");
}
