//! The console as lines, for screen readers and scripts: numbered screens and rows, one line for
//! each change, nothing drawn. The same screens, keys and questions; must not know a screen.

use super::act::Act;
use super::clean::{add, clean};
use super::model::{Effect, Model, Popup};
use super::screens::{self, SCREENS};
use super::term::Key;
use super::update::{go, perform, settle, verb};
use super::{palette, popup, view};

/// Where somebody is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Menu,
    /// A list, from this row on.
    List(usize),
    Row,
}

/// What was said and heard so far.
#[derive(Default)]
pub struct Plain {
    at: At,
    told: String,
}

const PAGE: usize = 10;

impl Plain {
    /// The first words.
    pub fn begin(&mut self, model: &Model) -> String {
        self.told = health(model);
        format!(
            "carillon {} on {}\n{}\n{}",
            env!("CARGO_PKG_VERSION"),
            clean(&model.snap.host),
            self.told,
            menu()
        )
    }

    /// What there is to say because something changed.
    pub fn changed(&mut self, model: &mut Model) -> String {
        let mut said = answered(model);
        let health = health(model);
        if health != self.told {
            add(&mut said, format_args!("now: {health}\n"));
            self.told = health;
        }
        said
    }

    /// Takes a line in, and answers.
    pub fn hear(&mut self, model: &mut Model, line: &str) -> (String, Vec<Effect>) {
        if model.popup.is_some() {
            let effects = reply(model, line);
            let mut said = answered(model);
            if said.is_empty() && effects.is_empty() {
                "nothing was done\n> ".clone_into(&mut said);
            }
            return (said, effects);
        }
        let effects = match (self.at, line) {
            (_, "0" | "q" | "quit" | "leave") => return (String::new(), vec![Effect::Leave]),
            (_, "" | "again") => return (self.shown(model), Vec::new()),
            (_, "menu") => {
                self.at = At::Menu;
                return (format!("{}\n{}", health(model), menu()), Vec::new());
            }
            (_, "help" | "?") => return (self.help(model), Vec::new()),
            (At::Row, "back") => {
                self.at = At::List(0);
                model.place_mut().open = false;
                return (self.shown(model), Vec::new());
            }
            (_, "back") => {
                self.at = At::Menu;
                return (menu(), Vec::new());
            }
            (At::List(from), "more") => {
                let rows = screens::rows(model).len();
                self.at = At::List(if from + PAGE < rows { from + PAGE } else { 0 });
                return (self.shown(model), Vec::new());
            }
            (_, line) if line.starts_with(':') => {
                self.typed(model, line.trim_start_matches(':').trim())
            }
            (At::List(_), line) if line.parse::<usize>().is_ok() => {
                self.row(model, line.parse().unwrap_or(0));
                return (self.shown(model), Vec::new());
            }
            (At::List(_) | At::Row, line) if key_of(model, line).is_some() => {
                let key = key_of(model, line).unwrap_or(' ');
                verb(model, key)
            }
            (_, line) => return (self.screen(model, line), Vec::new()),
        };
        let said = answered(model);
        (said, effects)
    }

    fn typed(&mut self, model: &mut Model, line: &str) -> Vec<Effect> {
        match palette::parse(model, line) {
            Ok(Act::Go(name)) => {
                let said = self.screen(model, name);
                model.popup =
                    Some(Popup::Read { title: String::new(), lines: vec![said], scroll: 0 });
                Vec::new()
            }
            Ok(Act::Mouse(_)) => {
                model.say("there is no mouse among lines", super::canvas::Tone::Warn);
                Vec::new()
            }
            Ok(act) => perform(model, act),
            Err(why) => {
                model.say(why, super::canvas::Tone::Warn);
                Vec::new()
            }
        }
    }

    /// To a screen, by its digit or its name.
    fn screen(&mut self, model: &mut Model, word: &str) -> String {
        let found = SCREENS.iter().position(|screen| {
            screen.name == word
                || screen.key.is_some_and(|key| word.len() == 1 && word.starts_with(key))
        });
        let Some(at) = found else {
            return format!("`{}` is nothing here; help says what is\n> ", clean(word));
        };
        go(model, at);
        self.at = At::List(0);
        self.shown(model)
    }

    fn row(&mut self, model: &mut Model, number: usize) {
        let rows = screens::rows(model);
        if let Some(row) = number.checked_sub(1).and_then(|n| rows.get(n)) {
            let place = model.place_mut();
            (place.row, place.cursor) = (number - 1, Some(row.id.clone()));
            (place.open, place.loose) = (true, false);
            settle(model);
            self.at = At::Row;
        }
    }

    fn shown(&self, model: &Model) -> String {
        let rows = screens::rows(model);
        let table = (model.screen().table)(model);
        match self.at {
            At::Menu => menu(),
            At::List(from) => {
                let title = if table.title.is_empty() { model.screen().name } else { &table.title };
                let mut said = format!("{}. {}\n", clean(title), clean(model.screen().about));
                if rows.is_empty() {
                    add(&mut said, format_args!("{}\n", clean(table.empty)));
                }
                for (n, row) in rows.iter().enumerate().skip(from).take(PAGE) {
                    let cells = row
                        .cells
                        .iter()
                        .map(|cell| clean(cell))
                        .filter(|cell| !cell.trim().is_empty());
                    add(
                        &mut said,
                        format_args!("{}: {}.\n", n + 1, cells.collect::<Vec<_>>().join(", ")),
                    );
                }
                if rows.len() > from + PAGE {
                    add(&mut said, format_args!("{} more: more\n", rows.len() - from - PAGE));
                }
                said.push_str("a number opens one, back, menu, help\n> ");
                said
            }
            At::Row => {
                let Some(row) = rows.get(model.place().row) else {
                    return "it is gone; back\n> ".to_owned();
                };
                let mut said = String::new();
                for line in (model.screen().detail)(model, row) {
                    let text = clean(&line.text);
                    match line.name {
                        "" if text.is_empty() => {}
                        "" => add(&mut said, format_args!("{text}\n")),
                        name => add(&mut said, format_args!("{name}: {text}\n")),
                    }
                }
                add(&mut said, format_args!("do: {}, back\n> ", verbs(model)));
                said
            }
        }
    }

