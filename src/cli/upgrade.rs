//! `upgrade check`: says what starting this program would do to the data. Must not do it.

use std::process::ExitCode;

use clap::{ArgMatches, Command};

use super::doctor::{shown, status};
use super::{settings, with_flags};
use crate::base::SystemClock;
use crate::daemon::upgrade_check;

pub(super) fn command() -> Command {
    let after = "Writes nothing. Run it with the new release before you stop the old one, and once \
                 more when it is stopped. An upgrade itself is a start of the new release.\n\
                 Exit codes: 0 all is well, 1 warnings, 2 a start would fail";
    let check = Command::new("check")
        .about("Say what a start of this release would do to the data")
        .after_help(after);
    Command::new("upgrade")
        .about("Look before upgrading")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(with_flags(check))
}

pub(super) fn run(given: &ArgMatches) -> ExitCode {
    let Some((_, given)) = given.subcommand() else { return ExitCode::from(super::USAGE) };
    match settings(given) {
        Ok(config) => {
            let status = status(given, &config);
            let status = status.as_ref().map(|(_, said)| said);
            let found = upgrade_check(&config, status, &SystemClock::new());
            shown(&found, given.get_flag("json"))
        }
        Err(code) => code,
    }
}
