//! What waits for a person: held, failed and partial, grouped by the reason.

use super::{Line, Row, Screen, Table, col, when, wide};
use crate::console::act::{Act, nothing, writes};
use crate::console::delivery;
use crate::console::model::Model;
use crate::service::{Of, Waiting};

pub const SCREEN: Screen = Screen {
    name: "held",
    key: Some('4'),
    tab: ("Held", "Held, failed"),
    about: "What broke, and what do I do?",
    table,
    detail,
    pane: 10,
    draw: None,
    enter: None,
    moves: None,
    keys: &[
        writes('d', "decide", "say what became of it: there, again, drop", delivery::decide),
        writes(
            'r',
            "send again",
            "try it again, after a question where it may be there",
            delivery::again,
        ),
        writes(
            'x',
            "let go",
            "held: it is not to go out; failed: off this list",
            delivery::dropped,
        ),
        writes('R', "", "send again all with the same reason on the same network", group),
        writes('e', "", "change its words; one that failed is written anew", delivery::words),
        writes('m', "", "give the post another time", delivery::moves),
        writes('c', "", "to its channel", |_, _| Act::Go("channels")),
    ],
};

fn key(of: &Of<Waiting>) -> (String, String, String) {
    (of.it.delivery.state.clone(), delivery::why(&of.it), of.it.delivery.network.clone())
}

fn table(model: &Model) -> Table {
    let mut all: Vec<&Of<Waiting>> = model.snap.overview.attention.iter().collect();
    // Held first: there somebody must decide.
    let rank = |of: &Of<Waiting>| match of.it.delivery.state.as_str() {
        "held" => 0,
        "failed" => 1,
        _ => 2,
    };
    all.sort_by(|a, b| {
        let order = rank(a).cmp(&rank(b)).then_with(|| key(a).cmp(&key(b)));
        order.then_with(|| b.it.delivery.due.cmp(&a.it.delivery.due))
    });
    let mut groups: Vec<_> = all.iter().map(|of| key(of)).collect();
    groups.dedup();
    let row = |of: &&Of<Waiting>| {
        let d = &of.it.delivery;
        let tries: u32 = d.parts.iter().map(|part| part.attempts).sum();
        Row::new(
            d.id.clone(),
            vec![
                d.state.clone(),
                delivery::why(&of.it),
                d.network.clone(),
                of.workspace.to_string(),
                when(model, &d.due),
                delivery::text(&of.it),
                of.it.channel.clone(),
                tries.to_string(),
            ],
        )
        .of(&of.workspace)
        .tone(delivery::tone(&of.it))
    };
    Table {
        title: format!("for a person  {} in {} groups", all.len(), groups.len()),
        columns: const {
            &[
                col("STATE", 7),
                col("WHY", 16),
                col("NETWORK", 9),
                col("WORKSP.", 9),
                col("DUE", 10),
                col("TEXT", 0),
                wide("CHANNEL", 20),
                wide("TRY", 3),
            ]
        },
        rows: all.iter().map(row).collect(),
        empty: "Nothing waits for a person.",
    }
}

fn detail(model: &Model, row: &Row) -> Vec<Line> {
    model.snap.waiting(&row.id).map(|of| delivery::detail(model, of)).unwrap_or_default()
}

/// Everything like the first of these.
fn group(model: &Model, rows: &[Row]) -> Act {
    let Some(like) = rows.first().and_then(|row| model.snap.waiting(&row.id)).map(key) else {
        return nothing("nothing is chosen");
    };
    let same = model
        .snap
        .overview
        .attention
        .iter()
        .filter(|of| key(of) == like && model.shows(&of.workspace));
    let rows: Vec<Row> = same.map(|of| Row::new(of.it.delivery.id.clone(), Vec::new())).collect();
    delivery::again(model, &rows)
}
