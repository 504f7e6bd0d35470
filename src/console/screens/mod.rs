//! The screens: each a file with its table, its detail and its keys, and one line here. Must not
//! change anything; what their keys come to is data.

pub(super) mod alerts;
mod backups;
mod calendar;
mod channels;
mod dashboard;
mod events;
mod held;
mod jobs;
mod logs;
mod members;
mod networks;
mod plan;
mod queue;
mod settings;
mod workspaces;

use std::cmp::Ordering;

use jiff::Zoned;
use ratatui::layout::Rect;

use super::act::{Act, Bind};
use super::canvas::{Canvas, Tone};
use super::clean::clean;
use super::model::{Model, Place};
use super::term::Key;
use crate::base::Timestamp;

pub use settings::tried as setting_tried;

/// One screen.
pub struct Screen {
    /// Its word in `:`.
    pub name: &'static str,
    /// The digit that goes there, for those of the second line.
    pub key: Option<char>,
    /// In the second line, at 80 columns and wider.
    pub tab: (&'static str, &'static str),
    /// The question that it answers.
    pub about: &'static str,
    pub table: fn(&Model) -> Table,
    /// What is under the cursor, in full.
    pub detail: fn(&Model, &Row) -> Vec<Line>,
    /// Rows of the detail that stay below the list on a small terminal; 0 shows it only when asked.
    pub pane: u16,
    /// Draws all of it, where a list is not enough.
    pub draw: Option<fn(&Model, &mut Canvas<'_>, Rect)>,
    /// What enter does, where opening is not it.
    pub enter: Option<fn(&Model, &[Row]) -> Act>,
    /// Keys that move here in their own way; `false` for those that do not.
    pub moves: Option<fn(&mut Model, &Key) -> bool>,
    pub keys: &'static [Bind],
}

/// Every screen, those with a digit first.
pub static SCREENS: [Screen; 15] = [
    dashboard::SCREEN,
    queue::SCREEN,
    calendar::SCREEN,
    held::SCREEN,
    channels::SCREEN,
    alerts::SCREEN,
    events::SCREEN,
    jobs::SCREEN,
    logs::SCREEN,
    workspaces::SCREEN,
    members::SCREEN,
    plan::SCREEN,
    networks::SCREEN,
    backups::SCREEN,
    settings::SCREEN,
];

/// A list.
pub struct Table {
    pub title: String,
    pub columns: &'static [Column],
    pub rows: Vec<Row>,
    /// Instead of rows, when there are none.
    pub empty: &'static str,
}

pub struct Column {
    pub name: &'static str,
    /// Columns of the terminal; 0 takes what is left.
    pub width: u16,
    /// Only where there is room.
    pub wide: bool,
}

/// A column of this width.
pub const fn col(name: &'static str, width: u16) -> Column {
    Column { name, width, wide: false }
}

/// One that is left out at 80 columns.
pub const fn wide(name: &'static str, width: u16) -> Column {
    Column { name, width, wide: true }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    pub id: String,
    /// The workspace that it belongs to, by its slug.
    pub workspace: Option<String>,
    pub cells: Vec<String>,
    pub tone: Tone,
    /// What `y` copies, if not the id.
    pub copy: Option<String>,
}

impl Row {
    pub fn new(id: impl Into<String>, cells: Vec<String>) -> Self {
        Self { id: id.into(), cells, ..Self::default() }
    }

    #[must_use]
    pub fn of(mut self, workspace: &str) -> Self {
        self.workspace = Some(workspace.to_owned());
        self
    }

    #[must_use]
    pub fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }
}

/// A line of a detail: a short name, and what there is to say.
pub struct Line {
    pub name: &'static str,
    pub text: String,
    pub tone: Tone,
}

pub fn line(name: &'static str, text: impl Into<String>) -> Line {
    Line { name, text: text.into(), tone: Tone::Plain }
}

/// An empty line, or a heading.
pub fn head(text: &str) -> Line {
    Line { name: "", text: text.to_owned(), tone: Tone::Strong }
}

