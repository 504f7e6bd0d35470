//! `event verify`, which needs no server. Must not trust what it reads.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command, value_parser};
use serde_json::{Value, json};

use super::{FAILED, show, verbs};
use crate::base::WorkspaceId;
use crate::daemon;
use crate::domain::chain::{Fault, Head, What};
use crate::service::{NotAnExport, check_export};

/// How every database begins.
const DATABASE: &[u8] = b"redb\x1a\n";

pub(super) fn commands(command: Command) -> Command {
    let file = Arg::new("file")
        .required(true)
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help("An export (JSON lines or CSV), or the database of a server that is stopped");
    let head = |name: &'static str, about: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("SEQUENCE:HASH")
            .value_parser(|text: &str| text.parse::<Head>())
            .help(about)
    };
    command.subcommand(
        Command::new("verify")
            .about("Check the chain of events in a file: nothing changed, cut out, moved or added")
            .arg(file)
            .arg(head("head", "A head noted earlier (`event head`); it must still be there"))
            .arg(head("after", "The head that an export with --after goes on from")),
    )
}

pub(super) fn run(given: &ArgMatches) -> ExitCode {
    match given.subcommand() {
        Some(("verify", given)) => verify(given),
        _ => verbs::run("event", given),
    }
}

/// A chain, how many rows of it were looked at if that is known, and what came of it.
type Verdict = (WorkspaceId, Option<u64>, Result<Head, Fault>);

fn verify(given: &ArgMatches) -> ExitCode {
    let path = given.get_one::<PathBuf>("file").cloned().unwrap_or_default();
    let head = |name: &str| given.get_one::<Head>(name).copied();
    let verdicts = match look(&path, head("after"), head("head")) {
        Ok(verdicts) => verdicts,
        Err(error) => {
            show::complain(&format!("{}: {error}", path.display()));
            return ExitCode::from(FAILED);
        }
    };
    if given.get_flag("json") {
        let items: Vec<Value> = verdicts.iter().map(shown).collect();
        let ok = verdicts.iter().all(|(.., verdict)| verdict.is_ok());
        show::line(&json!({ "ok": ok, "items": items }).to_string());
    } else {
        verdicts.iter().for_each(tell);
    }
    let broken = verdicts.iter().any(|(.., verdict)| verdict.is_err());
    if broken { ExitCode::from(FAILED) } else { ExitCode::SUCCESS }
}

fn look(path: &Path, after: Option<Head>, head: Option<Head>) -> Result<Vec<Verdict>, String> {
    let told = |error: io::Error| error.to_string();
    let mut file = File::open(path).map_err(told)?;
    let mut front = Vec::new();
    (&mut file).take(6).read_to_end(&mut front).map_err(told)?;
    if front == DATABASE {
        if after.is_some() || head.is_some() {
            return Err("a database has many chains; heads are compared with exports".to_owned());
        }
        drop(file);
        let verdicts = daemon::verify_events(path).map_err(|error| error.to_string())?;
        return Ok(verdicts.into_iter().map(|(id, verdict)| (id, None, verdict)).collect());
    }
    file.rewind().map_err(told)?;
    let checked = check_export(BufReader::with_capacity(256 * 1024, file), after, head);
    let checked = checked.map_err(|error: NotAnExport| error.to_string())?;
    Ok(vec![(checked.workspace, Some(checked.rows), checked.verdict)])
}

fn shown((workspace, rows, verdict): &Verdict) -> Value {
    let mut shown = json!({ "workspace": workspace.to_string() });
    if let Some(rows) = rows {
        shown["rows"] = json!(rows);
    }
    match verdict {
        Ok(head) => shown["head"] = json!(head.to_string()),
        Err(fault) => {
            shown["fault"] = json!(fault.what.word());
            shown["sequence"] = json!(fault.sequence);
        }
    }
    shown
}

fn tell((workspace, rows, verdict): &Verdict) {
    match verdict {
        Ok(head) => {
            let rows = rows.map_or(head.sequence, |rows| rows);
            show::line(&format!("ok: workspace {workspace}: {rows} events, head {head}"));
        }
        Err(fault) => show::line(&format!("broken: workspace {workspace}: {}", sentence(fault))),
    }
}

fn sentence(Fault { sequence, what }: &Fault) -> String {
    let before = sequence.saturating_sub(1);
    match what {
        What::Changed => format!("event {sequence} was changed"),
        What::Missing => format!("event {sequence} is missing"),
        What::Moved => format!("event {sequence} is not in its place"),
        What::Added => format!("event {sequence} was added"),
        What::Unjoined => format!(
            "event {sequence} does not follow event {before} as that is now: it was changed, or \
             events between them were cut out"
        ),
        What::CutOff => format!("it ends before event {sequence}: the end was cut off"),
        What::NotAsNoted => format!("event {sequence} is not the one that was noted"),
        What::Unreadable => format!("event {sequence} cannot be read"),
    }
}
