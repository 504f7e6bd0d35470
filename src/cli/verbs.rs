//! Verbs on the command line: clap commands made from the one table, and the words that they give.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Map, Value, json};

use super::{FAILED, USAGE, ask, complete, settings, show};
use crate::service::{ArgKind, VERBS, Verb, noun_named};

const DRY_RUN: &str = "dry-run";

/// One command per noun, with its verbs below it.
pub(super) fn commands() -> Vec<Command> {
    let mut nouns: Vec<Command> = Vec::new();
    for verb in VERBS {
        if verb.verb.is_empty() {
            nouns.push(with_args(Command::new(verb.noun), verb));
            continue;
        }
        let below = with_args(Command::new(verb.verb), verb);
        match nouns.iter_mut().find(|noun| noun.get_name() == verb.noun) {
            Some(noun) => *noun = noun.clone().subcommand(below),
            None => nouns.push(
                Command::new(verb.noun)
                    .about(about(verb.noun))
                    .subcommand_required(true)
                    .arg_required_else_help(true)
                    .subcommand(below),
            ),
        }
    }
    nouns
}

fn about(noun: &str) -> &'static str {
    match noun {
        "alert" => "What is wrong now: list, acknowledge, silence, comment",
        "app" => "This installation as an application of networks that ask for one",
        "hook" => "Webhooks that networks sent, and what came of them",
        "config" => "Show, explain, check and reload settings",
        "backup" => "Make, list, check and restore backups",
        "job" => "What the server does by itself: list, run, pause, resume",
        "member" => "Who belongs to a workspace, and as what",
        "log" => "Change which lines are logged",
        "event" => "What happened: list, export and check the chain of events",
        "publishing" => "Pause and resume publishing everywhere",
        "network" => "What each network allows; pause one for everybody",
        "workspace" => "Create, list, pause workspaces",
        "plan" => "How much a workspace may have, and what it uses",
        "host" => "Products that embed Carillon for people of their own",
        "key" => "API keys",
        "user" => "People: make, disable, help back in",
        "invitation" => "Invite people into a workspace",
        "channel" => "Connected accounts",
        "mail" => "Writing to people about what needs them: try it",
        "media" => "Images and videos that posts show",
        "post" => "Write, edit, list, show, cancel posts",
        "delivery" => "What became of posts, one channel at a time",
        "erasure" => "What was erased of workspaces, and when",
        _ => "",
    }
}

fn with_args(mut command: Command, verb: &Verb) -> Command {
    command = command.about(verb.about);
    for arg in verb.args {
        let mut made = Arg::new(arg.name).help(arg.about);
        if let Some(noun) = noun_named(verb.noun, arg.name) {
            made = complete::named(made, noun);
        }
        command = command.arg(match arg.kind {
            ArgKind::Word => made.required(true),
            ArgKind::File => made.required(true).value_name("FILE"),
            ArgKind::Into => made.long(arg.name).required(true).value_name("FILE"),
            ArgKind::Required => made.long(arg.name).required(true),
            ArgKind::Optional => made.long(arg.name).allow_hyphen_values(true),
            ArgKind::Many => {
                made.long(arg.name).action(ArgAction::Append).allow_hyphen_values(true)
            }
            ArgKind::Flag => made.long(arg.name).action(ArgAction::SetTrue),
            ArgKind::Secret => made
                .long(format!("{}-file", arg.name))
                .value_name("FILE")
                .help(format!("{} (a file, or - for standard input)", arg.about)),
        });
    }
    for arg in verb.args.iter().filter(|arg| arg.kind == ArgKind::Secret) {
        let name = from_stdin(arg.name);
        let flag = Arg::new(name.clone()).long(name).action(ArgAction::SetTrue);
        let about = format!("The same as `--{}-file -`", arg.name);
        command = command.arg(flag.conflicts_with(arg.name).help(about));
    }
    if verb.can_rehearse() {
        let about = "Say what would happen, and write nothing";
        command =
            command.arg(Arg::new(DRY_RUN).long("dry-run").action(ArgAction::SetTrue).help(about));
    }
    if !verb.right.is_empty() {
        let workspace = Arg::new("workspace")
            .long("workspace")
            .short('w')
            .required(true)
            .value_name("ID-OR-SLUG")
            .env("CARILLON_WORKSPACE")
            .help("The workspace");
        command = command.arg(complete::named(workspace, "workspace"));
    }
    command
}

/// The flag that says that a secret comes on standard input.
fn from_stdin(name: &str) -> String {
    format!("{name}-stdin")
}

/// The verb among the words of a command line.
pub(super) fn typed(words: impl Iterator<Item = String>) -> Option<&'static Verb> {
    let words: Vec<String> = words.filter(|word| !word.starts_with('-')).collect();
    let named = |pair: &[String]| VERBS.iter().find(|v| v.noun == pair[0] && v.verb == pair[1]);
    words.windows(2).find_map(named)
}

