//! The command line: `serve` and `demo` run the program, every other command is a verb of the one
//! table and goes through the admin socket. Must not hold rules; it parses, asks and shows.

mod ask;
mod backup;
mod change;
mod complete;
mod config;
mod console;
mod doctor;
mod event;
mod paper;
mod show;
mod simulate;
mod table;
mod upgrade;
mod verbs;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::base::{Clock, SystemClock};
use crate::config::{Config, ConfigError};
use crate::daemon;

pub use show::clean;

/// Failed; more precise codes come from `base::CODES`.
const FAILED: u8 = 1;
const USAGE: u8 = 2;

/// Runs what the arguments of the process say; the code is that of the process.
pub fn run() -> ExitCode {
    if complete::answered(command) {
        return ExitCode::SUCCESS;
    }
    let code = parse_and_run();
    // What was asked for and cannot be written was not done.
    match show::unwritten() {
        Some(error) => {
            show::complain(&format!("standard output cannot be written: {error}"));
            ExitCode::from(FAILED)
        }
        None => code,
    }
}

fn parse_and_run() -> ExitCode {
    let matches = match command().try_get_matches_from(std::env::args_os()) {
        Ok(matches) => matches,
        Err(error) => {
            // Also `--help` and `--version`, which clap treats as errors that print to stdout.
            show::written(error.print());
            if !error.use_stderr() {
                return ExitCode::SUCCESS;
            }
            if let Some(hint) = hint(&error) {
                show::talk(&hint);
            }
            return ExitCode::from(USAGE);
        }
    };
    match matches.subcommand() {
        Some(("serve", given)) => serve(given),
        Some(("demo", given)) => demo(given),
        Some(("console", given)) => console::run(given),
        Some(("connect", given)) => console::connect(given),
        Some(("doctor", given)) => doctor::run(given),
        Some(("upgrade", given)) => upgrade::run(given),
        Some(("simulate", given)) => simulate::run(given),
        Some(("completions", given)) => paper::completions(given),
        Some(("man", given)) => paper::man(given, command()),
        Some(("config", given)) => config::run(given),
        Some(("backup", given)) => backup::run(given),
        Some(("event", given)) => event::run(given),
        Some((noun, given)) => verbs::run(noun, given),
        None => {
            show::written(command().print_help());
            ExitCode::from(USAGE)
        }
    }
}

/// A workspace is not named by standing there, whatever the noun.
fn hint(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let verb = verbs::typed(std::env::args().skip(1))?;
    let word = !given.starts_with('-') && !verb.right.is_empty();
    (error.kind() == ErrorKind::UnknownArgument && word).then(|| {
        let given = show::clean(given);
        format!("  do: a workspace is named with a flag: `--workspace {given}`")
    })
}

fn command() -> Command {
    let mut command = Command::new("carillon")
        .about("Schedules and publishes social media posts from one binary")
        .version(env!("CARGO_PKG_VERSION"))
        .arg(config_arg())
        .arg(
            Arg::new("socket")
                .long("socket")
                .global(true)
                .value_name("PATH")
                .env("CARILLON_SOCKET")
                .value_parser(value_parser!(PathBuf))
                .help("Admin socket of the running server [default: admin.sock in its data]"),
        )
        .arg(
            Arg::new("json")
                .long("json")
                .global(true)
                .action(ArgAction::SetTrue)
                .help("Machine-readable output"),
        )
        .subcommand(demo_command())
        .subcommand(serve_command())
        .subcommands(console::commands())
        .subcommand(doctor::command())
        .subcommand(upgrade::command())
        .subcommand(simulate::command())
        .subcommands(paper::commands())
        .after_help(
            "Examples:\n  carillon demo\n  carillon serve --data /var/lib/carillon\n  \
             carillon workspace create Acme\n  carillon delivery list --workspace acme --state held\n\n\
             Exit codes: 0 done, 1 failed, 2 wrong use, 3 not found, 4 not allowed, 5 it conflicts \
             with\nwhat is there, 6 the server does not answer. doctor and upgrade check: 0 all is \
             well,\n1 warnings, 2 failures",
        );
    for noun in verbs::commands() {
        command = command.subcommand(noun);
    }
    // The server's part of these is verbs; the rest works without one.
    command
        .mut_subcommand("config", config::commands)
        .mut_subcommand("backup", backup::commands)
        .mut_subcommand("event", event::commands)
}

