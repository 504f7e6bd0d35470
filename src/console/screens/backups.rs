//! Could I restore tonight?

use super::{Line, Row, Screen, Table, bytes, col, distance, full, line};
use crate::console::act::{Act, Command, writes};
use crate::console::model::Model;
use crate::service::BackupShown;

pub const SCREEN: Screen = Screen {
    name: "backups",
    key: None,
    tab: ("", ""),
    about: "Could I restore tonight?",
    table,
    detail,
    pane: 9,
    draw: None,
    enter: None,
    moves: None,
    keys: &[writes('b', "back up now", "make a backup", |_, _| {
        Act::Run(vec![Command::new(("backup", "create"), "backup made")])
    })],
};

fn table(model: &Model) -> Table {
    let row = |of: &BackupShown| {
        let at = of.made_at;
        Row {
            copy: Some(of.path.clone()),
            ..Row::new(
                of.name.clone(),
                vec![
                    full(model, &at.to_string()),
                    distance(model.now, at),
                    bytes(of.bytes),
                    of.name.clone(),
                ],
            )
        }
    };
    Table {
        title: format!("backups  {}", model.snap.backups.len()),
        columns: const { &[col("MADE", 23), col("AGE", 10), col("SIZE", 8), col("FILE", 0)] },
        rows: model.snap.backups.iter().map(row).collect(),
        empty: "There is none. On another machine: `age-keygen -o offline.txt`. Here: `carillon config set \
                backup.recipients age1...`, a restart, then b makes one. backup.every = \"24h\" makes them by itself.",
    }
}

fn detail(model: &Model, row: &Row) -> Vec<Line> {
    let Some(of) = model.snap.backups.iter().find(|of| of.name == row.id) else {
        return Vec::new();
    };
    vec![
        line("file", of.path.clone()),
        line("made", full(model, &of.made_at.to_string())),
        line("size", bytes(of.bytes)),
        line(
            "needs",
            "the identity whose public key is in backup.recipients; this server cannot open it",
        ),
        line("verify", format!("carillon backup verify {} --identity offline.txt", of.path)),
        line(
            "restore",
            format!(
                "stop the server, carillon backup restore {} --identity offline.txt --replace",
                of.path
            ),
        ),
        line("then", "everything is paused, and what may be out is held until somebody looked"),
    ]
}
