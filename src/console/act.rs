//! What a key on a screen comes to, as data: a command to run, a question to ask first, a place to
//! go. Must not do any of it; `update` does.

use serde_json::{Map, Value};

use super::model::{Model, Save};
use super::screens::Row;
use super::write::Draft;
use crate::service::{ArgKind, VERBS};

/// What is done with the answer to a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Then {
    /// It is said, or shown.
    #[default]
    Say,
    /// It is a value for a setting, and where it goes.
    Setting,
    /// It is a post, whose words are to be changed; somebody came by this delivery of it.
    Words { delivery: String },
    /// What was written is kept.
    Written,
}

/// A verb of the one table, with its words.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    pub noun: &'static str,
    pub verb: &'static str,
    /// An id or a slug.
    pub workspace: Option<String>,
    pub args: Map<String, Value>,
    /// What it does to what, for the person who asked for it.
    pub about: String,
    pub then: Then,
}

impl Command {
    pub fn new((noun, verb): (&'static str, &'static str), about: impl Into<String>) -> Self {
        let (about, args) = (about.into(), Map::new());
        Self { noun, verb, workspace: None, args, about, then: Then::Say }
    }

    /// In the workspace of this row.
    #[must_use]
    pub fn of(mut self, row: &Row) -> Self {
        self.workspace.clone_from(&row.workspace);
        self
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.args.insert(name.to_owned(), value.into());
        self
    }

    #[must_use]
    pub fn then(self, then: Then) -> Self {
        Self { then, ..self }
    }

    /// As it is typed in a shell. Secrets are never among what is shown.
    pub fn typed(&self) -> String {
        let mut words = vec![format!("{} {}", self.noun, self.verb).trim_end().to_owned()];
        for (name, value) in &self.args {
            let verb = VERBS.iter().find(|v| v.noun == self.noun && v.verb == self.verb);
            let arg = verb.and_then(|verb| verb.args.iter().find(|arg| arg.name == name));
            let word = match (arg.map(|arg| arg.kind), value) {
                (Some(ArgKind::Secret), _) => format!("--{name}-file -"),
                (Some(ArgKind::Word), Value::String(text)) if !text.contains(' ') => text.clone(),
                (Some(ArgKind::Word), Value::String(text)) => format!("'{text}'"),
                (_, Value::Bool(true)) => format!("--{name}"),
                (_, Value::String(text)) => format!("--{name} '{text}'"),
                (_, Value::Array(items)) => {
                    let items = items.iter().filter_map(Value::as_str);
                    items.map(|item| format!("--{name} '{item}'")).collect::<Vec<_>>().join(" ")
                }
                _ => continue,
            };
            words.push(word);
        }
        words.extend(self.workspace.as_ref().map(|w| format!("-w {w}")));
        words.join(" ")
    }
}

/// What comes of a key.
#[derive(Clone)]
pub enum Act {
    /// Nothing, and why.
    Nothing(String),
    /// To the screen with this name.
    Go(&'static str),
    /// What is under the cursor, by itself.
    Open,
    Run(Vec<Command>),
    Confirm(Confirm),
    Ask(Ask),
    Choose(Choose),
    /// The palette, with this typed.
    Type(String),
    Copy(String),
    /// A file, where the terminal is.
    Save(Save),
    /// Only what belongs to this workspace, or everything.
    Only(Option<String>),
    /// Only rows that fit this.
    Filter(String),
    /// To the newest, and stay there.
    Follow,
    /// Keeps everything as it is, or lets it go on.
    Freeze,
    /// Where this screen begins.
    Home,
    /// The next of what this screen counts for itself.
    Step,
    /// Times by the clock of this zone.
    Zone(jiff::tz::TimeZone),
    /// This key again, once what was just done is shown.
    Later(char),
    /// Takes the mouse, or gives it back to the terminal.
    Mouse(bool),
    /// Several lines to type.
    Write(Box<Draft>),
    /// Something to read.
    Read {
        title: String,
        lines: Vec<String>,
    },
}

/// A question before what cannot be undone, or touches much.
#[derive(Clone)]
pub struct Confirm {
    pub title: String,
    pub lines: Vec<String>,
    /// What the key `y` does, in words.
    pub yes: String,
    /// This must be typed first.
    pub name: Option<String>,
    pub commands: Vec<Command>,
}

/// A line to type.
#[derive(Clone)]
pub struct Ask {
    pub title: String,
    pub lines: Vec<String>,
    /// Not shown while it is typed.
    pub secret: bool,
    pub rows: Vec<Row>,
    pub then: fn(&Model, &[Row], &str) -> Act,
}

/// A few answers to choose from, each by its key.
#[derive(Clone)]
pub struct Choose {
    pub title: String,
    pub lines: Vec<String>,
    pub options: Vec<(char, String, Act)>,
}

/// What a key is called.
pub fn name(key: char) -> String {
    if key == ' ' { "space".to_owned() } else { key.to_string() }
}

/// A key of a screen.
pub struct Bind {
    pub key: char,
    /// In the footer; empty for one that is only in the help.
    pub label: &'static str,
    pub about: &'static str,
    /// Not there in a console that only looks.
    pub writes: bool,
    pub act: fn(&Model, &[Row]) -> Act,
}

pub const fn reads(
    key: char,
    label: &'static str,
    about: &'static str,
    act: fn(&Model, &[Row]) -> Act,
) -> Bind {
    Bind { key, label, about, writes: false, act }
}

pub const fn writes(
    key: char,
    label: &'static str,
    about: &'static str,
    act: fn(&Model, &[Row]) -> Act,
) -> Bind {
    Bind { key, label, about, writes: true, act }
}

pub fn nothing(why: &str) -> Act {
    Act::Nothing(why.to_owned())
}
