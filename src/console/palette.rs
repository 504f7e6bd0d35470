//! The palette: the words of the command line, found by pieces, completed with what there is. Reads
//! the one table of verbs; must not know what a verb does.

use serde_json::{Map, Value};

use super::act::{Act, Command, Confirm};
use super::model::{Effect, Model, Popup};
use super::popup::edit;
use super::screens::SCREENS;
use super::term::Key;
use super::update::perform;
use crate::service::{Arg, ArgKind, VERBS, Verb, noun_named};

/// What the palette offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What the line becomes.
    pub text: String,
    pub about: String,
}

const SHOWN: usize = 50;
const RECENT: usize = 5;

pub fn open(model: &mut Model, typed: &str) {
    model.popup = Some(Popup::Palette { typed: typed.to_owned(), row: 0 });
}

pub fn key(model: &mut Model, (mut typed, mut row): (String, usize), key: Key) -> Vec<Effect> {
    let found = entries(model, &typed);
    let chosen = found.get(row.min(found.len().saturating_sub(1))).map(|entry| entry.text.clone());
    match key {
        Key::Esc => return Vec::new(),
        Key::Down => row = (row + 1).min(found.len().saturating_sub(1)),
        Key::Up => row = row.saturating_sub(1),
        Key::Tab => {
            if let Some(text) = chosen {
                typed = format!("{text} ");
            }
            row = 0;
        }
        Key::Enter => return enter(model, typed, row, chosen),
        key => {
            edit(&mut typed, key);
            row = 0;
        }
    }
    model.popup = Some(Popup::Palette { typed, row });
    Vec::new()
}

/// Runs what is typed if it is whole, else takes what is chosen.
fn enter(model: &mut Model, typed: String, row: usize, chosen: Option<String>) -> Vec<Effect> {
    let whole = parse(model, &typed);
    let (line, act) = match (whole, chosen) {
        (Ok(act), _) if row == 0 => (typed, Ok(act)),
        (_, Some(chosen)) if chosen.trim() != typed.trim() => {
            let act = parse(model, &chosen);
            if act.is_err() {
                // More is needed: let them type it.
                let typed = format!("{chosen} ");
                model.popup = Some(Popup::Palette { typed, row: 0 });
                return Vec::new();
            }
            (chosen, act)
        }
        (whole, _) => (typed, whole),
    };
    match act {
        Ok(act) => {
            let line = line.trim().to_owned();
            model.recent.retain(|before| *before != line);
            model.recent.insert(0, line);
            model.recent.truncate(RECENT);
            perform(model, act)
        }
        Err(why) => {
            model.say(why, super::canvas::Tone::Warn);
            model.popup = Some(Popup::Palette { typed: line, row: 0 });
            Vec::new()
        }
    }
}

/// What fits what was typed.
pub fn entries(model: &Model, typed: &str) -> Vec<Entry> {
    let words = split(typed);
    let begun = typed.ends_with(' ') || typed.is_empty();
    if let Some((verb, used)) = verb_of(&words)
        && (words.len() > used || begun && words.len() == used)
    {
        return arguments(model, verb, typed, begun);
    }
    let mut found = Vec::new();
    if typed.trim().is_empty() {
        let recent = model.recent.iter();
        found.extend(recent.map(|text| Entry { text: text.clone(), about: "again".to_owned() }));
    }
    let pieces: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let fits = |text: &str| {
        let words: Vec<&str> = text.split(' ').collect();
        pieces.iter().all(|piece| words.iter().any(|word| word.starts_with(piece.as_str())))
    };
    for screen in &SCREENS {
        let text = format!("go {}", screen.name);
        if fits(&text) || fits(screen.name) {
            found.push(Entry { text, about: screen.about.to_owned() });
        }
    }
    let (mouse, about) = if model.mouse {
        ("mouse off", "clicks and the wheel are the terminal's again")
    } else {
        ("mouse on", "the wheel scrolls, a click chooses; copying then needs shift")
    };
    if fits(mouse) {
        found.push(Entry { text: mouse.to_owned(), about: about.to_owned() });
    }
    for verb in VERBS.iter().filter(|verb| !(model.readonly && changes(verb.noun, verb.verb))) {
        let text = format!("{} {}", verb.noun, verb.verb).trim_end().to_owned();
        if fits(&text) {
            found.push(Entry { text, about: verb.about.to_owned() });
        }
    }
    found.truncate(SHOWN);
    found
}

