//! `doctor`: looks at the installation and says how to fix what is wrong. Must not fix anything.

use std::process::ExitCode;

use clap::{ArgMatches, Command};
use serde_json::json;

use super::{FAILED, ask, settings, show, with_flags};
use crate::base::SystemClock;
use crate::daemon::{Level, doctor};

/// Something fails; warnings alone are [`FAILED`].
const FAILS: u8 = 2;

pub(super) fn command() -> Command {
    let about = "Check this installation and say how to fix what is wrong";
    let after = "Exit codes: 0 all is well, 1 warnings, 2 failures";
    with_flags(Command::new("doctor").about(about).after_help(after))
}

pub(super) fn run(given: &ArgMatches) -> ExitCode {
    let config = match settings(given) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let question = json!({ "noun": "status", "verb": "", "args": {} });
    let status = ask::ask(&config.server.admin_socket(), &question).ok();
    let found = doctor(&config, status.as_ref(), &SystemClock::new());
    let worst = found.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok);
    if given.get_flag("json") {
        show::line(&json!({ "level": worst, "items": found }).to_string());
    } else {
        for finding in &found {
            let word = match finding.level {
                Level::Ok => "ok",
                Level::Warn => "warn",
                Level::Fail => "fail",
            };
            show::line(&format!("{word:4}  {:16}  {}", finding.check, show::clean(&finding.seen)));
            if let Some(remedy) = &finding.remedy {
                show::line(&format!("{:4}  {:16}  do: {}", "", "", show::clean(remedy)));
            }
        }
    }
    match worst {
        Level::Ok => ExitCode::SUCCESS,
        Level::Warn => ExitCode::from(FAILED),
        Level::Fail => ExitCode::from(FAILS),
    }
}
