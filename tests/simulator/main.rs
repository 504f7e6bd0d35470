//! The seeded simulator: hundreds of whole runs with everything that can go wrong, the same seed
//! twice, a failing run made shorter, and protocols with one rule broken, which must be caught.
//! Long campaigns are `carillon simulate`.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail loudly and talk")]

mod regressions;

use carillon::simulator::{Break, Campaign, Failed, Kind, Script, Tally, play, shorten};

fn upto(runs: u64) -> impl FnMut(&Tally) -> bool {
    move |tally| tally.runs < runs
}

fn say(failed: &Failed) {
    let Failed { seed, events, short, violation } = failed;
    println!("seed {seed}: {violation}\n{} of {events} events:\n{short}", short.events.len());
}

#[test]
fn hundreds_of_runs_break_no_promise() {
    let tally = Campaign { first: 1_000_000, broken: None }.run(upto(300), say);
    println!("{}", tally.line());
    assert!(tally.is_clean(), "{tally:?}");
    assert!(tally.faults > 5 * tally.runs, "it must be hard: {tally:?}");
    assert!(tally.published > tally.runs, "and something must go out: {tally:?}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 2_000_000..2_000_030 {
        let script = Script::of(seed);
        let (one, two) = (play(&script, None), play(&script, None));
        assert_eq!(one.trace, two.trace, "seed {seed}");
        assert_eq!((one.faults, one.published), (two.faults, two.published), "seed {seed}");
    }
    let traces: std::collections::BTreeSet<u64> =
        (2_000_000..2_000_010).map(|seed| play(&Script::of(seed), None).trace).collect();
    assert_eq!(traces.len(), 10, "and another seed is another run");
}

/// Finds the first seed that a broken protocol fails, in at most so many runs.
fn caught(broken: Break, kinds: &[Kind], runs: u64) {
    let found = (3_000_000..3_000_000 + runs).map(Script::of).find_map(|script| {
        let outcome = play(&script, Some(broken));
        let violation = outcome.violations.into_iter().find(|v| kinds.contains(&v.kind))?;
        Some((script, violation))
    });
    let (script, violation) = found.unwrap();
    println!("{broken:?}: seed {}, {}", script.seed, violation.rule);
    // The same script is sound when the rule holds.
    assert!(play(&script, None).violations.is_empty(), "{script}");
}

#[test]
fn a_reading_without_the_quiet_period_is_caught() {
    caught(Break::QuietPeriod, &[Kind::Doubled], 200);
}

#[test]
fn a_client_that_repeats_by_itself_is_caught() {
    caught(Break::Repeats, &[Kind::Doubled], 100);
}

#[test]
fn answers_that_are_made_up_are_caught() {
    caught(Break::MadeUp, &[Kind::Lost], 100);
}

#[test]
fn a_disk_that_forgets_is_caught() {
    caught(Break::Forgets, &[Kind::Lost], 100);
}

#[test]
fn a_program_that_does_not_go_on_is_caught() {
    caught(Break::NoRestart, &[Kind::Stuck], 100);
}

#[test]
fn a_clock_that_is_fast_is_caught() {
    caught(Break::FastClock, &[Kind::Broken], 100);
}

/// SPEC part 4: never wrong unless the network applies a request later than the quiet period.
#[test]
fn the_one_case_that_the_promise_leaves_out_is_seen() {
    caught(Break::LandsLater, &[Kind::Doubled], 200);
}

/// A jump of the clock that no process lived to see, on a machine that hides it.
#[test]
fn a_jump_that_nobody_can_see_is_caught() {
    for reboot in [false, true] {
        let script = regressions::set_back_unseen(std::time::Duration::from_mins(20), reboot);
        let outcome = play(&script, Some(Break::UnseenJump));
        assert_eq!(outcome.violations.first().map(|v| v.kind), Some(Kind::Doubled), "{script}");
        assert!(play(&script, None).violations.is_empty(), "{script}");
    }
}

#[test]
fn a_failing_run_is_made_shorter_and_fails_in_the_same_way() {
    let broken = Some(Break::Repeats);
    let script = (3_000_000..3_000_100)
        .map(Script::of)
        .find(|script| !play(script, broken).violations.is_empty())
        .unwrap();
    let (short, violation) = shorten(&script, broken).unwrap();
    println!("{} of {} events\n{short}{violation}", short.events.len(), script.events.len());
    assert!(short.events.len() <= 4 && short.events.len() < script.events.len());
    assert_eq!(play(&short, broken).violations.first(), Some(&violation));
    // None of what is left can go.
    for n in 0..short.events.len() {
        let mut shorter = short.clone();
        shorter.events.remove(n);
        let still = play(&shorter, broken).violations;
        assert!(still.iter().all(|found| found.rule != violation.rule), "event {n} of {short}");
    }
    assert!(shorten(&short, None).is_none(), "a sound run is left alone");
}
