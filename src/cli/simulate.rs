//! `simulate`: many simulated runs with faults, and one line of what they came to. Must not decide
//! what is wrong; the simulator does.

use std::process::ExitCode;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgMatches, Command, value_parser};

use super::{FAILED, show};
use crate::base::{Clock as _, SystemClock};
use crate::simulator::{Break, Campaign, Failed, Tally};

pub(super) fn command() -> Command {
    let number = |name: &'static str, short: char, value: &'static str| {
        Arg::new(name).long(name).short(short).value_name(value).value_parser(value_parser!(u64))
    };
    let words = Break::ALL.map(|(word, _)| word);
    Command::new("simulate")
        .about(
            "Prove on simulated time and networks that nothing is lost and nothing goes out twice",
        )
        .arg(number("seed", 's', "SEED").help("Seed of the first run [default: 0]"))
        .arg(number("runs", 'n', "N").help("How many runs [default: 1000]"))
        .arg(
            number("minutes", 'm', "MINUTES")
                .help("Run for so long instead")
                .conflicts_with("runs"),
        )
        .arg(
            Arg::new("break")
                .long("break")
                .value_name("RULE")
                .hide(true)
                .value_parser(PossibleValuesParser::new(words))
                .help("Break one rule on purpose, to see that it is noticed"),
        )
        .after_help(
            "Touches no file and no network. Each run is the real program with everything that \
             can go wrong: networks, disk, clock, crashes.\n\
             A run that fails is made shorter, and printed with its seed; the same seed fails \
             again.\nExit codes: 0 nothing was lost, doubled or stuck, 1 something was",
        )
}

pub(super) fn run(given: &ArgMatches) -> ExitCode {
    let number = |name: &str| given.get_one::<u64>(name).copied();
    let broken = given.get_one::<String>("break").and_then(|word| Break::named(word));
    let campaign = Campaign { first: number("seed").unwrap_or(0), broken };
    let (clock, runs) = (SystemClock::new(), number("runs").unwrap_or(1_000));
    let minutes = number("minutes").map(|minutes| Duration::from_secs(minutes * 60));
    let more = |tally: &Tally| match minutes {
        Some(minutes) => clock.monotonic() < minutes,
        None => tally.runs < runs,
    };
    let tally = campaign.run(more, tell);
    if tally.broken > 0 {
        show::line(&format!("{} runs broke another rule", tally.broken));
    }
    show::line(&tally.line());
    if tally.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}

fn tell(failed: &Failed) {
    let Failed { seed, events, short, violation } = failed;
    show::line(&show::clean(&format!("seed {seed} fails: {violation}")));
    show::line(&format!("{} of {events} events are enough:", short.events.len()));
    short.to_string().lines().for_each(|line| show::line(&show::clean(line)));
}