fn config_arg() -> Arg {
    Arg::new("config")
        .long("config")
        .short('c')
        .global(true)
        .value_name("FILE")
        .env("CARILLON_CONFIG")
        .value_parser(value_parser!(PathBuf))
        .help("Settings file (TOML)")
}

fn demo_command() -> Command {
    Command::new("demo")
        .about("Try everything here and now: no account, no configuration, nothing left behind")
        .arg(
            Arg::new("listen")
                .long("listen")
                .value_name("ADDR")
                .value_parser(value_parser!(SocketAddr))
                .help("Address and port [default: 127.0.0.1:8080, or any free port]"),
        )
        .arg(
            Arg::new("once")
                .long("once")
                .action(ArgAction::SetTrue)
                .help("End when all due posts are published"),
        )
        .arg(console_flag().conflicts_with("once"))
}

fn serve_command() -> Command {
    with_flags(Command::new("serve").about("Run the server in the foreground").arg(console_flag()))
}

fn console_flag() -> Arg {
    let help = "Show the console in this terminal, in place of the log";
    Arg::new("console").long("console").action(ArgAction::SetTrue).help(help)
}

/// The flags that are settings.
fn with_flags(command: Command) -> Command {
    let flag = |name: &'static str, key: &'static str, value: &'static str, help: &'static str| {
        Arg::new(key).long(name).value_name(value).help(help)
    };
    command
        .arg(flag("data", "server.data", "DIR", "Folder of the database and the keys"))
        .arg(flag("listen", "server.listen", "ADDR", "Address and port of the HTTP server"))
        .arg(flag("public-url", "server.public_url", "URL", "How people reach it from outside"))
        .arg(flag("log-level", "log.level", "LEVEL", "error, warn, info, debug or trace"))
}

/// Reads the settings: file, environment, then flags. Can be asked again.
fn source(given: &ArgMatches) -> daemon::Source {
    const FLAGS: [&str; 4] = ["server.data", "server.listen", "server.public_url", "log.level"];
    let mut flags = Vec::new();
    for key in FLAGS {
        if let Ok(Some(value)) = given.try_get_one::<String>(key) {
            flags.push((key.to_owned(), value.clone()));
        }
    }
    if let Some(socket) = own_socket(given) {
        flags.push(("server.socket".to_owned(), socket.to_string_lossy().into_owned()));
    }
    let file = given.get_one::<PathBuf>("config").cloned();
    Box::new(move || Config::load_shown(file.as_deref(), Config::environment(), &flags))
}

fn settings(given: &ArgMatches) -> Result<Config, ExitCode> {
    source(given)().map(|loaded| loaded.config).map_err(|error| unusable(&error))
}

fn unusable(error: &ConfigError) -> ExitCode {
    show::complain(error);
    ExitCode::from(USAGE)
}

/// Where a server is to make its socket. The variable says where clients find one; a second server
/// in the same shell must not take it.
fn own_socket(given: &ArgMatches) -> Option<&PathBuf> {
    let typed = given.value_source("socket") == Some(ValueSource::CommandLine);
    given.get_one::<PathBuf>("socket").filter(|_| typed)
}

fn serve(given: &ArgMatches) -> ExitCode {
    let source = source(given);
    let loaded = match source() {
        Ok(loaded) => loaded,
        Err(error) => return unusable(&error),
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    ended(daemon::serve(&loaded, source, &clock, console::sitting(given)))
}

fn demo(given: &ArgMatches) -> ExitCode {
    let options = daemon::DemoOptions {
        within: std::env::temp_dir(),
        listen: given.get_one::<SocketAddr>("listen").copied(),
        once: given.get_flag("once"),
        socket: own_socket(given).cloned(),
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    ended(daemon::demo(&options, &clock, console::sitting(given), &mut |line| show::line(line)))
}

fn ended(result: Result<(), daemon::Error>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            show::complain(&error);
            ExitCode::from(if error.is_of_settings() { USAGE } else { FAILED })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_well_formed() {
        command().debug_assert();
    }
}
