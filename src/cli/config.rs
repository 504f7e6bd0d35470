//! `config show`, `explain`, `check` and `example`: settings without a server. Must not change any.

use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command};
use serde_json::{Value, json};

use super::{USAGE, change, show, source, unusable, verbs, with_flags};
use crate::config::{Change, Loaded, Setting, Shown, example, settings};
use crate::daemon;

/// There is no setting of that name.
pub(super) const NOT_FOUND: u8 = 3;

pub(super) fn commands(command: Command) -> Command {
    let key = Arg::new("key")
        .required(true)
        .value_name("KEY")
        .help("such as publish.deadline, or a section for all of its keys, such as mail");
    command
        .subcommand(with_flags(
            Command::new("show").about("Each setting, its value, and where that was said"),
        ))
        .subcommand(Command::new("explain").about("All there is to know of a setting").arg(key))
        .subcommand(with_flags(
            Command::new("check").about("Find every mistake in the settings at once"),
        ))
        .subcommand(Command::new("example").about("Print a file with every setting at its default"))
        .subcommands(change::commands())
}

pub(super) fn run(given: &ArgMatches) -> ExitCode {
    let done = match given.subcommand() {
        Some(("show", given)) => source(given)().map(|loaded| shown(&loaded, given)),
        Some(("check", given)) => return check(given),
        Some(("explain", given)) => return explain(given),
        Some((verb @ ("get" | "set" | "unset" | "edit"), given)) => {
            return change::run(verb, given);
        }
        Some(("example", _)) => {
            show::line(example().trim_end());
            Ok(())
        }
        _ => return verbs::run("config", given),
    };
    done.map_or_else(|error| unusable(&error), |()| ExitCode::SUCCESS)
}

fn rows(loaded: &Loaded) -> Vec<Value> {
    let row = |shown: &Shown| {
        let by = shown.place.as_ref().map_or_else(|| "default".to_owned(), ToString::to_string);
        json!({ "key": shown.key, "value": shown.value, "source": by })
    };
    loaded.shown.iter().map(row).collect()
}

fn shown(loaded: &Loaded, given: &ArgMatches) {
    let rows = rows(loaded);
    if given.get_flag("json") {
        show::line(&json!({ "items": rows }).to_string());
    } else {
        show::table(&["key", "value", "source"], &rows);
    }
}

fn check(given: &ArgMatches) -> ExitCode {
    let loaded = match source(given)() {
        Ok(loaded) => loaded,
        Err(error) => return unusable(&error),
    };
    if let Err(error) = daemon::settings_fit(&loaded.config) {
        show::complain(&error);
        // An empty text takes back what was said before, and is easily left behind.
        let empty =
            |shown: &&Shown| error.lacks() == Some(shown.key.as_str()) && shown.place.is_some();
        if let Some(Shown { key, place: Some(place), .. }) = loaded.shown.iter().find(empty) {
            show::complain(&format!("{place}: {key} is empty there, which is as good as not set"));
        }
        return ExitCode::from(USAGE);
    }
    let refused = daemon::secrets_fit(&loaded.config);
    if !refused.is_empty() {
        for error in &refused {
            show::complain(error);
        }
        return ExitCode::from(USAGE);
    }
    checked(&loaded, given);
    ExitCode::SUCCESS
}

fn checked(loaded: &Loaded, given: &ArgMatches) {
    let mut advice = loaded.config.advice();
    advice.extend(daemon::exposed_secrets(&loaded.config));
    if given.get_flag("json") {
        show::line(&json!({ "ok": true, "advice": advice }).to_string());
        return;
    }
    for unwise in advice {
        show::talk(&format!("unwise: {unwise}"));
    }
    let set = loaded.shown.iter().filter(|shown| shown.place.is_some()).count();
    show::line(&format!(
        "ok: {set} of {} settings are set; the others keep their defaults",
        loaded.shown.len()
    ));
    if given.get_one::<std::path::PathBuf>("config").is_none() {
        show::line("no file was read: name it with --config or CARILLON_CONFIG");
    }
}

/// The setting of this name, or what else may have been meant.
pub(super) fn find(key: &str) -> Result<Setting, String> {
    let mut all = settings();
    let Some(at) = all.iter().position(|setting| setting.name() == key) else {
        let rated = all.iter().map(|s| (strsim::osa_distance(key, &s.name()), s.name()));
        let near = rated.min().map(|(_, name)| name).unwrap_or_default();
        return Err(format!("no setting is called `{key}`. Did you mean `{near}`?"));
    };
    Ok(all.swap_remove(at))
}

fn explain(given: &ArgMatches) -> ExitCode {
    let key = given.get_one::<String>("key").map_or("", String::as_str);
    let json = given.get_flag("json");
    let section = section(key);
    if !section.is_empty() {
        let told: Vec<Value> = section.iter().map(told).collect();
        if json {
            show::line(&json!({ "items": told }).to_string());
            return ExitCode::SUCCESS;
        }
        for (i, one) in told.iter().enumerate() {
            if i > 0 {
                show::line("");
            }
            show::object(one);
        }
        return ExitCode::SUCCESS;
    }
    match find(key) {
        Ok(setting) if json => show::line(&told(&setting).to_string()),
        Ok(setting) => show::object(&told(&setting)),
        Err(said) => {
            show::complain(&said);
            return ExitCode::from(NOT_FOUND);
        }
    }
    ExitCode::SUCCESS
}

/// The settings of a section; `networks` has sections below it.
fn section(name: &str) -> Vec<Setting> {
    let within = |setting: &Setting| {
        let rest = setting.section.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    settings().into_iter().filter(within).collect()
}

fn told(setting: &Setting) -> Value {
    json!({
        "key": setting.name(),
        "about": setting.help,
        "takes": setting.bounds(),
        "default": setting.default,
        "variable": setting.variable(),
        "change": match setting.change {
            Change::Reload => "counts after `carillon config reload` or SIGHUP",
            Change::Restart => "counts after a restart",
        },
    })
}
