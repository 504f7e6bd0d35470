//! `config get`, `set`, `unset` and `edit`: one setting, or the whole file. Must not keep what cannot be
//! used, and must not lose what somebody typed.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command};
use serde_json::json;
use tempfile::NamedTempFile;
use toml_edit::{Array, DocumentMut, Item, Table, TableLike, Value};

use super::config::{NOT_FOUND, find};
use super::{FAILED, USAGE, show, source, with_flags};
use crate::config::{Change, Config, ConfigError, Place, Setting, example};

/// Why the file is as it was.
#[derive(Debug, thiserror::Error)]
enum Unchanged {
    #[error("say which file: --config FILE, or the variable CARILLON_CONFIG")]
    NoFile,
    #[error("{0}")]
    NoSetting(String),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{why}; what you typed is kept in {}", draft.display())]
    Kept { why: String, draft: PathBuf },
}

impl Unchanged {
    fn code(&self) -> u8 {
        match self {
            Self::NoFile | Self::Config(_) => USAGE,
            Self::NoSetting(_) => NOT_FOUND,
            Self::Io { .. } | Self::Kept { .. } => FAILED,
        }
    }
}

pub(super) fn commands() -> [Command; 4] {
    let key = || Arg::new("key").required(true).value_name("KEY").help("such as publish.deadline");
    let value = Arg::new("value")
        .required(true)
        .value_name("VALUE")
        .allow_hyphen_values(true)
        .help("as `config explain KEY` says; entries of a list are separated by commas");
    [
        with_flags(Command::new("get").about("The value of one setting").arg(key())),
        Command::new("set")
            .about("Change a setting in the file; its comments stay")
            .arg(key())
            .arg(value),
        Command::new("unset")
            .about("Take a setting out of the file: its default counts again")
            .arg(key()),
        Command::new("edit")
            .about("Open the file in $VISUAL or $EDITOR, and check it before it counts"),
    ]
}

pub(super) fn run(verb: &str, given: &ArgMatches) -> ExitCode {
    let done = match verb {
        "get" => get(given),
        "set" | "unset" => set(given),
        _ => edit(given),
    };
    done.map_or_else(
        |error| {
            show::complain(&error);
            ExitCode::from(error.code())
        },
        |()| ExitCode::SUCCESS,
    )
}

fn setting(given: &ArgMatches) -> Result<Setting, Unchanged> {
    let key = given.get_one::<String>("key").map_or("", String::as_str);
    find(key).map_err(Unchanged::NoSetting)
}

fn get(given: &ArgMatches) -> Result<(), Unchanged> {
    let key = setting(given)?.name();
    let loaded = source(given)()?;
    let Some(shown) = loaded.shown.iter().find(|shown| shown.key == key) else { return Ok(()) };
    if given.get_flag("json") {
        let by = shown.place.as_ref().map_or_else(|| "default".to_owned(), Place::to_string);
        show::line(&json!({ "key": key, "value": shown.value, "source": by }).to_string());
    } else {
        // A script wants the text, not its quotes.
        let text = shown.value.parse::<Value>().ok().and_then(|v| v.as_str().map(str::to_owned));
        show::line(&text.unwrap_or_else(|| shown.value.clone()));
    }
    Ok(())
}

fn file(given: &ArgMatches) -> Result<PathBuf, Unchanged> {
    let named = given.get_one::<PathBuf>("config").ok_or(Unchanged::NoFile)?;
    // What a link names is replaced, not the link.
    Ok(fs::canonicalize(named).unwrap_or_else(|_| named.clone()))
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> Unchanged {
    move |source| Unchanged::Io { path: path.to_owned(), source }
}

/// The file's text; `None` when there is none yet.
fn read(path: &Path) -> Result<Option<String>, Unchanged> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_at(path)(error)),
    }
}

fn set(given: &ArgMatches) -> Result<(), Unchanged> {
    let (setting, path) = (setting(given)?, file(given)?);
    let word = given.try_get_one::<String>("value").ok().flatten();
    let before = read(&path)?.unwrap_or_default();
    // A file that has mistakes already is told with its places.
    Config::check(&path, &before)?;
    let mut document: DocumentMut = before.parse().unwrap_or_default();
    put(&mut document, &setting, word.map(|word| value_of(&setting, word)));
    let after = document.to_string();
    if word.is_none() && after == before {
        show::talk("it is not in the file");
        return Ok(());
    }
    let loaded = Config::check(&path, &after)?;
    replace(&path, &after)?;
    let name = setting.name();
    let value = loaded.shown.iter().find(|shown| shown.key == name).map(|shown| &shown.value);
    show::line(&format!("{name} = {}", value.map_or("", String::as_str)));
    show::talk(match setting.change {
        Change::Reload => "it counts after `carillon config reload`, or a restart",
        Change::Restart => "it counts after a restart",
    });
    let counts = Config::load_shown(Some(&path), Config::environment(), &[])?;
    let wins = counts.shown.iter().find(|shown| shown.key == name).and_then(|s| s.place.as_ref());
    if let Some(Place::Variable(variable)) = wins {
        show::talk(&format!("but the variable {variable} wins over the file"));
    }
    Ok(())
}

