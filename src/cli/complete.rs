//! Completions of shells that ask the running server for what there is: workspaces by their slug,
//! the rest by id, found by its beginning or by what people call it. Must not wait for a person or
//! complain: without a server there is nothing to complete.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::builder::StyledStr;
use clap::{Arg, Command};
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{EnvCompleter, Shells};
use serde_json::{Value, json};

use super::ask;
use crate::config::Config;

/// Set by the scripts that [`script`] makes; its value is the shell.
const VARIABLE: &str = "CARILLON_COMPLETE";
const PROGRAM: &str = "carillon";

/// Answers a shell, if one asks; otherwise `false`.
pub(super) fn answered(command: fn() -> Command) -> bool {
    let asked = CompleteEnv::with_factory(command).var(VARIABLE).bin(PROGRAM).completer(PROGRAM);
    // A shell shows no complaint either.
    asked.try_complete(std::env::args_os(), None).unwrap_or(true)
}

/// What a shell reads once to ask from then on.
pub(super) fn script(shell: &str) -> Option<String> {
    let shells = Shells::builtins();
    let shell: &dyn EnvCompleter = shells.completer(shell)?;
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script).ok()?;
    String::from_utf8(script).ok()
}

/// Completes an argument that names a `noun`.
pub(super) fn named(arg: Arg, noun: &'static str) -> Arg {
    arg.add(ArgValueCompleter::new(move |current: &OsStr| candidates(noun, current)))
}

fn candidates(noun: &str, current: &OsStr) -> Vec<CompletionCandidate> {
    let line = Line::typed();
    let typed = current.to_string_lossy().to_lowercase();
    let Some(rows) = line.rows(noun) else { return Vec::new() };
    let fits = |text: &str| text.to_lowercase().starts_with(&typed);
    let candidate = |row: &Value| {
        let text = |name: &str| row[name].as_str().unwrap_or_default();
        let value = text(match noun {
            "workspace" => "slug",
            "job" | "backup" => "name",
            _ => "id",
        });
        let words = match noun {
            "post" => row["parts"][0]["text"].as_str().unwrap_or_default(),
            "delivery" | "job" => text("state"),
            "network" => text("title"),
            "alert" => text("what"),
            "backup" => text("made_at"),
            _ => text("name"),
        };
        (fits(value) || fits(words)).then(|| {
            let help = StyledStr::from(super::show::clean(words));
            CompletionCandidate::new(value).help(Some(help))
        })
    };
    rows.iter().filter_map(candidate).collect()
}

/// What the unfinished command line says of where to ask.
struct Line {
    words: Vec<OsString>,
}

impl Line {
    /// The shell gives it behind a `--`.
    fn typed() -> Self {
        Self { words: std::env::args_os().skip_while(|word| word != "--").skip(1).collect() }
    }

    /// A flag's value on the line, or that of its variable.
    fn flag(&self, [long, short]: [&str; 2], variable: &str) -> Option<OsString> {
        let behind =
            |pair: &[OsString]| (pair[0] == long || pair[0] == short).then(|| pair[1].clone());
        let joined = |word: &OsString| {
            let value = word.to_str()?.strip_prefix(long)?.strip_prefix('=')?;
            Some(OsString::from(value))
        };
        let typed = self.words.windows(2).rev().find_map(behind);
        let typed = typed.or_else(|| self.words.iter().rev().find_map(joined));
        typed.or_else(|| std::env::var_os(variable)).filter(|value| !value.is_empty())
    }

    fn socket(&self) -> Option<PathBuf> {
        if let Some(socket) = self.flag(["--socket", "--socket"], "CARILLON_SOCKET") {
            return Some(socket.into());
        }
        let file = self.flag(["--config", "-c"], "CARILLON_CONFIG").map(PathBuf::from);
        let config = Config::load(file.as_deref(), Config::environment(), &[]).ok()?;
        Some(config.server.admin_socket())
    }

    /// What there is of `noun`.
    fn rows(&self, noun: &str) -> Option<Vec<Value>> {
        let mut question = json!({ "noun": noun, "verb": "list" });
        if matches!(noun, "post" | "delivery") {
            question["args"] = json!({ "limit": "200" });
        }
        if !matches!(noun, "workspace" | "network" | "job" | "alert") {
            let workspace = self.flag(["--workspace", "-w"], "CARILLON_WORKSPACE")?;
            question["workspace"] = json!(workspace.to_str()?);
        }
        let answer = ask::ask(&self.socket()?, &question).ok()?;
        Some(answer["items"].as_array()?.clone())
    }
}