/// Where somebody is on a screen that they have not seen yet.
pub fn start(screen: &Screen) -> Place {
    Place { loose: true, step: if screen.name == "logs" { 2 } else { 0 }, ..Place::default() }
}

/// The rows of this screen as they are listed: of the workspace, filtered, sorted.
pub fn rows(model: &Model) -> Vec<Row> {
    let screen = model.screen();
    let Table { columns, mut rows, .. } = (screen.table)(model);
    rows.retain(|row| row.workspace.as_deref().is_none_or(|slug| model.shows(slug)));
    let place = model.place();
    if !place.filter.trim().is_empty() {
        rows.retain(|row| fits(row, columns, &place.filter));
    }
    if let Some((column, reverse)) = place.sort {
        let key = |row: &Row| row.cells.get(column).cloned().unwrap_or_default();
        rows.sort_by(|a, b| {
            let order = by_number(&key(a), &key(b));
            if reverse { order.reverse() } else { order }
        });
    }
    rows
}

/// Numbers as numbers, the rest as text.
fn by_number(a: &str, b: &str) -> Ordering {
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => a.total_cmp(&b),
        _ => a.cmp(b),
    }
}

/// `word`, `!word`, `column:word`, `~letters`; all of them must fit.
fn fits(row: &Row, columns: &[Column], filter: &str) -> bool {
    let all = || row.cells.iter().map(|cell| clean(cell).to_lowercase());
    let workspace = row.workspace.clone().unwrap_or_default();
    filter.to_lowercase().split_whitespace().all(|word| {
        if let Some(not) = word.strip_prefix('!') {
            return not.is_empty() || !all().any(|cell| cell.contains(not));
        }
        if let Some(letters) = word.strip_prefix('~') {
            return all().any(|cell| has_letters(&cell, letters));
        }
        if let Some((name, value)) = word.split_once(':') {
            let column = columns.iter().position(|c| c.name.to_lowercase().starts_with(name));
            if let Some(column) = column.filter(|_| !name.is_empty()) {
                return all().nth(column).is_some_and(|cell| cell.contains(value));
            }
        }
        row.id.starts_with(word) || workspace == word || all().any(|cell| cell.contains(word))
    })
}

/// Whether the letters are there, in this order.
fn has_letters(cell: &str, letters: &str) -> bool {
    let mut found = cell.chars();
    letters.chars().all(|letter| found.any(|c| c == letter))
}

/// Whether the newest row is at the end, and stays under the cursor.
pub fn follows(screen: &Screen) -> bool {
    matches!(screen.name, "events" | "logs")
}

/// Whether the worst is at the top, and to be seen first.
pub fn ranks(screen: &Screen) -> bool {
    matches!(screen.name, "dashboard" | "alerts")
}

/// A name for a file that is made now.
pub fn file_name(model: &Model, what: &str, ending: &str) -> String {
    let now = model.now.to_jiff().strftime("%Y%m%dT%H%M%SZ");
    format!("carillon-{what}-{now}.{ending}")
}

/// What is wrong now, by its name.
pub fn alert_names(model: &Model) -> Vec<(String, String)> {
    let rows = (alerts::SCREEN.table)(model).rows.into_iter();
    rows.map(|row| (row.id, row.cells.get(2).cloned().unwrap_or_default())).collect()
}

/// The screens of the second line, each with its place among all.
pub fn tabs() -> impl Iterator<Item = (usize, &'static Screen)> {
    SCREENS.iter().enumerate().filter(|(_, screen)| screen.key.is_some())
}

/// A time as a list shows it: today's by the clock, this week's by the day, others by the date.
pub fn when(model: &Model, instant: &str) -> String {
    let Some(at) = Timestamp::parse(instant) else { return instant.to_owned() };
    between(&model.local(model.now), &model.local(at))
}

fn between(today: &Zoned, at: &Zoned) -> String {
    let days = (at.date() - today.date()).get_days();
    let form = match days {
        0 => "%H:%M:%S",
        -6..=6 => "%a %H:%M",
        _ => "%Y-%m-%d",
    };
    at.strftime(form).to_string()
}

