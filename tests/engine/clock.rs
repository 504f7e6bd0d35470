//! Jumps of the wall clock, at every turn of a run and all through a doubt, while the networks keep
//! their own time: nothing is out twice, nothing is lost, what becomes late is held by the rules.

use std::time::Duration;

use carillon::base::Timestamp;
use carillon::practice::{Act, Matcher};
use carillon::store::Operator;

use crate::stage::{HOOK, KEYED, LISTED, RECORDS, Stage};

const MINUTE: Duration = Duration::from_mins(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);

#[derive(Clone, Copy, Debug)]
enum Jump {
    Back(Duration),
    Ahead(Duration),
}

const JUMPS: [Jump; 4] = [
    Jump::Back(HOUR),
    Jump::Ahead(Duration::from_hours(5)),
    Jump::Ahead(Duration::from_mins(10)),
    Jump::Back(Duration::from_mins(10)),
];

fn jump(stage: &Stage, by: Jump) {
    let now = stage.sim.now();
    stage.sim.clock.jump_to(match by {
        Jump::Back(by) => now.minus(by),
        Jump::Ahead(by) => now.plus(by),
    });
}

fn rests(state: &str) -> bool {
    matches!(state, "published" | "partial" | "failed" | "held" | "cancelled")
}

/// Acts after which it is not known whether the post is out, and none.
fn acts() -> Vec<Option<Act>> {
    vec![
        None,
        Some(Act::AcceptThenDrop),
        Some(Act::ErrorAfter { status: 500 }),
        Some(Act::DropBefore),
        Some(Act::LandLate { after: Duration::from_secs(100) }),
        Some(Act::SlowStart { delay: 50 * SECOND }),
        Some(Act::RateLimited { reset_after: 2 * MINUTE }),
    ]
}

struct Play {
    host: &'static str,
    act: Option<Act>,
    by: Jump,
}

impl Play {
    fn all() -> Vec<Self> {
        let mut plays = Vec::new();
        for host in [KEYED, LISTED, RECORDS, HOOK] {
            for act in acts() {
                plays.extend(JUMPS.map(|by| Self { host, act: act.clone(), by }));
            }
        }
        plays
    }

    fn begin(&self) -> Stage {
        let mut stage = Stage::new(40);
        let channel = stage.channel_of(self.host);
        if let Some(act) = &self.act {
            stage.fault(self.host, Matcher::Write, 1, act.clone());
        }
        stage.post(&[channel], &["root", "reply"], MINUTE);
        stage.sim.pass(Duration::from_millis(59_999));
        stage
    }

    fn end(&self, mut stage: Stage, what: &str) {
        for _ in 0..9 * 6 {
            stage.sim.pass(10 * MINUTE);
            if rests(&stage.deliveries()[0].state) {
                break;
            }
        }
        // What is still on its way lands.
        stage.sim.pass(10 * MINUTE);
        let (host, act, by) = (self.host, &self.act, self.by);
        let delivery = stage.deliveries().remove(0);
        assert!(rests(&delivery.state), "{host} {act:?} {by:?} {what}: {delivery:#?}");
        stage.assert_journal_rule(&["root", "reply"]);
    }
}

#[test]
fn a_jump_at_any_turn_breaks_no_promise() {
    for play in Play::all() {
        for turns in (0..30).step_by(4) {
            let mut stage = play.begin();
            stage.sim.clock.advance(Duration::from_millis(1));
            stage.sim.poll(Some(turns));
            jump(&stage, play.by);
            play.end(stage, &format!("at turn {turns}"));
        }
    }
}

#[test]
fn a_jump_at_any_time_of_a_doubt_breaks_no_promise() {
    for play in Play::all() {
        for after in [1, 59, 61, 239, 241, 271, 3_000] {
            let mut stage = play.begin();
            stage.sim.pass(after * SECOND);
            jump(&stage, play.by);
            play.end(stage, &format!("{after} s after"));
        }
    }
}

