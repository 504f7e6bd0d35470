//! Who did what: the events of all workspaces, the newest at the end.

use super::{Line, Row, Screen, Table, col, full, line, when, wide};
use crate::console::act::{Act, Command, nothing, reads};
use crate::console::model::{Model, Save};
use crate::service::{Happened, Of};

pub const SCREEN: Screen = Screen {
    name: "events",
    key: Some('7'),
    tab: ("Events", "Events"),
    about: "Who did that, and when? / searches: actor:operator, action:post, object:0192",
    table,
    detail,
    pane: 7,
    draw: None,
    enter: None,
    moves: None,
    keys: &[
        reads('=', "same actor", "only what this actor did: type it after /", same),
        reads(
            'V',
            "check",
            "make every hash of the workspace's chain again, as it is stored",
            check,
        ),
        reads('E', "save", "save the workspace's chain, as `event verify` checks it", save),
        reads('L', "", "the log", |_, _| Act::Go("logs")),
    ],
};

fn id(of: &Of<Happened>) -> String {
    format!("{}/{}", of.workspace, of.it.number)
}

fn note(of: &Of<Happened>) -> String {
    let data = &of.it.event.data;
    let network = data.get("network").cloned();
    let rest = data.iter().filter(|(name, _)| name.as_str() != "network");
    let rest = rest.map(|(name, value)| format!("{name}={value}"));
    network.into_iter().chain(rest).collect::<Vec<_>>().join(" ")
}

/// An id is recognised by its end: its beginning is the time.
fn object(of: &Of<Happened>) -> String {
    let subject = &of.it.event.subject;
    format!("\u{2026}{}", subject.rsplit('-').next().unwrap_or(subject))
}

fn table(model: &Model) -> Table {
    let row = |of: &Of<Happened>| {
        let event = &of.it.event;
        Row::new(
            id(of),
            vec![
                when(model, &event.at.to_string()),
                event.actor.word(),
                event.kind.clone(),
                object(of),
                note(of),
                of.workspace.to_string(),
            ],
        )
        .of(&of.workspace)
    };
    let all = &model.snap.overview.events;
    Table {
        title: format!("events  the last {}", all.len()),
        columns: const {
            &[
                col("WHEN", 10),
                col("ACTOR", 13),
                col("ACTION", 19),
                col("OBJECT", 13),
                col("NOTE", 0),
                wide("WORKSPACE", 12),
            ]
        },
        rows: all.iter().map(row).collect(),
        empty: "Nothing has happened yet.",
    }
}

fn detail(model: &Model, row: &Row) -> Vec<Line> {
    let Some(of) = model.snap.overview.events.iter().find(|of| id(of) == row.id) else {
        return Vec::new();
    };
    let event = &of.it.event;
    let mut lines = vec![
        line("event", format!("{}  number {} of {}", event.kind, of.it.number, of.workspace)),
        line("when", full(model, &event.at.to_string())),
        line("actor", event.actor.word()),
        line("object", event.subject.clone()),
    ];
    lines.extend(event.data.iter().map(|(name, value)| line("", format!("{name}: {value}"))));
    lines.push(line("log", format!("9, then / {}", event.correlation)));
    lines
}

/// The workspace whose chain is meant: that of the row.
fn chain_of(rows: &[Row]) -> Option<&String> {
    rows.first().and_then(|row| row.workspace.as_ref())
}

fn check(_: &Model, rows: &[Row]) -> Act {
    let Some(row) = rows.first() else { return nothing("nothing is chosen") };
    Act::Run(vec![Command::new(("event", "check"), "the chain was checked").of(row)])
}

fn save(model: &Model, rows: &[Row]) -> Act {
    let Some(workspace) = chain_of(rows) else { return nothing("nothing is chosen") };
    let name = super::file_name(model, &format!("events-{workspace}"), "jsonl");
    Act::Save(Save::Events { name, workspace: workspace.clone() })
}

fn same(_: &Model, rows: &[Row]) -> Act {
    let actor = rows.first().and_then(|row| row.cells.get(1).cloned());
    actor
        .map_or_else(|| nothing("nothing is chosen"), |actor| Act::Filter(format!("actor:{actor}")))
}