/// The time of day.
pub fn clock(model: &Model, instant: &str) -> String {
    let at = Timestamp::parse(instant);
    at.map_or_else(|| instant.to_owned(), |at| model.local(at).strftime("%H:%M:%S").to_string())
}

/// An instant to the second.
pub fn full(model: &Model, instant: &str) -> String {
    let at = Timestamp::parse(instant);
    at.map_or_else(
        || instant.to_owned(),
        |at| model.local(at).strftime("%Y-%m-%d %H:%M:%S %Z").to_string(),
    )
}

/// How far away it is, in words.
pub fn distance(now: Timestamp, instant: Timestamp) -> String {
    let (ahead, since) = (instant.since(now), now.since(instant));
    if ahead.as_secs() > 0 {
        format!("in {}", short(ahead.as_secs()))
    } else {
        format!("{} ago", short(since.as_secs()))
    }
}

/// Seconds in the largest unit that fits.
pub fn short(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Bytes in the largest unit that fits.
pub fn bytes(n: u64) -> String {
    match n {
        0..=9_999 => format!("{n} B"),
        10_000..=9_999_999 => format!("{} kB", n / 1_000),
        10_000_000..=9_999_999_999 => format!("{} MB", n / 1_000_000),
        _ => format!("{} GB", n / 1_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_words_that_all_must_fit() {
        const COLUMNS: &[Column] = &[col("STATE", 5), col("TEXT", 0)];
        let row = Row::new("0192", vec!["held".to_owned(), "Walnut bread".to_owned()]).of("acme");
        for (filter, found) in [
            ("walnut", true),
            ("walnut rye", false),
            ("!rye", true),
            ("!bread", false),
            ("state:held", true),
            ("text:held", false),
            ("~wbd", true),
            ("~dbw", false),
            ("acme", true),
            ("0192", true),
            ("!", true),
            ("nothing:here", false),
        ] {
            assert_eq!(fits(&row, COLUMNS, filter), found, "{filter}");
        }
    }

    #[test]
    fn times_are_as_short_as_they_can_be() {
        let now = Timestamp::parse("2026-11-22T14:05:09Z").unwrap();
        let zoned = |zone: &str, instant: &str| {
            let zone = jiff::tz::TimeZone::get(zone).unwrap();
            let at = Timestamp::parse(instant).unwrap();
            [now, at].map(|at| at.to_jiff().to_zoned(zone.clone()))
        };
        for (zone, instant, shown) in [
            ("UTC", "2026-11-22T18:00:00Z", "18:00:00"),
            ("UTC", "2026-11-24T09:00:00Z", "Tue 09:00"),
            ("UTC", "2027-01-24T09:00:00Z", "2027-01-24"),
            ("Europe/Berlin", "2026-11-22T18:00:00Z", "19:00:00"),
            // Another day there already.
            ("Pacific/Auckland", "2026-11-22T10:00:00Z", "Sun 23:00"),
        ] {
            let [now, at] = zoned(zone, instant);
            assert_eq!(between(&now, &at), shown, "{zone}");
        }
        let later = now.plus(std::time::Duration::from_mins(5));
        assert_eq!(
            (distance(now, later), distance(later, now)),
            ("in 5 min".to_owned(), "5 min ago".to_owned())
        );
        assert_eq!((bytes(900), bytes(41_000_000)), ("900 B".to_owned(), "41 MB".to_owned()));
    }

    #[test]
    fn screens_have_their_own_names_and_keys() {
        let mut names: Vec<_> = SCREENS.iter().map(|screen| screen.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SCREENS.len());
        for screen in &SCREENS {
            let mut keys: Vec<_> = screen.keys.iter().map(|bind| bind.key).collect();
            keys.sort_unstable();
            let all = keys.len();
            keys.dedup();
            assert_eq!(keys.len(), all, "{}: a key twice", screen.name);
            let taken = ['?', ':', '/', 'q', 'u', 'y', 'z', '.', 'j', 'k', 'w', 's', 'S'];
            assert!(
                keys.iter().all(|key| !taken.contains(key)),
                "{}: a key that is everywhere",
                screen.name
            );
            assert!(!screen.about.is_empty());
        }
    }
}