/// Asks the running server, and shows its answer.
pub(super) fn run(noun: &str, given: &ArgMatches) -> ExitCode {
    let (word, given) = given.subcommand().map_or(("", given), |(word, below)| (word, below));
    let Some(verb) = VERBS.iter().find(|v| v.noun == noun && v.verb == word) else {
        return ExitCode::from(USAGE);
    };
    let socket = match given.get_one::<PathBuf>("socket") {
        Some(socket) => socket.clone(),
        None => match settings(given) {
            Ok(config) => config.server.admin_socket(),
            Err(code) => {
                show::talk(
                    "  do: correct it, or name the server with --socket, which needs no settings",
                );
                return code;
            }
        },
    };
    let args = match words(verb, given) {
        Ok(args) => args,
        Err(error) => {
            show::complain(&error);
            return ExitCode::from(FAILED);
        }
    };
    let workspace = given.try_get_one::<String>("workspace").ok().flatten();
    let mut question = json!({ "noun": noun, "verb": word, "args": args });
    if let Some(workspace) = workspace {
        question["workspace"] = json!(workspace);
    }
    let dry = matches!(given.try_get_one::<bool>(DRY_RUN), Ok(Some(true)));
    if dry {
        question["dry_run"] = json!(true);
    }
    let json = given.get_flag("json");
    let path_of = |kind: ArgKind| {
        let arg = verb.args.iter().find(|arg| arg.kind == kind)?;
        given.get_one::<String>(arg.name).map(Path::new)
    };
    let answer = match (path_of(ArgKind::File), path_of(ArgKind::Into)) {
        (Some(file), _) => ask::send(&socket, &question, file),
        (None, Some(to)) => ask::fetch(&socket, &question, to),
        (None, None) => ask::ask(&socket, &question),
    };
    match answer {
        Ok(Value::Null) => ExitCode::SUCCESS,
        Ok(answer) => {
            show::answer(verb, &answer, json);
            if dry {
                show::talk("dry run: this is what would be; nothing was written");
            }
            ExitCode::SUCCESS
        }
        Err(mut refused) => {
            if !json {
                name_flags(verb, &mut refused);
            }
            ExitCode::from(show::refusal(&refused, json))
        }
    }
}

/// Writes the names of arguments as they are typed.
fn name_flags(verb: &Verb, problem: &mut Value) {
    let workspace = (!verb.right.is_empty()).then_some(("workspace", "--workspace".to_owned()));
    let flags = verb.args.iter().filter_map(|arg| match arg.kind {
        ArgKind::Word => None,
        ArgKind::Secret => Some((arg.name, format!("--{}-file", arg.name))),
        _ => Some((arg.name, format!("--{}", arg.name))),
    });
    // The API asks for lists and objects where a flag is repeated, or there are two of them.
    let lists = [("parts", "text"), ("channels", "channel"), ("tags", "tag"), ("schedule", "at")];
    let lists = lists.into_iter().filter(|(_, own)| verb.args.iter().any(|arg| arg.name == *own));
    let lists = lists.map(|(theirs, own)| (theirs, format!("--{own}")));
    let named: Vec<(&str, String)> = flags.chain(workspace).chain(lists).collect();
    for told in ["detail", "remedy"] {
        let Some(text) = problem[told].as_str() else { continue };
        let mut text = text.to_owned();
        for (name, flag) in &named {
            text = text.replace(&format!("`{name}`"), &format!("`{flag}`"));
            text = text.replace(&format!("`{name}["), &format!("`{flag}["));
            // An option is named behind its flag.
            let behind = if name.ends_with("option") { " " } else { "." };
            text = text.replace(&format!("`{name}."), &format!("`{flag}{behind}"));
        }
        problem[told] = Value::String(text);
    }
}

fn words(verb: &Verb, given: &ArgMatches) -> std::io::Result<Map<String, Value>> {
    let mut words = Map::new();
    for arg in verb.args {
        let one = || given.get_one::<String>(arg.name);
        let value = match arg.kind {
            ArgKind::Flag => Some(Value::Bool(given.get_flag(arg.name))),
            ArgKind::Many => given
                .get_many::<String>(arg.name)
                .map(|many| many.map(|text| Value::String(text.clone())).collect()),
            ArgKind::Secret if given.get_flag(&from_stdin(arg.name)) => {
                Some(Value::String(secret("-")?))
            }
            ArgKind::Secret => match one() {
                Some(path) => Some(Value::String(secret(path)?)),
                None => None,
            },
            ArgKind::File => one().and_then(|path| {
                let name = Path::new(path).file_name()?;
                Some(Value::String(name.to_string_lossy().into_owned()))
            }),
            ArgKind::Into => None,
            ArgKind::Word | ArgKind::Required | ArgKind::Optional => {
                one().map(|text| Value::String(text.clone()))
            }
        };
        if let Some(value) = value {
            words.insert(arg.name.to_owned(), value);
        }
    }
    Ok(words)
}

/// A secret comes from a file or standard input: arguments are seen by every user of the machine.
fn secret(path: &str) -> std::io::Result<String> {
    let mut text = String::new();
    if path == "-" {
        std::io::stdin().lock().take(64 * 1024).read_to_string(&mut text)?;
    } else {
        let at = Path::new(path);
        text = std::fs::read_to_string(at)
            .map_err(|e| std::io::Error::new(e.kind(), format!("{path}: {e}")))?;
    }
    // Spaces may be part of a password; the end of the line is not.
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_noun_says_what_it_is_in_words_of_its_own() {
        let mut said = std::collections::BTreeSet::new();
        for noun in commands() {
            let about = noun.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(about.len() > 4 && said.insert(about), "{}", noun.get_name());
        }
    }
}
