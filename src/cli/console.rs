//! `console`, and `connect` to one elsewhere. Must not draw: the server does, and the thin client
//! passes bytes.

use std::path::Path;
use std::process::{Command as Process, ExitCode};

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::{FAILED, ask, settings, show};
use crate::console::{Again, Attached, SCREENS, Wishes, attach, restore};
use crate::daemon::Sitting;
use crate::http;

/// The server is gone.
const GONE: u8 = 6;

pub(super) fn commands() -> [Command; 2] {
    let console = with_wishes(
        Command::new("console")
            .about("Open the admin console of the running server in this terminal")
            .visible_alias("top")
            .after_help(
                "Examples:\n  carillon console\n  ssh -t host carillon console\n  \
                 carillon console --screen held",
            ),
    );
    let connect = Command::new("connect")
        .about("Open the console of another machine over ssh, and leave the terminal as it was")
        .arg(Arg::new("host").required(true).help("as ssh knows it, such as admin@host"))
        .arg(
            Arg::new("remote")
                .num_args(0..)
                .trailing_var_arg(true)
                .allow_hyphen_values(true)
                .help("what to run there instead of `carillon console`"),
        );
    [console, connect]
}

/// What may be asked of a console.
pub(super) fn with_wishes(command: Command) -> Command {
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    let names = SCREENS.iter().map(|screen| screen.name);
    command
        .arg(flag("readonly", "Look only: no verb changes anything"))
        .arg(flag("plain", "Lines instead of screens, for screen readers and scripts"))
        .arg(flag("ascii", "No signs beyond ASCII"))
        .arg(
            Arg::new("screen")
                .long("screen")
                .value_name("NAME")
                .value_parser(names.collect::<Vec<_>>())
                .help("The screen to begin with"),
        )
}

fn wishes(given: &ArgMatches) -> Wishes {
    let flag = |name| matches!(given.try_get_one::<bool>(name), Ok(Some(true)));
    Wishes {
        plain: flag("plain"),
        readonly: flag("readonly"),
        ascii: flag("ascii"),
        screen: given.try_get_one::<String>("screen").ok().flatten().cloned(),
    }
}

/// What `serve` and `demo` need to show it here.
pub(super) fn sitting(given: &ArgMatches) -> Option<Sitting> {
    let asked = given.get_flag("console");
    asked.then(|| Sitting { wishes: wishes(given), say: show::talk })
}

pub(super) fn run(given: &ArgMatches) -> ExitCode {
    let socket = match given.get_one::<std::path::PathBuf>("socket") {
        Some(socket) => socket.clone(),
        None => match settings(given) {
            Ok(config) => config.server.admin_socket(),
            Err(code) => return code,
        },
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let ended = runtime.block_on(open(&socket, wishes(given)));
    // A thread still waits for a key.
    runtime.shutdown_background();
    ended
}

async fn open(socket: &Path, wishes: Wishes) -> ExitCode {
    let line = match http::open_console(socket).await {
        Ok(Ok(line)) => line,
        Ok(Err(refusal)) => {
            let problem = serde_json::from_slice(&refusal).unwrap_or_default();
            return ExitCode::from(show::refusal(&problem, false));
        }
        Err(error) => {
            let problem = ask::unreachable(socket, &error.to_string());
            return ExitCode::from(show::refusal(&problem, false));
        }
    };
    let place = socket.to_owned();
    let again: Again<_> = Box::new(move || {
        let place = place.clone();
        Box::pin(async move { http::open_console(&place).await.ok()?.ok() })
    });
    match attach(line, wishes, Some(again)).await {
        Ok(Attached::Ended(bye)) => {
            show::talk(&show::clean(&bye.message));
            if bye.code == "left" || bye.code == "stopped" {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(FAILED)
            }
        }
        Ok(Attached::Lost) => {
            show::talk(
                "the connection to the server is lost; is it running? systemctl status carillon",
            );
            ExitCode::from(GONE)
        }
        Ok(Attached::Signal) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &std::io::Error) -> ExitCode {
    show::complain(error);
    ExitCode::from(FAILED)
}

/// The system's ssh does all of it; what a broken connection leaves is put right afterwards.
pub(super) fn connect(given: &ArgMatches) -> ExitCode {
    let host = given.get_one::<String>("host").map_or("", String::as_str);
    if host.starts_with('-') {
        show::complain(&"a host does not begin with a hyphen");
        return ExitCode::from(super::USAGE);
    }
    let remote: Vec<&String> = given.get_many::<String>("remote").into_iter().flatten().collect();
    let mut ssh = Process::new("ssh");
    ssh.args(["-t", host]);
    if remote.is_empty() {
        ssh.arg("carillon console");
    } else {
        ssh.args(remote);
    }
    let status = match ssh.status() {
        Ok(status) => status,
        Err(error) => {
            show::complain(&format!("ssh cannot be run: {error}"));
            return ExitCode::from(FAILED);
        }
    };
    if status.success() {
        return ExitCode::SUCCESS;
    }
    // ssh died while the console was open: the screen is still the other one.
    restore();
    show::talk(&format!("ssh to {} ended: {status}", show::clean(host)));
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(FAILED);
    ExitCode::from(code)
}