/// What may come next behind a verb.
fn arguments(model: &Model, verb: &Verb, typed: &str, begun: bool) -> Vec<Entry> {
    let words = split(typed);
    let current = if begun { String::new() } else { words.last().cloned().unwrap_or_default() };
    let head = typed.strip_suffix(current.as_str()).unwrap_or(typed).trim_end().to_owned();
    let before = split(&head);
    let used = if verb.verb.is_empty() { 1 } else { 2 };
    let entry =
        |text: &str, about: &str| Entry { text: format!("{head} {text}"), about: about.to_owned() };
    let mut found = Vec::new();
    let flag = before.last().and_then(|word| word.strip_prefix("--"));
    let flagged = flag.and_then(|name| verb.args.iter().find(|arg| arg.name == name && takes(arg)));
    let workspace = before.last().is_some_and(|word| word == "-w" || word == "--workspace");
    let placed = before.iter().skip(used).filter(|word| !word.starts_with('-')).count();
    let word = verb.args.iter().filter(|arg| arg.kind == ArgKind::Word).nth(placed);
    let arg = flagged.or(word.filter(|_| !current.starts_with('-')));
    if workspace {
        found
            .extend(named(model, "workspace", &current).iter().map(|(id, about)| entry(id, about)));
    } else if let Some(arg) = arg {
        match noun_named(verb.noun, arg.name) {
            Some(noun) => {
                found.extend(
                    named(model, noun, &current).iter().map(|(id, about)| entry(id, about)),
                );
            }
            None => found.extend(choices(arg.about, &current).map(|word| entry(word, arg.about))),
        }
        if found.is_empty() {
            let about = format!("{}: {}", arg.name.to_uppercase(), arg.about);
            found.push(Entry { text: typed.trim_end().to_owned(), about });
        }
    }
    if flagged.is_none() && !workspace {
        for arg in
            verb.args.iter().filter(|arg| !matches!(arg.kind, ArgKind::Word | ArgKind::Secret))
        {
            let flag = format!("--{}", arg.name);
            if flag.starts_with(&current) && !before.contains(&flag) {
                found.push(entry(&flag, arg.about));
            }
        }
    }
    if found.is_empty() {
        found.push(Entry { text: typed.trim_end().to_owned(), about: verb.about.to_owned() });
    }
    found.truncate(SHOWN);
    found
}

fn takes(arg: &Arg) -> bool {
    matches!(arg.kind, ArgKind::Required | ArgKind::Optional | ArgKind::Many)
}

/// The words that an argument's explanation lists.
fn choices<'a>(about: &'a str, current: &'a str) -> impl Iterator<Item = &'a str> {
    let listed = about.contains(" or ");
    let words = about
        .split([' ', ',', '(', ')'])
        .filter(move |word| listed && word.contains('_') || *word == "drop");
    words.filter(move |word| word.starts_with(current))
}

/// What there is of a noun: the word that names it, and what people call it.
fn named(model: &Model, noun: &str, current: &str) -> Vec<(String, String)> {
    let snap = &model.snap;
    let mut all: Vec<(String, String)> = match noun {
        "workspace" => {
            let of = |w: &crate::service::shown::WorkspaceShown| (w.slug.clone(), w.name.clone());
            snap.overview.workspaces.iter().map(of).collect()
        }
        "channel" => {
            let channels = snap.overview.channels.iter().filter(|of| model.shows(&of.workspace));
            channels
                .map(|of| (of.it.id.clone(), format!("{} {}", of.it.network, of.it.name)))
                .collect()
        }
        "job" => snap
            .jobs
            .iter()
            .map(|(name, job)| ((*name).to_owned(), job.state().to_owned()))
            .collect(),
        "backup" => {
            snap.backups.iter().map(|of| (of.name.clone(), of.made_at.to_string())).collect()
        }
        "alert" => super::screens::alert_names(model),
        "network" => snap.networks.iter().map(|n| (n.id.clone(), n.title.clone())).collect(),
        "post" | "delivery" => {
            let all = snap.overview.attention.iter().chain(&snap.overview.queue);
            let shown = all.filter(|of| model.shows(&of.workspace));
            let id = |of: &crate::service::Of<crate::service::Waiting>| {
                let d = &of.it.delivery;
                let id = if noun == "post" { &d.post } else { &d.id };
                let text = of.it.texts.first().cloned().unwrap_or_default();
                (id.clone(), format!("{} {} {text}", d.state, d.network))
            };
            shown.map(id).collect()
        }
        _ => Vec::new(),
    };
    let typed = current.to_lowercase();
    all.retain(|(id, about)| id.starts_with(&typed) || about.to_lowercase().contains(&typed));
    all.dedup();
    all
}

