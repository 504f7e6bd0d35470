//! How full is the week? A grid of days and hours, and what is in the hour under the cursor.

use std::collections::BTreeMap;

use jiff::civil::{Date, DateTime};
use ratatui::layout::Rect;

use super::{Line, Row, Screen, Table, clock, col};
use crate::base::Timestamp;
use crate::console::act::{reads, writes};
use crate::console::canvas::{Canvas, Tone};
use crate::console::delivery;
use crate::console::list;
use crate::console::model::Model;
use crate::console::term::Key;
use crate::service::{Of, Waiting};

pub const SCREEN: Screen = Screen {
    name: "calendar",
    key: Some('3'),
    tab: ("Cal", "Calendar"),
    about: "How full is the week? h l day, j k hour, [ ] week",
    table,
    detail,
    pane: 0,
    draw: Some(draw),
    enter: None,
    moves: Some(moves),
    keys: &[
        writes('m', "move", "another time for the first post of this hour", delivery::moves),
        writes('x', "", "cancel it, after a question", delivery::cancel),
        writes('d', "", "decide on what is held, or waits for approval", delivery::decide),
        reads('t', "today", "back to today", |_, _| crate::console::act::Act::Home),
    ],
};

/// The day under the cursor.
fn day(model: &Model) -> Date {
    let today = model.local(model.now).date();
    let step = i32::try_from(place(model).step.clamp(-400, 400)).unwrap_or(0);
    today.checked_add(jiff::Span::new().days(step)).unwrap_or(today)
}

fn place(model: &Model) -> super::Place {
    let at = super::SCREENS.iter().position(|screen| screen.name == "calendar").unwrap_or(0);
    model.places.get(at).cloned().unwrap_or_default()
}

fn hour(model: &Model) -> i8 {
    i8::try_from(place(model).hour.clamp(0, 23)).unwrap_or(0)
}

fn moves(model: &mut Model, key: &Key) -> bool {
    let (days, hours) = match key {
        Key::Left | Key::Char('h') => (-1, 0),
        Key::Right | Key::Char('l') => (1, 0),
        Key::Up | Key::Char('k') => (0, -1),
        Key::Down | Key::Char('j') => (0, 1),
        Key::Char('[') | Key::PageUp => (-7, 0),
        Key::Char(']') | Key::PageDown => (7, 0),
        _ => return false,
    };
    let place = model.place_mut();
    place.step = (place.step + days).clamp(-400, 400);
    place.hour = (place.hour + hours).clamp(0, 23);
    (place.row, place.cursor) = (0, None);
    true
}

fn due(model: &Model, of: &Of<Waiting>) -> Option<DateTime> {
    let at = Timestamp::parse(&of.it.delivery.due)?;
    Some(model.local(at).datetime())
}

fn shown(model: &Model) -> impl Iterator<Item = (DateTime, &Of<Waiting>)> {
    let all = model.snap.calendar.iter().filter(|of| model.shows(&of.workspace));
    all.filter_map(|of| Some((due(model, of)?, of)))
}

/// What is in the hour under the cursor.
fn table(model: &Model) -> Table {
    let (day, hour) = (day(model), hour(model));
    let here = shown(model).filter(|(at, _)| at.date() == day && at.hour() == hour);
    let row = |(_, of): (DateTime, &Of<Waiting>)| {
        let d = &of.it.delivery;
        Row::new(
            d.id.clone(),
            vec![
                clock(model, &d.due),
                d.network.clone(),
                delivery::text(&of.it),
                delivery::state(&of.it),
            ],
        )
        .of(&of.workspace)
        .tone(delivery::tone(&of.it))
    };
    Table {
        title: format!("{} {hour:02}:00", day.strftime("%a %d %b")),
        columns: const { &[col("DUE", 9), col("NETWORK", 9), col("TEXT", 0), col("STATE", 15)] },
        rows: here.map(row).collect(),
        empty: "Nothing in this hour.",
    }
}

fn detail(model: &Model, row: &Row) -> Vec<Line> {
    model.snap.waiting(&row.id).map(|of| delivery::detail(model, of)).unwrap_or_default()
}

/// One hour of one day: how many, where to, and whether one of them needs somebody.
#[derive(Default)]
struct Cell {
    posts: std::collections::BTreeSet<String>,
    networks: std::collections::BTreeSet<char>,
    bad: bool,
}

