//! `doctor`: looks at the installation and says how to fix what is wrong. Must not fix anything.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgMatches, Command};
use serde_json::{Value, json};

use super::{FAILED, ask, settings, show, with_flags};
use crate::base::SystemClock;
use crate::config::Config;
use crate::daemon::{Finding, Level, doctor};

/// Something fails; warnings alone are [`FAILED`].
const FAILS: u8 = 2;

pub(super) fn command() -> Command {
    let about = "Check this installation and say how to fix what is wrong";
    let after = "Exit codes: 0 all is well, 1 warnings, 2 failures";
    with_flags(Command::new("doctor").about(about).after_help(after))
}

pub(super) fn run(given: &ArgMatches) -> ExitCode {
    match settings(given) {
        Ok(config) => {
            let mut status = status(given, &config);
            if let Some((socket, said)) = &mut status {
                last_webhooks(socket, said);
            }
            let status = status.as_ref().map(|(socket, said)| (socket.as_path(), said));
            let found = doctor(&config, status, &SystemClock::new());
            shown(&found, given.get_flag("json"))
        }
        Err(code) => code,
    }
}

/// What the running server says of itself, if one answers, and on which socket: where its settings put
/// it, or, when there is no such folder of data, where clients find one.
pub(super) fn status(given: &ArgMatches, config: &Config) -> Option<(PathBuf, Value)> {
    let question = json!({ "noun": "status", "verb": "", "args": {} });
    let named = given.get_one::<PathBuf>("socket").filter(|_| !config.server.data.exists());
    let asked = |socket: PathBuf| {
        let said = ask::ask(&socket, &question).ok()?;
        Some((socket, said))
    };
    asked(config.server.admin_socket()).or_else(|| asked(named?.clone()))
}

/// Adds, to what the server says of webhooks, when the last one of each network came.
fn last_webhooks(socket: &Path, said: &mut Value) {
    for one in said["webhooks"].as_array_mut().into_iter().flatten() {
        let args = json!({ "network": one["network"], "limit": "1" });
        let listed = ask::ask(socket, &json!({ "noun": "hook", "verb": "list", "args": args }));
        let last = listed.ok().and_then(|listed| listed.pointer("/items/0/received_at").cloned());
        one["last"] = last.unwrap_or_default();
    }
}

/// Shows findings; the worst gives the exit code.
pub(super) fn shown(found: &[Finding], json: bool) -> ExitCode {
    let worst = found.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok);
    if json {
        show::line(&json!({ "level": worst, "items": found }).to_string());
    } else {
        for finding in found {
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
