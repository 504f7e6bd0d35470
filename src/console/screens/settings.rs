//! Which value counts, and where it was said.

use super::{Line, Row, Screen, Table, col, line};
use crate::console::act::{Act, Command, reads, writes};
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
        reads('c', "changed only", "only what somebody set", |_, _| {
            Act::Filter("!default".to_owned())
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

fn detail(model: &Model, row: &Row) -> Vec<Line> {
    let Some(of) = model.snap.settings.iter().find(|of| of.key == row.id) else {
        return Vec::new();
    };
    vec![
        line("is", format!("{} = {}", of.key, of.value)),
        line("from", of.from.clone()),
        line("about", of.about.clone()),
        line(
            "change",
            format!(
                "carillon config set {} VALUE, then {}",
                of.key,
                if of.takes_effect == "reload" { "! here" } else { "a restart" }
            ),
        ),
    ]
}