/// The verb that the words begin with, and how many of them it is.
fn verb_of(words: &[String]) -> Option<(&'static Verb, usize)> {
    let noun = words.first()?;
    let second = words.get(1).map_or("", String::as_str);
    let find = |verb: &str| VERBS.iter().find(|v| v.noun == *noun && v.verb == verb);
    if !second.is_empty()
        && let Some(verb) = find(second)
    {
        return Some((verb, 2));
    }
    find("").map(|verb| (verb, 1))
}

/// Words as a shell would see them; quotes hold spaces together.
fn split(typed: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut any) = (Vec::new(), String::new(), None, false);
    for c in typed.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => (quote, any) = (Some(c), true),
            (None, ' ') => {
                if any || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            (_, c) => word.push(c),
        }
    }
    if any || !word.is_empty() {
        words.push(word);
    }
    words
}

/// What a whole line does; else what is missing.
pub fn parse(model: &Model, typed: &str) -> Result<Act, String> {
    let words = split(typed);
    if let [go, name] = words.as_slice()
        && go == "go"
    {
        let screen = SCREENS.iter().find(|screen| screen.name == name);
        return screen
            .map(|screen| Act::Go(screen.name))
            .ok_or(format!("there is no screen `{name}`"));
    }
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["mouse"] => return Ok(Act::Mouse(!model.mouse)),
        ["mouse", "on"] => return Ok(Act::Mouse(true)),
        ["mouse", "off"] => return Ok(Act::Mouse(false)),
        _ => {}
    }
    // A screen's name alone goes there, as long as no verb is called so.
    if let [name] = words.as_slice()
        && let Some(screen) = SCREENS.iter().find(|screen| screen.name == name)
    {
        return Ok(Act::Go(screen.name));
    }
    let Some((verb, used)) = verb_of(&words) else {
        return Err("no such verb; type pieces of words, tab completes".to_owned());
    };
    let command = command(model, verb, words.get(used..).unwrap_or_default())?;
    if model.readonly && changes(command.noun, command.verb) {
        return Err("this console only looks (--readonly)".to_owned());
    }
    Ok(match danger(&command) {
        None => Act::Run(vec![command]),
        Some(why) => Act::Confirm(Confirm {
            title: format!("{}?", command.about),
            lines: vec![command.typed(), String::new(), why.to_owned()],
            yes: "do it".to_owned(),
            name: None,
            commands: vec![command],
        }),
    })
}

fn command(model: &Model, verb: &'static Verb, words: &[String]) -> Result<Command, String> {
    let (mut args, mut workspace) = (Map::new(), None);
    let mut places =
        verb.args.iter().filter(|arg| matches!(arg.kind, ArgKind::Word | ArgKind::File));
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "-w" || word == "--workspace" {
            workspace = Some(words.next().ok_or("-w needs a workspace")?.clone());
        } else if let Some(name) = word.strip_prefix("--") {
            let (name, joined) = name.split_once('=').map_or((name, None), |(n, v)| (n, Some(v)));
            let arg =
                verb.args.iter().find(|arg| arg.name == name && !matches!(arg.kind, ArgKind::Word));
            let arg = arg.ok_or(format!("`{} {}` has no --{name}", verb.noun, verb.verb))?;
            let mut value = || {
                let given = joined.map(str::to_owned).or_else(|| words.next().cloned());
                given.ok_or(format!("--{name} needs a value: {}", arg.about))
            };
            match arg.kind {
                ArgKind::Flag => drop(args.insert(name.to_owned(), true.into())),
                ArgKind::Many => {
                    let one = Value::from(value()?);
                    let list = args.entry(name).or_insert_with(|| Value::Array(Vec::new()));
                    list.as_array_mut().into_iter().for_each(|list| list.push(one.clone()));
                }
                ArgKind::Secret => {
                    return Err("a secret is not typed here, where it can be read".to_owned());
                }
                _ => drop(args.insert(name.to_owned(), value()?.into())),
            }
        } else {
            let arg = places.next().ok_or(format!("`{word}` is one word too many"))?;
            args.insert(arg.name.to_owned(), word.clone().into());
        }
    }
    let missing = verb.args.iter().find(|arg| {
        matches!(arg.kind, ArgKind::Word | ArgKind::Required) && !args.contains_key(arg.name)
    });
    if let Some(arg) = missing {
        let dashes = if arg.kind == ArgKind::Word { "" } else { "--" };
        return Err(format!("needs {dashes}{}: {}", arg.name, arg.about));
    }
    if verb.args.iter().any(|arg| matches!(arg.kind, ArgKind::File | ArgKind::Into)) {
        return Err("files are where the shell is: run it there".to_owned());
    }
    if !verb.right.is_empty() {
        let about = args.values().filter_map(Value::as_str).find_map(|id| home(model, id));
        workspace = Some(
            workspace
                .or_else(|| model.workspace.clone())
                .or(about)
                .or_else(|| only(model))
                .ok_or("in which workspace? add -w and its short name")?,
        );
    }
    let about = format!("{} {}", verb.noun, verb.verb).trim_end().to_owned();
    Ok(Command { workspace, args, ..Command::new((verb.noun, verb.verb), about) })
}

