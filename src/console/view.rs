//! Draws a model. Pure: the same model is the same screen; must not read a clock or ask anybody.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::act::{self, Choose, Confirm};
use super::canvas::{Canvas, Hit, Tone};
use super::clean::wrap;
use super::model::{Model, Popup};
use super::screens;
use super::snapshot::Snapshot;
use super::write::Draft;
use super::{help, list, palette};

/// The least that is drawn.
const LEAST: (u16, u16) = (60, 15);

/// Everything that is seen.
pub fn view(model: &Model, frame: &mut Frame<'_>, (mono, ascii): (bool, bool)) {
    let mut canvas = Canvas::new(frame.buffer_mut());
    paint(model, &mut canvas);
    canvas.fit(mono, ascii);
}

/// What a click there is on: it is drawn once more to know.
pub fn hit(model: &Model, at: (u16, u16)) -> Option<Hit> {
    let mut buffer = Buffer::empty(Rect::new(0, 0, model.size.0, model.size.1));
    let mut canvas = Canvas::new(&mut buffer);
    paint(model, &mut canvas);
    canvas.hit(at)
}

fn paint(model: &Model, canvas: &mut Canvas<'_>) {
    let area = canvas.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let words = format!(
            "80x24 or larger please (now {}x{}). q detaches, the server keeps running.",
            area.width, area.height
        );
        for (y, text) in (area.y..area.bottom()).zip(wrap(&words, usize::from(area.width))) {
            canvas.text((area.x, y), area.width, &text, Tone::Plain);
        }
    } else {
        header(model, canvas, area);
        let body = Rect { y: area.y + 2, height: area.height - 3, ..area };
        match model.screen().draw {
            Some(draw) if !model.place().open => draw(model, canvas, body),
            _ => list::screen(model, canvas, body),
        }
        footer(model, canvas, area);
        over(model, canvas, area);
    }
}

/// How it is, in a word and a sign.
pub fn health(snap: &Snapshot) -> (&'static str, Tone) {
    let status = &snap.status;
    if !status.store_ok {
        ("\u{2717} database fails", Tone::Bad)
    } else if status.disk == "out" || status.disk == "scarce" {
        ("\u{2717} disk full", Tone::Bad)
    } else if !status.publishing {
        ("! all paused", Tone::Warn)
    } else if !status.media_ok {
        ("! media fails", Tone::Warn)
    } else if status.disk == "low" || !status.circuits.is_empty() || snap.trouble.is_some() {
        ("! look at 6", Tone::Warn)
    } else if status.nobody_is_told.is_some() && screens::alerts::is_open(snap, "untold") {
        ("! nobody is told", Tone::Warn)
    } else {
        ("\u{25CF} healthy", Tone::Good)
    }
}

fn header(model: &Model, canvas: &mut Canvas<'_>, area: Rect) {
    let snap = &model.snap;
    let wide = area.width >= 110;
    let mut x = area.x + 1;
    let mut put = |canvas: &mut Canvas<'_>, text: &str, tone| {
        x += canvas.text((x, area.y), area.width.saturating_sub(x), text, tone) + 2;
    };
    let name = if wide {
        format!("carillon {}  {}", env!("CARGO_PKG_VERSION"), snap.host)
    } else {
        "carillon".to_owned()
    };
    put(canvas, &name, Tone::Strong);
    let (words, tone) = health(snap);
    put(canvas, words, tone);
    let status = &snap.status;
    put(
        canvas,
        &format!("due {}", status.late),
        if status.late > crate::service::LATE { Tone::Warn } else { Tone::Plain },
    );
    let counts = [("held", status.held), ("failed", status.failed + status.partial)];
    for (name, n) in counts {
        put(canvas, &format!("{name} {n}"), if n > 0 { Tone::Warn } else { Tone::Plain });
    }
    if status.reconnect > 0 {
        put(canvas, &format!("\u{25B2}{} reconnect", status.reconnect), Tone::Bad);
    }
    let busy = if model.busy > 0 { "\u{2026} " } else { "" };
    let utc = model.zone == jiff::tz::TimeZone::UTC;
    let time = model.local(model.now).strftime(if utc { "%H:%M:%SZ" } else { "%H:%M:%S %Z" });
    let right = format!("{busy}{} {time}", model.who);
    let room = area.width.saturating_sub(x).saturating_sub(1);
    canvas.right((area.right() - 1, area.y), room, &right, Tone::Plain);
    tabs(model, canvas, area, wide);
}

