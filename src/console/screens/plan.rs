//! Which plan each workspace has, and what it uses of it.

use super::{Line, Row, Screen, Table, col, line};
use crate::console::act::{Act, nothing, reads, writes};
use crate::console::canvas::Tone;
use crate::console::model::Model;
use crate::service::{Of, PlanShown};

pub const SCREEN: Screen = Screen {
    name: "plan",
    key: None,
    tab: ("", ""),
    about: "Which limits are there, and who is near one?",
    table,
    detail,
    pane: 8,
    draw: None,
    enter: None,
    moves: None,
    keys: &[
        writes('e', "give a plan", "another plan, or another limit", |_, rows| typed(rows, "set")),
        reads('p', "preview", "what another plan would cut", |_, rows| typed(rows, "preview")),
    ],
};

fn used(used: u64, limit: Option<u64>) -> String {
    limit.map_or_else(|| format!("{used}"), |limit| format!("{used} of {limit}"))
}

/// Nearly all of it is used, or all.
fn is_near(used: u64, limit: Option<u64>) -> bool {
    limit.is_some_and(|limit| used.saturating_mul(10) >= limit.saturating_mul(9))
}

fn table(model: &Model) -> Table {
    let row = |of: &Of<PlanShown>| {
        let plan = &of.it;
        let (channels, posts) = (&plan.channels, plan.posts_a_month.first());
        let near = is_near(channels.used, channels.limit)
            || posts.is_some_and(|month| is_near(month.used, month.limit));
        let name =
            if plan.by_default { format!("{} (default)", plan.plan) } else { plan.plan.clone() };
        let note = if near { "! near a limit" } else { "" };
        let posts = posts.map(|month| used(month.used, month.limit)).unwrap_or_default();
        let cells = vec![
            of.workspace.to_string(),
            name,
            used(channels.used, channels.limit),
            posts,
            note.to_owned(),
        ];
        Row::new(of.workspace.to_string(), cells).of(&of.workspace).tone(if near {
            Tone::Warn
        } else {
            Tone::Plain
        })
    };
    let all = &model.snap.overview.plans;
    Table {
        title: format!("plans  of {} workspaces", all.len()),
        columns: const {
            &[
                col("WORKSPACE", 16),
                col("PLAN", 20),
                col("CHANNELS", 12),
                col("POSTS THIS MONTH", 16),
                col("NOTE", 0),
            ]
        },
        rows: all.iter().map(row).collect(),
        empty: "There is no workspace yet.",
    }
}

fn detail(model: &Model, row: &Row) -> Vec<Line> {
    let Some(of) = model.snap.overview.plans.iter().find(|of| *of.workspace == *row.id) else {
        return Vec::new();
    };
    let plan = &of.it;
    let mut lines = vec![
        line("plan", plan.plan.clone()),
        line("channels", used(plan.channels.used, plan.channels.limit)),
    ];
    let months = plan.posts_a_month.iter();
    lines.extend(months.map(|m| line("posts", format!("{}: {}", m.month, used(m.used, m.limit)))));
    lines.push(line("has", plan.features.join(", ")));
    lines.push(line("over", "what is over a limit stays and goes out; more is refused with 402"));
    lines
}

fn typed(rows: &[Row], verb: &str) -> Act {
    match rows.first() {
        Some(row) => Act::Type(format!("plan {verb} -w {} ", row.id)),
        None => nothing("nothing is chosen"),
    }
}
