//! Scripts that once failed, as the simulator had shortened them.

use std::time::Duration;

use carillon::practice::{Act, Matcher};
use carillon::simulator::{Event, Script, Server, Timed, play};

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