    fn help(&self, model: &Model) -> String {
        let mut said = String::new();
        if self.at != At::Menu {
            for bind in model.keys() {
                add(&mut said, format_args!("{}: {}\n", bind.key, bind.about));
            }
        }
        said.push_str(
            "back, menu, more, again, 0 leaves. `: words` runs what works after `carillon`.\n> ",
        );
        said
    }
}

/// How it is, in one sentence.
fn health(model: &Model) -> String {
    let status = &model.snap.status;
    let (words, _) = view::health(&model.snap);
    let words = words.trim_start_matches(|c: char| !c.is_alphabetic());
    format!(
        "{words}. {} due, {} held, {} failed, {} channels to reconnect.",
        status.late,
        status.held,
        status.failed + status.partial,
        status.reconnect
    )
}

fn menu() -> String {
    let digits =
        screens::tabs().map(|(_, screen)| format!("{} {}", screen.key.unwrap_or(' '), screen.name));
    let names =
        SCREENS.iter().filter(|screen| screen.key.is_none()).map(|screen| screen.name.to_owned());
    format!(
        "{}   {}   0 leave\n> ",
        digits.collect::<Vec<_>>().join("   "),
        names.collect::<Vec<_>>().join("   ")
    )
}

fn verbs(model: &Model) -> String {
    model
        .keys()
        .map(|bind| match bind.label {
            "" => bind.key.to_string(),
            label => format!("{} {label}", bind.key),
        })
        .collect::<Vec<_>>()
        .join(", ")
}

/// The key that a word means: itself, or the verb's name.
fn key_of(model: &Model, word: &str) -> Option<char> {
    let mut keys = model.screen().keys.iter();
    let same = |key: char| word.len() == key.len_utf8() && word.starts_with(key);
    keys.find(|bind| same(bind.key) || !bind.label.is_empty() && bind.label == word)
        .map(|bind| bind.key)
}

/// A line as the answer to what was asked.
fn reply(model: &mut Model, line: &str) -> Vec<Effect> {
    let Some(open) = model.popup.take() else { return Vec::new() };
    let key =
        match &open {
            Popup::Confirm { confirm, .. } if confirm.name.is_none() => {
                if matches!(line, "y" | "yes") { Key::Char('y') } else { Key::Esc }
            }
            Popup::Choose(_) => line.chars().next().map_or(Key::Esc, Key::Char),
            _ if line.is_empty() => Key::Esc,
            _ => Key::Enter,
        };
    let open = match open {
        Popup::Confirm { confirm, .. }
            if confirm.name.is_some() && confirm.name.as_deref() != Some(line) =>
        {
            drop(confirm);
            return Vec::new();
        }
        Popup::Confirm { confirm, .. } => Popup::Confirm { confirm, typed: line.to_owned() },
        Popup::Ask { ask, wrong, .. } => Popup::Ask { ask, typed: line.to_owned(), wrong },
        open => open,
    };
    popup::key(model, open, key)
}

/// What the model says or asks now, as lines.
fn answered(model: &mut Model) -> String {
    let mut said = String::new();
    if let Some(toast) = model.toast.take() {
        add(&mut said, format_args!("{}\n", clean(&toast.text)));
    }
    let mut lines = |title: &str, all: &[String]| {
        if !title.is_empty() {
            add(&mut said, format_args!("{}\n", clean(title)));
        }
        for line in all.iter().filter(|line| !line.is_empty()) {
            for line in line.split('\n') {
                add(&mut said, format_args!("{}\n", clean(line)));
            }
        }
    };
    match model.popup.take() {
        None | Some(Popup::Help { .. } | Popup::Filter { .. }) => {}
        Some(Popup::Read { title, lines: all, .. }) => lines(&title, &all),
        Some(Popup::Palette { typed, .. }) => {
            lines("", &[format!("type it after `:`   : {typed}")]);
        }
        Some(Popup::Write(draft)) => {
            lines(&draft.title, &draft.parts());
            let how =
                "lines cannot be typed on several lines: `: post edit ID --text '...'` for one";
            lines("", &[how.to_owned()]);
        }
        Some(Popup::Confirm { confirm, typed }) => {
            lines(&confirm.title, &confirm.lines);
            let answer = match &confirm.name {
                Some(name) => format!("type {name} to {}", confirm.yes),
                None => format!("yes to {}", confirm.yes),
            };
            lines("", &[format!("{answer}, anything else keeps everything")]);
            model.popup = Some(Popup::Confirm { confirm, typed });
        }
        Some(Popup::Ask { ask, typed, wrong }) => {
            lines(&ask.title, &ask.lines);
            lines("", &[wrong.clone().unwrap_or_default()]);
            model.popup = Some(Popup::Ask { ask, typed, wrong });
        }
        Some(Popup::Choose(choose)) => {
            lines(&choose.title, &choose.lines);
            for (key, about, _) in &choose.options {
                lines("", &[format!("{key}: {about}")]);
            }
            model.popup = Some(Popup::Choose(choose));
        }
    }
    if !said.is_empty() {
        said.push_str("> ");
    }
    said
}
