//! Who uses it.

use super::{Line, Row, Screen, Table, col, full, line};
use crate::console::act::{Act, Ask, Command, nothing, reads, writes};
use crate::console::canvas::Tone;
use crate::console::model::Model;
use crate::service::shown::WorkspaceShown;

pub const SCREEN: Screen = Screen {
    name: "workspaces",
    key: None,
    tab: ("", ""),
    about: "Who uses it, and how much? Enter shows only that workspace.",
    table,
    detail,
    pane: 8,
    draw: None,
    enter: Some(|_, rows| match rows.first() {
        Some(row) => Act::Only(Some(row.id.clone())),
        None => nothing("there is no workspace yet; n makes one"),
    }),
    moves: None,
    keys: &[
        writes('n', "new", "make a workspace", make),
        writes('p', "pause, resume", "stop publishing for it, or let it go on", pause),
        reads('M', "members", "who belongs to them", |_, _| Act::Go("members")),
    ],
};

fn table(model: &Model) -> Table {
    let overview = &model.snap.overview;
    let row = |of: &WorkspaceShown| {
        let channels = overview.channels.iter().filter(|c| *c.workspace == *of.slug).count();
        let count = |all: &[crate::service::Of<crate::service::Waiting>]| {
            all.iter().filter(|w| *w.workspace == *of.slug).count().to_string()
        };
        Row {
            tone: if of.paused { Tone::Dim } else { Tone::Plain },
            ..Row::new(
                of.slug.clone(),
                vec![
                    of.slug.clone(),
                    of.name.clone(),
                    channels.to_string(),
                    count(&overview.queue),
                    count(&overview.attention),
                    if of.paused { "\u{25CB} paused" } else { "\u{25CF} on" }.to_owned(),
                ],
            )
        }
    };
    let more = if overview.more_workspaces { "+" } else { "" };
    Table {
        title: format!("workspaces  {}{more}", overview.workspaces.len()),
        columns: const {
            &[
                col("SLUG", 16),
                col("NAME", 0),
                col("CHANNELS", 8),
                col("QUEUED", 6),
                col("HELD", 4),
                col("STATE", 9),
            ]
        },
        rows: overview.workspaces.iter().map(row).collect(),
        empty: "There is no workspace yet. n makes the first one.",
    }
}

fn find<'a>(model: &'a Model, row: &Row) -> Option<&'a WorkspaceShown> {
    model.snap.overview.workspaces.iter().find(|of| of.slug == row.id)
}

fn detail(model: &Model, row: &Row) -> Vec<Line> {
    let Some(of) = find(model, row) else { return Vec::new() };
    vec![
        line("name", of.name.clone()),
        line("since", full(model, &of.created_at)),
        line(
            "state",
            if of.paused { "paused: nothing of it goes out" } else { "its posts go out" },
        ),
        line("id", of.id.clone()),
        line("shell", format!("carillon channel list -w {}", of.slug)),
    ]
}

fn make(_: &Model, _: &[Row]) -> Act {
    Act::Ask(Ask {
        title: "new workspace".to_owned(),
        lines: vec!["What do people call it? A short name is made from that.".to_owned()],
        secret: false,
        rows: Vec::new(),
        then: |_, _, typed| {
            if typed.is_empty() {
                return nothing("type a name; esc keeps everything as it is");
            }
            let command = Command::new(("workspace", "create"), format!("made workspace {typed}"));
            Act::Run(vec![command.with("name", typed)])
        },
    })
}

fn pause(model: &Model, rows: &[Row]) -> Act {
    let Some(first) = rows.first().and_then(|row| find(model, row)) else {
        return nothing("nothing is chosen");
    };
    let (verb, about) = if first.paused { ("resume", "it goes on") } else { ("pause", "paused") };
    let command = |row: &Row| Command {
        workspace: Some(row.id.clone()),
        ..Command::new(("workspace", verb), about)
    };
    Act::Run(rows.iter().map(command).collect())
}
