//! Lists and details as every screen has them. Must not know what they list.

use ratatui::layout::Rect;

use super::canvas::{Canvas, Hit, Tone};
use super::clean::{add, wrap};
use super::model::Model;
use super::screens::{self, Column, Line, Row, Table};

/// From so many rows on, the detail stays beside the list.
const TALL: u16 = 30;

/// A screen that is a list, with the detail below it if there is room, or in its place when opened.
pub fn screen(model: &Model, canvas: &mut Canvas<'_>, area: Rect) {
    let rows = screens::rows(model);
    let current = rows.get(model.place().row);
    let screen = model.screen();
    if model.place().open
        && let Some(row) = current
    {
        let title = row.cells.iter().take(3).cloned().collect::<Vec<_>>().join("  ");
        detail(model, canvas, area, &title, row);
        return;
    }
    let pane = match (area.height, screen.pane) {
        (TALL.., _) => area.height * 2 / 5,
        (16.., pane) => pane,
        _ => 0,
    };
    let list = Rect { height: area.height - pane, ..area };
    table(model, canvas, list, &rows);
    if pane > 0 {
        let below = Rect { y: list.bottom(), height: pane, ..area };
        match current {
            Some(row) => detail(model, canvas, below, "", row),
            None => drop(canvas.frame(below, "")),
        }
    }
}

/// The list itself, with its frame.
pub fn table(model: &Model, canvas: &mut Canvas<'_>, area: Rect, rows: &[Row]) {
    let Table { title, columns, empty, .. } = (model.screen().table)(model);
    let inner = canvas.frame(area, &named(model, &title, rows.len(), columns));
    if inner.height == 0 {
        return;
    }
    let names = columns;
    let columns = laid_out(columns, inner.width, model.is_wide());
    for (column, x, width) in &columns {
        canvas.text((inner.x + x, inner.y), *width, names[*column].name, Tone::Dim);
    }
    let below = Rect { y: inner.y + 1, height: inner.height - 1, ..inner };
    if rows.is_empty() {
        let words = if model.place().filter.is_empty() {
            empty
        } else {
            "nothing fits the filter; esc clears it"
        };
        for (y, text) in
            (below.y..below.bottom()).zip(wrap(words, usize::from(below.width.saturating_sub(6))))
        {
            canvas.text((below.x + 3, y), below.width.saturating_sub(4), &text, Tone::Dim);
        }
        return;
    }
    body(model, canvas, below, rows, &columns);
}

/// Rows without a frame around them.
pub fn body(
    model: &Model,
    canvas: &mut Canvas<'_>,
    area: Rect,
    rows: &[Row],
    columns: &[(usize, u16, u16)],
) {
    let place = model.place();
    let height = usize::from(area.height);
    let first =
        place.row.saturating_sub(height.saturating_sub(1)).min(rows.len().saturating_sub(height));
    let first = if place.row + 1 > height { first.max(place.row + 1 - height) } else { 0 };
    for (y, (n, row)) in (area.y..area.bottom()).zip(rows.iter().enumerate().skip(first)) {
        let current = n == place.row;
        let mark = place.marks.contains(&row.id);
        canvas.text((area.x, y), 1, if current { "\u{203A}" } else { " " }, Tone::Strong);
        canvas.text((area.x + 1, y), 1, if mark { "*" } else { " " }, Tone::Strong);
        for (column, x, width) in columns {
            let cell = row.cells.get(*column).map_or("", String::as_str);
            let tone = if *column == 0 || row.tone == Tone::Dim { row.tone } else { Tone::Plain };
            canvas.text((area.x + x, y), *width, cell, tone);
        }
        let whole = Rect { y, height: 1, ..area };
        canvas.hits(whole, Hit::Row(n));
        if current {
            canvas.reverse(whole);
        }
    }
}

fn named(model: &Model, title: &str, shown: usize, columns: &[Column]) -> String {
    let place = model.place();
    let mut words = title.to_owned();
    if let Some(slug) = &model.workspace {
        add(&mut words, format_args!("  of {slug}"));
    }
    if !place.filter.is_empty() {
        add(&mut words, format_args!("  /{}  {shown} fit", place.filter));
    }
    if let Some((column, reverse)) = place.sort
        && let Some(column) = columns.get(column)
    {
        add(
            &mut words,
            format_args!(
                "  sort {} {}",
                column.name.to_lowercase(),
                if reverse { "down" } else { "up" }
            ),
        );
    }
    if !place.marks.is_empty() {
        add(&mut words, format_args!("  {} marked", place.marks.len()));
    }
    words
}

/// Which columns there is room for: their place in a row, where they begin, how wide they are.
fn laid_out(columns: &[Column], width: u16, is_wide: bool) -> Vec<(usize, u16, u16)> {
    let shown = || columns.iter().enumerate().filter(|(_, c)| is_wide || !c.wide);
    let fixed: u16 = shown().map(|(_, c)| c.width + 1).sum();
    let growing = u16::try_from(shown().filter(|(_, c)| c.width == 0).count()).unwrap_or(1).max(1);
    let room = width.saturating_sub(3).saturating_sub(fixed) / growing;
    let mut x = 3;
    let mut out = Vec::new();
    for (n, column) in shown() {
        let wide = if column.width == 0 { room.max(8) } else { column.width };
        let left = width.saturating_sub(x);
        if left == 0 {
            break;
        }
        out.push((n, x, wide.min(left)));
        x = x.saturating_add(wide + 1);
    }
    out
}

/// The detail of a row, scrolled.
fn detail(model: &Model, canvas: &mut Canvas<'_>, area: Rect, title: &str, row: &Row) {
    let lines = (model.screen().detail)(model, row);
    let inner = canvas.frame(area, title);
    let name = lines.iter().map(|line| line.name.len()).max().unwrap_or(0);
    let name = u16::try_from(name).unwrap_or(0).min(14);
    let indent = if name > 0 { name + 2 } else { 0 };
    let mut all: Vec<(&str, String, Tone, u16)> = Vec::new();
    for Line { name, text, tone } in &lines {
        let heading = name.is_empty() && *tone == Tone::Strong;
        let x = if heading { 0 } else { indent };
        let wrapped = wrap(text, usize::from(inner.width.saturating_sub(x)));
        for (n, text) in wrapped.into_iter().enumerate() {
            all.push((if n == 0 { name } else { "" }, text, *tone, x));
        }
    }
    let scroll = if model.place().open { model.place().scroll } else { 0 };
    let scroll = scroll.min(all.len().saturating_sub(usize::from(inner.height)));
    for (y, (name, text, tone, x)) in (inner.y..inner.bottom()).zip(all.iter().skip(scroll)) {
        canvas.text((inner.x, y), indent, name, Tone::Dim);
        canvas.text((inner.x + x, y), inner.width.saturating_sub(*x), text, *tone);
    }
    let below = all.len().saturating_sub(scroll + usize::from(inner.height));
    if below > 0 && inner.width > 20 {
        let more = format!(" {below} more lines below ");
        canvas.right((area.right().saturating_sub(2), area.bottom() - 1), 24, &more, Tone::Dim);
    }
}