fn tabs(model: &Model, canvas: &mut Canvas<'_>, area: Rect, wide: bool) {
    let y = area.y + 1;
    let mut x = area.x;
    for (at, screen) in screens::tabs() {
        let key = screen.key.unwrap_or(' ');
        let label = if wide { screen.tab.1 } else { screen.tab.0 };
        let here = model.screen().name == screen.name;
        let (text, tone) = if here {
            (format!("[{key} {label}]"), Tone::Strong)
        } else {
            (format!(" {key} {label} "), Tone::Plain)
        };
        let wide = canvas.text((x, y), area.width.saturating_sub(x), &text, tone);
        canvas.hits(Rect { x, y, width: wide, height: 1 }, Hit::Screen(at));
        x += wide;
    }
    let screen = model.screen();
    if screen.key.is_none() {
        canvas.text(
            (x, y),
            area.width.saturating_sub(x),
            &format!("[{}]", screen.name),
            Tone::Strong,
        );
    } else if wide {
        canvas.text(
            (x, y),
            area.width.saturating_sub(x),
            "  : workspaces plan networks backups settings",
            Tone::Dim,
        );
    }
}

/// Verbs first, then how to get help and away, which is never cut. Or what was just said.
fn footer(model: &Model, canvas: &mut Canvas<'_>, area: Rect) {
    let always_said =
        if model.readonly { "(looks only)  ? help  q detach " } else { "? help  q detach " };
    let y = area.bottom() - 1;
    let always = u16::try_from(always_said.len()).unwrap_or(0);
    let room = area.width.saturating_sub(always + 2);
    canvas.right((area.right(), y), always, always_said, Tone::Plain);
    if let Some(Popup::Filter { .. }) = &model.popup {
        let line = format!("/{}\u{258F}   enter keeps it, esc drops it", model.place().filter);
        canvas.text((area.x + 1, y), room, &line, Tone::Strong);
        return;
    }
    if let Some(toast) = &model.toast {
        canvas.text((area.x + 1, y), room, &toast.text, toast.tone);
        return;
    }
    let mut hints: Vec<String> = Vec::new();
    let screen = model.screen();
    if model.place().open {
        hints.push("esc back".to_owned());
        hints.push("n next".to_owned());
    } else if screen.enter.is_none() && screen.draw.is_none() {
        hints.push("enter open".to_owned());
    } else if screen.enter.is_some() {
        hints.push("enter go".to_owned());
    }
    let keys = model.keys().filter(|bind| !bind.label.is_empty());
    hints.extend(keys.map(|bind| format!("{} {}", act::name(bind.key), bind.label)));
    hints.push("/ filter".to_owned());
    hints.push(": go, do".to_owned());
    let mut x = area.x + 1;
    for hint in hints {
        let wide = u16::try_from(super::clean::columns(&hint)).unwrap_or(u16::MAX);
        if x + wide > area.x + 1 + room {
            break;
        }
        x += canvas.text((x, y), wide, &hint, Tone::Plain) + 2;
    }
}

fn over(model: &Model, canvas: &mut Canvas<'_>, area: Rect) {
    match &model.popup {
        None | Some(Popup::Filter { .. }) => {}
        Some(Popup::Help { typed, row }) => help_box(model, canvas, area, typed, *row),
        Some(Popup::Palette { typed, row }) => palette_box(model, canvas, area, typed, *row),
        Some(Popup::Confirm { confirm, typed }) => confirm_box(canvas, area, confirm, typed),
        Some(Popup::Choose(choose)) => choose_box(canvas, area, choose),
        Some(Popup::Write(draft)) => write_box(canvas, area, draft),
        Some(Popup::Ask { ask, typed, wrong }) => {
            let shown =
                if ask.secret { "*".repeat(typed.chars().count().min(40)) } else { typed.clone() };
            let mut lines = texts(&ask.lines);
            lines.push((String::new(), Tone::Plain));
            lines.push((format!("\u{203A} {shown}\u{258F}"), Tone::Strong));
            lines.push((wrong.clone().unwrap_or_default(), Tone::Warn));
            lines.push(("enter goes on, esc keeps everything as it is".to_owned(), Tone::Dim));
            boxed(canvas, area, &ask.title, &lines, 0);
        }
        Some(Popup::Read { title, lines, scroll }) => {
            boxed(canvas, area, title, &texts(lines), *scroll);
        }
    }
}