/// The word as a file has it: the default shows what kind of value the setting takes.
fn value_of(setting: &Setting, word: &str) -> Value {
    match setting.default.chars().next() {
        Some('"') => word.into(),
        Some('[') => {
            // As `config show` prints it; an IPv6 address in brackets is no array.
            if let Ok(list @ Value::Array(_)) = word.parse() {
                return list;
            }
            let entries = word.split(',').map(str::trim).filter(|entry| !entry.is_empty());
            entries.collect::<Array>().into()
        }
        _ => word.parse().unwrap_or_else(|_| word.into()),
    }
}

/// Puts the value where the setting stands, with what is written around it; or takes it away.
fn put(document: &mut DocumentMut, setting: &Setting, value: Option<Value>) {
    let mut table: &mut dyn TableLike = document.as_table_mut();
    for name in setting.section.split('.') {
        let section = table.entry(name).or_insert_with(|| {
            let mut new = Table::new();
            // What only holds others needs no line of its own.
            new.set_implicit(true);
            Item::Table(new)
        });
        let Some(inner) = section.as_table_like_mut() else { return };
        table = inner;
    }
    let Some(mut value) = value else {
        table.remove(setting.key);
        return;
    };
    match table.get_mut(setting.key) {
        Some(Item::Value(before)) => {
            *value.decor_mut() = before.decor().clone();
            *before = value;
        }
        _ => {
            table.insert(setting.key, Item::Value(value));
        }
    }
}

/// The whole file at once, with the same owner and mode: whoever reads meanwhile gets the old one.
fn replace(path: &Path, text: &str) -> Result<(), Unchanged> {
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = || -> io::Result<()> {
        let mut new = tempfile::Builder::new().prefix(".carillon-").tempfile_in(folder)?;
        new.write_all(text.as_bytes())?;
        if let Ok(old) = fs::metadata(path) {
            new.as_file().set_permissions(old.permissions())?;
            let own = new.as_file().metadata()?;
            if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
                std::os::unix::fs::fchown(new.as_file(), Some(old.uid()), Some(old.gid()))?;
            }
        }
        new.as_file().sync_all()?;
        new.persist(path).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    };
    written().map_err(io_at(path))
}

fn edit(given: &ArgMatches) -> Result<(), Unchanged> {
    let path = file(given)?;
    let before = read(&path)?;
    let begun = before.clone().unwrap_or_else(example);
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut named = tempfile::Builder::new();
    named.prefix("carillon-edit-").suffix(".toml");
    let draft = named.tempfile_in(folder).map_err(io_at(folder))?;
    fs::write(draft.path(), &begun).map_err(io_at(draft.path()))?;
    let after = match edited(&path, draft.path()) {
        Ok(after) => after,
        Err(why) => return Err(kept(draft, &begun, why)),
    };
    if after == begun && before.is_some() {
        show::talk("nothing was changed");
        return Ok(());
    }
    if read(&path)? != before {
        return Err(kept(draft, &begun, "somebody else changed the file meanwhile".to_owned()));
    }
    if let Err(error) = replace(&path, &after) {
        return Err(kept(draft, &begun, error.to_string()));
    }
    show::talk("kept; `carillon config reload` applies what can change while it runs");
    Ok(())
}

/// Edits until the text can be used, or until nobody wants to go on.
fn edited(path: &Path, draft: &Path) -> Result<String, String> {
    loop {
        let set = |name| std::env::var_os(name).filter(|editor| !editor.is_empty());
        let editor = set("VISUAL").or_else(|| set("EDITOR")).unwrap_or_else(|| "vi".into());
        let mut script = editor.clone();
        script.push(" \"$@\"");
        let args: [OsString; 4] = ["-c".into(), script, editor.clone(), draft.into()];
        let ended = std::process::Command::new("sh").args(args).status();
        let editor = editor.to_string_lossy();
        match ended {
            Ok(status) if status.success() => {}
            Ok(status) => return Err(format!("the editor `{editor}` ended with {status}")),
            Err(error) => return Err(format!("the editor `{editor}` cannot be run: {error}")),
        }
        let text = fs::read_to_string(draft).map_err(|error| error.to_string())?;
        let Err(error) = Config::check(path, &text) else { return Ok(text) };
        show::complain(&error);
        if !io::stdin().is_terminal() || !wants_more() {
            return Err("these settings cannot be used, and the file is as it was".to_owned());
        }
    }
}

fn wants_more() -> bool {
    show::talk("edit again? [Y/n]");
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    read.is_ok_and(|bytes| bytes > 0) && !answer.trim().to_lowercase().starts_with('n')
}

/// Keeps the draft, unless there is nothing of anybody's in it.
fn kept(draft: NamedTempFile, begun: &str, why: String) -> Unchanged {
    if fs::read_to_string(draft.path()).is_ok_and(|text| text == begun) {
        let source = io::Error::other(why);
        return Unchanged::Io { path: "nothing was changed".into(), source };
    }
    match draft.keep() {
        Ok((_, draft)) => Unchanged::Kept { why, draft },
        Err(error) => Unchanged::Io { path: "the draft".into(), source: error.error },
    }
}