/// The workspace of something with this id.
fn home(model: &Model, id: &str) -> Option<String> {
    let overview = &model.snap.overview;
    let all = overview.attention.iter().chain(&overview.queue);
    let mut deliveries = all.filter(|of| of.it.delivery.id == id || of.it.delivery.post == id);
    let channel =
        || overview.channels.iter().find(|of| of.it.id == id).map(|of| of.workspace.to_string());
    deliveries.next().map(|of| of.workspace.to_string()).or_else(channel)
}

fn only(model: &Model) -> Option<String> {
    match model.snap.overview.workspaces.as_slice() {
        [one] => Some(one.slug.clone()),
        _ => None,
    }
}

/// Verbs that only look, whatever right they take.
const LOOKS: [&str; 9] =
    ["list", "show", "head", "check", "links", "sessions", "installation", "preview", "try"];

/// Whether a verb changes anything.
pub fn changes(noun: &str, verb: &str) -> bool {
    let found = VERBS.iter().find(|v| v.noun == noun && v.verb == verb);
    let looks = |v: &Verb| v.right == "read" || LOOKS.contains(&v.verb) || v.noun == "status";
    found.is_some_and(|v| !looks(v))
}

/// Why somebody should think before this.
fn danger(command: &Command) -> Option<&'static str> {
    match (command.noun, command.verb) {
        ("publishing", "pause") => Some("Nothing goes out anywhere until publishing is resumed."),
        ("delivery", "resolve") | ("channel", "decide") => {
            Some("A decision cannot be taken back. Sent again may be there twice.")
        }
        (_, "remove" | "delete" | "revoke" | "cancel" | "transfer" | "reset-totp" | "disable") => {
            Some("This cannot be undone.")
        }
        _ => None,
    }
}

/// Whether its answer needs no reading.
pub fn is_quiet(command: &Command) -> bool {
    // What is shown once must be read.
    let shows = matches!(
        (command.noun, command.verb),
        ("key" | "invitation" | "host", "create")
            | ("channel", "add" | "test" | "connect")
            | ("backup", "test")
            | ("user", "create" | "reset-link" | "disable")
    );
    changes(command.noun, command.verb) && !shows
}

/// An answer as lines: what is nested is indented.
pub fn lines(answer: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    nested(answer, 0, &mut lines);
    if lines.is_empty() {
        lines.push("nothing to show".to_owned());
    }
    lines
}

fn nested(value: &Value, depth: usize, lines: &mut Vec<String>) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::Null => {}
                    Value::Object(inner) if inner.is_empty() => {}
                    Value::Array(items) if items.is_empty() => {}
                    Value::Object(_) | Value::Array(_) => {
                        lines.push(format!("{indent}{name}:"));
                        nested(value, depth + 1, lines);
                    }
                    Value::String(text) => lines.push(format!("{indent}{name}: {text}")),
                    other => lines.push(format!("{indent}{name}: {other}")),
                }
            }
        }
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                if n > 0 && item.is_object() {
                    lines.push(String::new());
                }
                nested(item, depth, lines);
            }
        }
        Value::Null => {}
        Value::String(text) => lines.push(format!("{indent}{text}")),
        other => lines.push(format!("{indent}{other}")),
    }
}
