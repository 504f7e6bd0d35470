//! Scripts for shells, and pages of the manual made from the one command tree.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command, value_parser};
use clap_complete::Shell;

use super::{FAILED, USAGE, complete, show};

pub(super) fn commands() -> [Command; 2] {
    let shell = Arg::new("shell").required(true).value_parser(value_parser!(Shell));
    let folder = Arg::new("dir")
        .required(true)
        .value_name("DIR")
        .value_parser(value_parser!(PathBuf))
        .help("where the pages are put; made when it is missing");
    [
        Command::new("completions").about("Print the completions of a shell").arg(shell),
        Command::new("man").about("Write a page of the manual for each command").arg(folder),
    ]
}

pub(super) fn completions(given: &ArgMatches) -> ExitCode {
    let shell = given.get_one::<Shell>("shell").map(Shell::to_string).unwrap_or_default();
    let Some(script) = complete::script(&shell) else { return ExitCode::from(USAGE) };
    show::line(script.trim_end());
    ExitCode::SUCCESS
}

pub(super) fn man(given: &ArgMatches, mut command: Command) -> ExitCode {
    let Some(folder) = given.get_one::<PathBuf>("dir") else { return ExitCode::from(USAGE) };
    command.build();
    match pages(folder, &command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            show::complain(&format!("{}: {error}", folder.display()));
            ExitCode::from(FAILED)
        }
    }
}

/// `carillon.1`, `carillon-post.1`, `carillon-post-create.1` and so on.
fn pages(folder: &Path, command: &Command) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    std::fs::write(folder.join(format!("{name}.1")), page)?;
    let below = command.get_subcommands().filter(|below| below.get_name() != "help");
    below.into_iter().try_for_each(|below| pages(folder, below))
}
