//! Which value counts, and where it was said. What is to be another is checked here, and said where
//! settings are kept: the server does not write them.

use serde_json::Value;

use super::{Line, Row, Screen, Table, col, line};
use crate::console::act::{Act, Ask, Choose, Command, Then, nothing, reads, writes};
use crate::console::canvas::Tone;
use crate::console::model::Model;
use crate::console::snapshot::Setting;

pub const SCREEN: Screen = Screen {
    name: "settings",
    key: None,
    tab: ("", ""),
    about: "Which value counts, and who said so?",
    table,
    detail,
    pane: 8,
    draw: None,
    enter: None,
    moves: None,
    keys: &[
        writes('e', "edit", "check another value, and see where to say it", edit),
        writes('d', "default", "see how it goes back to its default", default),
        reads('c', "changed only", "only what somebody set", |_, _| {
            Act::Filter("!default".to_owned())
        }),
        reads('C', "check", "what a reload would change, and every mistake in the file", |_, _| {
            Act::Run(vec![Command::new(("config", "preview"), "settings checked")])
        }),
        writes(
            '!',
            "reload",
            "read the file again, and apply what can change while it runs",
            |_, _| Act::Run(vec![Command::new(("config", "reload"), "settings read again")]),
        ),
    ],
};

fn table(model: &Model) -> Table {
    let row = |of: &Setting| Row {
        tone: if of.from == "default" { Tone::Dim } else { Tone::Plain },
        ..Row::new(
            of.key.clone(),
            vec![of.key.clone(), of.value.clone(), of.from.clone(), of.takes_effect.to_owned()],
        )
    };
    Table {
        title: format!("settings  {}", model.snap.settings.len()),
        columns: const { &[col("KEY", 28), col("VALUE", 0), col("FROM", 16), col("TAKES", 7)] },
        rows: model.snap.settings.iter().map(row).collect(),
        empty: "They are not known here.",
    }
}

fn found<'a>(model: &'a Model, row: &Row) -> Option<&'a Setting> {
    model.snap.settings.iter().find(|of| of.key == row.id)
}

fn detail(model: &Model, row: &Row) -> Vec<Line> {
    let Some(of) = found(model, row) else { return Vec::new() };
    vec![
        line("is", format!("{} = {}", of.key, of.value)),
        line("from", of.from.clone()),
        line("about", of.about.clone()),
        line(
            "change",
            format!(
                "e checks a value and says where it goes; it counts after {}",
                if of.takes_effect == "reload" { "! here" } else { "a restart" }
            ),
        ),
    ]
}

fn chosen<'a>(model: &'a Model, rows: &[Row]) -> Option<&'a Setting> {
    rows.first().and_then(|row| found(model, row))
}

fn tries(key: &str) -> Command {
    Command::new(("config", "try"), format!("{key} is checked"))
        .with("key", key)
        .then(Then::Setting)
}

fn edit(model: &Model, rows: &[Row]) -> Act {
    let Some(of) = chosen(model, rows) else { return nothing("nothing is chosen") };
    Act::Ask(Ask {
        title: of.key.clone(),
        lines: vec![
            of.about.clone(),
            format!("It is {}, from {}.", of.value, of.from),
            "What shall it be? It is checked; nothing is changed yet.".to_owned(),
        ],
        secret: false,
        rows: rows.iter().take(1).cloned().collect(),
        then: |model, rows, typed| match chosen(model, rows) {
            Some(of) => Act::Run(vec![tries(&of.key).with("to", typed)]),
            None => nothing("it is gone"),
        },
    })
}

fn default(model: &Model, rows: &[Row]) -> Act {
    match chosen(model, rows) {
        None => nothing("nothing is chosen"),
        Some(of) if of.from == "default" => nothing("it is the default already"),
        Some(of) => Act::Run(vec![tries(&of.key)]),
    }
}

/// What to do with a value that can be used: to write it down, and what counts at once.
pub fn tried(answer: &Value) -> Act {
    let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    let [key, value, shell] = ["key", "value", "shell"].map(text);
    let mut lines = vec![
        format!("It was {}, from {}.", text("was"), text("from")),
        "The server does not write its own settings. In a shell of whoever may:".to_owned(),
        String::new(),
        shell.clone(),
        format!("then: {}", text("then")),
    ];
    lines.extend(answer["but"].as_str().map(|but| format!("But {but}.")));
    let mut options = vec![('y', "copy the first of these lines".to_owned(), Act::Copy(shell))];
    if key == "log.level" {
        let level = value.trim_matches('"').to_owned();
        let command = Command::new(("log", "level"), format!("logs {level}")).with("level", level);
        let about = "log so at once, until the next reload or restart".to_owned();
        options.push(('l', about, Act::Run(vec![command])));
    }
    Act::Choose(Choose { title: format!("{key} = {value} can be used"), lines, options })
}