/// A clock that is wrong before a post is sent must not hide the post in a listing.
#[test]
fn a_clock_that_is_hours_wrong_does_not_hide_what_is_there() {
    for by in JUMPS {
        let mut stage = Stage::new(41);
        stage.sim.pass(MINUTE);
        jump(&stage, by);
        stage.sim.pass(MINUTE);
        stage.fault(LISTED, Matcher::Write, 1, Act::AcceptThenDrop);
        let channel = stage.listed;
        let post = stage.post(&[channel], &["once"], MINUTE);
        stage.sim.pass(30 * MINUTE);
        let found = stage.delivery(&post.deliveries[0].id);
        assert_eq!(found.state, "published", "{by:?}: {found:#?}");
        assert_eq!(stage.copies().values().copied().collect::<Vec<_>>(), [1], "{by:?}");
    }
}

/// The wheel is filled anew: what a jump makes due goes out at once, what it makes late is held,
/// what it puts off waits, and the operator is told.
#[test]
fn the_wheel_follows_the_clock_and_says_so() {
    let mut stage = Stage::new(42);
    let channel = stage.feed;
    let posts: Vec<_> = [30, 100, 400]
        .map(|minutes| stage.post(&[channel], &["x"], minutes * MINUTE).deliveries[0].id.clone())
        .to_vec();
    stage.sim.pass(MINUTE);
    jump(&stage, Jump::Ahead(110 * MINUTE));
    // No sleep is longer than that.
    stage.sim.pass(31 * SECOND);
    let states: Vec<_> = posts.iter().map(|id| stage.delivery(id).state).collect();
    assert_eq!(states, ["held", "published", "scheduled"]);
    jump(&stage, Jump::Back(60 * MINUTE));
    stage.sim.pass(60 * MINUTE);
    assert_eq!(stage.delivery(&posts[2]).state, "scheduled");
    let due = Timestamp::parse(&stage.delivery(&posts[2]).due).unwrap();
    stage.sim.pass(due.since(stage.sim.now()) + SECOND);
    let out = stage.delivery(&posts[2]);
    assert_eq!(out.state, "published");
    let at = Timestamp::parse(out.parts[0].published_at.as_deref().unwrap()).unwrap();
    assert!(at.since(due) < SECOND && due.since(at).is_zero());
    let services = stage.sim.services.clone();
    let metrics = stage.sim.run(async move { services.metrics_text().await }).unwrap();
    assert!(metrics.contains("carillon_clock_jumps_total 2\n"), "{metrics}");
}

/// A minute is worth a word, and is told for a day; a time server's seconds are not.
#[test]
fn a_jump_is_an_alert_for_a_day() {
    let mut stage = Stage::new(8);
    let told = |stage: &mut Stage| {
        let services = stage.sim.services.clone();
        let all = stage.sim.run(async move { services.alerts(Operator::new(0)).await });
        let all = all.unwrap().unwrap().items.into_iter();
        all.filter(|alert| alert.id == "clock").map(|alert| (alert.count, alert.what)).next()
    };
    jump(&stage, Jump::Ahead(50 * SECOND));
    stage.sim.pass(MINUTE);
    assert_eq!(told(&mut stage), None);
    jump(&stage, Jump::Back(90 * MINUTE));
    stage.sim.pass(MINUTE);
    let (count, what) = told(&mut stage).unwrap();
    assert!(count == 1 && what.starts_with("the clock jumped back by 1 h 30 min, at "), "{what}");
    stage.sim.pass(10 * HOUR);
    jump(&stage, Jump::Ahead(2 * MINUTE));
    stage.sim.pass(MINUTE);
    let (count, what) = told(&mut stage).unwrap();
    assert!(count == 2 && what.starts_with("the clock jumped ahead by 2 min, at "), "{what}");
    stage.sim.pass(23 * HOUR);
    assert!(told(&mut stage).is_some());
    stage.sim.pass(HOUR);
    assert_eq!(told(&mut stage), None);
}
