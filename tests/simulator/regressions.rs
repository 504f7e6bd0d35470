//! Scripts that once failed, as the simulator had shortened them.

use std::time::Duration;

use carillon::practice::{Act, Matcher};
use carillon::simulator::{Cut, Event, Script, Server, Timed, play};

fn timed(after: Duration, event: Event) -> Timed {
    Timed { after, event }
}

fn sound(channels: Vec<(usize, Server)>, events: Vec<Timed>) {
    let script = Script { seed: 416, channels, events };
    let outcome = play(&script, None);
    assert!(outcome.violations.is_empty(), "{script}{:#?}", outcome.violations);
    assert!(outcome.published > 0);
}

/// Seed 416, November 2026: the repeat under the key met the first request on its way, on a server
/// that notes the key some time after the write; both were out.
#[test]
fn a_repeat_waits_until_the_first_request_cannot_land() {
    let post = Event::Post {
        post: 1,
        channels: vec![0],
        parts: 2,
        due: Duration::from_millis(91_113),
        delay_minutes: 0,
        picture: false,
    };
    let act = Act::LandLate { after: Duration::from_secs(96) };
    let fault = Event::Fault { channel: 0, on: Matcher::Write, times: 1, act };
    let events = vec![timed(Duration::ZERO, post), timed(Duration::from_secs(66), fault)];
    sound(vec![(0, Server::Settling)], events);
}

/// A post on a server that keeps keys for an hour; its answer is lost, and its repeat under the key,
/// some minutes later, goes wrong as `act` says.
fn repeated(act: Act, after: Vec<Timed>) {
    let post = Event::Post {
        post: 0,
        channels: vec![0],
        parts: 1,
        due: Duration::from_mins(1),
        delay_minutes: 0,
        picture: false,
    };
    let fault = |act| Event::Fault { channel: 0, on: Matcher::Write, times: 1, act };
    let mut events = vec![
        timed(Duration::ZERO, post),
        timed(Duration::ZERO, fault(Act::AcceptThenDrop)),
        timed(Duration::ZERO, fault(act)),
    ];
    events.extend(after);
    sound(vec![(0, Server::Keyed)], events);
}

/// November 2026, by reading: a repeat that waits out a rate limit was not thought of when the clock
/// jumped, and its key seemed to live for two hours more.
#[test]
fn a_repeat_that_waits_grows_old_when_the_clock_goes_back() {
    let jump = Event::Jump { ahead: false, by: Duration::from_hours(2) };
    let limited = Act::RateLimited { reset_after: Duration::from_mins(4) };
    repeated(limited, vec![timed(Duration::from_secs(310), jump)]);
}

/// The same for one that waits for a person to connect its account again.
#[test]
fn what_is_held_in_doubt_grows_old_when_the_clock_goes_back() {
    let jump = Event::Jump { ahead: false, by: Duration::from_hours(2) };
    let reconnect = Event::Reconnect { channel: 0 };
    let after =
        vec![timed(Duration::from_secs(400), jump), timed(Duration::from_hours(2), reconnect)];
    repeated(Act::RevokeToken, after);
}

/// Seed 762 of November 2026, as it was then: an answer of a server whose listing is the evidence is
/// lost, the clock is set back, and the process dies before it has seen that; or its machine does.
pub fn set_back_unseen(by: Duration, reboot: bool) -> Script {
    let post = Event::Post {
        post: 0,
        channels: vec![0],
        parts: 1,
        due: Duration::from_mins(1),
        delay_minutes: 0,
        picture: false,
    };
    let (ahead, back) = (Event::Jump { ahead: true, by }, Event::Jump { ahead: false, by });
    let act = Act::AcceptThenDrop;
    let fault = Event::Fault { channel: 0, on: Matcher::Write, times: 1, act };
    let crash = Event::Crash { cut: Cut::Now, down: Duration::from_secs(30), reboot };
    let events = vec![
        timed(Duration::ZERO, ahead),
        timed(Duration::from_mins(1), fault),
        timed(Duration::ZERO, post),
        timed(Duration::from_secs(70), back),
        timed(Duration::ZERO, crash),
    ];
    Script { seed: 762, channels: vec![(0, Server::Listed)], events }
}

#[test]
fn a_jump_that_no_process_lived_to_see_hides_nothing() {
    for reboot in [false, true] {
        for by in [Duration::from_mins(20), Duration::from_hours(4)] {
            let script = set_back_unseen(by, reboot);
            sound(script.channels, script.events);
        }
    }
}