impl Cell {
    fn words(&self) -> String {
        let letters: String = self.networks.iter().take(4).collect();
        let bad = if self.bad { "!" } else { "" };
        format!("{} {letters}{bad}", self.posts.len())
    }
}

fn draw(model: &Model, canvas: &mut Canvas<'_>, area: Rect) {
    let (day, hour) = (day(model), hour(model));
    let monday = day
        .checked_sub(jiff::Span::new().days(i64::from(day.weekday().to_monday_zero_offset())))
        .unwrap_or(day);
    let mut cells: BTreeMap<(i8, i32), Cell> = BTreeMap::new();
    for (at, of) in shown(model) {
        let column = (at.date() - monday).get_days();
        if (0..7).contains(&column) {
            let cell = cells.entry((at.hour(), column)).or_default();
            cell.posts.insert(of.it.delivery.post.clone());
            cell.networks
                .extend(of.it.delivery.network.chars().next().map(|c| c.to_ascii_uppercase()));
            cell.bad |= matches!(of.it.delivery.state.as_str(), "held" | "failed" | "partial");
        }
    }
    let posts: std::collections::BTreeSet<&String> =
        cells.values().flat_map(|cell| &cell.posts).collect();
    let wide = area.width >= 110;
    let grid = if wide {
        Rect { width: 80, ..area }
    } else {
        Rect { height: area.height - (area.height / 3).min(7), ..area }
    };
    let workspace = model.workspace.as_deref().map(|w| format!("  of {w}")).unwrap_or_default();
    let title = format!(
        "week of {}{workspace}  {} posts  ! held or failed",
        monday.strftime("%d %b %Y"),
        posts.len()
    );
    let inner = canvas.frame(grid, &title);
    let zone = model.local(model.now).strftime("%Z").to_string();
    draw_grid((canvas, inner, &zone), (monday, day, hour), &cells);
    let rest = if wide {
        Rect { x: grid.right(), width: area.width - grid.width, ..area }
    } else {
        Rect { y: grid.bottom(), height: area.height - grid.height, ..area }
    };
    list::table(model, canvas, rest, &super::rows(model));
}

fn draw_grid(
    (canvas, inner, zone): (&mut Canvas<'_>, Rect, &str),
    (monday, day, hour): (Date, Date, i8),
    cells: &BTreeMap<(i8, i32), Cell>,
) {
    let wide = inner.width.saturating_sub(6) / 7;
    canvas.text((inner.x, inner.y), 5, zone, Tone::Dim);
    let x = |column: u16| inner.x + 6 + column * wide;
    for column in 0..7_u16 {
        let date = monday.checked_add(jiff::Span::new().days(i64::from(column))).unwrap_or(monday);
        let tone = if date == day { Tone::Strong } else { Tone::Dim };
        canvas.text((x(column), inner.y), wide, &date.strftime("%a %d").to_string(), tone);
    }
    // Hours with something in them, and the one under the cursor; the others as far as there is room.
    let rows = usize::from(inner.height.saturating_sub(1));
    let needed = |h: &i8| *h == hour || cells.keys().any(|(at, _)| at == h);
    let mut hours: Vec<i8> = (0..24).filter(needed).collect();
    for h in (6..24).chain(0..6) {
        if hours.len() < rows && !hours.contains(&h) {
            hours.push(h);
        }
    }
    hours.sort_unstable();
    let at = hours.iter().position(|h| *h == hour).unwrap_or(0);
    let first = (at + 1).saturating_sub(rows);
    for (y, h) in (inner.y + 1..inner.bottom()).zip(hours.iter().skip(first)) {
        canvas.text((inner.x, y), 5, &format!("{h:02}:00"), Tone::Dim);
        for column in 0..7_u16 {
            let date =
                monday.checked_add(jiff::Span::new().days(i64::from(column))).unwrap_or(monday);
            let here = date == day && *h == hour;
            let cell = cells.get(&(*h, i32::from(column)));
            let words = cell.map_or_else(|| "\u{00B7}".to_owned(), Cell::words);
            let words = if here { format!("[{words}]") } else { words };
            let tone = match cell {
                _ if here => Tone::Strong,
                Some(cell) if cell.bad => Tone::Warn,
                Some(_) => Tone::Plain,
                None => Tone::Dim,
            };
            canvas.text((x(column), y), wide, &words, tone);
            if here {
                canvas.reverse(Rect::new(x(column), y, wide.saturating_sub(1), 1));
            }
        }
    }
}
