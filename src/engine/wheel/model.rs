//! The wheel against the plainest thing that could be right: an unordered list that is searched
//! and sorted at every call. Must share no code with the wheel.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::Wheel;
use crate::base::Timestamp;

#[derive(Clone, Debug)]
enum Op {
    Insert(Timestamp, u8),
    Cancel(Timestamp, u8),
    Advance(Timestamp),
    Clear,
}

#[derive(Default)]
struct Model {
    waiting: Vec<(Timestamp, u8)>,
}

impl Model {
    fn insert(&mut self, due: Timestamp, entry: u8) -> bool {
        let new = !self.waiting.contains(&(due, entry));
        if new {
            self.waiting.push((due, entry));
        }
        new
    }

    fn cancel(&mut self, due: Timestamp, entry: u8) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|e| *e != (due, entry));
        self.waiting.len() < before
    }

    fn advance(&mut self, now: Timestamp) -> Vec<(Timestamp, u8)> {
        let mut due = self.waiting.clone();
        due.retain(|e| e.0 <= now);
        self.waiting.retain(|e| e.0 > now);
        due.sort_unstable();
        due
    }

    fn next_due(&self) -> Option<Timestamp> {
        self.waiting.iter().map(|e| e.0).min()
    }
}

/// Mostly a few instants close together, so that entries collide, pass and are passed; sometimes
/// the ends of time.
fn instant() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        12 => 1_000_u64..1_016,
        2 => 0_u64..3_600_000,
        1 => Just(0),
        1 => Just(u64::MAX),
        1 => any::<u64>(),
    ]
    .prop_map(Timestamp::from_millis)
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (instant(), 0_u8..4).prop_map(|(due, entry)| Op::Insert(due, entry)),
        3 => (instant(), 0_u8..4).prop_map(|(due, entry)| Op::Cancel(due, entry)),
        3 => instant().prop_map(Op::Advance),
        1 => Just(Op::Clear),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_wheel_does_what_the_list_does(ops in prop::collection::vec(op(), 0..60)) {
        let (mut wheel, mut model) = (Wheel::new(), Model::default());
        for op in ops {
            match op {
                Op::Insert(due, entry) => {
                    prop_assert_eq!(wheel.insert(due, entry), model.insert(due, entry));
                }
                Op::Cancel(due, entry) => {
                    prop_assert_eq!(wheel.cancel(due, entry), model.cancel(due, entry));
                }
                Op::Advance(now) => prop_assert_eq!(wheel.advance(now), model.advance(now)),
                Op::Clear => {
                    wheel.clear();
                    model.waiting.clear();
                }
            }
            prop_assert_eq!(wheel.next_due(), model.next_due());
            prop_assert_eq!(wheel.len(), model.waiting.len());
            prop_assert_eq!(wheel.is_empty(), model.waiting.is_empty());
        }
    }
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

#[test]
fn a_clock_that_goes_back_fires_nothing_again_and_loses_nothing() {
    let mut wheel = Wheel::new();
    wheel.insert(at(10), 'a');
    wheel.insert(at(30), 'c');
    assert_eq!(wheel.advance(at(20)), [(at(10), 'a')]);
    wheel.insert(at(15), 'b');
    assert_eq!(wheel.advance(at(5)), []);
    assert_eq!(wheel.next_due(), Some(at(15)));
    assert_eq!(wheel.advance(at(u64::MAX)), [(at(15), 'b'), (at(30), 'c')]);
    assert!(wheel.is_empty());
}

#[test]
fn what_shares_an_instant_comes_in_order_of_the_entries_and_once() {
    let mut wheel = Wheel::new();
    for entry in ['c', 'a', 'b', 'a'] {
        wheel.insert(at(10), entry);
    }
    assert!(wheel.cancel(at(10), 'b'));
    assert!(!wheel.cancel(at(11), 'a'));
    assert_eq!(wheel.advance(at(10)), [(at(10), 'a'), (at(10), 'c')]);
}