fn texts(lines: &[String]) -> Vec<(String, Tone)> {
    lines.iter().map(|line| (line.clone(), Tone::Plain)).collect()
}

fn confirm_box(canvas: &mut Canvas<'_>, area: Rect, confirm: &Confirm, typed: &str) {
    let mut lines = texts(&confirm.lines);
    lines.push((String::new(), Tone::Plain));
    match &confirm.name {
        Some(name) => {
            lines.push((
                format!("Type  {name}  and enter, to {}:   {typed}\u{258F}", confirm.yes),
                Tone::Strong,
            ));
            lines.push((String::new(), Tone::Plain));
            lines.push(("esc keeps everything".to_owned(), Tone::Dim));
        }
        None => lines.push((format!("[ keep: enter ]     {} (y)", confirm.yes), Tone::Strong)),
    }
    boxed(canvas, area, &confirm.title, &lines, 0);
}

fn choose_box(canvas: &mut Canvas<'_>, area: Rect, choose: &Choose) {
    let mut lines = texts(&choose.lines);
    lines.push((String::new(), Tone::Plain));
    for (key, about, _) in &choose.options {
        lines.push((format!("{key}  {about}"), Tone::Strong));
    }
    lines.push((String::new(), Tone::Plain));
    lines.push(("esc keeps everything as it is".to_owned(), Tone::Dim));
    boxed(canvas, area, &choose.title, &lines, 0);
}

/// Several lines to type, the place where one types always among them.
fn write_box(canvas: &mut Canvas<'_>, area: Rect, draft: &Draft) {
    let (width, height) = (area.width.saturating_sub(4).min(100), area.height.saturating_sub(4));
    let inner = place(canvas, area, (width, height), &draft.title);
    if inner.height < 3 {
        return;
    }
    let width = inner.width.saturating_sub(2);
    let (rows, here) = draft.text.rows(usize::from(width));
    let room = usize::from(inner.height - 2);
    let first = (here + 1).saturating_sub(room);
    for (y, row) in (inner.y..inner.bottom() - 2).zip(rows.iter().skip(first)) {
        canvas.text((inner.x + 1, y), width, row, Tone::Plain);
    }
    let below = rows.len().saturating_sub(first + room);
    let parts = draft.parts();
    let long: Vec<String> = parts.iter().map(|part| part.chars().count().to_string()).collect();
    let mut said = format!("{} characters", long.join(" + "));
    if below > 0 {
        super::clean::add(&mut said, format_args!(", {below} more lines below"));
    }
    let wrong = draft.wrong.as_deref();
    let (said, tone) = wrong.map_or((said.as_str(), Tone::Dim), |wrong| (wrong, Tone::Warn));
    canvas.text((inner.x + 1, inner.bottom() - 2), width, said, tone);
    let keys = format!("ctrl-s saves  esc drops  enter: new line  {} alone: next part", draft.cut);
    canvas.text((inner.x + 1, inner.bottom() - 1), width, &keys, Tone::Strong);
}

/// A box in the middle, as high as what it says.
fn boxed(
    canvas: &mut Canvas<'_>,
    area: Rect,
    title: &str,
    lines: &[(String, Tone)],
    scroll: usize,
) {
    let width = area.width.saturating_sub(8).min(84);
    let inside = usize::from(width.saturating_sub(4));
    let wrapped: Vec<(String, Tone)> = lines
        .iter()
        .flat_map(|(text, tone)| wrap(text, inside).into_iter().map(|line| (line, *tone)))
        .collect();
    let wanted = u16::try_from(wrapped.len()).unwrap_or(u16::MAX).saturating_add(2);
    let inner = place(canvas, area, (width, wanted), title);
    let scroll = scroll.min(wrapped.len().saturating_sub(usize::from(inner.height)));
    for (y, (text, tone)) in (inner.y..inner.bottom()).zip(wrapped.iter().skip(scroll)) {
        canvas.text((inner.x + 1, y), inner.width.saturating_sub(1), text, *tone);
    }
    let below = wrapped.len().saturating_sub(scroll + usize::from(inner.height));
    if below > 0 {
        let more = format!(" {below} more: j, page down ");
        canvas.right((inner.right(), inner.bottom()), 30, &more, Tone::Dim);
    }
}

