//! What goes out next, and why something waits.

use super::{Line, Row, Screen, Table, col, when, wide};
use crate::console::act::{reads, writes};
use crate::console::delivery;
use crate::console::model::Model;

pub const SCREEN: Screen = Screen {
    name: "queue",
    key: Some('2'),
    tab: ("Queue", "Queue"),
    about: "What goes out next, and why does this one wait?",
    table,
    detail,
    pane: 0,
    draw: None,
    enter: None,
    moves: None,
    keys: &[
        writes('m', "move", "another time: +1h, 17:30, tue 9:00", delivery::moves),
        writes('e', "edit", "change its words", delivery::words),
        writes('!', "publish now", "due now, after a question", delivery::now),
        writes('x', "cancel", "cancel the post, after a question", delivery::cancel),
        writes('d', "", "decide on what is held, or waits for approval", delivery::decide),
        reads('c', "", "to the channels", |_, _| crate::console::act::Act::Go("channels")),
    ],
};

fn table(model: &Model) -> Table {
    let all = &model.snap.overview.queue;
    let row = |of: &crate::service::Of<crate::service::Waiting>| {
        let d = &of.it.delivery;
        let next = d.next_look.as_ref().unwrap_or(&d.due);
        let tries: u32 = d.parts.iter().map(|part| part.attempts).sum();
        Row::new(
            d.id.clone(),
            vec![
                when(model, next),
                d.network.clone(),
                of.workspace.to_string(),
                delivery::text(&of.it),
                delivery::state(&of.it),
                of.it.channel.clone(),
                tries.to_string(),
            ],
        )
        .of(&of.workspace)
        .tone(delivery::tone(&of.it))
    };
    Table {
        title: format!(
            "queue  {}{}",
            all.len(),
            if all.len() >= super::super::feed::DELIVERIES { "+" } else { "" }
        ),
        columns: const {
            &[
                col("DUE", 10),
                col("NETWORK", 9),
                col("WORKSP.", 9),
                col("TEXT", 0),
                col("STATE", 15),
                wide("CHANNEL", 20),
                wide("TRY", 3),
            ]
        },
        rows: all.iter().map(row).collect(),
        empty: "Nothing is scheduled. `:post create` writes a post; the API and the pages do, too.",
    }
}

fn detail(model: &Model, row: &Row) -> Vec<Line> {
    model.snap.waiting(&row.id).map(|of| delivery::detail(model, of)).unwrap_or_default()
}
