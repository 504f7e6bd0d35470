//! What keys there are: of this screen, and everywhere. Filtered as one types, by name and by key.

use super::act;
use super::model::{Effect, Model, Popup};
use super::popup::edit;
use super::term::Key;
use super::update;

/// A line of the help.
pub struct Line {
    pub keys: String,
    pub about: String,
    /// The verb of the screen that enter runs.
    pub verb: Option<char>,
}

const EVERYWHERE: &[(&str, &str)] = &[
    (":", "go to a screen or run a verb; the same words as `carillon ...`"),
    ("/", "filter this list: word, !not, column:word, ~fuzzy"),
    ("esc", "one level back; never quits"),
    ("q  ctrl-c", "detach; the server keeps running"),
    ("j k  arrows", "move      g G first, last      ctrl-d ctrl-u half a page"),
    ("1-9  tab", "another screen; more of them by their names after `:`"),
    ("enter", "open what is under the cursor"),
    ("space  *  ctrl-a", "mark this, all others, all: verbs apply to what is marked"),
    ("s  S", "sort by the next column, the other way round"),
    ("w", "only one workspace, or all again"),
    ("u", "undo what you did last, here or on the command line, if it can be"),
    ("y", "copy the id or the address"),
    ("z", "times by the clock of another zone; typed times, too"),
    (".", "the last verb again, on the next row"),
    ("n  N", "next, previous, while one is open"),
];

const NOTES: &[&str] = &[
    "lower case is safe, upper case is wider or harder",
    ":mouse on: the wheel scrolls, a click chooses; copy with shift",
    "colours: NO_COLOR, --ascii     screen reader: carillon console --plain",
];

/// All lines that fit what was typed.
pub fn lines(model: &Model, typed: &str) -> Vec<Line> {
    let own = model.keys().map(|bind| Line {
        keys: act::name(bind.key),
        about: bind.about.to_owned(),
        verb: Some(bind.key),
    });
    let all = EVERYWHERE.iter().map(|(keys, about)| Line {
        keys: (*keys).to_owned(),
        about: (*about).to_owned(),
        verb: None,
    });
    let notes = NOTES.iter().map(|about| Line {
        keys: String::new(),
        about: (*about).to_owned(),
        verb: None,
    });
    let typed = typed.to_lowercase();
    let fits = |line: &Line| {
        line.about.to_lowercase().contains(&typed)
            || line.keys.split_whitespace().any(|key| key.to_lowercase() == typed)
    };
    own.chain(all).chain(notes).filter(fits).collect()
}

pub fn key(model: &mut Model, (mut typed, mut row): (String, usize), key: Key) -> Vec<Effect> {
    let found = lines(model, &typed);
    match key {
        Key::Esc | Key::F(1) => return Vec::new(),
        Key::Enter => {
            let verb = found.get(row).and_then(|line| line.verb);
            return verb.map(|verb| update::verb(model, verb)).unwrap_or_default();
        }
        Key::Down => row = (row + 1).min(found.len().saturating_sub(1)),
        Key::Up => row = row.saturating_sub(1),
        Key::Char('?') if typed.is_empty() => return Vec::new(),
        key => {
            edit(&mut typed, key);
            row = 0;
        }
    }
    model.popup = Some(Popup::Help { typed, row });
    Vec::new()
}