fn place(canvas: &mut Canvas<'_>, area: Rect, (width, height): (u16, u16), title: &str) -> Rect {
    let height = height.min(area.height.saturating_sub(3));
    let rect = Rect {
        x: area.x + (area.width.saturating_sub(width)) / 2,
        y: area.y + 2 + (area.height.saturating_sub(height + 3)) / 2,
        width,
        height,
    };
    canvas.clear(rect);
    canvas.frame(rect, title)
}

fn help_box(model: &Model, canvas: &mut Canvas<'_>, area: Rect, typed: &str, row: usize) {
    let found = help::lines(model, typed);
    let title = format!("help: {}      type to search: {typed}\u{258F}", model.screen().name);
    let height = area.height.saturating_sub(4);
    let inner = place(canvas, area, (area.width.saturating_sub(6).min(90), height), &title);
    if inner.height < 2 {
        return;
    }
    canvas.text(
        (inner.x + 1, inner.y),
        inner.width.saturating_sub(1),
        model.screen().about,
        Tone::Strong,
    );
    let rows = usize::from(inner.height - 1);
    let first = (row + 1).saturating_sub(rows);
    for (y, (n, line)) in (inner.y + 1..inner.bottom()).zip(found.iter().enumerate().skip(first)) {
        canvas.text((inner.x, y), 1, if n == row { "\u{203A}" } else { " " }, Tone::Strong);
        canvas.text((inner.x + 2, y), 18, &line.keys, Tone::Strong);
        canvas.text((inner.x + 21, y), inner.width.saturating_sub(21), &line.about, Tone::Plain);
        if n == row {
            canvas.reverse(Rect { y, height: 1, ..inner });
        }
    }
    if found.is_empty() {
        canvas.text(
            (inner.x + 2, inner.y + 1),
            inner.width,
            "nothing here is called so",
            Tone::Dim,
        );
    }
}

fn palette_box(model: &Model, canvas: &mut Canvas<'_>, area: Rect, typed: &str, row: usize) {
    let found = palette::entries(model, typed);
    let height = area.height.saturating_sub(4).min(20);
    let inner = place(canvas, area, (area.width.saturating_sub(6).min(96), height), ":");
    if inner.height < 4 {
        return;
    }
    let width = inner.width.saturating_sub(1);
    // The end of a long line is where one types.
    let tail: String = {
        let chars: Vec<char> = typed.chars().collect();
        let room = usize::from(width).saturating_sub(4);
        chars[chars.len().saturating_sub(room)..].iter().collect()
    };
    canvas.text((inner.x, inner.y), width, &format!("\u{203A} {tail}\u{258F}"), Tone::Strong);
    let rows = usize::from(inner.height - 3);
    let first = (row + 1).saturating_sub(rows);
    for (y, (n, entry)) in
        (inner.y + 2..inner.bottom() - 1).zip(found.iter().enumerate().skip(first))
    {
        let half = (inner.width * 3 / 5).max(20);
        canvas.text((inner.x, y), 1, if n == row { "\u{203A}" } else { " " }, Tone::Strong);
        canvas.text((inner.x + 2, y), half - 3, &entry.text, Tone::Plain);
        canvas.text((inner.x + half, y), inner.width.saturating_sub(half), &entry.about, Tone::Dim);
        if n == row {
            canvas.reverse(Rect { y, height: 1, ..inner });
        }
    }
    let words = "tab completes, enter runs; the same words work after `carillon`";
    canvas.text((inner.x + 2, inner.bottom() - 1), width, words, Tone::Dim);
}
