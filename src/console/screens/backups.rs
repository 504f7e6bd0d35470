//! Could I restore tonight?

use super::{Line, Row, Screen, Table, bytes, col, distance, full, line};
use crate::console::act::{Act, Ask, Command, nothing, writes};
use crate::console::model::Model;
use crate::service::BackupShown;

pub const SCREEN: Screen = Screen {
    name: "backups",
    key: None,
    tab: ("", ""),
    about: "Could I restore tonight?",
    table,
    detail,
    pane: 10,
    draw: None,
    enter: None,
    moves: None,
    keys: &[
        writes('b', "back up now", "make a backup", |_, _| {
            Act::Run(vec![Command::new(("backup", "create"), "backup made")])
        }),
        writes('t', "restore test", "restore it into a folder that goes away, and open it", test),
    ],
};

/// In a few words, whether it was restored for trial.
fn tested(model: &Model, of: &BackupShown) -> String {
    match (of.tested.as_deref(), of.tested_at) {
        (Some("ok"), Some(at)) => format!("\u{2713} {}", distance(model.now, at)),
        (Some(why), _) => format!("\u{2717} {why}"),
        _ => "-".to_owned(),
    }
}

fn test(model: &Model, rows: &[Row]) -> Act {
    let Some(of) = rows.first().and_then(|row| found(model, row)) else {
        return nothing("nothing is chosen");
    };
    Act::Ask(Ask {
        title: "restore test".to_owned(),
        lines: vec![
            of.name.clone(),
            "It is restored into a folder that goes away, opened, and checked row by row;"
                .to_owned(),
            "nothing of what runs is touched. What opens it? Paste the line that begins with"
                .to_owned(),
            "AGE-SECRET-KEY-1 of its identity: this server has none, and forgets it at once."
                .to_owned(),
        ],
        secret: true,
        rows: rows.iter().take(1).cloned().collect(),
        then: |model, rows, typed| match rows.first().and_then(|row| found(model, row)) {
            _ if typed.is_empty() => nothing("paste the identity"),
            Some(of) => {
                let about = format!("{} is restored for trial", of.name);
                let command = Command::new(("backup", "test"), about).with("name", of.name.clone());
                Act::Run(vec![command.with("identity", typed)])
            }
            None => nothing("it is gone"),
        },
    })
}

fn found<'a>(model: &'a Model, row: &Row) -> Option<&'a BackupShown> {
    model.snap.backups.iter().find(|of| of.name == row.id)
}

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
                    tested(model, of),
                    of.name.clone(),
                ],
            )
        }
    };
    Table {
        title: format!("backups  {}", model.snap.backups.len()),
        columns: const {
            &[col("MADE", 23), col("AGE", 9), col("SIZE", 7), col("TESTED", 12), col("FILE", 0)]
        },
        rows: model.snap.backups.iter().map(row).collect(),
        empty: "There is none. On another machine: `age-keygen -o offline.txt`. Here: `carillon config set \
                backup.recipients age1...`, a restart, then b makes one. backup.every = \"24h\" makes them by itself.",
    }
}

fn detail(model: &Model, row: &Row) -> Vec<Line> {
    let Some(of) = found(model, row) else { return Vec::new() };
    vec![
        line("file", of.path.clone()),
        line("made", full(model, &of.made_at.to_string())),
        line("size", bytes(of.bytes)),
        line(
            "tested",
            match (&of.tested, of.tested_at) {
                (Some(how), Some(at)) => format!("{how}, {}", full(model, &at.to_string())),
                _ => "never restored for trial; t does it".to_owned(),
            },
        ),
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
