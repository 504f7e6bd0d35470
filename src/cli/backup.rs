//! `backup verify` and `backup restore`, which need no server. Must not ask; what they do is said.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::json;
use tempfile::NamedTempFile;

use super::{FAILED, settings, show, verbs, with_flags};
use crate::base::{Clock, SystemClock};
use crate::config::Config;
use crate::daemon::{self, RestoreOptions};

pub(super) fn commands(command: Command) -> Command {
    let path = |name: &'static str| Arg::new(name).value_parser(value_parser!(PathBuf));
    let file = path("file")
        .required(true)
        .value_name("FILE")
        .help("The backup; also one in a bucket, as `backup list` has it");
    let identity = path("identity")
        .long("identity")
        .required(true)
        .value_name("FILE")
        .help("The identity that opens it, as age-keygen made it");
    let replace = Arg::new("replace")
        .long("replace")
        .action(ArgAction::SetTrue)
        .help("Put it in the place of the database that is there, which is kept beside it");
    let after = "Nothing is published after a restore until `carillon publishing resume`. What may \
                 have gone out since the backup is held: compare with the network, then\n  \
                 carillon channel decide ID --as it_is_there | send_again | drop --workspace W";
    command
        .subcommand(
            with_flags(Command::new("verify"))
                .about("Read a backup to its end and check all that is in it")
                .args([file.clone(), identity.clone()]),
        )
        .subcommand(
            with_flags(Command::new("restore"))
                .about("Put a backup in place; the server must be stopped")
                .args([file, identity, replace])
                .after_help(after),
        )
}

pub(super) fn run(given: &ArgMatches) -> ExitCode {
    match given.subcommand() {
        Some(("verify", given)) => verify(given),
        Some(("restore", given)) => restore(given),
        _ => verbs::run("backup", given),
    }
}

fn path(given: &ArgMatches, name: &str) -> PathBuf {
    given.get_one::<PathBuf>(name).cloned().unwrap_or_default()
}

/// The file of the backup, which may have to come from its bucket first.
struct File {
    path: PathBuf,
    /// Gone with this.
    _fetched: Option<NamedTempFile>,
}

fn file(given: &ArgMatches, config: &Config) -> Result<File, ExitCode> {
    let named = path(given, "file");
    let fetched = daemon::fetch_backup(config, &named).map_err(|error| failed(&error))?;
    let path = fetched.as_ref().map_or(named, |here| here.path().to_owned());
    Ok(File { path, _fetched: fetched })
}

fn verify(given: &ArgMatches) -> ExitCode {
    // Settings say where the bucket is; a file needs none.
    let in_bucket = path(given, "file").to_string_lossy().starts_with("s3://");
    let fetched =
        match in_bucket.then(|| settings(given).and_then(|it| file(given, &it))).transpose() {
            Ok(fetched) => fetched,
            Err(code) => return code,
        };
    let place = fetched.as_ref().map_or_else(|| path(given, "file"), |file| file.path.clone());
    match daemon::verify(&place, &path(given, "identity")) {
        Ok(manifest) => {
            if given.get_flag("json") {
                show::line(&json!({ "ok": true, "manifest": manifest }).to_string());
            } else {
                let head = &manifest.head;
                let rows: u64 = manifest.tail.tables.iter().map(|table| table.rows).sum();
                show::line(&format!(
                    "ok: made {} by Carillon {}, installation {}: {rows} rows, {} media objects \
                     ({} bytes)",
                    head.made_at,
                    head.version,
                    head.installation,
                    manifest.tail.objects,
                    manifest.tail.object_bytes,
                ));
            }
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error),
    }
}

fn restore(given: &ArgMatches) -> ExitCode {
    let config = match settings(given) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let fetched = match file(given, &config) {
        Ok(fetched) => fetched,
        Err(code) => return code,
    };
    let options = RestoreOptions {
        file: fetched.path,
        identity: path(given, "identity"),
        replace: given.get_flag("replace"),
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    match daemon::restore(&config, &options, &clock) {
        Ok(report) if given.get_flag("json") => {
            show::line(&json!(report).to_string());
            ExitCode::SUCCESS
        }
        Ok(report) => {
            show::line(&format!(
                "restored {} as it was at {}; everything is paused",
                report.database.display(),
                report.manifest.head.made_at
            ));
            if let Some(before) = &report.before {
                show::line(&format!("the database that was there is {}", before.display()));
            }
            if report.missing_media > 0 {
                show::line(&format!("{} media objects are missing", report.missing_media));
            }
            show::line(&format!(
                "{} deliveries may have gone out since and are held; start the server, look at \
                 `carillon delivery list --state held`, and decide with `carillon channel decide`",
                report.restored.held
            ));
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &daemon::Error) -> ExitCode {
    show::complain(error);
    ExitCode::from(FAILED)
}
