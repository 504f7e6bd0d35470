//! The networks that this program knows, and what each asks for.

use super::{Line, Row, Screen, Table, col, line};
use crate::console::act::{Act, Command, nothing, writes};
use crate::console::canvas::Tone;
use crate::console::model::Model;
use crate::service::shown::NetworkShown;

pub const SCREEN: Screen = Screen {
    name: "networks",
    key: None,
    tab: ("", ""),
    about: "Which networks are there, what do they ask for, and which are paused?",
    table,
    detail,
    pane: 9,
    draw: None,
    enter: None,
    moves: None,
    keys: &[
        writes('p', "pause, resume", "stop publishing to it for everybody, or let it go on", pause),
        writes('n', "connect", "connect an account there", |_, rows| match rows.first() {
            Some(row) => Act::Type(format!("channel add --network {} --name ", row.id)),
            None => nothing("nothing is chosen"),
        }),
    ],
};

fn asks(of: &NetworkShown) -> String {
    let asked = [
        (of.asks_instance, "its server"),
        (of.asks_identifier, "a name to sign in"),
        (of.asks_token, "a token"),
        (of.asks_url, "an address"),
    ];
    let words: Vec<&str> =
        asked.iter().filter(|(asked, _)| *asked).map(|(_, word)| *word).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

fn table(model: &Model) -> Table {
    let row = |of: &NetworkShown| {
        let channels =
            model.snap.overview.channels.iter().filter(|c| c.it.network == of.id).count();
        Row {
            tone: if of.paused { Tone::Warn } else { Tone::Plain },
            ..Row::new(
                of.id.clone(),
                vec![
                    of.id.clone(),
                    if of.paused { "\u{25CB} paused" } else { "\u{25CF} on" }.to_owned(),
                    channels.to_string(),
                    asks(of),
                ],
            )
        }
    };
    Table {
        title: format!("networks  {}", model.snap.networks.len()),
        columns: const { &[col("NETWORK", 14), col("STATE", 9), col("CHANNELS", 8), col("ASKS FOR", 0)] },
        rows: model.snap.networks.iter().map(row).collect(),
        empty: "",
    }
}

fn detail(model: &Model, row: &Row) -> Vec<Line> {
    let Some(of) = model.snap.networks.iter().find(|of| of.id == row.id) else { return Vec::new() };
    let media = &of.limits.media;
    let mut lines = vec![
        line("name", of.title.clone()),
        line("asks for", asks(of)),
        line("text", format!("{} characters, {} parts", of.limits.text_max, of.limits.parts_max)),
        line("media", format!("{} in a part: {}", of.limits.media_max, media.types.join(", "))),
    ];
    lines.extend(
        of.options
            .iter()
            .map(|option| line("option", format!("{}: {}", option.name, option.about))),
    );
    lines
}

fn pause(model: &Model, rows: &[Row]) -> Act {
    let found = |row: &Row| model.snap.networks.iter().find(|of| of.id == row.id);
    let Some(first) = rows.first().and_then(found) else { return nothing("nothing is chosen") };
    let (verb, about) =
        if first.paused { ("resume", "it goes on") } else { ("pause", "paused for everybody") };
    let command = |row: &Row| Command::new(("network", verb), about).with("name", row.id.clone());
    Act::Run(rows.iter().map(command).collect())
}
