//! The log as it is written: the newest at the end, followed until one moves away from it.

use super::{Line, Row, Screen, Table, clock, col, full, line, wide};
use crate::console::act::{Act, nothing, reads, writes};
use crate::console::canvas::Tone;
use crate::console::clean::clean;
use crate::console::model::{Model, Save};
use crate::console::snapshot::{LEVELS, LogLine};

pub const SCREEN: Screen = Screen {
    name: "logs",
    key: Some('9'),
    tab: ("Logs", "Logs"),
    about: "What is it doing? / searches, also by ids of requests and deliveries",
    table,
    detail,
    pane: 0,
    draw: None,
    enter: None,
    moves: None,
    keys: &[
        reads('f', "follow", "to the end, and stay there", |_, _| Act::Follow),
        reads('v', "level", "fewer or more: errors only, warnings, info, everything", |_, _| {
            Act::Step
        }),
        reads('E', "save", "save what is listed as a file, where this console was opened", save),
        writes('V', "", "which lines are written at all, until the next reload", |_, _| {
            Act::Type("log level ".to_owned())
        }),
    ],
};

fn tone(line: &LogLine) -> Tone {
    match line.rank() {
        0 => Tone::Bad,
        1 => Tone::Warn,
        2 => Tone::Plain,
        _ => Tone::Dim,
    }
}

fn table(model: &Model) -> Table {
    let at = super::SCREENS.iter().position(|screen| screen.name == "logs").unwrap_or(0);
    let place = model.places.get(at).cloned().unwrap_or_default();
    let most = usize::try_from(place.step.rem_euclid(5)).unwrap_or(2);
    let shown =
        model.snap.log.iter().filter(|line| line.rank() <= most || line.rank() == LEVELS.len());
    let row = |line: &std::sync::Arc<LogLine>| {
        let message = format!("{}  {}", line.message, line.fields);
        Row::new(
            line.number.to_string(),
            vec![clock(model, &line.at), line.level.clone(), line.target.clone(), message],
        )
        .tone(tone(line))
    };
    let follows = if place.loose { "\u{25CF} following" } else { "\u{25CB} f follows" };
    Table {
        title: format!("logs  {follows}  {} and worse", LEVELS[most.min(4)].to_lowercase()),
        columns: const { &[col("TIME", 8), col("LEVEL", 5), wide("WHERE", 22), col("WHAT", 0)] },
        rows: shown.map(row).collect(),
        empty: "No line yet.",
    }
}

/// What is listed, whole: one line each, as it fits the filter and the level.
fn save(model: &Model, _: &[Row]) -> Act {
    let all = &model.snap.log;
    let mut text = String::new();
    for row in super::rows(model) {
        let found = all.iter().find(|line| line.number.to_string() == row.id);
        if let Some(line) = found {
            let words = [&line.at, &line.level, &line.target, &line.message, &line.fields];
            text.push_str(words.map(|word| clean(word)).join(" ").trim_end());
            text.push('\n');
        }
    }
    if text.is_empty() {
        return nothing("there is no line to save");
    }
    Act::Save(Save::Text { name: super::file_name(model, "log", "txt"), text })
}

fn detail(model: &Model, row: &Row) -> Vec<Line> {
    let Some(found) = model.snap.log.iter().find(|line| line.number.to_string() == row.id) else {
        return Vec::new();
    };
    let mut lines = vec![
        line("when", full(model, &found.at)),
        Line { name: "level", text: found.level.clone(), tone: tone(found) },
        line("where", found.target.clone()),
        line("what", found.message.clone()),
    ];
    lines.extend(found.fields.split_whitespace().map(|field| line("", field)));
    lines
}
